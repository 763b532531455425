//! Figures by texture. Chords are more difficult than single notes, and bent notes more than
//! straight ones.

use super::table::Table;
use crate::data::score::Score;

/// Texture of a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Texture {
    /// At most one note at once.
    OneVoice,
    /// Two or three notes at once.
    TwoOrThree,
    /// At least four notes at once.
    FourAndMore,
    /// With gestures, for any number of notes.
    Expressive,
}

impl Texture {
    /// All textures, in the order of their rows.
    const ALL: [Self; 4] = [Self::OneVoice, Self::TwoOrThree, Self::FourAndMore, Self::Expressive];

    /// The texture of a window.
    pub fn classify(window: &Score) -> Self {
        match window.polyphony() {
            _ if !window.gestures.is_empty() => Self::Expressive,
            0..=1 => Self::OneVoice,
            2..=3 => Self::TwoOrThree,
            _ => Self::FourAndMore,
        }
    }

    /// Name of the row.
    fn name(self) -> &'static str {
        match self {
            Self::OneVoice => "one voice",
            Self::TwoOrThree => "two or three notes at once",
            Self::FourAndMore => "four and more",
            Self::Expressive => "expressive",
        }
    }
}

/// One row of the table for each texture that occurs. `textures` contains the texture of each clip.
pub fn markdown(table: &Table, textures: &[Texture], row: &str) -> String {
    let lines = Texture::ALL.iter().map(|texture| {
        let part = table.subset(|clip| textures[clip] == *texture);
        if part.is_empty() {
            String::new()
        } else {
            part.row_line(row, &format!("{}, {} pairs", texture.name(), part.len()))
        }
    });
    table.heading() + &lines.collect::<String>()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::score::Note;
    use crate::data::score::gesture::{Gesture, Motion};
    use crate::evaluate::table::{Column, Form};

    const COLUMNS: [Column; 1] = [Column::coarse("LSD", "lsd", Form::Mean)];

    fn chord(notes: u8) -> Score {
        let note = |n| Note { onset_s: 0.0, duration_s: 1.0, key: 60 + n, velocity: 80 };
        Score::new((0..notes).map(note).collect(), 2.0)
    }

    #[test]
    fn any_window_with_gestures_is_expressive() {
        let textures = [0, 1, 2, 3, 4, 9].map(|notes| Texture::classify(&chord(notes)));
        let [one, some, many] = [Texture::OneVoice, Texture::TwoOrThree, Texture::FourAndMore];
        assert_eq!(textures, [one, one, some, some, many, many]);
        let vibrato = Motion::Vibrato { rate_hz: 5.0, depth_cents: 30.0, fade_in_s: 0.2 };
        let vibrato = Gesture { onset_s: 0.2, duration_s: 0.6, motion: vibrato };
        for notes in [1, 4] {
            let sung = chord(notes).with_gestures(vec![vibrato]);
            assert_eq!(Texture::classify(&sung), Texture::Expressive);
            assert_ne!(
                Texture::classify(&sung.window(1.0, 1.0)),
                Texture::Expressive,
                "after the gesture"
            );
        }
    }

    #[test]
    fn textures_that_do_not_occur_have_no_row() {
        let mut table = Table::new(&COLUMNS, 1);
        [4.0, 6.0, 9.0].iter().enumerate().for_each(|(piece, lsd)| {
            table.push("ours".into(), piece, vec![("lsd", *lsd)]);
        });
        let textures = [Texture::Expressive, Texture::Expressive, Texture::OneVoice];
        let text = markdown(&table, &textures, "ours");
        let rows: Vec<_> = text.lines().skip(2).collect();
        assert_eq!(rows, ["| one voice, 1 pairs | 9.00 |", "| expressive, 2 pairs | 5.00 |"]);
        assert!(!markdown(&table, &[Texture::OneVoice; 3], "ours").contains("expressive"));
    }
}
