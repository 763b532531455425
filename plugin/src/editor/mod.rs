//! The plugin's window: reads [`Shared`], sets [`LuthierParams`] and sends [`Request`]s.
//!
//! From top to bottom: header with name, message and meters; styles; spectrograms before and after;
//! controls; status line. It draws at the refresh rate of the screen and holds no lock that the
//! audio thread needs. Files can be dropped on it.

mod clip_light;
mod drop_target;
mod file_browser;
mod gesture;
mod knob;
mod meter;
mod outline;
mod spectrogram;
mod status_line;
mod style_picker;
mod switch;
mod theme;
mod thumbnail;
pub mod window;

#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use egui::{
    Align, CentralPanel, Context, Frame, Layout, Rect, RichText, Ui, UiBuilder, pos2, vec2,
};
use nice_plug::context::gui::GuiContext;
use nice_plug::prelude::ParamSetter;

use crate::params::{Latency, LuthierParams, Steps};
use crate::shared::{Request, Severity, Shared};
use crate::style_slot::{CAPTURED, FILE};
use clip_light::ClipLight;
use drop_target::DropTarget;
use file_browser::{FileBrowser, Outcome, Purpose};
use knob::Knob;
use meter::Meter;
use spectrogram::Spectrograms;
use style_picker::StylePicker;
use thumbnail::Thumbnails;

// Heights of the rows, in points.
const HEADER: f32 = 34.0;
const STYLES: f32 = 132.0;
const CONTROLS: f32 = 108.0;
const STATUS: f32 = 20.0;
/// Width of the meters in the header, in points.
const METERS_WIDTH: f32 = 190.0;
/// Width of the clip light to the right of the meters, in points.
const CLIP_LIGHT_WIDTH: f32 = 32.0;

/// Notice after a change of the latency mode: hosts read the latency only at activation.
const RESTART_NOTICE: &str = "The new latency takes effect when the host restarts the plugin. \
                              If it does not, disable and re-enable the plugin.";

/// State and contents of the editor.
pub struct EditorApp {
    params: Arc<LuthierParams>,
    shared: Arc<Shared>,
    /// `None` while the window is closed.
    host: Option<GuiContext>,
    thumbnails: Thumbnails,
    spectrograms: Spectrograms,
    meters: [Meter; 3],
    clip_light: ClipLight,
    browser: Option<FileBrowser>,
    drop_target: DropTarget,
    /// Folder of the last chosen file.
    folder: PathBuf,
    /// Folder of the user's saved styles.
    styles_folder: PathBuf,
    /// Numbers of captures and style files in the last frame.
    seen: [u64; 2],
}

impl EditorApp {
    /// A closed editor of one instance.
    pub fn new(params: Arc<LuthierParams>, shared: Arc<Shared>) -> Self {
        let seen = style_counts(&shared);
        Self {
            params,
            shared,
            host: None,
            thumbnails: Thumbnails::default(),
            spectrograms: Spectrograms::default(),
            meters: Default::default(),
            clip_light: ClipLight::default(),
            browser: None,
            drop_target: DropTarget::default(),
            folder: dirs::home_dir().unwrap_or_else(|| PathBuf::from("/")),
            styles_folder: styles_folder(),
            seen,
        }
    }

    /// Called when the window opens.
    fn open(&mut self, context: &Context, host: GuiContext) {
        theme::apply(context);
        self.clear_textures();
        self.host = Some(host);
    }

    /// Called when the window closes.
    fn close(&mut self) {
        self.host = None;
        self.browser = None;
        self.drop_target = DropTarget::default();
        self.clear_textures();
    }

    /// Sets the files that are dragged over the window; empty when they have left it. Returns
    /// whether one of them can be opened.
    fn hover(&mut self, paths: &[PathBuf]) -> bool {
        self.drop_target.hover(paths)
    }

    /// Opens one of the files that were dropped on the window. Returns whether one can be opened.
    fn drop_files(&mut self, paths: &[PathBuf]) -> bool {
        let opened = self.drop_target.accept(paths, &self.shared);
        if opened {
            self.browser = None;
        }
        opened
    }

