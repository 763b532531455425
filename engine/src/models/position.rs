//! Positions as sines and cosines.
//!
//! ```
//! use engine::models::position::SinusoidalPositionEmbedding;
//!
//! let start = SinusoidalPositionEmbedding::embed(0.0, 4);
//! assert_eq!(start, [0.0, 0.0, 1.0, 1.0]);
//! ```

/// `SinusoidalPositionEmbedding` (report 2, equations 7 and 8; Vaswani et al. 2017), with separate
/// halves instead of interleaving: `sin(p f_i)` for all `i`, then `cos(p f_i)`, with `f_i =
/// 10000^(-i / (dim / 2))`.
pub struct SinusoidalPositionEmbedding;

impl SinusoidalPositionEmbedding {
    /// Width of the timestep's embedding.
    pub const TIMESTEP_DIM: usize = 128;

    /// The embedding of one position. `dim` must be even.
    pub fn embed(position: f32, dim: usize) -> Vec<f32> {
        let half = dim / 2;
        let angle = |i: usize| position as f64 * (-(10_000f64.ln()) * i as f64 / half as f64).exp();
        let sines = (0..half).map(|i| angle(i).sin() as f32);
        sines.chain((0..half).map(|i| angle(i).cos() as f32)).collect()
    }

    /// Encodes the position of each row along the mel axis with `channels` values: `sin` and `cos`
    /// of `pi 2^i y`, where `y` is the row's centre in `[0, 1]`. Relative to the height, so that it
    /// is valid for other heights than in training.
    pub fn rows(rows: usize, channels: usize) -> Vec<f32> {
        let half = channels / 2;
        let row = |y: usize| {
            let centre = (y as f64 + 0.5) / rows as f64;
            let angle = move |i: usize| std::f64::consts::PI * (1u64 << i) as f64 * centre;
            (0..half)
                .map(move |i| angle(i).sin() as f32)
                .chain((0..half).map(move |i| angle(i).cos() as f32))
        };
        (0..rows).flat_map(row).collect()
    }
}
