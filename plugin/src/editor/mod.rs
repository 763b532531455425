//! The plugin's window: reads [`Shared`], sets [`LuthierParams`], asks by [`Request`].
//!
//! From top to bottom: name, meters and message; the styles; before and after; the controls; the
//! status line. It draws as often as the screen does and touches nothing that the audio thread
//! could wait for. Files can be let go over it.

mod drop_target;
mod file_browser;
mod gesture;
mod knob;
mod meter;
mod portrait;
mod spectrogram;
mod status_line;
mod style_picker;
mod switch;
mod theme;
pub mod window;

#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use egui::{
    Align, CentralPanel, Context, Frame as Ground, Layout, Rect, RichText, Ui, UiBuilder, pos2,
    vec2,
};
use nice_plug::context::gui::GuiContext;
use nice_plug::prelude::ParamSetter;

use crate::params::{Latency, LuthierParams, Steps};
use crate::shared::{Request, Severity, Shared};
use crate::style_slot::{CAPTURED, FILE};
use drop_target::DropTarget;
use file_browser::{Answer, FileBrowser, Wanted};
use knob::Knob;
use meter::Meter;
use portrait::Portraits;
use spectrogram::Spectrograms;
use style_picker::StylePicker;

const HEADER: f32 = 34.0;
const STYLES: f32 = 132.0;
const CONTROLS: f32 = 108.0;
const STATUS: f32 = 20.0;

/// What a user must know who has chosen another latency: a host asks for it when it activates a
/// plugin, and then trusts it.
const RESTART: &str = "The new latency holds from when the host restarts the plugin, as it is asked to; where it does not, switch it off and on.";

/// What is drawn.
pub struct EditorApp {
    params: Arc<LuthierParams>,
    shared: Arc<Shared>,
    /// While the window is open.
    host: Option<GuiContext>,
    portraits: Portraits,
    spectrograms: Spectrograms,
    meters: [Meter; 3],
    browser: Option<FileBrowser>,
    drop_target: DropTarget,
    /// Where the last file was chosen.
    folder: PathBuf,
    /// Where the user's styles are kept.
    styles_folder: PathBuf,
    /// Captures and style files that have been seen: a new one is chosen at once.
    seen: [u64; 2],
}

impl EditorApp {
    /// Shows one instance.
    pub fn new(params: Arc<LuthierParams>, shared: Arc<Shared>) -> Self {
        let seen = counts(&shared);
        Self {
            params,
            shared,
            host: None,
            portraits: Portraits::default(),
            spectrograms: Spectrograms::default(),
            meters: Default::default(),
            browser: None,
            drop_target: DropTarget::default(),
            folder: dirs::home_dir().unwrap_or_else(|| PathBuf::from("/")),
            styles_folder: styles_folder(),
            seen,
        }
    }

    /// The window stands.
    fn open(&mut self, context: &Context, host: GuiContext) {
        theme::apply(context);
        self.forget_textures();
        self.host = Some(host);
    }

    /// The window is gone.
    fn close(&mut self) {
        self.host = None;
        self.browser = None;
        self.drop_target = DropTarget::default();
        self.forget_textures();
    }

    /// Files hang over the window, or (none) no more; says whether one of them can be opened.
    fn hover(&mut self, paths: &[PathBuf]) -> bool {
        self.drop_target.hover(paths)
    }

    /// Files were let go over the window; says whether one of them is opened.
    fn drop_files(&mut self, paths: &[PathBuf]) -> bool {
        let opened = self.drop_target.take(paths, &self.shared);
        if opened {
            self.browser = None;
        }
        opened
    }

    /// Textures belong to the window that is gone.
    fn forget_textures(&mut self) {
        self.portraits = Portraits::default();
        self.spectrograms = Spectrograms::default();
    }

    /// Draws one frame, and asks for the next.
    fn show(&mut self, ui: &mut Ui) {
        let Some(host) = self.host.clone() else { return };
        let ground = Ground::NONE.fill(theme::GROUND);
        CentralPanel::default().frame(ground).show(ui, |ui| self.everything(ui, &host));
        let rendering = self.shared.status.offline.load(Relaxed);
        if !rendering && self.shared.restart.is_due(self.params.latency.value()) {
            host.request_restart();
        }
        ui.ctx().request_repaint();
    }

