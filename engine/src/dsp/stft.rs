//! The short-time Fourier transform and its inverse, with frames positioned by their centre.
//!
//! ```
//! use engine::dsp::stft::Stft;
//!
//! let signal: Vec<f32> = (0..1000).map(|n| (n as f32 * 0.1).sin()).collect();
//! let (mut stft, mut spectrum, mut out) = (Stft::new(256, 64), Vec::new(), Vec::new());
//! stft.forward(&signal, 1 + 1000 / 64, 0, &mut spectrum);
//! stft.inverse(&mut spectrum, 0, 1000, &mut out);
//! assert!(signal.iter().zip(&out).all(|(a, b)| (a - b).abs() < 1e-5));
//! ```

use std::ops::Range;
use std::sync::Arc;

pub use realfft::num_complex::Complex32;
use realfft::{ComplexToReal, RealFftPlanner, RealToComplex};

use super::window::hann_periodic;

/// A Hann-windowed STFT of one size, and its inverse.
///
/// Frame `t` is centred at sample `first_center + t * hop_length`. It has `n_fft` samples, starting
/// `n_fft / 2` before its centre. Samples outside the signal are 0. librosa's `center=True,
/// pad_mode="constant"` is `first_center = 0` with `1 + len / hop_length` frames. A stream passes
/// samples around its frames instead of padding.
///
/// [`Stft::new`] allocates plans, window and scratch memory. Later calls allocate only to extend
/// `out` and the overlap weights.
pub struct Stft {
    n_fft: usize,
    hop_length: usize,
    window: Vec<f32>,
    to_spectrum: Arc<dyn RealToComplex<f32>>,
    to_signal: Arc<dyn ComplexToReal<f32>>,
    /// One windowed frame, `n_fft` samples.
    frame: Vec<f32>,
    /// One frame's spectrum, `bins` values.
    spectrum: Vec<Complex32>,
    fft_scratch: Vec<Complex32>,
    /// Overlap weights of the last [`Stft::inverse`].
    overlap: Overlap,
}

/// Weights of overlapping frames: the same for every channel and iteration of a window.
#[derive(Default)]
struct Overlap {
    frames: usize,
    first_center: isize,
    /// Per sample, 1 / (sum of squared windows * transform length).
    scale: Vec<f32>,
}

impl Stft {
    /// Plans the transforms of `n_fft` samples per frame, with one frame every `hop_length`
    /// samples.
    ///
    /// # Panics
    /// If `n_fft` is odd or one of the two is 0.
    pub fn new(n_fft: usize, hop_length: usize) -> Self {
        assert!(
            n_fft > 0 && n_fft.is_multiple_of(2),
            "n_fft: expected an even number above 0, found {n_fft}"
        );
        assert!(hop_length > 0, "hop_length: expected a number above 0");
        let mut planner = RealFftPlanner::new();
        let (to_spectrum, to_signal) =
            (planner.plan_fft_forward(n_fft), planner.plan_fft_inverse(n_fft));
        let scratch_len = to_spectrum.get_scratch_len().max(to_signal.get_scratch_len());
        Self {
            n_fft,
            hop_length,
            window: hann_periodic(n_fft),
            frame: vec![0.0; n_fft],
            spectrum: vec![Complex32::default(); n_fft / 2 + 1],
            fft_scratch: vec![Complex32::default(); scratch_len],
            overlap: Overlap::default(),
            to_spectrum,
            to_signal,
        }
    }

    /// Samples per frame.
    pub fn n_fft(&self) -> usize {
        self.n_fft
    }

    /// Samples between two frames' centres.
    pub fn hop_length(&self) -> usize {
        self.hop_length
    }

    /// Bins per frame: `n_fft / 2 + 1`, from 0 Hz to half the sample rate.
    pub fn bins(&self) -> usize {
        self.n_fft / 2 + 1
    }

