//! Gaussian noise that depends on the position in the stream, not on the order of calls.
//!
//! A value is a pure function of (seed, latent column since reset, mel row, channel). Overlapping
//! windows therefore have equal noise in their common columns, and every bounce is the same.
//!
//! It is also the same on every machine. Uniform bits are computed by integer hashing. The normal
//! quantile uses only `+ - * /` and `sqrt`, because IEEE 754 defines their bits. The platform's
//! `ln` and `cos` may differ.
//!
//! ```
//! use engine::diffusion::noise;
//!
//! let (height, channels) = (1, 32);
//! let first = noise::window(7, 100, height, 4, channels);
//! let next = noise::window(7, 102, height, 4, channels);
//! assert_eq!(first[2 * channels..], next[..2 * channels]);
//! ```

mod quantile;

pub use quantile::normal_quantile;

/// Odd constant near `2^64 / golden ratio`: the increment of SplitMix64 (Steele, Lea and Flood
/// 2014).
const GOLDEN: u64 = 0x9E37_79B9_7F4A_7C15;
/// Separates the seeds of [`independent_seed`] from the user's seeds.
const SEED_DOMAIN: u64 = 0x5354_4550_5F4E_4F49;

/// Standard normal noise of one latent column: `(H, C)`, row-major.
///
/// `column` counts latent columns since the stream's reset.
pub fn gaussian(seed: u64, column: u64, height: usize, channels: usize) -> Vec<f32> {
    let mut values = vec![0.0; height * channels];
    fill_column(seed, column, channels, values.iter_mut());
    values
}

/// Standard normal noise of `width` columns starting at `first_column`: `(H, W, C)`, row-major.
pub fn window(
    seed: u64,
    first_column: u64,
    height: usize,
    width: usize,
    channels: usize,
) -> Vec<f32> {
    let mut values = vec![0.0; height * width * channels];
    for w in 0..width {
        let rows = values.chunks_exact_mut((width * channels).max(1));
        let column = rows.flat_map(|row| &mut row[w * channels..(w + 1) * channels]);
        fill_column(seed, first_column.wrapping_add(w as u64), channels, column);
    }
    values
}

/// A seed with noise independent of that of `seed`, one for each `index`.
pub fn independent_seed(seed: u64, index: usize) -> u64 {
    mix(mix(seed ^ SEED_DOMAIN).wrapping_add((index as u64).wrapping_mul(GOLDEN)))
}

/// Scales initial noise in place: 0 sets it to its mean, 1 keeps unit variance; see
/// `docs/decisions/028-initial-noise-scale.md`.
pub fn scale_noise(noise: &mut [f32], temperature: f32) {
    noise.iter_mut().for_each(|value| *value *= temperature);
}

fn fill_column<'a>(
    seed: u64,
    column: u64,
    channels: usize,
    values: impl Iterator<Item = &'a mut f32>,
) {
    let column_key = mix(mix(seed.wrapping_add(GOLDEN)).wrapping_add(column.wrapping_mul(GOLDEN)));
    for (i, value) in values.enumerate() {
        let (row, channel) = ((i / channels) as u64, (i % channels) as u64);
        // Row and channel are hashed separately: a value does not depend on the number of channels.
        let bits = mix(mix(column_key.wrapping_add(row.wrapping_mul(GOLDEN)))
            .wrapping_add(channel.wrapping_mul(GOLDEN)));
        *value = normal_quantile(uniform(bits)) as f32;
    }
}

/// The finaliser of SplitMix64 (Stafford's variant 13): a bijection in which every output bit
/// depends on every input bit.
fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// The midpoint of one of 2^52 equal intervals of (0, 1): exact, never 0 or 1.
fn uniform(bits: u64) -> f64 {
    ((bits >> 12) as f64 + 0.5) / (1u64 << 52) as f64
}

#[cfg(test)]
mod tests;