    /// Whoever captures or opens something wants to hear it.
    fn choose_what_is_new(&mut self, setter: &ParamSetter) {
        let now = counts(&self.shared);
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
        let meters = [("Input", theme::ACCENT), ("Output", theme::ACCENT)];
        let width = 190.0;
        for (i, (name, color)) in meters.into_iter().enumerate() {
            let left = rect.right() - (2 - i) as f32 * width - (1 - i) as f32 * 16.0;
            let bar = Rect::from_min_size(pos2(left, rect.center().y - 5.0), vec2(width, 10.0));
            self.meters[i].show(ui, bar, name, color);
        }
        let message = rect.with_min_x(text_left).with_max_x(rect.right() - 2.0 * width - 36.0);
        inside(ui, message, |ui| self.message(ui));
    }

    fn message(&self, ui: &mut Ui) {
        let Some(message) = self.shared.words.lock().message.clone() else { return };
        let color = match message.severity {
            Severity::Note => theme::TEXT,
            Severity::Warning => theme::WARNING,
        };
        ui.with_layout(Layout::left_to_right(Align::Center), |ui| {
            if ui.small_button("\u{d7}").on_hover_text("Understood").clicked() {
                self.shared.words.lock().message = None;
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
            portraits: &self.portraits,
            sidechain: &self.meters[2],
        };
        if let Some(wanted) = picker.show(ui, rect) {
            self.browser =
                Some(FileBrowser::new(wanted, self.folder.clone(), self.styles_folder.clone()));
        }
    }

    fn sound(&mut self, ui: &mut Ui, rect: Rect) {
        let status = &self.shared.status;
        let (position, rate) = (status.position.load(Relaxed), status.sample_rate_hz.load(Relaxed));
        let style = self.shared.words.lock().style.clone();
        let pictures = self.shared.pictures.lock();
        let after = match style.as_str() {
            _ if pictures.windows.is_empty() => "After".to_string(),
            _ if self.params.bypass.value() => "After: bypassed".to_string(),
            "" => "After: dry".into(),
            style => format!("After: {style}"),
        };
        self.spectrograms.show(ui, rect, &pictures, position, rate, &after);
    }

    fn browse(&mut self, ui: &mut Ui, rect: Rect) {
        let Some(browser) = &mut self.browser else { return };
        ui.painter().rect_filled(rect, theme::ROUNDING, theme::PANEL);
        let Some(answer) = inside(ui, rect.shrink(12.0), |ui| browser.show(ui)) else { return };
        let wanted = browser.wanted();
        if !matches!(wanted, Wanted::Save(_)) {
            self.folder = browser.folder().to_path_buf();
        }
        self.browser = None;
        if let Answer::Chosen(path) = answer {
            self.shared.request(wanted.request(path));
        }
    }

    fn knobs(&self, ui: &mut Ui, setter: &ParamSetter) {
        let params = &self.params;
        ui.spacing_mut().item_spacing.x = 4.0;
        ui.horizontal(|ui| {
            ui.add(Knob::new(
                &params.strength,
                setter,
                "How much is played anew: 0 % is the input's own sound.",
            ));
            ui.add(Knob::new(
                &params.mix,
                setter,
                "Between the delayed input (0 %) and the new instrument (100 %).",
            ));
            ui.add(Knob::new(
                &params.guidance,
                setter,
                "How strongly the style is insisted on; above 1 it costs twice the time.",
            ));
            ui.add(Knob::new(&params.input_gain, setter, "Gain before everything."));
            ui.add(Knob::new(&params.output_gain, setter, "Gain after everything."));
            ui.add(Knob::new(
                &params.seed,
                setter,
                "Another number is another take. The same number is the same take, always.",
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
            (
                Steps::Two,
                "2",
                "The least computing time, and the nearest to the instrument's mean sound.",
            ),
            (Steps::Four, "4", "A fifth more computing time than 2."),
            (Steps::Ten, "10", "Twice the computing time of 2, a little more of chance."),
            (Steps::Fifty, "50", "For bounces: seven times the computing time of 2."),
        ];
        switch::choice(ui, &params.steps, setter, &steps);
        ui.horizontal(|ui| {
            let freeze = "A style that follows the sidechain stays as it is now.";
            switch::toggle(ui, &params.freeze, setter, "Freeze", freeze);
            switch::toggle(
                ui,
                &params.bypass,
                setter,
                "Bypass",
                "The input, delayed by the latency, untouched.",
            );
            ui.spacing_mut().interact_size.y = switch::HEIGHT;
            ui.menu_button("Model\u{2026}", |ui| self.models(ui));
        });
    }

    /// The latency mode: a menu, because it is chosen once and not played with.
    fn latency(&self, ui: &mut Ui, setter: &ParamSetter) {
        let param = &self.params.latency;
        let modes = [
            (Latency::Quality, "Quality: whole windows, the best sound"),
            (Latency::Balanced, "Balanced: a fifth of the latency, 4 steps at most"),
            (Latency::Live, "Live: a fifth of a second, 1 step"),
        ];
        ui.menu_button(format!("Latency: {param}"), |ui| {
            for (mode, text) in modes {
                if ui.button(text).clicked() {
                    gesture::set(setter, param, mode);
                    if self.shared.status.active.load(Relaxed) {
                        self.shared.notify(Severity::Note, RESTART);
                    }
                    ui.close();
                }
            }
        });
    }

    fn models(&mut self, ui: &mut Ui) {
        if ui.button("The shipped model").clicked() {
            self.shared.request(Request::LoadShippedModel);
            ui.close();
        }
        if ui.button("Open a model file\u{2026}").clicked() {
            self.browser =
                Some(FileBrowser::new(Wanted::Model, self.folder.clone(), PathBuf::new()));
            ui.close();
        }
    }

    fn controls(&mut self, ui: &mut Ui, rect: Rect, setter: &ParamSetter) {
        ui.painter().rect_filled(rect, theme::ROUNDING, theme::PANEL);
        let rect = rect.shrink(8.0);
        let right = rect.right() - 270.0;
        inside(ui, rect.with_max_x(right), |ui| self.knobs(ui, setter));
        inside(ui, rect.with_min_x(right + 10.0), |ui| self.switches(ui, setter));
    }

    fn follow_meters(&mut self, ui: &Ui) {
        let seconds = ui.input(|input| input.stable_dt).min(0.1);
        let meters = &self.shared.meters;
        for (shown, peaks) in
            self.meters.iter_mut().zip([&meters.input, &meters.output, &meters.sidechain])
        {
            shown.follow(peaks, seconds);
        }
    }

    fn everything(&mut self, ui: &mut Ui, host: &GuiContext) {
        let setter = host.param_setter();
        self.choose_what_is_new(&setter);
        self.follow_meters(ui);
        self.portraits.make_one(ui.ctx());
        let whole = ui.max_rect().shrink(theme::GAP);
        let mut top = whole.top();
        let mut strip = |height: f32| {
            let rect = Rect::from_min_size(pos2(whole.left(), top), vec2(whole.width(), height));
            top += height + theme::GAP;
            rect
        };
        let header = strip(HEADER);
        let styles = strip(STYLES);
        let fixed = HEADER + STYLES + CONTROLS + STATUS + 4.0 * theme::GAP;
        let sound = strip((whole.height() - fixed).max(60.0));
        let (controls, status) = (strip(CONTROLS), strip(STATUS));
        self.header(ui, header);
        if self.browser.is_some() {
            self.browse(ui, styles.union(sound));
        } else {
            self.styles(ui, styles, host.param_setter());
            self.sound(ui, sound);
        }
        self.controls(ui, controls, &setter);
        status_line::show(ui, status, &self.shared);
        self.drop_target.show(ui, styles.union(sound));
    }
}

/// Where the user's styles are kept, for example `~/.local/share/Luthier/Styles`.
fn styles_folder() -> PathBuf {
    let data = dirs::data_dir().or_else(dirs::home_dir).unwrap_or_else(std::env::temp_dir);
    data.join("Luthier").join("Styles")
}

fn counts(shared: &Shared) -> [u64; 2] {
    [shared.status.captures.load(Relaxed), shared.status.files.load(Relaxed)]
}

/// Lays something out inside of `rect`.
fn inside<R>(ui: &mut Ui, rect: Rect, add: impl FnOnce(&mut Ui) -> R) -> R {
    ui.scope_builder(UiBuilder::new().max_rect(rect), |ui| {
        ui.set_clip_rect(rect.intersect(ui.clip_rect()));
        add(ui)
    })
    .inner
}
