//! A size field of a header, right or wrong.

use tests::signal::Lcg;

/// What a size field contains.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Size {
    Right,
    Zero,
    /// All bits are 1, or -1.
    Max,
    /// The largest signed 32-bit number.
    SignedMax,
    /// The right size and this.
    Off(i64),
}

impl Size {
    /// A wrong size.
    pub fn draw(random: &mut Lcg) -> Self {
        match random.below(6) {
            0 => Self::Zero,
            1 => Self::Max,
            2 => Self::SignedMax,
            3 => Self::Off(1),
            4 => Self::Off(-1),
            _ => Self::Off(random.below(4000) as i64 - 2000),
        }
    }

    /// The field of 32 bits, if `right` is the right size.
    pub fn of_32_bits(self, right: usize) -> u32 {
        match self {
            Self::Right => right as u32,
            Self::Zero => 0,
            Self::Max => u32::MAX,
            Self::SignedMax => i32::MAX as u32,
            Self::Off(difference) => (right as i64 + difference).max(0) as u32,
        }
    }

    /// The field of 64 bits, if `right` is the right size.
    pub fn of_64_bits(self, right: usize) -> u64 {
        match self {
            Self::Max => u64::MAX,
            _ => self.of_32_bits(right).into(),
        }
    }
}
