use std::f64::consts::TAU;

use super::*;

const RATE_HZ: u32 = 48_000;

/// The filter of ITU-R BS.1770-4, annex 2, table of phases 0 and 1. Phases 2 and 3 mirror them. An
/// independent meter for the output.
const ITU_PHASES: [[f32; 12]; 2] = [
    [
        0.001_708_984_4,
        0.010_986_328,
        -0.019_653_32,
        0.033_203_125,
        -0.059_448_242,
        0.137_329_1,
        0.972_167_97,
        -0.102_294_92,
        0.047_607_422,
        -0.026_611_328,
        0.014_892_578,
        -0.008_300_781,
    ],
    [
        -0.029_174_805,
        0.029_296_875,
        -0.051_757_813,
        0.089_111_33,
        -0.166_503_9,
        0.465_087_9,
        0.779_785_16,
        -0.200_317_38,
        0.101_562_5,
        -0.058_227_54,
        0.033_081_055,
        -0.018_920_898,
    ],
];

fn itu_peak(signal: &[f32]) -> f32 {
    let points = signal.windows(12).flat_map(|window| {
        ITU_PHASES.iter().flat_map(move |phase| {
            let forward: f32 = window.iter().zip(phase).map(|(x, tap)| x * tap).sum();
            let backward: f32 = window.iter().zip(phase.iter().rev()).map(|(x, tap)| x * tap).sum();
            [forward, backward]
        })
    });
    points.fold(0.0, |peak, point| peak.max(point.abs()))
}

fn db(magnitude: f32) -> f32 {
    20.0 * magnitude.log10()
}

fn sine(amplitude: f64, frequency: f64, phase: f64, len: usize) -> Vec<f32> {
    (0..len).map(|n| (amplitude * (TAU * frequency * n as f64 + phase).sin()) as f32).collect()
}

/// Noise in -1..1.
fn noise(len: usize) -> Vec<f32> {
    let mut state = 1u32;
    let mut next = move || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1 << 23) as f32 - 1.0
    };
    (0..len).map(|_| next()).collect()
}

fn limited(signal: &[Vec<f32>], rate_hz: u32) -> Vec<Vec<f32>> {
    let mut limiter = Limiter::new(signal.len(), rate_hz);
    limiter.set_enabled(true);
    let mut block = signal.to_vec();
    limiter.process(&mut block);
    block
}

/// Asserts the ceiling, as measured by both meters.
fn assert_limited(signal: Vec<f32>, name: &str) -> Vec<f32> {
    let out = limited(&[signal], RATE_HZ).remove(0);
    let (own, itu) = (db(TruePeak::new().max(&out)), db(itu_peak(&out)));
    println!("measured: {name}: {own:.3} dBTP, {itu:.3} dBTP with the ITU's filter");
    assert!(own < -0.95, "{name}: {own} dBTP");
    // The ITU's short filter reads up to 0.26 dB too much near a quarter of the sample rate.
    assert!(itu < -0.70, "{name}: {itu} dBTP with the ITU's filter");
    out
}

#[test]
fn the_ceiling_is_1_db_below_full_scale() {
    assert!((db(CEILING) + 1.0).abs() < 1e-6);
}

#[test]
fn sines_keep_the_ceiling_between_their_samples() {
    for frequency in [0.000_5, 0.01, 0.1, 0.249, 0.25, 0.251, 0.3, 0.4] {
        let signal = sine(1.6, frequency, TAU / 8.0, 20_000);
        let out = assert_limited(signal, &format!("sine {frequency}"));
        let settled = db(TruePeak::new().max(&out[10_000..]));
        assert!(settled > -1.6, "{frequency}: not lower than necessary: {settled} dBTP");
    }
    // Its samples are below the ceiling, its peaks 2 dB above.
    let between = sine(1.122, 0.25, TAU / 8.0, 20_000);
    assert!(between.iter().all(|sample| sample.abs() < CEILING));
    assert_limited(between, "peaks between samples");
}

#[test]
fn steps_impulses_and_noise_keep_the_ceiling() {
    let square = |period: usize| {
        (0..20_000usize).map(move |n| if (n / period).is_multiple_of(2) { 3.0 } else { -3.0 })
    };
    assert_limited(square(50).collect(), "square wave");
    assert_limited(square(1999).collect(), "steps");
    let mut impulses = vec![0.0; 20_000];
    impulses.iter_mut().step_by(777).for_each(|sample| *sample = -50.0);
    assert_limited(impulses, "impulses");
    assert_limited(noise(20_000).iter().map(|sample| 4.0 * sample).collect(), "noise");
    let swell = noise(20_000).iter().enumerate().map(|(n, x)| x * n as f32 / 2000.0).collect();
    assert_limited(swell, "rising noise");
}

#[test]
fn the_gain_has_no_steps() {
    // A constant makes the gain visible in the output.
    for level in [1.0, 2.0, 100.0] {
        let mut signal = vec![0.5; 120_000];
        signal[10_000] = level;
        signal[10_001..20_000].fill(0.6);
        let out = limited(std::slice::from_ref(&signal), RATE_HZ).remove(0);
        let delay = Limiter::delay_samples(RATE_HZ);
        let gains: Vec<f32> = out[delay..].iter().zip(&signal).map(|(y, x)| y / x).collect();
        let largest = gains.windows(2).map(|pair| (pair[1] - pair[0]).abs()).fold(0.0, f32::max);
        assert!(largest <= 2.1 / (0.002 * RATE_HZ as f32), "{level}: {largest}");
        let second = gains.windows(3).map(|g| (g[2] - 2.0 * g[1] + g[0]).abs());
        assert!(second.fold(0.0, f32::max) < 2e-3, "{level}: the slope has no steps");
        assert_eq!((gains[0], *gains.last().expect("gains")), (1.0, 1.0), "{level}");
        assert!(gains[10_000 - delay - 20] == 1.0 && gains[10_000] <= 1.001 * CEILING / level);
    }
}