    /// Drops the textures, which belong to one window's context.
    fn clear_textures(&mut self) {
        self.thumbnails = Thumbnails::default();
        self.spectrograms = Spectrograms::default();
    }

    /// Draws one frame and requests the next.
    fn show(&mut self, ui: &mut Ui) {
        let Some(host) = self.host.clone() else { return };
        let frame = Frame::NONE.fill(theme::BACKGROUND);
        CentralPanel::default().frame(frame).show(ui, |ui| self.contents(ui, &host));
        let rendering = self.shared.status.offline.load(Relaxed);
        if !rendering && self.shared.restart.is_due(self.params.latency.value()) {
            host.request_restart();
        }
        ui.ctx().request_repaint();
    }

    /// Selects a style that was captured or opened since the last frame.
    fn select_new_style(&mut self, setter: &ParamSetter) {
        let now = style_counts(&self.shared);
        for (i, slot) in [CAPTURED, FILE].into_iter().enumerate() {
            if now[i] != self.seen[i] {
                gesture::set(setter, &self.params.style, slot);
            }
        }
        self.seen = now;
    }

    fn header(&mut self, ui: &mut Ui, rect: Rect) {
        let painter = ui.painter();
        let name = painter.layout_no_wrap(
            "Luthier".into(),
            egui::FontId::proportional(22.0),
            theme::ACCENT,
        );
        let place = pos2(rect.left(), rect.center().y - name.size().y / 2.0);
        let text_left = place.x + name.size().x + 20.0;
        painter.galley(place, name, theme::ACCENT);
        let meters_left = rect.right() - METERS_WIDTH;
        let bar_width = METERS_WIDTH - CLIP_LIGHT_WIDTH - 6.0;
        for (i, name) in ["Input", "Output"].into_iter().enumerate() {
            let top = rect.top() + (i as f32 + 0.5) * rect.height() / 2.0 - 5.0;
            let bar = Rect::from_min_size(pos2(meters_left, top), vec2(bar_width, 10.0));
            self.meters[i].show(ui, bar, name, theme::ACCENT);
        }
        let light = rect.with_min_x(rect.right() - CLIP_LIGHT_WIDTH).with_min_y(rect.center().y);
        self.clip_light.show(ui, light);
        let message = rect.with_min_x(text_left).with_max_x(meters_left - 20.0);
        in_rect(ui, message, |ui| self.message(ui));
    }

    fn message(&self, ui: &mut Ui) {
        let Some(message) = self.shared.texts.lock().message.clone() else { return };
        let color = match message.severity {
            Severity::Note => theme::TEXT,
            Severity::Warning => theme::WARNING,
        };
        ui.with_layout(Layout::left_to_right(Align::Center), |ui| {
            if ui.small_button("\u{d7}").on_hover_text("Close this message.").clicked() {
                self.shared.texts.lock().message = None;
            }
            let text = RichText::new(&message.text).font(theme::SMALL).color(color);
            ui.add(egui::Label::new(text).wrap()).on_hover_text(&message.text);
        });
    }

    fn styles(&mut self, ui: &mut Ui, rect: Rect, setter: ParamSetter) {
        let picker = StylePicker {
            params: &self.params,
            shared: &self.shared,
            setter,
            thumbnails: &self.thumbnails,
            sidechain: &self.meters[2],
        };
        if let Some(purpose) = picker.show(ui, rect) {
            self.browser =
                Some(FileBrowser::new(purpose, self.folder.clone(), self.styles_folder.clone()));
        }
    }

    fn spectrograms(&mut self, ui: &mut Ui, rect: Rect) {
        let status = &self.shared.status;
        let (position, rate) = (status.position.load(Relaxed), status.sample_rate_hz.load(Relaxed));
        let style = self.shared.texts.lock().style.clone();
        let pictures = self.shared.pictures.lock();
        let after = match style.as_str() {
            _ if pictures.windows.is_empty() => "After".to_string(),
            _ if self.params.bypass.value() => "After: bypassed".to_string(),
            "" => "After: dry".into(),
            style => format!("After: {style}"),
        };
        self.spectrograms.show(ui, rect, &pictures, position, rate, &after);
    }

