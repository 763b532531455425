//! The plugin's window: reads [`Shared`], sets [`LuthierParams`], asks by [`crate::shared::Request`].

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use egui::{CentralPanel, Context, Ui};
use nice_plug::context::gui::GuiContext;
use nice_plug_egui::baseview::HandlerError;
use nice_plug_egui::baseview::dpi::LogicalSize;
use nice_plug_egui::widgets::ParamSlider;
use nice_plug_egui::{
    EguiEditor, EguiEditorState, EguiNiceSettings, Frame, NiceEguiApp, RepaintNotifier, create_egui_editor,
};

use crate::params::LuthierParams;
use crate::shared::Shared;

/// Size and zoom of the window.
pub type EditorWindow = Arc<EguiEditorState>;

/// The window's state at its default size.
pub fn window() -> EditorWindow {
    EguiEditorState::from_size(LogicalSize::new(560.0, 420.0), 1.0)
}

/// The editor that nice-plug opens.
pub fn create(
    window: &EditorWindow,
    repaint: &RepaintNotifier,
    app: EditorApp,
) -> Option<EguiEditor<EditorApp>> {
    let settings = EguiNiceSettings::new().with_tile("Luthier");
    create_egui_editor(Arc::clone(window), repaint.clone(), settings, app)
}

/// What is drawn.
pub struct EditorApp {
    params: Arc<LuthierParams>,
    shared: Arc<Shared>,
    /// While the window is open.
    host: Option<GuiContext>,
}

impl EditorApp {
    /// Shows one instance.
    pub fn new(params: Arc<LuthierParams>, shared: Arc<Shared>) -> Self {
        Self { params, shared, host: None }
    }

    fn sliders(&self, ui: &mut Ui, host: &GuiContext) {
        let (params, setter) = (&self.params, host.param_setter());
        let mut row = |name: &str, slider: &mut dyn FnMut(&mut Ui)| {
            ui.horizontal(|ui| {
                ui.label(name);
                slider(ui);
            });
        };
        row("Style", &mut |ui| drop(ui.add(ParamSlider::for_param(&params.style, &setter))));
        row("Strength", &mut |ui| drop(ui.add(ParamSlider::for_param(&params.strength, &setter))));
        row("Mix", &mut |ui| drop(ui.add(ParamSlider::for_param(&params.mix, &setter))));
    }

    fn status(&self, ui: &mut Ui) {
        let status = &self.shared.status;
        let words = self.shared.words.lock().clone();
        ui.label(format!(
            "{}  {}  latency {} samples  real-time factor {:.3}  late {}  failed {}",
            words.model,
            words.device,
            status.latency_samples.load(Relaxed),
            status.real_time_factor.get(),
            status.late.load(Relaxed),
            status.failed.load(Relaxed),
        ));
        if let Some(message) = words.message {
            ui.label(message.text);
        }
    }
}

impl NiceEguiApp for EditorApp {
    fn build(&mut self, _: Context, host: GuiContext, _: &mut Frame) -> Result<(), HandlerError> {
        self.host = Some(host);
        Ok(())
    }

    fn ui(&mut self, ui: &mut Ui, _: &mut Frame) {
        let Some(host) = self.host.clone() else { return };
        CentralPanel::default().show(ui, |ui| {
            ui.heading("Luthier");
            self.sliders(ui, &host);
            self.status(ui);
        });
    }

    fn editor_closed(&mut self) {
        self.host = None;
    }
}
