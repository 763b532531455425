//! Figures by the instruments that a transfer leads from and to: a bowed note tells where it ends,
//! a harp's does not.

use std::collections::BTreeSet;
use std::fmt;

use super::table::Table;

/// Fewer pairs say nothing of an instrument.
pub const FEWEST: usize = 5;

/// From which instrument to which.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Direction {
    /// The content's instrument.
    pub from: String,
    /// The style's and the true target's.
    pub to: String,
}

impl fmt::Display for Direction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} to {}", self.from, self.to)
    }
}

/// One row of a table from every instrument and one to every instrument, of which there are
/// [`FEWEST`] pairs at least; `directions` is that of each clip.
pub fn markdown(table: &Table, directions: &[Direction], row: &str) -> String {
    type End = fn(&Direction) -> &str;
    let ends: [(&str, End); 2] = [("from", |d| &d.from), ("to", |d| &d.to)];
    let mut text = table.heading();
    for (word, end) in ends {
        for instrument in directions.iter().map(end).collect::<BTreeSet<_>>() {
            let part = table.part(|clip| end(&directions[clip]) == instrument);
            if part.len() >= FEWEST {
                text += &part.line_of(row, &format!("{word} {instrument}, {} pairs", part.len()));
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
    fn every_instrument_has_a_row_for_either_end_unless_there_is_too_little_of_it() {
        let mut table = Table::new(&COLUMNS, 1);
        let of = |from: &str, to: &str| Direction { from: from.into(), to: to.into() };
        let some = [of("piano", "harp"), of("harp", "piano")].into_iter().cycle().take(10);
        let directions: Vec<_> = some.chain([of("piano", "organ")]).collect();
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
