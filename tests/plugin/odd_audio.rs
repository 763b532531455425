//! What no instrument plays: the output is finite and bounded, what comes after it is played, and
//! silence stays silent.

use std::f32::consts::TAU;

use tests::clap_host::{Clap, entry};
use tests::signal::{Lcg, piano};

/// The Style parameter's places.
const PIANO: f64 = 0.0;
const VIOLIN: f64 = 3.0;
/// Louder than any output of what is not louder than full scale.
const LOUDEST: f32 = 4.0;
/// Louder than that of a full square, of rms 1, which keeps its level with a violin's crest: 4.15
/// by the shipped model, 3.55 by the one before.
const LOUDEST_SQUARE: f32 = 4.5;
/// Where what comes in is bounded: +40 dBFS.
const BOUND: f32 = 100.0;
/// Seconds of silence; `LUTHIER_SILENCE_SECONDS` asks for more.
const SILENCE_SECONDS: usize = 40;
const SILENCE_RATE_HZ: u32 = 16_000;

fn rms(samples: &[f32]) -> f32 {
    (samples.iter().map(|x| x * x).sum::<f32>() / samples.len() as f32).sqrt()
}

/// An odd signal of five seconds at a rate.
fn odd(name: &str, rate_hz: usize) -> Vec<f32> {
    let mut random = Lcg(1);
    let sample = |n: usize| match name {
        "not a number" => f32::NAN,
        "infinity" => f32::INFINITY,
        "minus infinity" => f32::NEG_INFINITY,
        "now and then not a number" => {
            if random.below(100) == 0 {
                f32::NAN
            } else {
                0.2 * (TAU * 440.0 * n as f32 / rate_hz as f32).sin()
            }
        }
        "subnormal" => 1e-42,
        "absurdly loud" => 1e38 * if random.below(2) == 0 { 1.0 } else { -1.0 },
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
fn what_is_no_music_is_bounded_and_what_follows_is_played() {
    let entry = entry();
    let music = piano(8.0, 1);
    let rate_hz = music.sample_rate_hz as usize;
    let names = [
        "not a number",
        "infinity",
        "minus infinity",
        "now and then not a number",
        "subnormal",
        "absurdly loud",
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
        assert!(
            out.iter().all(|x| x.is_normal() || *x == 0.0),
            "{name}: a number is none, or subnormal"
        );
        let loudest = out.iter().fold(0.0f32, |loudest, x| loudest.max(x.abs()));
        let bound = match name {
            "absurdly loud" => BOUND,
            "square" => LOUDEST_SQUARE,
            _ => LOUDEST,
        };
        assert!(loudest <= bound, "{name}: {loudest}");
        let after = &out[latency + 8 * rate_hz..];
        let asked = rms(&music.channels[0][3 * rate_hz..]);
        println!(
            "{name}: at most {loudest:.2}, music after it {:.1} dB",
            20.0 * (rms(after) / asked).log10()
        );
        assert!(rms(after) > 0.1 * asked, "{name}: {} of {asked} is left of the music", rms(after));
    }
}

#[test]
fn silence_stays_silent() {
    let asked = std::env::var("LUTHIER_SILENCE_SECONDS").ok().and_then(|text| text.parse().ok());
    let seconds: usize = asked.unwrap_or(SILENCE_SECONDS);
    for style in [PIANO, VIOLIN] {
        let mut clap = Clap::new(&entry());
        clap.set_channels(1);
        clap.set_offline(true);
        clap.activate(SILENCE_RATE_HZ, 8192);
        let input = vec![0.0; seconds * SILENCE_RATE_HZ as usize];
        let values = [(clap.param("Style"), style), (clap.param("Steps"), 0.0)];
        let out = clap.play(&[input], &[], |_| 8192, &values).remove(0);
        let loudest = out.iter().fold(0.0f32, |loudest, x| loudest.max(x.abs()));
        println!("{seconds} s of silence with style {style}: at most {loudest:e}");
        assert!(loudest == 0.0, "{loudest}");
    }
}
