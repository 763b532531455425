//! Properties of the resampler: flat, aligned, alias-free, and independent of block sizes.

use std::f64::consts::TAU;

use super::*;

/// Host rates against the model's, both directions, extremes, and pairs without a small ratio.
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

/// Noise from a linear congruential generator's high bits.
fn noise(len: usize) -> Vec<f32> {
    let mut state = 1u64;
    let mut next = || {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1 << 23) as f32 - 1.0
    };
    (0..len).map(|_| next()).collect()
}

fn resample(from_hz: u32, to_hz: u32, input: &[f32]) -> Vec<f32> {
    through(Resampler::new(from_hz, to_hz).expect("rates"), input)
}

fn through(mut resampler: Resampler, input: &[f32]) -> Vec<f32> {
    let mut output = Vec::new();
    resampler.push(input, &mut output);
    resampler.flush(&mut output);
    output
}

/// The samples far enough from both ends that the filter covers only signal.
fn middle(output: &[f32]) -> std::ops::Range<usize> {
    output.len() / 4..output.len() * 3 / 4
}

/// Gain (dB) and delay (input samples) of a resampled tone, by projection on its phasor.
fn response(from_hz: u32, to_hz: u32, hz: f64) -> (f64, f64) {
    let output = resample(from_hz, to_hz, &sine(hz, from_hz, from_hz as usize / 2));
    // The Hann weight suppresses leakage of other frequencies.
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
fn the_pass_band_is_flat_and_aligned() {
    for (from, to) in PAIRS_HZ {
        let nyquist_hz = f64::from(from.min(to)) / 2.0;
        for hz in [40.0, 0.25 * nyquist_hz, 0.9 * nyquist_hz, 0.95 * nyquist_hz] {
            let (gain_db, delay) = response(from, to, hz);
            assert!(gain_db.abs() < 0.01, "{from}->{to} at {hz} Hz: {gain_db} dB");
            assert!(delay.abs() < 6e-4, "{from}->{to} at {hz} Hz: delay of {delay} samples");
        }
    }
}

#[test]
fn frequencies_above_the_lower_nyquist_are_removed() {
    for (from, to) in
        PAIRS_HZ.into_iter().filter(|(from, to)| f64::from(*from) > 1.1 * f64::from(*to))
    {
        let nyquist_hz = f64::from(to) / 2.0;
        for hz in [1.001 * nyquist_hz, 1.1 * nyquist_hz, 0.5 * (nyquist_hz + f64::from(from) / 2.0)]
        {
            let output = resample(from, to, &sine(hz, from, from as usize / 2));
            let peak = output[middle(&output)].iter().fold(0.0f32, |a, x| a.max(x.abs()));
            assert!(peak < 1e-4, "{from}->{to} at {hz} Hz: alias of {peak}");
        }
    }
}

#[test]
fn upsampling_adds_no_images() {
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
fn an_impulse_keeps_its_time() {
    for (from, to) in PAIRS_HZ {
        let at = from as usize / 5;
        let mut input = vec![0.0; 2 * at];
        input[at] = 1.0;
        let output = resample(from, to, &input);
        let mass: f64 = output.iter().map(|&y| f64::from(y)).sum();
        let moment: f64 = output.iter().enumerate().map(|(n, &y)| n as f64 * f64::from(y)).sum();
        let time = moment / mass * f64::from(from) / f64::from(to);
        assert!((time - at as f64).abs() < 1e-2, "{from}->{to}: {time}, expected {at}");
    }
}

#[test]
fn block_sizes_do_not_change_the_bits() {
    for (from, to) in PAIRS_HZ {
        let input = noise(9000);
        let whole = resample(from, to, &input);
        for step in [1, 7, 64, 511, 4097] {
            let (mut resampler, mut output) =
                (Resampler::new(from, to).expect("rates"), Vec::new());
            input.chunks(step).for_each(|piece| resampler.push(piece, &mut output));
            resampler.flush(&mut output);
            assert_eq!(output, whole, "{from}->{to} in pieces of {step}");
        }
    }
}

#[test]
fn output_is_available_after_the_look_ahead_and_ends_with_the_input() {
    for (from, to) in PAIRS_HZ {
        let (mut resampler, mut output) = (Resampler::new(from, to).expect("rates"), Vec::new());
        let look_ahead = Resampler::look_ahead_samples(from, to).expect("rates");
        for last in 0..5999usize {
            resampler.push(&[0.5], &mut output);
            let due =
                last.checked_sub(look_ahead).map_or(0, |t| t * to as usize / from as usize + 1);
            assert!(output.len() >= due, "{from}->{to}: {} of {due} at {last}", output.len());
        }
        resampler.flush(&mut output);
        assert_eq!(output.len(), (5999 * to as usize).div_ceil(from as usize), "{from}->{to}");
        output.clear();
        resampler.push(&noise(3000), &mut output);
        resampler.flush(&mut output);
        assert_eq!(
            output,
            resample(from, to, &noise(3000)),
            "{from}->{to}: a flush starts a new stream"
        );
    }
}

#[test]
fn equal_rates_copy_the_input() {
    let input = noise(1000);
    assert_eq!(resample(48_000, 48_000, &input), input);
}

#[test]
fn unsupported_rates_are_rejected() {
    for (from, to) in [(0, 48_000), (48_000, 7_999), (192_001, 48_000)] {
        let sentence = Resampler::new(from, to).err().expect("refused").to_string();
        assert!(sentence.contains("8000 to 192000 Hz"), "{sentence}");
    }
}

#[test]
fn librosas_rolloff_matches_soxr() {
    // Level in dB at these fractions of the Nyquist frequency, after `soxr.resample(tone, from,
    // 22050, quality="HQ")` of python-soxr 1.1.0. The two rates differ by 0.1 dB at 0.96.
    let expected_db =
        [(0.5, 0.0), (0.9, 0.0), (0.93, -0.07), (0.94, -0.65), (0.95, -2.85), (0.96, -8.07)];
    for from_hz in [44_100, 48_000] {
        for (share, expected_db) in expected_db {
            let tone = sine(11_025.0 * share, from_hz, from_hz as usize / 2);
            let output = through(
                Resampler::with_rolloff(from_hz, 22_050, Rolloff::Librosa).expect("rates"),
                &tone,
            );
            let range = middle(&output);
            let power = output[range.clone()].iter().map(|v| f64::from(*v).powi(2)).sum::<f64>();
            let db = 10.0 * (2.0 * power / range.len() as f64).log10();
            assert!(
                (db - expected_db).abs() < 0.15,
                "{from_hz} Hz, {share}: {db} dB, expected {expected_db} dB"
            );
        }
    }
}

/// A converter that was dropped in the middle of a stream is reused in its initial state.
#[test]
fn a_reused_converter_has_no_state() {
    let (from_hz, to_hz, signal) = (44_100, 31_250, noise(9_000));
    let fresh = resample(from_hz, to_hz, &signal);
    for cut in [1, 777, 8_999] {
        let mut left = Resampler::new(from_hz, to_hz).expect("rates");
        left.push(&signal[..cut], &mut Vec::new());
        drop(left);
        assert!(resample(from_hz, to_hz, &signal) == fresh, "after {cut} samples");
    }
}
