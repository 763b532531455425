//! Figures by how many notes sound at once: a chord is harder to turn than a line.

use std::ops::RangeInclusive;

use super::table::Table;

/// By the most notes of a window that are held at once.
const TEXTURES: [(&str, RangeInclusive<usize>); 3] =
    [("one voice", 0..=1), ("two or three notes at once", 2..=3), ("four and more", 4..=usize::MAX)];

/// One row of a table, for each texture that occurs; `polyphony` is that of each clip.
pub fn markdown(table: &Table, polyphony: &[usize], row: &str) -> String {
    let lines = TEXTURES.iter().map(|(name, notes)| {
        let part = table.part(|clip| notes.contains(&polyphony[clip]));
        if part.is_empty() {
            String::new()
        } else {
            part.line_of(row, &format!("{name}, {} pairs", part.len()))
        }
    });
    table.heading() + &lines.collect::<String>()
}
