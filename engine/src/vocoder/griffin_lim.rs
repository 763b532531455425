//! Phases for magnitudes: fast Griffin-Lim.
//!
//! Griffin and Lim 1984 (project onto consistent spectrograms, restore the magnitudes, repeat) with
//! the momentum of Perraudin, Balazs and Soendergaard 2013. The recurrence is that of
//! `librosa.griffinlim`.
//!
//! ```
//! use engine::vocoder::griffin_lim::{MOMENTUM, griffin_lim};
//!
//! let (n_fft, hop, frames, len) = (256, 64, 20, 1216);
//! let magnitude = vec![1.0; frames * (n_fft / 2 + 1)];
//! let audio = griffin_lim(&magnitude, n_fft, hop, 8, MOMENTUM, len, 7);
//! assert_eq!(audio.len(), len);
//! assert!(audio.iter().any(|&x| x != 0.0));
//! ```

use pulp::{Arch, Simd, WithSimd};

use crate::dsp::stft::{Complex32, Stft};

/// librosa's default momentum. Convergence is fastest just below 1.
pub const MOMENTUM: f32 = 0.99;

/// Prevents division by 0; far below audible magnitudes.
const TINY: f32 = 1e-16;

/// The iteration of one channel, with memory that is reused between runs.
#[derive(Default)]
pub struct GriffinLim {
    /// The target magnitudes, `[frame][bin]`.
    pub magnitude: Vec<f32>,
    /// The magnitudes with the current phases.
    spectrum: Vec<Complex32>,
    /// The consistent spectrum of the previous step.
    previous: Vec<Complex32>,
    signal: Vec<f32>,
}

impl GriffinLim {
    /// Starts from the magnitudes in [`GriffinLim::magnitude`] and the phases of `start`, both
    /// `[frame][bin]` with frames placed as in [`Stft`].
    ///
    /// A bin without phase (exactly 0) stays silent until a step sets its phase.
    ///
    /// # Panics
    /// If the two differ in size.
    pub fn begin(&mut self, start: &[Complex32]) {
        assert_eq!(self.magnitude.len(), start.len(), "magnitudes and phases");
        self.spectrum.clear();
        self.spectrum
            .extend(start.iter().zip(&self.magnitude).map(|(&z, &m)| with_magnitude(z, m)));
        self.previous.clear();
        self.previous.resize(start.len(), Complex32::default());
    }

    /// One step: synthesises `len` samples, computes the phases of their spectrum with momentum,
    /// and restores the magnitudes. It works frame by frame, so that a frame's spectrum is still in
    /// the cache.
    pub fn step(&mut self, stft: &mut Stft, first_center: isize, len: usize, momentum: f32) {
        let (bins, hop, pull) = (stft.bins(), stft.hop_length(), momentum / (1.0 + momentum));
        let arch = Arch::new();
        stft.inverse(&mut self.spectrum, first_center, len, &mut self.signal);
        let frames = self.spectrum.chunks_exact_mut(bins).zip(self.previous.chunks_exact_mut(bins));
        for (t, ((out, before), magnitude)) in
            frames.zip(self.magnitude.chunks_exact(bins)).enumerate()
        {
            let now = stft.frame(&self.signal, first_center + (t * hop) as isize);
            arch.dispatch(Projection { now, before, magnitude, out, pull });
        }
    }

    /// The signal (`len` samples) with the target magnitudes and the current phases. It overwrites
    /// the phases: the next run starts with [`GriffinLim::begin`].
    pub fn finish(&mut self, stft: &mut Stft, first_center: isize, len: usize, out: &mut Vec<f32>) {
        stft.inverse(&mut self.spectrum, first_center, len, out);
    }
}

/// One frame: the phases of `now - pull * before` at the target magnitudes; `now` replaces
/// `before`. A type instead of a closure, see `docs/decisions/041-simd-dispatch-by-type.md`.
struct Projection<'a> {
    now: &'a [Complex32],
    before: &'a mut [Complex32],
    magnitude: &'a [f32],
    out: &'a mut [Complex32],
    pull: f32,
}

impl WithSimd for Projection<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Self { now, before, magnitude, out, pull } = self;
        for (((y, &now), before), &m) in out.iter_mut().zip(now).zip(before).zip(magnitude) {
            *y = with_magnitude(now - *before * pull, m);
            *before = now;
        }
    }
}

/// The phase of `z` at magnitude `m`; 0 if `z` is 0.
#[inline(always)]
fn with_magnitude(z: Complex32, m: f32) -> Complex32 {
    z * (m / (z.norm_sqr().sqrt() + TINY))
}

