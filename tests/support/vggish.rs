//! VGGish with weights from a formula, because 18 MB of weights would be too large to commit.
//! `tests/golden/vggish.py` has the same formula.

use engine::checkpoint::{Checkpoint, Kind, StoredTensor};
use trainer::vggish::Vggish;

/// Numbers in `[-bound, bound)`: SplitMix64 (Steele et al. 2014) from FNV-1a of the name.
pub fn draw(name: &str, count: usize, bound: f64) -> Vec<f32> {
    let hash = |h: u64, byte: u8| (h ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    let mut state = name.bytes().fold(0xcbf2_9ce4_8422_2325, hash);
    let mut next = || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    };
    (0..count).map(|_| ((2.0 * next() - 1.0) * bound) as f32).collect()
}

/// A weight that preserves the power of its input (He et al. 2015), or a bias of up to 0.1.
pub fn weight(name: &str, shape: &[usize]) -> StoredTensor {
    let fan_in: usize = shape.iter().skip(1).product();
    let bound = if shape.len() == 1 { 0.1 } else { (6.0 / fan_in as f64).sqrt() };
    StoredTensor { shape: shape.to_vec(), data: draw(name, shape.iter().product(), bound) }
}

/// The weights of the whole network.
pub fn checkpoint() -> Checkpoint {
    let mut checkpoint = Checkpoint::new(Kind::Vggish, &()).expect("a checkpoint");
    for (name, shape) in Vggish::parameters() {
        let tensor = weight(&name, &shape);
        checkpoint.tensors.insert(name, tensor);
    }
    checkpoint
}
