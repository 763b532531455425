//! The waveform of the file that the File style was computed from, with the windows marked.

use egui::{Color32, Rect, Sense, Stroke, Ui, pos2};

use super::theme;
use crate::file_part::FilePart;

/// Duration of the part that a click selects, in seconds.
const PART_SECONDS: f64 = 12.0;

/// Draws the waveform. Returns the time in seconds that the user selects as the start of the part.
pub fn show(ui: &Ui, rect: Rect, part: &FilePart) -> Option<f64> {
    let id = ui.scope_id().with("outline");
    let tooltip = "The part of the recording that the style is computed from. \
                   Click or drag to move it.";
    let response = ui.interact(rect, id, Sense::click_and_drag()).on_hover_text(tooltip);
    let pointer = response.interact_pointer_pos().map(|place| {
        let last = (part.seconds - PART_SECONDS).max(0.0);
        let share = (place.x - rect.left()) / rect.width();
        (f64::from(share.clamp(0.0, 1.0)) * part.seconds).min(last)
    });
    let x = |seconds: f64| rect.left() + (seconds / part.seconds) as f32 * rect.width();
    let moved = pointer.map(|start| [start, (start + PART_SECONDS).min(part.seconds)]);
    let ranges = moved.map_or_else(|| part.ranges.clone(), |range| vec![range]);
    for range in &ranges {
        let marked = rect.with_min_x(x(range[0])).with_max_x(x(range[1]));
        ui.painter().rect_filled(marked, 1.0, theme::RAISED);
    }
    waveform(ui, rect, part, |seconds| {
        let inside = ranges.iter().any(|range| (range[0]..=range[1]).contains(&seconds));
        if inside { theme::ACCENT } else { theme::FAINT }
    });
    pointer.filter(|_| response.clicked() || response.drag_stopped())
}

/// Draws a line per point of width, with the colour of its time in seconds.
fn waveform(ui: &Ui, rect: Rect, part: &FilePart, color: impl Fn(f64) -> Color32) {
    let columns = rect.width() as usize;
    for column in 0..columns {
        let bound = |column: usize| column * part.peaks.len() / columns;
        let own = bound(column)..bound(column + 1).max(bound(column) + 1);
        let peak = part.peaks[own].iter().copied().max().unwrap_or(0);
        let half = (f32::from(peak) / 255.0 * rect.height() / 2.0).max(0.5);
        let (x, y) = (rect.left() + column as f32 + 0.5, rect.center().y);
        let seconds = (column as f64 + 0.5) / columns as f64 * part.seconds;
        let line = [pos2(x, y - half), pos2(x, y + half)];
        ui.painter().line_segment(line, Stroke::new(1.0, color(seconds)));
    }
}
