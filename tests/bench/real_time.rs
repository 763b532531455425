//! The plugin in a host that plays in real time, alone and beside others: `cargo xtask bench` prints it.
//!
//! Every instance plays the demo piece on a thread of its own, 64 samples at 48 kHz at a time, all of them begun together, so that
//! their windows fall together. Without a late window an instance plays what an offline render plays, to the bit; where it
//! differs, a window was dry. The time of a call is the wall's: where there are fewer cores than busy threads, the
//! longest calls are those that were interrupted.

use std::time::{Duration, Instant};

use engine::config::ModelConfig;
use tests::clap_host::{Clap, linked_entry};
use tests::signal::piano;

const RATE_HZ: u32 = 48_000;
const BLOCK: usize = 64;
const SECONDS: usize = 20;
/// How many play together.
const INSTANCES: [usize; 5] = [1, 4, 6, 8, 16];
/// The Style parameter's place of the violin.
const VIOLIN: f64 = 3.0;

type Channels = Vec<Vec<f32>>;

/// What one instance did.
struct Played {
    output: Channels,
    /// How long each call took.
    calls: Vec<Duration>,
}

/// Plays the piece: as fast as it goes, or at the speed of time.
fn play(music: &Channels, offline: bool) -> Played {
    let mut clap = Clap::new(&linked_entry());
    clap.set_offline(offline);
    clap.activate(RATE_HZ, BLOCK);
    let style = clap.param("Style");
    let started = Instant::now();
    let next = move |start: usize| {
        if !offline {
            let due = started + Duration::from_secs_f64(start as f64 / f64::from(RATE_HZ));
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
        }
        BLOCK
    };
    let output = clap.play(music, music, next, &[(style, VIOLIN)]);
    Played { output, calls: std::mem::take(&mut clap.times) }
}

/// Windows' spans of the output in which two plays differ.
fn dry_windows(output: &Channels, expected: &Channels) -> usize {
    let config = ModelConfig::default();
    let hop_s =
        (config.window.hop_frames * config.mel.hop_length) as f64 / f64::from(config.mel.sample_rate_hz);
    let window = |sample: usize| (sample as f64 / f64::from(RATE_HZ) / hop_s) as usize;
    let mut dry: Vec<usize> = (0..output[0].len())
        .filter(|&i| output.iter().zip(expected).any(|(a, b)| a[i].to_bits() != b[i].to_bits()))
        .map(window)
        .collect();
    dry.dedup();
    dry.len()
}

fn main() {
    let period = BLOCK as f64 / f64::from(RATE_HZ) * 1e6;
    let mut music = piano(SECONDS as f64, 2).at_rate(RATE_HZ).expect("another rate").channels;
    music.iter_mut().for_each(|channel| channel.truncate(SECONDS * RATE_HZ as usize));
    // While one instance lives, the model stays in memory.
    let _kept = Clap::new(&linked_entry());
    play(&music, true); // The first play loads it.
    let started = Instant::now();
    let expected = play(&music, true).output;
    let factor = started.elapsed().as_secs_f64() / SECONDS as f64;
    println!(
        "The plugin in real time, {SECONDS} s at {RATE_HZ} Hz; one call of `process`, {BLOCK} samples, lasts {period:.0} \u{b5}s:\n"
    );
    println!(
        "| instances | real-time factors together | spans with a dry window | calls | median, \u{b5}s | 99.9th percentile, \u{b5}s | longest, \u{b5}s |"
    );
    println!("|---|---|---|---|---|---|---|");
    for instances in INSTANCES {
        let played: Vec<Played> = std::thread::scope(|scope| {
            let players: Vec<_> = (0..instances).map(|_| scope.spawn(|| play(&music, false))).collect();
            players.into_iter().map(|player| player.join().expect("played")).collect()
        });
        let dry: usize = played.iter().map(|played| dry_windows(&played.output, &expected)).sum();
        let mut calls: Vec<Duration> = played.into_iter().flat_map(|played| played.calls).collect();
        calls.sort();
        let at = |share: f64| calls[((calls.len() - 1) as f64 * share) as usize].as_secs_f64() * 1e6;
        println!(
            "| {instances} | {:.2} | {dry} | {} | {:.1} | {:.1} | {:.1} |",
            instances as f64 * factor,
            calls.len(),
            at(0.5),
            at(0.999),
            at(1.0)
        );
    }
}
