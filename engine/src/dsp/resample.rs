//! One continuous resampler a stream: aligned, and independent of how the stream is cut.

use rubato::audioadapter_buffers::direct::SequentialSlice;
use rubato::{
    Async, FixedAsync, Resampler as _, SincInterpolationParameters, SincInterpolationType, WindowFunction,
    calculate_cutoff,
};

use crate::{Error, Result};

/// Rates that are resampled from and to.
const RATES_HZ: std::ops::RangeInclusive<u32> = 8_000..=192_000;
/// Length of the sinc in samples of the lower rate. At 384 the pass band is flat to 0.95 of its Nyquist
/// frequency, from where this window falls below -90 dB before the Nyquist frequency is reached.
const SINC_LEN: usize = 384;
/// Side lobes below -92 dB, at little more than half the length that the squared window needs.
const WINDOW: WindowFunction = WindowFunction::BlackmanHarris;
/// Ratios with at most so many output phases (22.05 to 192 kHz has 1280) get one filter a phase, which is exact.
const EXACT_PHASES: u64 = 1280;
/// Other ratios interpolate between so many phases with a cubic.
const INTERPOLATED_PHASES: u64 = 256;

/// A mono sample rate converter for a stream that comes in pieces.
///
/// Output sample `n` lies at input time `n * from_hz / to_hz`: the filter's delay is taken off. The output
/// depends on the samples only, never on the sizes of the pieces. Equal rates pass through bit for bit.
///
/// A band-limited (windowed sinc) filter: flat to 0.95 of the lower rate's Nyquist frequency, aliases below
/// -80 dB. After [`Resampler::new`] nothing allocates but to grow `output`.
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
    /// A converter between two rates of 8 to 192 kHz.
    pub fn new(from_hz: u32, to_hz: u32) -> Result<Self> {
        if let Some(found) = [from_hz, to_hz].into_iter().find(|hz| !RATES_HZ.contains(hz)) {
            return Err(Error::invalid("sample rate", "8000 to 192000 Hz", format!("{found} Hz")));
        }
        let sinc = if from_hz == to_hz { None } else { Some(Sinc::new(from_hz.into(), to_hz.into())?) };
        Ok(Self { from_hz: from_hz.into(), to_hz: to_hz.into(), sinc, received: 0, sent: 0 })
    }

    /// How far an output sample looks ahead: output `n` is out once input sample
    /// `n * from_hz / to_hz + look_ahead_samples` has been pushed. 0 for equal rates.
    pub fn look_ahead_samples(&self) -> usize {
        self.sinc.as_ref().map_or(0, Sinc::look_ahead_samples)
    }

    /// Takes the next piece of the stream and appends to `output` what is ready.
    pub fn push(&mut self, input: &[f32], output: &mut Vec<f32>) {
        let before = output.len();
        match &mut self.sinc {
            None => output.extend_from_slice(input),
            Some(sinc) => sinc.push(input, output),
        }
        self.received += input.len() as u64;
        self.sent += (output.len() - before) as u64;
    }

    /// Ends the stream: appends what is left, as if silence followed, so that there are
    /// `ceil(received * to_hz / from_hz)` output samples in all. The next push starts a new stream.
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

    /// Forgets the stream so far.
    pub fn reset(&mut self) {
        (self.received, self.sent) = (0, 0);
        if let Some(sinc) = &mut self.sinc {
            sinc.reset();
        }
    }
}

/// rubato's sinc converter fed in its fixed chunks, with the alignment made exact.
struct Sinc {
    inner: Async<f32>,
    len: usize,
    chunk_samples: usize,
    alignment: Alignment,
    /// Input that does not fill a chunk yet, less than `chunk_samples`.
    pending: Vec<f32>,
    /// One chunk's output.
    ready: Vec<f32>,
    /// Output samples still to be dropped before time 0.
    to_drop: usize,
}

