//! Buttons: a row of choices, a toggle and an action.

use egui::{Align2, Rect, Response, Sense, Stroke, StrokeKind, Ui, Vec2, vec2};
use nice_plug::prelude::{BoolParam, Enum, EnumParam, ParamSetter};

use super::{gesture, theme};

/// Height of a button, in points.
pub const HEIGHT: f32 = 26.0;
/// Width of a row of choices, in points.
const WIDTH: f32 = 206.0;
/// Width of a toggle, in points.
const TOGGLE_WIDTH: f32 = 60.0;
/// Space between two choices, in points.
const GAP: f32 = 4.0;

/// One button, highlighted if it is `on`.
fn button(ui: &mut Ui, text: &str, width: f32, on: bool) -> Response {
    let (rect, response) = ui.allocate_exact_size(vec2(width, HEIGHT), Sense::click());
    let (fill, color) = match on {
        true => (theme::ACCENT, theme::BACKGROUND),
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

/// A row of buttons for values, labels and tooltips.
pub fn choice<E: Enum + PartialEq + Copy + 'static>(
    ui: &mut Ui,
    param: &EnumParam<E>,
    setter: &ParamSetter,
    values: &[(E, &str, &str)],
) {
    ui.spacing_mut().item_spacing = Vec2::splat(GAP);
    let width = (WIDTH + GAP) / values.len() as f32 - GAP;
    ui.horizontal(|ui| {
        for &(value, name, tooltip) in values {
            let response = button(ui, name, width, param.value() == value).on_hover_text(tooltip);
            if response.clicked() {
                gesture::set(setter, param, value);
            }
        }
    });
}

/// A button that switches a parameter on and off.
pub fn toggle(ui: &mut Ui, param: &BoolParam, setter: &ParamSetter, name: &str, tooltip: &str) {
    if button(ui, name, TOGGLE_WIDTH, param.value()).on_hover_text(tooltip).clicked() {
        gesture::set(setter, param, !param.value());
    }
}

/// A button in `rect`. Returns whether it was clicked.
pub fn action(ui: &mut Ui, rect: Rect, name: &str, tooltip: &str) -> bool {
    // The position makes the id unique, because two cards have a button of the same name.
    let id = ui.scope_id().with((name, rect.left().to_bits()));
    let response = ui.interact(rect, id, Sense::click()).on_hover_text(tooltip);
    let fill = if response.hovered() { theme::LINE } else { theme::RAISED };
    ui.painter().rect_filled(rect, theme::ROUNDING, fill);
    ui.painter().text(rect.center(), Align2::CENTER_CENTER, name, theme::SMALL, theme::TEXT);
    response.clicked()
}
