//! A continuous resampler per stream: time-aligned, and independent of block sizes.
//!
//! ```
//! use engine::dsp::resample::{Resampler, resampled};
//!
//! let signal: Vec<f32> = (0..4410).map(|n| (n as f32 * 0.05).sin()).collect();
//! let whole = resampled(&signal, 44_100, 22_050)?;
//! assert_eq!(whole.len(), 2205);
//!
//! let (mut resampler, mut output) = (Resampler::new(44_100, 22_050)?, Vec::new());
//! signal.chunks(100).for_each(|block| resampler.push(block, &mut output));
//! resampler.flush(&mut output);
//! assert_eq!(output, whole);
//! # Ok::<(), engine::Error>(())
//! ```

mod idle;

use rubato::audioadapter_buffers::direct::SequentialSlice;
use rubato::{
    Async, FixedAsync, Resampler as _, SincInterpolationParameters, SincInterpolationType,
    WindowFunction, calculate_cutoff,
};

use crate::{Error, Result};

/// Supported rates.
const RATES_HZ: std::ops::RangeInclusive<u32> = 8_000..=192_000;
/// Side lobes below -92 dB, at little more than half the length of the squared window.
const WINDOW: WindowFunction = WindowFunction::BlackmanHarris;
/// Ratios with at most this many output phases (22.05 to 192 kHz has 1280) use one filter per
/// phase, which is exact.
const EXACT_PHASES: u64 = 1280;
/// Other ratios interpolate between this many phases with a cubic.
const INTERPOLATED_PHASES: u64 = 256;

/// Transition band of a resampler's filter, relative to the Nyquist frequency of the lower rate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Rolloff {
    /// Flat to 0.95, below -90 dB at 1: the widest pass band.
    #[default]
    Steep,
    /// Flat to 0.913, -6 dB at 0.957, stop band from 1: the response of soxr's `HQ` recipe, with
    /// which librosa loads files. For images that are compared with librosa's; see
    /// `docs/decisions/032-librosa-resampling.md`.
    Librosa,
}

impl Rolloff {
    /// Length of the sinc filter in samples of the lower rate.
    fn sinc_len(self) -> usize {
        match self {
            Self::Steep => 384,
            Self::Librosa => 192,
        }
    }

    /// The -6 dB frequency as a fraction of the Nyquist frequency.
    fn cutoff(self) -> f32 {
        match self {
            Self::Steep => calculate_cutoff(self.sinc_len(), WINDOW),
            // The middle of soxr's transition band; its pass band ends at 1 - 0.05 / 0.5789 for 20
            // bits.
            Self::Librosa => 0.9568,
        }
    }
}

/// A mono sample rate converter for a stream of blocks.
///
/// Output sample `n` is at input time `n * from_hz / to_hz`: the filter's delay is removed. The
/// output depends on the samples, not on the block sizes. Equal rates copy the input bit for bit.
///
/// The filter is a windowed sinc with the transition band of its [`Rolloff`] and aliases below -80
/// dB. After [`Resampler::new`], memory is allocated only to extend `output`.
pub struct Resampler {
    from_hz: u64,
    to_hz: u64,
    /// `None` when the rates are equal.
    sinc: Option<Sinc>,
    /// Input samples since the start or the last flush.
    received: u64,
    /// Output samples since then.
    sent: u64,
}

impl Resampler {
    /// A converter between two rates of 8 to 192 kHz, with [`Rolloff::Steep`].
    ///
    /// # Errors
    /// If a rate is out of range.
    pub fn new(from_hz: u32, to_hz: u32) -> Result<Self> {
        Self::with_rolloff(from_hz, to_hz, Rolloff::default())
    }

    /// As [`Resampler::new`], with another filter.
    pub fn with_rolloff(from_hz: u32, to_hz: u32, rolloff: Rolloff) -> Result<Self> {
        let sinc = Filter::new(from_hz, to_hz, rolloff)?.map(Sinc::new).transpose()?;
        Ok(Self { from_hz: from_hz.into(), to_hz: to_hz.into(), sinc, received: 0, sent: 0 })
    }

    /// Look-ahead of [`Resampler::new`]: output `n` is available once input sample `n * from_hz /
    /// to_hz + look_ahead_samples` has been pushed. 0 for equal rates.
    ///
    /// # Errors
    /// As [`Resampler::new`].
    pub fn look_ahead_samples(from_hz: u32, to_hz: u32) -> Result<usize> {
        Ok(Filter::new(from_hz, to_hz, Rolloff::default())?
            .map_or(0, |filter| filter.look_ahead_samples()))
    }

