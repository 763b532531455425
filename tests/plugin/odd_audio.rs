//! Signals that are not music: the output is finite and bounded, music after them is processed, and
//! silence stays silent.

use std::f32::consts::TAU;

use tests::clap_host::{Clap, entry};
use tests::signal::{Lcg, piano};

/// Values of the Style parameter.
const PIANO: f64 = 0.0;
const VIOLIN: f64 = 3.0;
/// Bound of the output for input up to full scale.
const LOUDEST: f32 = 4.0;
/// Bound for a full-scale square wave of RMS 1, which has the crest factor of a violin at the
/// output (`docs/decisions/049-test-thresholds.md`).
const LOUDEST_SQUARE: f32 = 4.5;
/// Bound of the input: +40 dBFS.
const BOUND: f32 = 100.0;
/// Seconds of silence; `LUTHIER_SILENCE_SECONDS` overrides it.
const SILENCE_SECONDS: usize = 40;
const SILENCE_RATE_HZ: u32 = 16_000;

fn rms(samples: &[f32]) -> f32 {
    (samples.iter().map(|x| x * x).sum::<f32>() / samples.len() as f32).sqrt()
}

/// A named test signal of 5 s.
fn odd(name: &str, rate_hz: usize) -> Vec<f32> {
    let mut random = Lcg(1);
    let sample = |n: usize| match name {
        "not a number" => f32::NAN,
        "infinity" => f32::INFINITY,
        "minus infinity" => f32::NEG_INFINITY,
        "occasional not a number" => {
            if random.below(100) == 0 {
                f32::NAN
            } else {
                0.2 * (TAU * 440.0 * n as f32 / rate_hz as f32).sin()
            }
        }
        "subnormal" => 1e-42,
        "extremely loud" => 1e38 * if random.below(2) == 0 { 1.0 } else { -1.0 },
        "square" => {
            if n % 100 < 50 {
                1.0
            } else {
                -1.0
            }
        }
        "constant" => 1.0,
        "nyquist" => {
            if n.is_multiple_of(2) {
                1.0
            } else {
                -1.0
            }
        }
        "one click" => {
            if n == rate_hz {
                1.0
            } else {
                0.0
            }
        }
        _ => unreachable!("{name}"),
    };
    (0..5 * rate_hz).map(sample).collect()
}

#[test]
fn unusual_signals_are_bounded_and_music_after_them_is_processed() {
    let entry = entry();
    let music = piano(8.0, 1);
    let rate_hz = music.sample_rate_hz as usize;
    let names = [
        "not a number",
        "infinity",
        "minus infinity",
        "occasional not a number",
        "subnormal",
        "extremely loud",
        "square",
        "constant",
        "nyquist",
        "one click",
    ];
    for name in names {
        let mut clap = Clap::new(&entry);
        clap.set_channels(1);
        clap.set_offline(true);
        let latency = clap.activate(music.sample_rate_hz, 4096);
        let mut input = odd(name, rate_hz);
        input.extend(&music.channels[0]);
        input.resize(input.len() + latency, 0.0);
        let values = [(clap.param("Style"), VIOLIN), (clap.param("Steps"), 0.0)];
        let out = clap.play(&[input], &[], |_| 4096, &values).remove(0);
        assert!(out.iter().all(|x| x.is_normal() || *x == 0.0), "{name}: not finite, or subnormal");
        let loudest = out.iter().fold(0.0f32, |loudest, x| loudest.max(x.abs()));
        let bound = match name {
            "extremely loud" => BOUND,
            "square" => LOUDEST_SQUARE,
            _ => LOUDEST,
        };
        assert!(loudest <= bound, "{name}: {loudest}");
        let after = &out[latency + 8 * rate_hz..];
        let input_rms = rms(&music.channels[0][3 * rate_hz..]);
        println!(
            "{name}: peak {loudest:.2}, level of the music after it {:.1} dB",
            20.0 * (rms(after) / input_rms).log10()
        );
        assert!(
            rms(after) > 0.1 * input_rms,
            "{name}: RMS {} of the music, expected {input_rms}",
            rms(after)
        );
    }
}

#[test]
fn silence_stays_silent() {
    let variable = std::env::var("LUTHIER_SILENCE_SECONDS").ok().and_then(|text| text.parse().ok());
    let seconds: usize = variable.unwrap_or(SILENCE_SECONDS);
    for style in [PIANO, VIOLIN] {
        let mut clap = Clap::new(&entry());
        clap.set_channels(1);
        clap.set_offline(true);
        clap.activate(SILENCE_RATE_HZ, 8192);
        let input = vec![0.0; seconds * SILENCE_RATE_HZ as usize];
        let values = [(clap.param("Style"), style), (clap.param("Steps"), 0.0)];
        let out = clap.play(&[input], &[], |_| 8192, &values).remove(0);
        let loudest = out.iter().fold(0.0f32, |loudest, x| loudest.max(x.abs()));
        println!("{seconds} s of silence with style {style}: peak {loudest:e}");
        assert!(loudest == 0.0, "{loudest}");
    }
}
