//! A knob for a parameter. Drag it, hold Shift for fine steps, or use the arrow keys. A double
//! click resets it. A click on the value opens a text field.

use std::f32::consts::PI;

use egui::epaint::PathShape;
use egui::text::{CCursor, CCursorRange};
use egui::text_edit::TextEditState;
use egui::{
    Align2, CursorIcon, Event, Id, Key, Pos2, Rect, Response, Sense, Stroke, TextEdit, Ui, Vec2,
    Widget, pos2, vec2,
};
use nice_plug::prelude::{Param, ParamSetter};

use super::{gesture, theme};

/// Width and height, in points.
pub const SIZE: Vec2 = vec2(62.0, 92.0);
const RADIUS: f32 = 21.0;
/// Drag distance for the whole range, in points.
const DRAG_POINTS: f32 = 180.0;
/// Shift divides the drag speed by this factor.
const FINE_FACTOR: f32 = 8.0;
/// Angle of the minimum in radians, clockwise from the right: the dial has a gap at the bottom.
const START_ANGLE: f32 = 0.75 * PI;
/// Angle from the minimum to the maximum, in radians.
const SWEEP_ANGLE: f32 = 1.5 * PI;

/// The widget.
pub struct Knob<'a, P: Param> {
    param: &'a P,
    setter: &'a ParamSetter<'a>,
    tooltip: &'a str,
}

impl<'a, P: Param> Knob<'a, P> {
    /// A knob that sets `param`.
    pub fn new(param: &'a P, setter: &'a ParamSetter<'a>, tooltip: &'a str) -> Self {
        Self { param, setter, tooltip }
    }

    fn set(&self, normalized: f32) {
        gesture::set(self.setter, self.param, self.param.preview_plain(normalized.clamp(0.0, 1.0)));
    }

    /// Follows the pointer. The dragged value is stored without rounding to steps, because slow
    /// movements would otherwise never reach the next step.
    fn drag(&self, ui: &Ui, response: &Response) {
        if response.drag_started() {
            self.setter.begin_set_parameter(self.param);
            let start = self.param.unmodulated_normalized_value();
            ui.data_mut(|data| data.insert_temp(response.id, start));
        }
        if response.dragged() {
            let fine = if ui.input(|input| input.modifiers.shift) { FINE_FACTOR } else { 1.0 };
            let moved = (response.drag_delta().x - response.drag_delta().y) / (DRAG_POINTS * fine);
            let dragged = ui.data_mut(|data| {
                let dragged = data.get_temp_mut_or(response.id, 0.0f32);
                *dragged = (*dragged + moved).clamp(0.0, 1.0);
                *dragged
            });
            self.setter.set_parameter_normalized(self.param, dragged);
        }
        if response.drag_stopped() {
            self.setter.end_set_parameter(self.param);
        }
    }

    fn keys(&self, ui: &Ui, response: &Response) {
        if response.clicked() {
            response.request_focus();
        }
        if response.double_clicked() {
            self.set(self.param.default_normalized_value());
        }
        if !response.has_focus() {
            return;
        }
        let pressed = |key| ui.input(|input| input.key_pressed(key));
        let step = self.param.step_count().map_or(0.01, |steps| 1.0 / steps.max(1) as f32);
        let steps = f32::from(i8::from(pressed(Key::ArrowUp)) - i8::from(pressed(Key::ArrowDown)));
        if steps != 0.0 {
            self.set(self.param.unmodulated_normalized_value() + steps * step.max(0.01));
        }
    }

    fn draw(&self, ui: &Ui, response: &Response, centre: Pos2) {
        let painter = ui.painter();
        let value = self.param.unmodulated_normalized_value();
        let highlighted = response.hovered() || response.dragged() || response.has_focus();
        painter.circle_filled(
            centre,
            RADIUS - 5.0,
            if highlighted { theme::LINE } else { theme::RAISED },
        );
        painter.add(arc(centre, 0.0, 1.0, Stroke::new(3.0, theme::RAISED)));
        // The arc starts at the default if that is in the middle, to show the sign of the change.
        let default = self.param.default_normalized_value();
        let from = if default > 0.25 && default < 0.75 { default } else { 0.0 };
        painter.add(arc(centre, from.min(value), from.max(value), Stroke::new(3.0, theme::ACCENT)));
        let tip = polar(centre, value, RADIUS - 7.0);
        painter.line_segment([polar(centre, value, 5.0), tip], Stroke::new(2.0, theme::TEXT));
    }

