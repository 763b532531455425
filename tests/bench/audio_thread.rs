//! What one `process` call of the plugin costs, in a host that plays in real time: `cargo xtask bench` prints it.
//!
//! Every instance plays the demo piece on a thread of its own, 64 samples at 48 kHz at a time, while the workers compute.
//! The time is the wall's: where there are fewer cores than busy threads, the longest calls are those that were interrupted.

use std::time::{Duration, Instant};

use tests::clap_host::{Clap, linked_entry};
use tests::signal::piano;

const RATE_HZ: u32 = 48_000;
const BLOCK: usize = 64;
const SECONDS: usize = 12;
/// The Style parameter's place of the violin.
const VIOLIN: f64 = 3.0;

/// Plays at the speed of time; returns how long each call took.
fn play() -> Vec<Duration> {
    let mut music = piano(SECONDS as f64, 2).at_rate(RATE_HZ).expect("another rate").channels;
    music.iter_mut().for_each(|channel| channel.truncate(SECONDS * RATE_HZ as usize));
    let mut clap = Clap::new(&linked_entry());
    clap.activate(RATE_HZ, BLOCK);
    let style = clap.param("Style");
    let started = Instant::now();
    let next = move |start: usize| {
        let due = started + Duration::from_secs_f64(start as f64 / f64::from(RATE_HZ));
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        BLOCK
    };
    clap.play(&music, &music, next, &[(style, VIOLIN)]);
    std::mem::take(&mut clap.times)
}

fn main() {
    let period = BLOCK as f64 / f64::from(RATE_HZ) * 1e6;
    println!(
        "One call of the plugin's `process`, {BLOCK} samples at {RATE_HZ} Hz, which are {period:.0} \u{b5}s:\n"
    );
    println!("| instances | calls | median, \u{b5}s | 99.9th percentile, \u{b5}s | longest, \u{b5}s |");
    println!("|---|---|---|---|---|");
    for instances in [1, 16] {
        let mut times: Vec<Duration> = std::thread::scope(|scope| {
            let players: Vec<_> = (0..instances).map(|_| scope.spawn(play)).collect();
            players.into_iter().flat_map(|player| player.join().expect("played")).collect()
        });
        times.sort();
        let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize].as_secs_f64() * 1e6;
        println!("| {instances} | {} | {:.1} | {:.1} | {:.1} |", times.len(), at(0.5), at(0.999), at(1.0));
    }
}