    fn browser(&mut self, ui: &mut Ui, rect: Rect) {
        let Some(browser) = &mut self.browser else { return };
        ui.painter().rect_filled(rect, theme::ROUNDING, theme::PANEL);
        let Some(outcome) = in_rect(ui, rect.shrink(12.0), |ui| browser.show(ui)) else { return };
        let purpose = browser.purpose();
        if !matches!(purpose, Purpose::SaveStyle(_)) {
            self.folder = browser.folder().to_path_buf();
        }
        self.browser = None;
        if let Outcome::Chosen(path) = outcome {
            self.shared.request(purpose.request(path));
        }
    }

    fn knobs(&self, ui: &mut Ui, setter: &ParamSetter) {
        let params = &self.params;
        ui.spacing_mut().item_spacing.x = 3.0;
        ui.horizontal(|ui| {
            ui.add(Knob::new(
                &params.strength,
                setter,
                "How much of the input the model replaces. 0 % keeps the sound of the input.",
            ));
            ui.add(Knob::new(
                &params.dynamics,
                setter,
                "Whose level the output follows. \
                 100 % is the input's level, 0 % is the decay of the new instrument.",
            ));
            ui.add(Knob::new(
                &params.mix,
                setter,
                "Balance of dry and wet. 0 % is the delayed input, 100 % is the new instrument.",
            ));
            ui.add(Knob::new(
                &params.guidance,
                setter,
                "How strongly the style is applied. \
                 Any value other than 1 doubles the time of a step.",
            ));
            ui.add(Knob::new(&params.input_gain, setter, "Gain before the transfer."));
            ui.add(Knob::new(&params.output_gain, setter, "Gain after the transfer."));
            ui.add(Knob::new(
                &params.seed,
                setter,
                "Another seed renders another variation. \
                 The same seed always renders the same output.",
            ));
        });
    }

    fn switches(&mut self, ui: &mut Ui, setter: &ParamSetter) {
        let params = Arc::clone(&self.params);
        ui.spacing_mut().item_spacing = vec2(4.0, 6.0);
        ui.horizontal(|ui| {
            ui.label(RichText::new("Steps").font(theme::BODY));
            ui.with_layout(Layout::right_to_left(Align::Center), |ui| self.latency(ui, setter));
        });
        let steps = [
            (Steps::Two, "2", "2 steps (default): least computing time, best measured quality."),
            (Steps::Four, "4", "4 steps: 1.2 times the computing time of 2 steps."),
            (Steps::Ten, "10", "10 steps: twice the computing time of 2 steps. More variation."),
            (
                Steps::Fifty,
                "50",
                "50 steps: 7 times the computing time of 2 steps. Bounce offline.",
            ),
        ];
        switch::choice(ui, &params.steps, setter, &steps);
        ui.horizontal(|ui| {
            let freeze = "Hold the current style of the sidechain until Freeze is off.";
            switch::toggle(ui, &params.freeze, setter, "Freeze", freeze);
            switch::toggle(
                ui,
                &params.bypass,
                setter,
                "Bypass",
                "Output the input unchanged, delayed by the latency.",
            );
            let limiter = "Keep the true peaks of the output below -1 dBTP. \
                           Quieter output and the latency do not change.";
            switch::toggle(ui, &params.limiter, setter, "Limiter", limiter);
            ui.spacing_mut().interact_size.y = switch::HEIGHT;
            ui.menu_button("Model\u{2026}", |ui| self.models(ui));
        });
    }