/// Audio of `len` samples from magnitudes (`[frame][bin]`, frames as in librosa's `center=True`),
/// with random initial phases that depend only on `seed`.
///
/// # Panics
/// If `magnitude` is not a whole number of frames of `n_fft / 2 + 1` bins.
pub fn griffin_lim(
    magnitude: &[f32],
    n_fft: usize,
    hop_length: usize,
    iterations: usize,
    momentum: f32,
    len: usize,
    seed: u64,
) -> Vec<f32> {
    let mut state = seed;
    let phases: Vec<Complex32> =
        magnitude.iter().map(|_| Complex32::cis(random_angle(&mut state))).collect();
    from_phases(magnitude, &phases, &mut Stft::new(n_fft, hop_length), iterations, momentum, len)
}

/// As [`griffin_lim`], with the phases of `start` (`[frame][bin]`).
///
/// # Panics
/// If `magnitude` and `start` differ in size or are not a whole number of frames.
pub fn from_phases(
    magnitude: &[f32],
    start: &[Complex32],
    stft: &mut Stft,
    iterations: usize,
    momentum: f32,
    len: usize,
) -> Vec<f32> {
    let mut state = GriffinLim { magnitude: magnitude.to_vec(), ..GriffinLim::default() };
    state.begin(start);
    for _ in 0..iterations {
        state.step(stft, 0, len, momentum);
    }
    let mut out = Vec::new();
    state.finish(stft, 0, len, &mut out);
    out
}

/// The next random angle in `[0, 2 pi)`: SplitMix64 (Steele, Lea and Flood 2014).
fn random_angle(state: &mut u64) -> f32 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^= z >> 31;
    (z >> 40) as f32 / (1u64 << 24) as f32 * std::f32::consts::TAU
}

#[cfg(test)]
mod tests {
    use super::*;

    fn melody(len: usize) -> Vec<f32> {
        let note = |i: usize| 220.0 * 2f32.powf((i / 4000) as f32 / 12.0 * 5.0);
        (0..len)
            .map(|i| 0.3 * (i as f32 * note(i) * std::f32::consts::TAU / 22_050.0).sin())
            .collect()
    }

    fn spectral_convergence(a: &[Complex32], b: &[Complex32]) -> f32 {
        let error: f32 = a.iter().zip(b).map(|(a, b)| (a.norm() - b.norm()).powi(2)).sum();
        (error / b.iter().map(|b| b.norm_sqr()).sum::<f32>()).sqrt()
    }

    #[test]
    fn true_phases_recover_the_signal() {
        let (mut stft, signal) = (Stft::new(1024, 256), melody(12_000));
        let mut spectrum = Vec::new();
        stft.forward(&signal, 1 + 12_000 / 256, 0, &mut spectrum);
        let magnitude: Vec<f32> = spectrum.iter().map(|z| z.norm()).collect();
        for iterations in [0, 8] {
            let out = from_phases(&magnitude, &spectrum, &mut stft, iterations, MOMENTUM, 12_000);
            let worst = out.iter().zip(&signal).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            assert!(worst < 1e-4, "{iterations} iterations: {worst}");
        }
    }

    #[test]
    fn iterations_and_momentum_converge_to_the_magnitudes() {
        let (mut stft, signal) = (Stft::new(1024, 256), melody(12_000));
        let mut spectrum = Vec::new();
        stft.forward(&signal, 1 + 12_000 / 256, 0, &mut spectrum);
        let magnitude: Vec<f32> = spectrum.iter().map(|z| z.norm()).collect();
        let mut convergence = |iterations, momentum| {
            let audio = griffin_lim(&magnitude, 1024, 256, iterations, momentum, 12_000, 7);
            let mut again = Vec::new();
            stft.forward(&audio, 1 + 12_000 / 256, 0, &mut again);
            spectral_convergence(&again, &spectrum)
        };
        let (none, plain, fast) =
            (convergence(0, 0.0), convergence(32, 0.0), convergence(32, MOMENTUM));
        assert!(plain < 0.6 * none && fast < plain, "{none} {plain} {fast}");
    }

    #[test]
    fn the_seed_determines_the_phases_and_silence_stays() {
        let magnitude = vec![1.0; 129 * 20];
        let audio = |seed| griffin_lim(&magnitude, 256, 64, 2, MOMENTUM, 1000, seed);
        assert_eq!(audio(1), audio(1));
        assert_ne!(audio(1), audio(2));
        assert_eq!(
            griffin_lim(&vec![0.0; 129 * 20], 256, 64, 8, MOMENTUM, 1000, 1),
            vec![0.0; 1000]
        );
    }
}