    /// The value as text, or a text field while it is edited.
    fn value(&self, ui: &mut Ui, rect: Rect, id: Id) {
        let editing = ui.data(|data| data.get_temp::<String>(id));
        let Some(mut text) = editing else {
            let response = ui.interact(rect, id, Sense::click()).on_hover_cursor(CursorIcon::Text);
            let color = if response.hovered() { theme::TEXT } else { theme::FAINT };
            ui.painter().text(
                rect.center(),
                Align2::CENTER_CENTER,
                self.shown(),
                theme::SMALL,
                color,
            );
            if response.clicked() {
                ui.data_mut(|data| data.insert_temp(id, self.shown()));
                select_all(ui, id.with("field"), self.shown().chars().count());
            }
            return;
        };
        let field = TextEdit::singleline(&mut text).id(id.with("field")).font(theme::SMALL);
        let response = ui.put(rect, field.align(egui::Align2::CENTER_CENTER));
        let cancelled = ui.input(|input| input.key_pressed(Key::Escape));
        if !response.lost_focus() && !cancelled {
            ui.data_mut(|data| data.insert_temp(id, text));
            return;
        }
        ui.data_mut(|data| data.remove::<String>(id));
        if !cancelled && let Some(value) = self.param.string_to_normalized_value(text.trim()) {
            self.set(value);
        }
    }

    fn shown(&self) -> String {
        self.param.normalized_value_to_string(self.param.unmodulated_normalized_value(), true)
    }
}

impl<P: Param> Widget for Knob<'_, P> {
    fn ui(self, ui: &mut Ui) -> Response {
        let (rect, _) = ui.allocate_exact_size(SIZE, Sense::hover());
        let name = pos2(rect.center().x, rect.top() + 9.0);
        ui.painter().text(name, Align2::CENTER_CENTER, self.param.name(), theme::BODY, theme::TEXT);
        let centre = pos2(rect.center().x, rect.top() + 44.0);
        let id = ui.scope_id().with(self.param.name());
        let dial = Rect::from_center_size(centre, Vec2::splat(2.0 * RADIUS));
        let response = ui.interact(dial, id, Sense::click_and_drag());
        // egui moves the focus with the sideways arrow keys, even from a focused knob.
        if response.has_focus() {
            ui.input_mut(|input| input.events.retain(|event| !is_sideways(event)));
        }
        self.drag(ui, &response);
        self.keys(ui, &response);
        self.draw(ui, &response, centre);
        let value =
            Rect::from_center_size(pos2(rect.center().x, rect.bottom() - 10.0), vec2(SIZE.x, 18.0));
        self.value(ui, value, id.with("value"));
        let help = "Drag (Shift: fine steps) or use the arrow keys. Double-click to reset. \
                    Click the value to type a number.";
        response.on_hover_text(format!("{}\n{help}", self.tooltip))
    }
}

/// Focuses a text field and selects its text, so that typing replaces it.
fn select_all(ui: &Ui, field: Id, characters: usize) {
    let mut state = TextEditState::default();
    let all = CCursorRange::two(CCursor::new(0), CCursor::new(characters));
    state.cursor.set_char_range(Some(all));
    state.store(ui.ctx(), field);
    ui.memory_mut(|memory| memory.request_focus(field));
}

fn is_sideways(event: &Event) -> bool {
    matches!(event, Event::Key { key: Key::ArrowLeft | Key::ArrowRight, .. })
}

/// The point at a normalised value's angle and a distance in points from the centre.
fn polar(centre: Pos2, value: f32, distance: f32) -> Pos2 {
    centre + Vec2::angled(START_ANGLE + SWEEP_ANGLE * value) * distance
}

fn arc(centre: Pos2, from: f32, to: f32, stroke: Stroke) -> PathShape {
    let pieces = (((to - from) * 48.0).ceil() as usize).max(1);
    let point = |i| polar(centre, from + (to - from) * i as f32 / pieces as f32, RADIUS);
    PathShape::line((0..=pieces).map(point).collect(), stroke)
}