    /// The latency mode: a menu, because it is rarely changed.
    fn latency(&self, ui: &mut Ui, setter: &ParamSetter) {
        let param = &self.params.latency;
        let modes = [
            (Latency::Quality, "Quality: 5 s latency. Full quality, lowest CPU load."),
            (
                Latency::Balanced,
                "Balanced: 1 s latency. Full quality, triple CPU load, at most 4 steps.",
            ),
            (Latency::Live, "Live: 0.2 s latency. Lower quality, 1 step, needs a fast CPU."),
        ];
        ui.menu_button(format!("Latency: {param}"), |ui| {
            for (mode, text) in modes {
                if ui.button(text).clicked() {
                    gesture::set(setter, param, mode);
                    if self.shared.status.active.load(Relaxed) {
                        self.shared.notify(Severity::Note, RESTART_NOTICE);
                    }
                    ui.close();
                }
            }
        });
    }

    fn models(&mut self, ui: &mut Ui) {
        if ui.button("Use the shipped model").clicked() {
            self.shared.request(Request::LoadShippedModel);
            ui.close();
        }
        if ui.button("Open a model file\u{2026}").clicked() {
            self.browser =
                Some(FileBrowser::new(Purpose::OpenModel, self.folder.clone(), PathBuf::new()));
            ui.close();
        }
    }

    fn controls(&mut self, ui: &mut Ui, rect: Rect, setter: &ParamSetter) {
        ui.painter().rect_filled(rect, theme::ROUNDING, theme::PANEL);
        let rect = rect.shrink(8.0);
        let right = rect.right() - 270.0;
        in_rect(ui, rect.with_max_x(right), |ui| self.knobs(ui, setter));
        in_rect(ui, rect.with_min_x(right + 10.0), |ui| self.switches(ui, setter));
    }

    fn update_meters(&mut self, ui: &Ui) {
        let seconds = ui.input(|input| input.stable_dt).min(0.1);
        let meters = &self.shared.meters;
        // Before the meters, which reset the peaks.
        self.clip_light.update(&meters.output);
        for (shown, peaks) in
            self.meters.iter_mut().zip([&meters.input, &meters.output, &meters.sidechain])
        {
            shown.update(peaks, seconds);
        }
    }

    fn contents(&mut self, ui: &mut Ui, host: &GuiContext) {
        let setter = host.param_setter();
        self.select_new_style(&setter);
        self.update_meters(ui);
        self.thumbnails.create_next(ui.ctx());
        let whole = ui.max_rect().shrink(theme::GAP);
        let mut top = whole.top();
        let mut row = |height: f32| {
            let rect = Rect::from_min_size(pos2(whole.left(), top), vec2(whole.width(), height));
            top += height + theme::GAP;
            rect
        };
        let header = row(HEADER);
        let styles = row(STYLES);
        let fixed = HEADER + STYLES + CONTROLS + STATUS + 4.0 * theme::GAP;
        let spectrograms = row((whole.height() - fixed).max(60.0));
        let (controls, status) = (row(CONTROLS), row(STATUS));
        self.header(ui, header);
        if self.browser.is_some() {
            self.browser(ui, styles.union(spectrograms));
        } else {
            self.styles(ui, styles, host.param_setter());
            self.spectrograms(ui, spectrograms);
        }
        self.controls(ui, controls, &setter);
        status_line::show(ui, status, &self.shared);
        self.drop_target.show(ui, styles.union(spectrograms));
    }
}

/// Folder of the user's saved styles, for example `~/.local/share/Luthier/Styles`.
fn styles_folder() -> PathBuf {
    let data = dirs::data_dir().or_else(dirs::home_dir).unwrap_or_else(std::env::temp_dir);
    data.join("Luthier").join("Styles")
}

/// Numbers of captures and of opened style files.
fn style_counts(shared: &Shared) -> [u64; 2] {
    [shared.status.captures.load(Relaxed), shared.status.files.load(Relaxed)]
}

/// Lays out and clips widgets in `rect`.
fn in_rect<R>(ui: &mut Ui, rect: Rect, add: impl FnOnce(&mut Ui) -> R) -> R {
    ui.scope_builder(UiBuilder::new().max_rect(rect), |ui| {
        ui.set_clip_rect(rect.intersect(ui.clip_rect()));
        add(ui)
    })
    .inner
}
