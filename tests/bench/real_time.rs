//! The plugin in a host that plays in real time, alone and beside others: `cargo xtask bench`
//! prints it.
//!
//! Every instance plays the demo piece on a thread of its own, 64 or 128 samples at 48 kHz at a
//! time, all of them begun together, so that their windows fall together. Without a late window an
//! instance plays what an offline render plays, to the bit; where it differs, a window was dry. The
//! time of a call is the wall's: where there are fewer cores than busy threads, the longest calls
//! are those that were interrupted.

use std::time::{Duration, Instant};

use engine::config::ModelConfig;
use engine::latency_mode::LatencyMode;
use tests::clap_host::{Clap, linked_entry};
use tests::signal::piano;

const RATE_HZ: u32 = 48_000;
/// The Style parameter's place of the violin.
const VIOLIN: f64 = 3.0;
/// How long the run in Live is, in seconds; [`LIVE_SECONDS_VARIABLE`] asks for another one.
const LIVE_SECONDS: usize = 60;
const LIVE_SECONDS_VARIABLE: &str = "LUTHIER_LIVE_SECONDS";

type Channels = Vec<Vec<f32>>;

/// What plays, and for how long.
#[derive(Clone, Copy)]
struct Run {
    mode: LatencyMode,
    instances: usize,
    /// Samples a block.
    block: usize,
    seconds: usize,
}

/// What one instance did.
struct Played {
    output: Channels,
    /// How long each call took.
    calls: Vec<Duration>,
}

impl Run {
    const fn quality(instances: usize) -> Self {
        Self { mode: LatencyMode::Quality, instances, block: 64, seconds: 20 }
    }

    /// All that are measured.
    fn all() -> Vec<Self> {
        let seconds = std::env::var(LIVE_SECONDS_VARIABLE).ok().and_then(|text| text.parse().ok());
        let balanced = Self { mode: LatencyMode::Balanced, ..Self::quality(1) };
        let live = Self { mode: LatencyMode::Live, block: 128, ..Self::quality(1) };
        let mut runs = [1, 4, 6, 8, 16].map(Self::quality).to_vec();
        runs.extend([balanced, Self { instances: 2, ..live }]);
        runs.push(Self { seconds: seconds.unwrap_or(LIVE_SECONDS), ..live });
        runs
    }

    /// The Latency parameter's place.
    fn latency(&self) -> f64 {
        match self.mode {
            LatencyMode::Quality => 0.0,
            LatencyMode::Balanced => 1.0,
            LatencyMode::Live => 2.0,
        }
    }

    /// The piece, over and over.
    fn music(&self) -> Channels {
        let piece = piano(20.0, 2).at_rate(RATE_HZ).expect("another rate").channels;
        let samples = self.seconds * RATE_HZ as usize;
        piece
            .into_iter()
            .map(|channel| channel.into_iter().cycle().take(samples).collect())
            .collect()
    }

    /// Plays: as fast as it goes, or at the speed of time.
    fn play(&self, music: &Channels, offline: bool) -> Played {
        let mut clap = Clap::new(&linked_entry());
        clap.set_offline(offline);
        let values = [(clap.param("Style"), VIOLIN), (clap.param("Latency"), self.latency())];
        clap.activate(RATE_HZ, self.block);
        // A latency that was chosen plays from the next activation on.
        clap.play(&vec![vec![0.0; 1]; music.len()], &[], |_| 1, &values);
        clap.deactivate();
        clap.activate(RATE_HZ, self.block);
        clap.times.clear();
        let started = Instant::now();
        let block = self.block;
        let next = move |start: usize| {
            if !offline {
                let due = started + Duration::from_secs_f64(start as f64 / f64::from(RATE_HZ));
                std::thread::sleep(due.saturating_duration_since(Instant::now()));
            }
            block
        };
        let output = clap.play(music, music, next, &[]);
        Played { output, calls: std::mem::take(&mut clap.times) }
    }

    /// Windows' spans of the output in which two plays differ.
    fn dry_spans(&self, output: &Channels, expected: &Channels) -> usize {
        let config = ModelConfig::default();
        let hop = self.mode.window(&config).hop_frames * config.mel.hop_length;
        let hop_s = hop as f64 / f64::from(config.mel.sample_rate_hz);
        let span = |sample: usize| (sample as f64 / f64::from(RATE_HZ) / hop_s) as usize;
        let mut dry: Vec<usize> = (0..output[0].len())
            .filter(|&i| output.iter().zip(expected).any(|(a, b)| a[i].to_bits() != b[i].to_bits()))
            .map(span)
            .collect();
        dry.dedup();
        dry.len()
    }

    /// Measures, and prints a row.
    fn print(&self) {
        let music = self.music();
        let started = Instant::now();
        let expected = self.play(&music, true).output;
        let factor = started.elapsed().as_secs_f64() / self.seconds as f64;
        let played: Vec<Played> = std::thread::scope(|scope| {
            let players: Vec<_> =
                (0..self.instances).map(|_| scope.spawn(|| self.play(&music, false))).collect();
            players.into_iter().map(|player| player.join().expect("played")).collect()
        });
        let dry: usize =
            played.iter().map(|played| self.dry_spans(&played.output, &expected)).sum();
        let mut calls: Vec<Duration> = played.into_iter().flat_map(|played| played.calls).collect();
        calls.sort();
        let at =
            |share: f64| calls[((calls.len() - 1) as f64 * share) as usize].as_secs_f64() * 1e6;
        println!(
            "| {:?} | {} | {} | {} | {:.2} | {dry} | {} | {:.1} | {:.1} | {:.1} |",
            self.mode,
            self.instances,
            self.seconds,
            self.block,
            self.instances as f64 * factor,
            calls.len(),
            at(0.5),
            at(0.999),
            at(1.0)
        );
    }
}

fn main() {
    // While one instance lives, the model stays in memory; the first play loads it.
    let _kept = Clap::new(&linked_entry());
    let first = Run { seconds: 4, ..Run::quality(1) };
    first.play(&first.music(), true);
    println!("The plugin in real time at {RATE_HZ} Hz:\n");
    println!(
        "| latency | instances | s | block | real-time factors together | spans with a dry window | calls | median, \u{b5}s | 99.9th percentile, \u{b5}s | longest, \u{b5}s |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|");
    Run::all().iter().for_each(Run::print);
}