    /// The spectrum (`bins` values) of the frame centred at `center`.
    pub fn frame(&mut self, signal: &[f32], center: isize) -> &[Complex32] {
        let start = center - (self.n_fft / 2) as isize;
        let (inside, source) = overlap(start, self.n_fft, signal.len());
        self.frame[..inside.start].fill(0.0);
        self.frame[inside.end..].fill(0.0);
        let windowed =
            self.frame[inside.clone()].iter_mut().zip(&signal[source]).zip(&self.window[inside]);
        windowed.for_each(|((y, x), w)| *y = x * w);
        self.to_spectrum
            .process_with_scratch(&mut self.frame, &mut self.spectrum, &mut self.fft_scratch)
            .expect("buffers allocated by new for this plan");
        &self.spectrum
    }

    /// Computes the spectra of `frames` frames into `out`, `[frame][bin]`.
    pub fn forward(
        &mut self,
        signal: &[f32],
        frames: usize,
        first_center: isize,
        out: &mut Vec<Complex32>,
    ) {
        out.clear();
        out.reserve(frames * self.bins());
        for t in 0..frames {
            let center = first_center + (t * self.hop_length) as isize;
            out.extend_from_slice(self.frame(signal, center));
        }
    }

    /// The signal of `len` samples with the spectrum nearest to `spectrum` (`[frame][bin]`,
    /// positioned as in [`Stft::forward`]). Computed by windowed overlap-add divided by the sum of
    /// squared windows, as in librosa's `istft`.
    ///
    /// Samples outside all frames are 0. `spectrum` is overwritten.
    ///
    /// # Panics
    /// If `spectrum` is not a whole number of frames.
    pub fn inverse(
        &mut self,
        spectrum: &mut [Complex32],
        first_center: isize,
        len: usize,
        out: &mut Vec<f32>,
    ) {
        let bins = self.bins();
        assert!(
            spectrum.len().is_multiple_of(bins),
            "spectrum: expected a multiple of {bins} bins, found {} values",
            spectrum.len()
        );
        out.clear();
        out.resize(len, 0.0);
        self.prepare_overlap(spectrum.len() / bins, first_center, len);
        for (t, frame) in spectrum.chunks_exact_mut(bins).enumerate() {
            let center = first_center + (t * self.hop_length) as isize;
            self.overlap_add(frame, center, out);
        }
        out.iter_mut().zip(&self.overlap.scale).for_each(|(y, scale)| *y *= scale);
    }

    /// Updates [`Stft::overlap`].
    fn prepare_overlap(&mut self, frames: usize, first_center: isize, len: usize) {
        let Overlap { frames: cached, first_center: from, scale } = &mut self.overlap;
        if (*cached, *from, scale.len()) == (frames, first_center, len) {
            return;
        }
        (*cached, *from) = (frames, first_center);
        scale.clear();
        scale.resize(len, 0.0);
        for t in 0..frames {
            let start = first_center + (t * self.hop_length) as isize - (self.n_fft / 2) as isize;
            let (inside, target) = overlap(start, self.n_fft, len);
            scale[target].iter_mut().zip(&self.window[inside]).for_each(|(sum, w)| *sum += w * w);
        }
        // librosa divides only where the weight is a normal number.
        let whole = 1.0 / self.n_fft as f32;
        scale.iter_mut().for_each(|w| *w = if *w > f32::MIN_POSITIVE { whole / *w } else { whole });
    }

    /// Adds one frame's windowed samples to `out`.
    fn overlap_add(&mut self, spectrum: &mut [Complex32], center: isize, out: &mut [f32]) {
        let start = center - (self.n_fft / 2) as isize;
        let (inside, target) = overlap(start, self.n_fft, out.len());
        if inside.is_empty() {
            return;
        }
        // realfft requires real first and last bins, as those of a real signal.
        spectrum[0].im = 0.0;
        spectrum[self.n_fft / 2].im = 0.0;
        self.to_signal
            .process_with_scratch(spectrum, &mut self.frame, &mut self.fft_scratch)
            .expect("buffers allocated by new for this plan");
        let windowed = self.frame[inside.clone()].iter().zip(&self.window[inside]);
        out[target].iter_mut().zip(windowed).for_each(|(y, (x, w))| *y += x * w);
    }
}

