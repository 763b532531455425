//! Parameters with few values: a row of choices, and one that is on or off.

use egui::{Align2, Rect, Response, Sense, Stroke, StrokeKind, Ui, Vec2, vec2};
use nice_plug::prelude::{BoolParam, Enum, EnumParam, ParamSetter};

use super::{gesture, theme};

/// Of every button, in points.
pub const HEIGHT: f32 = 26.0;
/// Of a row of choices.
const WIDTH: f32 = 206.0;
/// Between two of them.
const GAP: f32 = 4.0;

/// One button; what is `on` is lit.
fn button(ui: &mut Ui, text: &str, width: f32, on: bool) -> Response {
    let (rect, response) = ui.allocate_exact_size(vec2(width, HEIGHT), Sense::click());
    let (fill, color) = match on {
        true => (theme::ACCENT, theme::GROUND),
        false if response.hovered() => (theme::LINE, theme::TEXT),
        false => (theme::RAISED, theme::TEXT),
    };
    ui.painter().rect_filled(rect, theme::ROUNDING, fill);
    if response.has_focus() {
        ui.painter().rect_stroke(
            rect,
            theme::ROUNDING,
            Stroke::new(1.0, theme::TEXT),
            StrokeKind::Inside,
        );
    }
    ui.painter().text(rect.center(), Align2::CENTER_CENTER, text, theme::BODY, color);
    response
}

/// A row of all values; each comes with what it means.
pub fn choice<E: Enum + PartialEq + Copy + 'static>(
    ui: &mut Ui,
    param: &EnumParam<E>,
    setter: &ParamSetter,
    values: &[(E, &str, &str)],
) {
    ui.spacing_mut().item_spacing = Vec2::splat(GAP);
    let width = (WIDTH + GAP) / values.len() as f32 - GAP;
    ui.horizontal(|ui| {
        for &(value, name, meaning) in values {
            let response = button(ui, name, width, param.value() == value).on_hover_text(meaning);
            if response.clicked() {
                gesture::set(setter, param, value);
            }
        }
    });
}

/// A button that stays pressed.
pub fn toggle(ui: &mut Ui, param: &BoolParam, setter: &ParamSetter, name: &str, meaning: &str) {
    if button(ui, name, 80.0, param.value()).on_hover_text(meaning).clicked() {
        gesture::set(setter, param, !param.value());
    }
}

/// A button that does something.
pub fn action(ui: &mut Ui, rect: Rect, name: &str, meaning: &str) -> bool {
    // By its place too: the same name may stand on two cards.
    let id = ui.scope_id().with((name, rect.left().to_bits()));
    let response = ui.interact(rect, id, Sense::click()).on_hover_text(meaning);
    let fill = if response.hovered() { theme::LINE } else { theme::RAISED };
    ui.painter().rect_filled(rect, theme::ROUNDING, fill);
    ui.painter().text(rect.center(), Align2::CENTER_CENTER, name, theme::SMALL, theme::TEXT);
    response.clicked()
}