impl Sinc {
    fn new(from_hz: u64, to_hz: u64) -> Result<Self> {
        let common = gcd(from_hz, to_hz);
        let (from, to) = (from_hz / common, to_hz / common);
        // The filter works at the input rate: going down, it is longer by the ratio.
        let len = (SINC_LEN as u64 * from.max(to)).div_ceil(to).next_multiple_of(8) as usize;
        let exact = to <= EXACT_PHASES;
        let phases = if exact { to } else { INTERPOLATED_PHASES };
        let kind = if exact { SincInterpolationType::Nearest } else { SincInterpolationType::Cubic };
        let parameters = SincInterpolationParameters::new(len, WINDOW)
            .f_cutoff(calculate_cutoff(SINC_LEN, WINDOW))
            .oversampling_factor(phases as usize)
            .interpolation(kind);
        // Small chunks keep the look-ahead short; each costs a copy of two filter lengths.
        let chunk_samples = len / 8;
        let ratio = to_hz as f64 / from_hz as f64;
        let inner = Async::new_sinc(ratio, 1.0, &parameters, chunk_samples, 1, FixedAsync::Input)
            .map_err(|error| Error::Compute(format!("resampler from {from_hz} to {to_hz} Hz: {error}")))?;
        let ready = vec![0.0; inner.output_frames_max()];
        let (pending, alignment) = (Vec::with_capacity(chunk_samples), Alignment::new(from, to, phases, len));
        let mut sinc = Self { inner, len, chunk_samples, alignment, pending, ready, to_drop: 0 };
        sinc.lead_in();
        Ok(sinc)
    }

    /// Half of the filter, the rest of a chunk, and rubato's own margin.
    fn look_ahead_samples(&self) -> usize {
        self.len / 2 + self.chunk_samples + 1
    }

    fn reset(&mut self) {
        self.inner.reset();
        self.pending.clear();
        self.lead_in();
    }

    /// Feeds the silence after which an output sample falls on input time 0.
    fn lead_in(&mut self) {
        self.to_drop = self.alignment.drop_samples;
        let mut nothing = Vec::new();
        for _ in 0..self.alignment.lead_samples {
            self.push(&[0.0], &mut nothing);
        }
        debug_assert!(nothing.is_empty(), "the lead-in ends before time 0 is reached");
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
        let room = self.ready.len();
        let input = SequentialSlice::new(&self.pending, 1, self.chunk_samples).expect("one whole chunk");
        let mut ready = SequentialSlice::new_mut(&mut self.ready, 1, room).expect("its own length");
        let (_, made) = self
            .inner
            .process_into_buffer(&input, &mut ready, None)
            .expect("a chunk of the size it asked for");
        let dropped = self.to_drop.min(made);
        self.to_drop -= dropped;
        output.extend_from_slice(&self.ready[dropped..made]);
        self.pending.clear();
    }
}

/// Where rubato's output samples fall, and how to make one of them fall on input time 0.
struct Alignment {
    /// Zeros to feed before the stream.
    lead_samples: usize,
    /// Output samples to drop, so that the next one falls on the first sample after the lead.
    drop_samples: usize,
}

impl Alignment {
    /// For rates in lowest terms, `from : to`, a table of `phases` filters of `len` samples.
    ///
    /// rubato's output `k` is the signal at `(k + 1) from / to - len / 2 + 1 / phases` samples after the first
    /// one it was fed (its filter's peak is tabulated one phase late). With one phase an output sample, some
    /// `k` among every `to` falls on a whole sample exactly; with interpolated phases the nearest one
    /// is off by `1 / (2 to)` sample at most, and `to` is above a thousand there.
    fn new(from: u64, to: u64, phases: u64, len: usize) -> Self {
        // In units of 1 / (to * phases) sample, so that everything is whole.
        let one = to * phases;
        let time = |k: u64| (k + 1) * from * phases + to;
        let half_len = len as u64 / 2;
        let first = half_len * to / from;
        let nearest = |k: u64| (time(k) + one / 2) / one;
        let is_aligned = |k: u64| 2 * time(k).abs_diff(nearest(k) * one) <= phases;
        let k = (first..=first + 2 * to)
            .find(|&k| nearest(k) >= half_len && is_aligned(k))
            .expect("the phases of one period cover every residue");
        Self { lead_samples: (nearest(k) - half_len) as usize, drop_samples: k as usize }
    }
}

fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

#[cfg(test)]
mod tests {
    use std::f64::consts::TAU;

    use super::*;

    /// Host rates against the model's, both ways, extremes, and pairs without a small common ratio.
    const PAIRS_HZ: [(u32, u32); 14] = [
        (44_100, 22_050),
        (48_000, 22_050),
        (96_000, 22_050),
        (8_000, 22_050),
        (192_000, 22_050),
        (88_200, 22_050),
        (22_050, 44_100),
        (22_050, 48_000),
        (22_050, 192_000),
        (192_000, 8_000),
        (8_000, 192_000),
        (44_101, 22_050),
        (44_100, 44_101),
        (11_025, 16_001),
    ];

    fn sine(hz: f64, rate_hz: u32, len: usize) -> Vec<f32> {
        (0..len).map(|i| (TAU * hz * i as f64 / f64::from(rate_hz)).sin() as f32).collect()
    }

    /// Noise without a library: a linear congruential generator's high bits.
    fn noise(len: usize) -> Vec<f32> {
        let mut state = 1u64;
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 40) as f32 / (1 << 23) as f32 - 1.0
        };
        (0..len).map(|_| next()).collect()
    }

    fn resample(from_hz: u32, to_hz: u32, input: &[f32]) -> Vec<f32> {
        let (mut resampler, mut output) = (Resampler::new(from_hz, to_hz).expect("rates"), Vec::new());
        resampler.push(input, &mut output);
        resampler.flush(&mut output);
        output
    }

    /// The samples far enough from both ends that the filter sees signal only.
    fn middle(output: &[f32]) -> std::ops::Range<usize> {
        output.len() / 4..output.len() * 3 / 4
    }

    /// Gain (dB) and delay (input samples) of a tone that went through, by projection on its phasor.
    fn response(from_hz: u32, to_hz: u32, hz: f64) -> (f64, f64) {
        let output = resample(from_hz, to_hz, &sine(hz, from_hz, from_hz as usize / 2));
        // A Hann weight: other frequencies do not leak into the projection.
        let (range, mut re, mut im, mut weights) = (middle(&output), 0.0, 0.0, 0.0);
        for n in range.clone() {
            let w = 0.5 - 0.5 * (TAU * (n - range.start) as f64 / range.len() as f64).cos();
            let phase = TAU * hz * n as f64 / f64::from(to_hz);
            re += w * f64::from(output[n]) * phase.sin();
            im += w * f64::from(output[n]) * phase.cos();
            weights += w / 2.0;
        }
        (20.0 * (re.hypot(im) / weights).log10(), -im.atan2(re) / TAU / hz * f64::from(from_hz))
    }

    #[test]
    fn the_pass_band_is_flat_and_in_time() {
        for (from, to) in PAIRS_HZ {
            let nyquist_hz = f64::from(from.min(to)) / 2.0;
            for hz in [40.0, 0.25 * nyquist_hz, 0.9 * nyquist_hz, 0.95 * nyquist_hz] {
                let (gain_db, delay) = response(from, to, hz);
                assert!(gain_db.abs() < 0.01, "{from}->{to} at {hz} Hz: {gain_db} dB");
                assert!(delay.abs() < 6e-4, "{from}->{to} at {hz} Hz: {delay} samples late");
            }
        }
    }

    #[test]
    fn what_the_lower_rate_cannot_hold_is_gone() {
        for (from, to) in PAIRS_HZ.into_iter().filter(|(from, to)| f64::from(*from) > 1.1 * f64::from(*to)) {
            let nyquist_hz = f64::from(to) / 2.0;
            for hz in [1.001 * nyquist_hz, 1.1 * nyquist_hz, 0.5 * (nyquist_hz + f64::from(from) / 2.0)] {
                let output = resample(from, to, &sine(hz, from, from as usize / 2));
                let peak = output[middle(&output)].iter().fold(0.0f32, |a, x| a.max(x.abs()));
                assert!(peak < 1e-4, "{from}->{to} at {hz} Hz: alias of {peak}");
            }
        }
    }

    #[test]
    fn going_up_makes_no_images() {
        for (from, to) in PAIRS_HZ.into_iter().filter(|(from, to)| from < to) {
            let hz = 0.45 * f64::from(from);
            let output = resample(from, to, &sine(hz, from, from as usize / 2));
            let worst = middle(&output)
                .map(|n| (output[n] - (TAU * hz * n as f64 / f64::from(to)).sin() as f32).abs())
                .fold(0.0, f32::max);
            assert!(worst < 2e-3, "{from}->{to}: {worst}");
        }
    }

    #[test]
    fn an_impulse_stays_in_place() {
        for (from, to) in PAIRS_HZ {
            let at = from as usize / 5;
            let mut input = vec![0.0; 2 * at];
            input[at] = 1.0;
            let output = resample(from, to, &input);
            let mass: f64 = output.iter().map(|&y| f64::from(y)).sum();
            let moment: f64 = output.iter().enumerate().map(|(n, &y)| n as f64 * f64::from(y)).sum();
            let time = moment / mass * f64::from(from) / f64::from(to);
            assert!((time - at as f64).abs() < 1e-2, "{from}->{to}: {time}, not {at}");
        }
    }

    #[test]
    fn any_cutting_gives_the_same_bits() {
        for (from, to) in PAIRS_HZ {
            let input = noise(9000);
            let whole = resample(from, to, &input);
            for step in [1, 7, 64, 511, 4097] {
                let (mut resampler, mut output) = (Resampler::new(from, to).expect("rates"), Vec::new());
                input.chunks(step).for_each(|piece| resampler.push(piece, &mut output));
                resampler.flush(&mut output);
                assert_eq!(output, whole, "{from}->{to} in pieces of {step}");
            }
        }
    }

    #[test]
    fn output_is_out_when_the_look_ahead_says_and_ends_with_the_input() {
        for (from, to) in PAIRS_HZ {
            let (mut resampler, mut output) = (Resampler::new(from, to).expect("rates"), Vec::new());
            let look_ahead = resampler.look_ahead_samples();
            for last in 0..5999usize {
                resampler.push(&[0.5], &mut output);
                let due = last.checked_sub(look_ahead).map_or(0, |t| t * to as usize / from as usize + 1);
                assert!(output.len() >= due, "{from}->{to}: {} of {due} at {last}", output.len());
            }
            resampler.flush(&mut output);
            assert_eq!(output.len(), (5999 * to as usize).div_ceil(from as usize), "{from}->{to}");
            output.clear();
            resampler.push(&noise(3000), &mut output);
            resampler.flush(&mut output);
            assert_eq!(output, resample(from, to, &noise(3000)), "{from}->{to}: a flush starts a new stream");
        }
    }

    #[test]
    fn equal_rates_pass_through() {
        let input = noise(1000);
        assert_eq!(resample(48_000, 48_000, &input), input);
    }

    #[test]
    fn absurd_rates_are_refused() {
        for (from, to) in [(0, 48_000), (48_000, 7_999), (192_001, 48_000)] {
            let sentence = Resampler::new(from, to).err().expect("refused").to_string();
            assert!(sentence.contains("8000 to 192000 Hz"), "{sentence}");
        }
    }
}
