//! The limiter of a stream: it does not change the latency, and changes only loud samples.

use engine::dsp::limiter::{CEILING, Limiter};
use engine::settings::Settings;
use engine::stream::{AudioThread, Controls, StreamConfig, WorkHandle, open};
use tests::signal::{Lcg, delayed};

use crate::fakes::{Passthrough, grid, play, short, sine};

const RATE_HZ: u32 = 44_100;
const DEADLINE_SAMPLES: u64 = 1500;

fn open_stream(limiter: bool, deadline_samples: u64) -> engine::Result<(AudioThread, WorkHandle)> {
    let config = StreamConfig {
        grid: grid(&short(), RATE_HZ),
        channels: 2,
        sidechain: false,
        deadline_samples,
        limiter,
    };
    open(&config, Box::new(Passthrough::new(2)), &Settings::default())
}

fn stream(limiter: bool, controls: Controls) -> (AudioThread, WorkHandle) {
    let (mut audio, work) = open_stream(limiter, DEADLINE_SAMPLES).expect("a stream");
    audio.set_offline(true);
    audio.set_controls(&controls);
    (audio, work)
}

fn on() -> Controls {
    Controls { limiter: true, ..Controls::default() }
}

#[test]
fn it_keeps_the_latency_and_every_bit_below_the_ceiling() {
    let noise = Lcg(1).noise(40_000).iter().map(|sample| 0.3 * sample).collect();
    let signal = vec![sine(40_000, 440.0, RATE_HZ), noise];
    let (without, _work) = stream(false, Controls::default());
    let latency = without.latency_samples();
    for controls in [Controls::default(), on()] {
        let (mut audio, _work) = stream(true, controls);
        assert_eq!(audio.latency_samples(), latency);
        assert_eq!(audio.position(), -(latency as i64));
        for round in 0..2 {
            let out = play(&mut audio, &signal, |n| 1 + n % 700);
            for (out, signal) in out.iter().zip(&signal) {
                assert!(*out == delayed(signal, latency as usize), "{controls:?}, round {round}");
            }
            audio.reset();
        }
    }
}

#[test]
fn it_limits_the_output_after_the_gain_but_not_the_bypass() {
    let signal = vec![sine(40_000, 440.0, RATE_HZ); 2];
    let loud = Controls { output_gain: 8.0, ..on() };
    let (mut audio, _work) = stream(true, loud);
    let out = play(&mut audio, &signal, |_| 480);
    let peak = out.iter().flatten().fold(0.0f32, |peak, sample| peak.max(sample.abs()));
    assert!((0.99 * CEILING..1.001 * CEILING).contains(&peak), "{peak}");
    let (mut other, _work) = stream(true, loud);
    assert!(play(&mut other, &signal, |n| 1 + n % 999) == out, "block sizes change nothing");

    let signal: Vec<Vec<f32>> =
        signal.iter().map(|channel| channel.iter().map(|x| 3.0 * x).collect()).collect();
    let (mut audio, _work) = stream(true, Controls { bypass: true, ..loud });
    let latency = audio.latency_samples() as usize;
    assert!(play(&mut audio, &signal, |_| 480)[0] == delayed(&signal[0], latency));
}

#[test]
fn a_deadline_shorter_than_its_delay_is_refused() {
    let delay = Limiter::delay_samples(RATE_HZ) as u64;
    for (deadline_samples, accepted) in [(delay, true), (delay - 1, false)] {
        let opened = open_stream(true, deadline_samples);
        assert_eq!(opened.is_ok(), accepted);
        if let Err(error) = opened {
            assert!(error.to_string().contains("deadline"), "{error}");
        }
    }
}
