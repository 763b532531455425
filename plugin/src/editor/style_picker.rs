//! The style cards: the factory styles with thumbnails, sidechain, captured style and style file.

use egui::{Align2, Color32, Rect, Response, Sense, Stroke, StrokeKind, Ui, pos2, vec2};
use nice_plug::prelude::ParamSetter;

use super::file_browser::Purpose;
use super::meter::Meter;
use super::thumbnail::Thumbnails;
use super::{gesture, outline, switch, theme};
use crate::params::LuthierParams;
use crate::project::ProjectStyle;
use crate::shared::{Request, Shared};
use crate::style_slot::{CAPTURED, FACTORY, FILE, SIDECHAIN};

/// The least sidechain audio that a style needs, and the most that it uses, in seconds.
const SIDECHAIN_SECONDS: [f32; 2] = [3.0, 12.0];
/// Height of the name in a tall and in a low card, in points.
const NAME_HEIGHTS: [f32; 2] = [28.0, 19.0];
/// Least height of a tall card, in points.
const TALL: f32 = 100.0;
/// Rows of factory styles.
const ROWS: usize = 2;
/// Width of the factory styles in widths of the other cards.
const FACTORY_WIDTHS: f32 = 4.0;
/// Space between the cards of factory styles, in points.
const NARROW_GAP: f32 = 6.0;
/// Most characters of a file name on its card.
const FILE_NAME_MAX: usize = 16;

/// The row of style cards.
pub struct StylePicker<'a> {
    pub params: &'a LuthierParams,
    pub shared: &'a Shared,
    pub setter: ParamSetter<'a>,
    pub thumbnails: &'a Thumbnails,
    pub sidechain: &'a Meter,
}

impl StylePicker<'_> {
    /// Draws the row in `rect`. Returns the purpose of the file browser if the user opens one.
    pub fn show(&self, ui: &mut Ui, rect: Rect) -> Option<Purpose> {
        let mut purpose = None;
        for (slot, card) in cards(rect) {
            let picture = card.with_max_y(card.bottom() - name_height(card));
            let response = self.card(ui, card, slot);
            match slot {
                SIDECHAIN => self.sidechain(ui, picture),
                CAPTURED => purpose = purpose.or(self.captured(ui, picture)),
                FILE => purpose = purpose.or(self.file(ui, picture)),
                _ => self.thumbnail(ui, picture, slot as usize),
            }
            self.frame(ui, card, slot, &response);
        }
        purpose
    }

    fn card(&self, ui: &mut Ui, card: Rect, slot: i32) -> Response {
        let id = ui.scope_id().with(("style", slot));
        let response = ui.interact(card, id, Sense::click()).on_hover_text(tooltip(slot));
        ui.painter().rect_filled(card, theme::ROUNDING, theme::PANEL);
        if response.clicked() {
            gesture::set(&self.setter, &self.params.style, slot);
        }
        response
    }

    /// Draws name and border on top of the picture.
    fn frame(&self, ui: &Ui, card: Rect, slot: i32, response: &Response) {
        let chosen = self.params.style.value() == slot;
        let (color, width) = match chosen {
            true => (theme::ACCENT, 2.0),
            false if response.hovered() || response.has_focus() => (theme::FAINT, 1.0),
            false => (theme::LINE, 1.0),
        };
        ui.painter().rect_stroke(
            card,
            theme::ROUNDING,
            Stroke::new(width, color),
            StrokeKind::Inside,
        );
        let place = pos2(card.center().x, card.bottom() - name_height(card) / 2.0);
        let text = if chosen { theme::ACCENT } else { theme::TEXT };
        let font = if card.height() >= TALL { theme::NAME } else { theme::SMALL };
        ui.painter().text(place, Align2::CENTER_CENTER, crate::style_slot::name(slot), font, text);
    }

    fn thumbnail(&self, ui: &Ui, rect: Rect, index: usize) {
        if let Some(texture) = self.thumbnails.get(index) {
            let whole = Rect::from_min_max(pos2(0.0, 0.0), pos2(1.0, 1.0));
            let shade = if self.params.style.value() == index as i32 { 255 } else { 170 };
            ui.painter().image(texture.id(), rect.shrink(2.0), whole, Color32::from_gray(shade));
        }
    }

    fn sidechain(&self, ui: &mut Ui, rect: Rect) {
        let rect = rect.shrink(8.0);
        let line = Rect::from_min_size(rect.min, vec2(rect.width(), 10.0));
        self.sidechain.show(ui, line, "Level", theme::SIDECHAIN);
        let seconds = self.shared.status.sidechain_seconds.get();
        let text = match seconds {
            s if s >= SIDECHAIN_SECONDS[0] => format!("{s:.0} s available"),
            s if s > 0.0 => format!("{s:.1} of {:.0} s", SIDECHAIN_SECONDS[0]),
            _ if self.sidechain.has_signal() => "Collecting\u{2026}".into(),
            _ => "Route a track".into(),
        };
        let bar =
            Rect::from_min_size(pos2(rect.left(), rect.top() + 18.0), vec2(rect.width(), 3.0));
        let share = (seconds / SIDECHAIN_SECONDS[1]).clamp(0.0, 1.0);
        ui.painter().rect_filled(bar, 1.0, theme::RAISED);
        ui.painter().rect_filled(
            bar.with_max_x(bar.left() + share * bar.width()),
            1.0,
            theme::SIDECHAIN,
        );
        let place = pos2(rect.center().x, rect.top() + 36.0);
        ui.painter().text(place, Align2::CENTER_CENTER, text, theme::SMALL, theme::FAINT);
    }

    fn captured(&self, ui: &mut Ui, rect: Rect) -> Option<Purpose> {
        let stored = self.params.project.0.has_style(ProjectStyle::Captured);
        caption(ui, rect, if stored { "In the project" } else { "Empty" });
        let tooltip = "Store the current style of the sidechain in this project.";
        if switch::action(ui, upper(rect), "Capture", tooltip) {
            self.shared.request(Request::Capture);
        }
        save(ui, rect, ProjectStyle::Captured, stored)
    }

    fn file(&self, ui: &mut Ui, rect: Rect) -> Option<Purpose> {
        let file = self.shared.texts.lock().style_file.clone();
        let text =
            if file.is_empty() { "No file".to_string() } else { shortened(&file, FILE_NAME_MAX) };
        match self.params.project.0.file_part() {
            Some(part) => {
                caption(ui, rect.translate(vec2(0.0, -9.0)), &text);
                let waveform = rect.shrink2(vec2(8.0, 0.0)).with_min_y(rect.top() + 20.0);
                let waveform = waveform.with_max_y(upper(rect).top() - 3.0);
                if let Some(start_seconds) = outline::show(ui, waveform, &part) {
                    self.shared.request(Request::MoveStyle((1000.0 * start_seconds) as u64));
                }
            }
            None => caption(ui, rect, &text),
        }
        let tooltip = "Open a recording (WAV, AIFF, FLAC, MP3, M4A and others) or a saved style. \
                       The project stores the style, not the audio.";
        let open =
            switch::action(ui, upper(rect), "Open\u{2026}", tooltip).then_some(Purpose::OpenStyle);
        open.or(save(
            ui,
            rect,
            ProjectStyle::File,
            self.params.project.0.has_style(ProjectStyle::File),
        ))
    }
}

