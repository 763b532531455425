//! Seeded random streams, one for each thing that is drawn, so that nothing depends on the order of
//! drawing.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use sha2::{Digest, Sha256};

/// A random stream of its own for `(seed, what, id)`: the same on every machine, whatever else was
/// drawn.
pub fn stream(seed: u64, what: &str, id: u64) -> ChaCha8Rng {
    ChaCha8Rng::from_seed(digest(seed, what, id))
}

/// A number in `0..100` that depends on `(seed, what, id)` alone.
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