/// The common samples of a frame at `start` and a signal of `len` samples, as a range of each.
fn overlap(start: isize, n_fft: usize, len: usize) -> (Range<usize>, Range<usize>) {
    let first = start.saturating_neg().clamp(0, n_fft as isize);
    let last = (len as isize - start).clamp(first, n_fft as isize);
    let inside = first as usize..last as usize;
    if inside.is_empty() {
        return (inside, 0..0);
    }
    (inside, (start + first) as usize..(start + last) as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A signal without symmetry or period: a decaying chirp.
    fn chirp(len: usize) -> Vec<f32> {
        (0..len)
            .map(|i| (i as f32 * (0.01 + i as f32 * 2e-5)).sin() * (-(i as f32) / 3000.0).exp())
            .collect()
    }

    #[test]
    fn inverse_of_forward_is_the_signal() {
        for (n_fft, hop, len) in [(2048, 512, 6000), (1024, 256, 4097), (256, 96, 1000)] {
            let (mut stft, signal) = (Stft::new(n_fft, hop), chirp(len));
            let (mut spectrum, mut back) = (Vec::new(), Vec::new());
            stft.forward(&signal, 1 + len / hop, 0, &mut spectrum);
            stft.inverse(&mut spectrum, 0, len, &mut back);
            let worst = signal.iter().zip(&back).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            assert!(worst < 2e-6, "{n_fft}/{hop}: {worst}");
        }
    }

    #[test]
    fn frames_depend_only_on_the_signal_around_their_centre() {
        // The same frames at another offset of a longer part of the same stream, bit for bit.
        let (mut stft, signal) = (Stft::new(512, 128), chirp(8000));
        let (mut whole, mut part) = (Vec::new(), Vec::new());
        stft.forward(&signal, 40, 0, &mut whole);
        stft.forward(&signal[1000..6000], 20, 10 * 128 - 1000 + 256, &mut part);
        assert_eq!(part, whole[12 * stft.bins()..32 * stft.bins()]);
    }

    #[test]
    fn frames_outside_the_signal_are_silent() {
        let (mut stft, signal) = (Stft::new(64, 16), chirp(100));
        for center in [-1000, -32, 132, 100_000, isize::MIN / 2, isize::MAX / 2] {
            assert!(
                stft.frame(&signal, center).iter().all(|x| x.norm_sqr() == 0.0),
                "centre {center}"
            );
        }
        let mut out = Vec::new();
        stft.inverse(&mut [Complex32::new(1.0, 0.0); 33], -500, 20, &mut out);
        assert_eq!(out, vec![0.0; 20]);
    }

    #[test]
    fn a_signal_does_not_depend_on_the_previous_one() {
        let (mut stft, signal) = (Stft::new(256, 64), chirp(2000));
        let mut spectrum = Vec::new();
        stft.forward(&signal, 30, 0, &mut spectrum);
        for (frames, first_center, len) in
            [(30, 0, 1800), (30, 5, 1800), (20, 5, 1800), (20, 5, 1700), (30, 0, 1800)]
        {
            let spectrum = &spectrum[..frames * stft.bins()];
            let (mut again, mut alone) = (Vec::new(), Vec::new());
            stft.inverse(&mut spectrum.to_vec(), first_center, len, &mut again);
            Stft::new(256, 64).inverse(&mut spectrum.to_vec(), first_center, len, &mut alone);
            assert_eq!(again, alone, "{frames} frames from {first_center}, {len} samples");
        }
    }

    #[test]
    fn a_second_call_of_the_same_size_allocates_nothing() {
        let (mut stft, signal) = (Stft::new(256, 64), chirp(2000));
        let (mut spectrum, mut back) = (Vec::new(), Vec::new());
        stft.forward(&signal, 30, 0, &mut spectrum);
        stft.inverse(&mut spectrum.clone(), 0, 1800, &mut back);
        let before = (spectrum.as_ptr(), back.as_ptr(), stft.overlap.scale.as_ptr());
        stft.forward(&signal, 30, 5, &mut spectrum);
        stft.inverse(&mut spectrum, 5, 1800, &mut back);
        assert_eq!(before, (spectrum.as_ptr(), back.as_ptr(), stft.overlap.scale.as_ptr()));
    }
}
