//! Training, validation and test split.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::data::random;

/// The split of a piece or recording.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Split {
    /// For gradient steps.
    Train,
    /// For the learning rate schedule and the choice of the best checkpoint.
    Validation,
    /// For the final evaluation only.
    Test,
}

impl Split {
    /// All splits.
    pub const ALL: [Self; 3] = [Self::Train, Self::Validation, Self::Test];

    /// The name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Validation => "validation",
            Self::Test => "test",
        }
    }

    /// The split of a piece from a hash of `(seed, id)`: 90 %, 5 % and 5 %.
    pub fn from_hash(seed: u64, id: u64) -> Self {
        match random::percentile(seed, "split", id) {
            0..90 => Self::Train,
            90..95 => Self::Validation,
            _ => Self::Test,
        }
    }

    /// The split of a file from its bytes alone. It is equal for every seed and dataset.
    pub fn from_bytes(bytes: &[u8]) -> Self {
        let digest = Sha256::digest(bytes);
        let head = digest.first_chunk::<8>().expect("a SHA-256 digest has 32 bytes");
        Self::from_hash(0, u64::from_le_bytes(*head))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splits_are_shares_of_the_pieces_and_do_not_move() {
        let splits: Vec<_> = (0..4000).map(|id| Split::from_hash(1, id)).collect();
        let share = |split| splits.iter().filter(|s| **s == split).count() as f64 / 4000.0;
        assert!((share(Split::Train) - 0.9).abs() < 0.02, "{}", share(Split::Train));
        assert!(
            (share(Split::Validation) - 0.05).abs() < 0.012
                && (share(Split::Test) - 0.05).abs() < 0.012
        );
        // Another seed moves some pieces.
        assert!((0..4000).any(|id| Split::from_hash(2, id) != splits[id as usize]));
    }
}
