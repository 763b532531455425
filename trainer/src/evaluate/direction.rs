//! Figures by source and target instrument. The difficulty depends on both: a bowed note ends
//! clearly, a harp's note does not.

use std::collections::BTreeSet;
use std::fmt;

use super::table::Table;

/// Minimum number of pairs of an instrument.
pub const FEWEST: usize = 5;

/// Source and target instrument of a pair.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Direction {
    /// Instrument of the content.
    pub from: String,
    /// Instrument of the style and the true target.
    pub to: String,
}

impl fmt::Display for Direction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} to {}", self.from, self.to)
    }
}

/// One row of the table for each source and each target instrument with at least [`FEWEST`] pairs.
/// `directions` contains the direction of each clip.
pub fn markdown(table: &Table, directions: &[Direction], row: &str) -> String {
    type End = fn(&Direction) -> &str;
    let ends: [(&str, End); 2] = [("from", |d| &d.from), ("to", |d| &d.to)];
    let mut text = table.heading();
    for (word, end) in ends {
        for instrument in directions.iter().map(end).collect::<BTreeSet<_>>() {
            let part = table.subset(|clip| end(&directions[clip]) == instrument);
            if part.len() >= FEWEST {
                text += &part.row_line(row, &format!("{word} {instrument}, {} pairs", part.len()));
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluate::table::{Column, Form};

    const COLUMNS: [Column; 1] = [Column::coarse("LSD", "lsd", Form::Mean)];

    #[test]
    fn instruments_with_enough_pairs_have_a_row_as_source_and_as_target() {
        let mut table = Table::new(&COLUMNS, 1);
        let direction = |from: &str, to: &str| Direction { from: from.into(), to: to.into() };
        let some =
            [direction("piano", "harp"), direction("harp", "piano")].into_iter().cycle().take(10);
        let directions: Vec<_> = some.chain([direction("piano", "organ")]).collect();
        for (piece, direction) in directions.iter().enumerate() {
            let lsd = if direction.from == "piano" { 4.0 } else { 6.0 };
            table.push("ours".into(), piece, vec![("lsd", lsd)]);
        }
        let text = markdown(&table, &directions, "ours");
        let rows: Vec<_> = text.lines().skip(2).collect();
        let expected = [
            "| from harp, 5 pairs | 6.00 |",
            "| from piano, 6 pairs | 4.00 |",
            "| to harp, 5 pairs | 4.00 |",
            "| to piano, 5 pairs | 6.00 |",
        ];
        assert_eq!(rows, expected);
        assert_eq!(directions[0].to_string(), "piano to harp");
    }
}
