//! The values of the Style parameter, called slots. Projects and automation store the numbers, so
//! neither the meaning of a slot nor the range may change.

/// Number of slots.
pub const COUNT: i32 = 64;
/// The current style of the sidechain.
pub const SIDECHAIN: i32 = 60;
/// The style that was captured from the sidechain. The project stores it.
pub const CAPTURED: i32 = 61;
/// The style of a file that the user opened. The project stores it.
pub const FILE: i32 = 62;

/// Names of the factory styles. Slot `n` is the style at index `n`.
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

/// The meaning of a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StyleSlot {
    /// A factory style, as an index into [`FACTORY`].
    Factory(usize),
    /// The current style of the sidechain.
    Sidechain,
    /// The style that was captured from the sidechain.
    Captured,
    /// The style of a file that the user opened.
    File,
    /// Reserved for future factory styles. Windows play dry.
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

/// The displayed name of a slot.
pub fn name(slot: i32) -> String {
    match StyleSlot::from_index(slot) {
        StyleSlot::Factory(index) => FACTORY[index].into(),
        StyleSlot::Sidechain => "Sidechain".into(),
        StyleSlot::Captured => "Captured".into(),
        StyleSlot::File => "File".into(),
        StyleSlot::Reserved => format!("Reserved {}", slot + 1),
    }
}

/// Parses a slot from its name (case is ignored) or its number, counted from 1.
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
    fn every_slot_is_parsed_from_its_name() {
        for slot in 0..COUNT {
            assert_eq!(parse(&name(slot)), Some(slot));
        }
        assert_eq!(
            (parse("violin "), parse("4"), parse("0"), parse("65"), parse("")),
            (Some(3), Some(3), None, None, None)
        );
    }
}