    /// Processes the next block and appends the available output to `output`.
    pub fn push(&mut self, input: &[f32], output: &mut Vec<f32>) {
        let before = output.len();
        match &mut self.sinc {
            None => output.extend_from_slice(input),
            Some(sinc) => sinc.push(input, output),
        }
        self.received += input.len() as u64;
        self.sent += (output.len() - before) as u64;
    }

    /// Ends the stream as if silence followed, and appends the remaining output. The total is
    /// `ceil(received * to_hz / from_hz)` samples. The next push starts a new stream.
    pub fn flush(&mut self, output: &mut Vec<f32>) {
        let total = (self.received * self.to_hz).div_ceil(self.from_hz);
        let end = output.len() + total.saturating_sub(self.sent) as usize;
        if let Some(sinc) = &mut self.sinc {
            while output.len() < end {
                sinc.push(&[0.0; 64], output);
            }
            output.truncate(end);
        }
        self.reset();
    }

    /// Discards the stream so far.
    pub fn reset(&mut self) {
        (self.received, self.sent) = (0, 0);
        if let Some(sinc) = &mut self.sinc {
            sinc.reset();
        }
    }
}

/// Frees the converters that are kept for reuse; see `docs/decisions/043-reused-resamplers.md`.
pub fn forget_idle() {
    idle::forget();
}

/// A whole signal at another rate: `ceil(len * to_hz / from_hz)` samples, as if silence followed.
///
/// # Errors
/// If a rate is out of range.
pub fn resampled(signal: &[f32], from_hz: u32, to_hz: u32) -> Result<Vec<f32>> {
    let (mut resampler, mut output) = (Resampler::new(from_hz, to_hz)?, Vec::new());
    resampler.push(signal, &mut output);
    resampler.flush(&mut output);
    Ok(output)
}

/// The parameters of a sinc converter.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Filter {
    /// Rates in lowest terms.
    from: u64,
    to: u64,
    rolloff: Rolloff,
}

impl Filter {
    /// `None` for equal rates.
    fn new(from_hz: u32, to_hz: u32, rolloff: Rolloff) -> Result<Option<Self>> {
        if let Some(found) = [from_hz, to_hz].into_iter().find(|hz| !RATES_HZ.contains(hz)) {
            return Err(Error::invalid("sample rate", "8000 to 192000 Hz", format!("{found} Hz")));
        }
        let common = gcd(from_hz.into(), to_hz.into());
        let (from, to) = (u64::from(from_hz) / common, u64::from(to_hz) / common);
        Ok(if from == to { None } else { Some(Self { from, to, rolloff }) })
    }

    /// Filter length in input samples. For downsampling it is longer by the ratio.
    fn len(&self) -> usize {
        let lower = self.rolloff.sinc_len() as u64 * self.from.max(self.to);
        lower.div_ceil(self.to).next_multiple_of(8) as usize
    }

    /// Small chunks shorten the look-ahead. Each chunk copies two filter lengths.
    fn chunk_samples(&self) -> usize {
        self.len() / 8
    }

    /// Half of the filter, one chunk, and rubato's own margin.
    fn look_ahead_samples(&self) -> usize {
        self.len() / 2 + self.chunk_samples() + 1
    }

    /// Whether there is one filter per output phase.
    fn is_exact(&self) -> bool {
        self.to <= EXACT_PHASES
    }

    /// Size of the filter table.
    fn bytes(&self) -> usize {
        self.phases() as usize * self.len() * size_of::<f32>()
    }

    fn phases(&self) -> u64 {
        if self.is_exact() { self.to } else { INTERPOLATED_PHASES }
    }

    /// rubato's converter with its filter table.
    fn build(&self) -> Result<Async<f32>> {
        let kind = if self.is_exact() {
            SincInterpolationType::Nearest
        } else {
            SincInterpolationType::Cubic
        };
        let parameters = SincInterpolationParameters::new(self.len(), WINDOW)
            .f_cutoff(self.rolloff.cutoff())
            .oversampling_factor(self.phases() as usize)
            .interpolation(kind);
        let ratio = self.to as f64 / self.from as f64;
        Async::new_sinc(ratio, 1.0, &parameters, self.chunk_samples(), 1, FixedAsync::Input)
            .map_err(|error| {
                Error::Compute(format!("resampler from {} to {}: {error}", self.from, self.to))
            })
    }
}

