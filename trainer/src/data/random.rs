//! Seeded random streams, one for each kind of draw.
//!
//! Streams are independent, so results do not depend on the order of the draws.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use sha2::{Digest, Sha256};

/// The random stream of `(seed, what, id)`. It is equal on every machine.
pub fn stream(seed: u64, what: &str, id: u64) -> ChaCha8Rng {
    ChaCha8Rng::from_seed(digest(seed, what, id))
}

/// A number in `0..100` that depends only on `(seed, what, id)`.
pub fn percentile(seed: u64, what: &str, id: u64) -> u64 {
    let digest = digest(seed, what, id);
    let head = digest.first_chunk::<8>().expect("a SHA-256 digest has 32 bytes");
    u64::from_le_bytes(*head) % 100
}

fn digest(seed: u64, what: &str, id: u64) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(seed.to_le_bytes());
    hash.update(id.to_le_bytes());
    hash.update(what.as_bytes());
    hash.finalize().into()
}