#[test]
fn a_signal_below_the_ceiling_and_a_limiter_that_is_off_keep_every_bit() {
    for rate_hz in [8_000, 44_100, 48_000, 192_000] {
        let delay = Limiter::delay_samples(rate_hz);
        assert!(delay as f64 / f64::from(rate_hz) < 0.004);
        let quiet: Vec<f32> = sine(0.89, 0.01, 0.0, 5000);
        let out = limited(std::slice::from_ref(&quiet), rate_hz).remove(0);
        assert!(out[..delay].iter().all(|sample| *sample == 0.0));
        assert!(out[delay..] == quiet[..5000 - delay], "{rate_hz} Hz");

        let loud: Vec<f32> = noise(5000).iter().map(|sample| 9.0 * sample).collect();
        let mut block = [loud.clone()];
        Limiter::new(1, rate_hz).process(&mut block);
        assert!(block[0][delay..] == loud[..5000 - delay], "{rate_hz} Hz");
    }
}

#[test]
fn after_a_peak_the_output_is_exact_again() {
    let delay = Limiter::delay_samples(RATE_HZ);
    let mut signal = sine(0.5, 0.01, 0.0, 150_000);
    signal[1000] = 8.0;
    let out = limited(std::slice::from_ref(&signal), RATE_HZ).remove(0);
    assert!(out[delay + 2000] != signal[2000]);
    assert!(out[100_000 + delay..] == signal[100_000..150_000 - delay]);
}

#[test]
fn both_channels_have_the_same_gain() {
    let (left, right) = (sine(2.0, 0.01, 0.0, 20_000), sine(0.1, 0.013, 1.0, 20_000));
    let out = limited(&[left.clone(), right.clone()], RATE_HZ);
    let delay = Limiter::delay_samples(RATE_HZ);
    for n in (2000..19_000).filter(|&n| left[n].abs() > 0.1 && right[n].abs() > 0.01) {
        let gains = [out[0][n + delay] / left[n], out[1][n + delay] / right[n]];
        assert!(gains[0] < 0.99 && (gains[0] - gains[1]).abs() < 1e-5, "{n}: {gains:?}");
    }
}

#[test]
fn block_sizes_do_not_change_the_bits() {
    let signal = [noise(9000), noise(9001)[1..].to_vec()].map(|channel| {
        channel.iter().enumerate().map(|(n, x)| x * (n as f32 / 900.0).sin() * 3.0).collect()
    });
    let whole = limited(&signal, 44_100);
    for size in [1, 64, 511, 8000] {
        let mut limiter = Limiter::new(2, 44_100);
        limiter.set_enabled(true);
        let mut out = vec![Vec::new(); 2];
        for start in (0..9000).step_by(size) {
            let end = (start + size).min(9000);
            let mut block = signal.clone().map(|channel: Vec<f32>| channel[start..end].to_vec());
            limiter.process(&mut block);
            out.iter_mut().zip(&block).for_each(|(out, block)| out.extend_from_slice(block));
        }
        assert!(out == whole, "blocks of {size}");
    }
}

#[test]
fn silence_stays_silent_and_a_reset_forgets_everything() {
    let mut limiter = Limiter::new(2, RATE_HZ);
    limiter.set_enabled(true);
    limiter.process(&mut [vec![50.0; 3000], vec![f32::NAN; 3000]]);
    limiter.reset();
    let mut silence = [vec![0.0; 3000], vec![0.0; 3000]];
    limiter.process(&mut silence);
    assert!(silence.iter().flatten().all(|sample| *sample == 0.0));
    let signal = [noise(3000), noise(3000)].map(|c| c.iter().map(|x| 2.0 * x).collect());
    limiter.process(&mut [vec![1.0; 10], vec![-9.0; 10]]);
    limiter.reset();
    let mut again = signal.clone();
    limiter.process(&mut again);
    assert!(again[..] == limited(&signal, RATE_HZ)[..]);
}

#[test]
fn switching_has_no_clicks_and_off_becomes_exact() {
    let mut limiter = Limiter::new(1, RATE_HZ);
    let mut out = Vec::new();
    for on in [false, true, false] {
        limiter.set_enabled(on);
        let mut block = [vec![1.5; 100_000]];
        limiter.process(&mut block);
        out.extend_from_slice(&block[0]);
    }
    let jumps = out[200..].windows(2).map(|pair| (pair[1] - pair[0]).abs());
    assert!(jumps.fold(0.0, f32::max) < 0.03);
    assert!(out[150_000] < 1.001 * CEILING);
    assert!(out[280_000..].iter().all(|sample| *sample == 1.5));
}

#[test]
fn invalid_samples_do_not_stay() {
    for invalid in [f32::NAN, f32::INFINITY, f32::MAX] {
        let mut signal = sine(0.5, 0.01, 0.0, 150_000);
        signal[500] = invalid;
        let out = limited(std::slice::from_ref(&signal), RATE_HZ).remove(0);
        let delay = Limiter::delay_samples(RATE_HZ);
        assert!(out[100_000 + delay..] == signal[100_000..150_000 - delay], "{invalid}");
    }
}