/// Slots and places of all cards: the factory styles in rows, then a column for each other source.
fn cards(rect: Rect) -> Vec<(i32, Rect)> {
    let sources = [SIDECHAIN, CAPTURED, FILE];
    let columns = FACTORY_WIDTHS + sources.len() as f32;
    let width = (rect.width() - theme::GAP * (columns - 1.0)) / columns;
    let first_source = rect.left() + FACTORY_WIDTHS * (width + theme::GAP);
    let in_row = FACTORY.len().div_ceil(ROWS);
    let share = |whole: f32, parts: usize| (whole - NARROW_GAP * (parts - 1) as f32) / parts as f32;
    let size =
        vec2(share(first_source - theme::GAP - rect.left(), in_row), share(rect.height(), ROWS));
    let step = size + vec2(NARROW_GAP, NARROW_GAP);
    let factory = (0..FACTORY.len()).map(|i| {
        let corner = rect.min + vec2((i % in_row) as f32 * step.x, (i / in_row) as f32 * step.y);
        (i as i32, Rect::from_min_size(corner, size))
    });
    let sources = sources.into_iter().enumerate().map(|(i, slot)| {
        let left = first_source + i as f32 * (width + theme::GAP);
        (slot, Rect::from_min_size(pos2(left, rect.top()), vec2(width, rect.height())))
    });
    factory.chain(sources).collect()
}

fn name_height(card: Rect) -> f32 {
    NAME_HEIGHTS[usize::from(card.height() < TALL)]
}

fn caption(ui: &Ui, rect: Rect, text: &str) {
    let place = pos2(rect.center().x, rect.top() + 20.0);
    ui.painter().text(place, Align2::CENTER_CENTER, text, theme::SMALL, theme::FAINT);
}

/// Draws the button that saves a style, if the project stores one.
fn save(ui: &mut Ui, rect: Rect, kind: ProjectStyle, stored: bool) -> Option<Purpose> {
    let tooltip = "Save this style as a .luthier file for use in other projects.";
    let name = "Save\u{2026}";
    (stored && switch::action(ui, lower(rect), name, tooltip)).then_some(Purpose::SaveStyle(kind))
}

/// Place of the button at the bottom of a picture.
fn lower(rect: Rect) -> Rect {
    Rect::from_center_size(
        pos2(rect.center().x, rect.bottom() - 16.0),
        vec2((rect.width() - 16.0).min(90.0), 22.0),
    )
}

/// Place of the button above it.
fn upper(rect: Rect) -> Rect {
    lower(rect).translate(vec2(0.0, -27.0))
}

fn tooltip(slot: i32) -> &'static str {
    match slot {
        SIDECHAIN => {
            "Use the sound of another track. Route that track to the sidechain \"Style reference\"."
        }
        CAPTURED => "Use the style that was captured from the sidechain.",
        FILE => "Use the style of a recording or a saved style.",
        _ => "Use this instrument as the style.",
    }
}

/// At most `most` characters of `name`, with an ellipsis at the end if it is longer.
fn shortened(name: &str, most: usize) -> String {
    if name.chars().count() <= most {
        return name.into();
    }
    name.chars().take(most - 1).chain(['\u{2026}']).collect()
}