/// rubato's sinc converter, fed in its fixed chunks, with exact alignment.
struct Sinc {
    inner: idle::Reusable,
    chunk_samples: usize,
    alignment: Alignment,
    /// Input that does not fill a chunk yet, fewer than `chunk_samples`.
    pending: Vec<f32>,
    /// One chunk's output.
    ready: Vec<f32>,
    /// Output samples before time 0 that are still to be dropped.
    to_drop: usize,
}

impl Sinc {
    fn new(filter: Filter) -> Result<Self> {
        let inner = idle::take(filter)?;
        let chunk_samples = filter.chunk_samples();
        let ready = vec![0.0; inner.output_frames_max()];
        let alignment = Alignment::new(filter.from, filter.to, filter.phases(), filter.len());
        let pending = Vec::with_capacity(chunk_samples);
        let mut sinc = Self { inner, chunk_samples, alignment, pending, ready, to_drop: 0 };
        sinc.lead_in();
        Ok(sinc)
    }

    fn reset(&mut self) {
        self.inner.reset();
        self.pending.clear();
        self.lead_in();
    }

    /// Feeds silence so that an output sample coincides with input time 0.
    fn lead_in(&mut self) {
        self.to_drop = self.alignment.drop_samples;
        let mut output = Vec::new();
        for _ in 0..self.alignment.lead_samples {
            self.push(&[0.0], &mut output);
        }
        debug_assert!(output.is_empty(), "the lead-in ends before time 0");
    }

    fn push(&mut self, mut input: &[f32], output: &mut Vec<f32>) {
        while !input.is_empty() {
            let take = input.len().min(self.chunk_samples - self.pending.len());
            self.pending.extend_from_slice(&input[..take]);
            input = &input[take..];
            if self.pending.len() == self.chunk_samples {
                self.convert_chunk(output);
            }
        }
    }

    fn convert_chunk(&mut self, output: &mut Vec<f32>) {
        let capacity = self.ready.len();
        let input =
            SequentialSlice::new(&self.pending, 1, self.chunk_samples).expect("one whole chunk");
        let mut ready =
            SequentialSlice::new_mut(&mut self.ready, 1, capacity).expect("its own length");
        let (_, produced) = self
            .inner
            .process_into_buffer(&input, &mut ready, None)
            .expect("a chunk of the required size");
        let dropped = self.to_drop.min(produced);
        self.to_drop -= dropped;
        output.extend_from_slice(&self.ready[dropped..produced]);
        self.pending.clear();
    }
}

/// Aligns one of rubato's output samples with input time 0.
struct Alignment {
    /// Zeros to feed before the stream.
    lead_samples: usize,
    /// Output samples to drop, so that the next one coincides with the first sample after the
    /// lead-in.
    drop_samples: usize,
}

impl Alignment {
    /// For rates in lowest terms, `from : to`, and a table of `phases` filters of `len` samples.
    ///
    /// rubato's output `k` is the signal at `(k + 1) from / to - len / 2 + 1 / phases` samples
    /// after its first input sample (the filter's peak is tabulated one phase late). With one phase
    /// per output sample, one of every `to` outputs coincides with an input sample exactly. With
    /// interpolated phases the nearest one differs by at most `1 / (2 to)` sample, and `to` is
    /// above 1000 in this case.
    fn new(from: u64, to: u64, phases: u64, len: usize) -> Self {
        // In units of 1 / (to * phases) sample, so that all values are integers.
        let one = to * phases;
        let time = |k: u64| (k + 1) * from * phases + to;
        let half_len = len as u64 / 2;
        let first = half_len * to / from;
        let nearest = |k: u64| (time(k) + one / 2) / one;
        let is_aligned = |k: u64| 2 * time(k).abs_diff(nearest(k) * one) <= phases;
        let k = (first..=first + 2 * to)
            .find(|&k| nearest(k) >= half_len && is_aligned(k))
            .expect("the phases of one period include every residue");
        Self { lead_samples: (nearest(k) - half_len) as usize, drop_samples: k as usize }
    }
}

fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

#[cfg(test)]
mod tests;
