//! The places of the Style parameter. Their numbers are kept in projects and automation: a place is
//! never given another meaning, and the range never changes.

/// Places of the Style parameter.
pub const COUNT: i32 = 64;
/// Follows what the sidechain plays.
pub const SIDECHAIN: i32 = 60;
/// What was captured from the sidechain; kept in the project.
pub const CAPTURED: i32 = 61;
/// A recording that the user opened; kept in the project.
pub const FILE: i32 = 62;

/// The factory styles: place `n` of the parameter is the `n`th.
pub const FACTORY: [&str; 12] = [
    "Piano",
    "Guitar",
    "Harp",
    "Violin",
    "Cello",
    "Flute",
    "Clarinet",
    "Trumpet",
    "Saxophone",
    "Organ",
    "Marimba",
    "E-Piano",
];

/// What a place of the Style parameter means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StyleSlot {
    /// A factory style, by its place in [`FACTORY`].
    Factory(usize),
    /// What the sidechain plays.
    Sidechain,
    /// What was captured from the sidechain.
    Captured,
    /// A recording of the user's.
    File,
    /// Kept free for instruments to come; plays dry.
    Reserved,
}

impl StyleSlot {
    /// The meaning of a value of the Style parameter.
    pub fn from_index(slot: i32) -> Self {
        match slot {
            SIDECHAIN => Self::Sidechain,
            CAPTURED => Self::Captured,
            FILE => Self::File,
            _ => match usize::try_from(slot) {
                Ok(index) if index < FACTORY.len() => Self::Factory(index),
                _ => Self::Reserved,
            },
        }
    }
}

/// What a place is called.
pub fn name(slot: i32) -> String {
    match StyleSlot::from_index(slot) {
        StyleSlot::Factory(index) => FACTORY[index].into(),
        StyleSlot::Sidechain => "Sidechain".into(),
        StyleSlot::Captured => "Captured".into(),
        StyleSlot::File => "File".into(),
        StyleSlot::Reserved => format!("Reserved {}", slot + 1),
    }
}

/// The place of that name, or of that number counted from 1.
pub fn parse(text: &str) -> Option<i32> {
    let text = text.trim();
    let named = (0..COUNT).find(|&slot| name(slot).eq_ignore_ascii_case(text));
    named.or_else(|| {
        text.parse().ok().filter(|number| (1..=COUNT).contains(number)).map(|n: i32| n - 1)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_place_is_found_by_its_name() {
        for slot in 0..COUNT {
            assert_eq!(parse(&name(slot)), Some(slot));
        }
        assert_eq!(
            (parse("violin "), parse("4"), parse("0"), parse("65"), parse("")),
            (Some(3), Some(3), None, None, None)
        );
    }
}
