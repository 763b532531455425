//! The plugin in a real-time host, with one and with several instances. `cargo xtask bench` prints
//! the result.
//!
//! Every instance processes the demo piece on its own thread, in blocks of 64 or 128 samples at 48
//! kHz. All instances start together, so their windows coincide. Without a late window the output
//! is equal to an offline render, to the bit. Where it differs, a window was dry. Call times are
//! wall-clock times: with fewer cores than busy threads, the longest calls were interrupted.

use std::time::{Duration, Instant};

use engine::config::ModelConfig;
use engine::latency_mode::LatencyMode;
use tests::clap_host::{Clap, linked_entry};
use tests::signal::piano;

const RATE_HZ: u32 = 48_000;
/// Value of the Style parameter: violin.
const VIOLIN: f64 = 3.0;
/// Length of the run in Live in seconds; [`LIVE_SECONDS_VARIABLE`] overrides it.
const LIVE_SECONDS: usize = 60;
const LIVE_SECONDS_VARIABLE: &str = "LUTHIER_LIVE_SECONDS";

type Channels = Vec<Vec<f32>>;

/// One measurement.
#[derive(Clone, Copy)]
struct Run {
    mode: LatencyMode,
    instances: usize,
    /// Samples per block.
    block: usize,
    seconds: usize,
}

/// The result of one instance.
struct RunResult {
    output: Channels,
    /// Duration of each call.
    calls: Vec<Duration>,
}

impl Run {
    const fn quality(instances: usize) -> Self {
        Self { mode: LatencyMode::Quality, instances, block: 64, seconds: 20 }
    }

    /// All measurements.
    fn all() -> Vec<Self> {
        let seconds = std::env::var(LIVE_SECONDS_VARIABLE).ok().and_then(|text| text.parse().ok());
        let balanced = Self { mode: LatencyMode::Balanced, ..Self::quality(1) };
        let live = Self { mode: LatencyMode::Live, block: 128, ..Self::quality(1) };
        let mut runs = [1, 4, 6, 8, 16].map(Self::quality).to_vec();
        runs.extend([balanced, Self { instances: 2, ..live }]);
        runs.push(Self { seconds: seconds.unwrap_or(LIVE_SECONDS), ..live });
        runs
    }

    /// Value of the Latency parameter.
    fn latency(&self) -> f64 {
        match self.mode {
            LatencyMode::Quality => 0.0,
            LatencyMode::Balanced => 1.0,
            LatencyMode::Live => 2.0,
        }
    }

    /// The piece, repeated.
    fn music(&self) -> Channels {
        let piece = piano(20.0, 2).at_rate(RATE_HZ).expect("another rate").channels;
        let samples = self.seconds * RATE_HZ as usize;
        piece
            .into_iter()
            .map(|channel| channel.into_iter().cycle().take(samples).collect())
            .collect()
    }

    /// Processes the music, in real time or, if offline, without waiting.
    fn play(&self, music: &Channels, offline: bool) -> RunResult {
        let mut clap = Clap::new(&linked_entry());
        clap.set_offline(offline);
        let values = [(clap.param("Style"), VIOLIN), (clap.param("Latency"), self.latency())];
        clap.activate(RATE_HZ, self.block);
        // A new latency mode takes effect at the next activation.
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
        RunResult { output, calls: std::mem::take(&mut clap.times) }
    }

    /// Number of window spans in which two outputs differ.
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

    /// Measures and prints one row.
    fn print(&self) {
        let music = self.music();
        let started = Instant::now();
        let expected = self.play(&music, true).output;
        let factor = started.elapsed().as_secs_f64() / self.seconds as f64;
        let results: Vec<RunResult> = std::thread::scope(|scope| {
            let threads: Vec<_> =
                (0..self.instances).map(|_| scope.spawn(|| self.play(&music, false))).collect();
            threads.into_iter().map(|thread| thread.join().expect("finished")).collect()
        });
        let dry: usize =
            results.iter().map(|result| self.dry_spans(&result.output, &expected)).sum();
        let mut calls: Vec<Duration> =
            results.into_iter().flat_map(|result| result.calls).collect();
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
    // One instance keeps the model in memory. The first run loads it.
    let _kept = Clap::new(&linked_entry());
    let first = Run { seconds: 4, ..Run::quality(1) };
    first.play(&first.music(), true);
    println!("The plugin in real time at {RATE_HZ} Hz:\n");
    println!(
        "| latency | instances | s | block | total real-time factor | spans with a dry window | \
         calls | median, \u{b5}s | 99.9th percentile, \u{b5}s | longest, \u{b5}s |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|");
    Run::all().iter().for_each(Run::print);
}
