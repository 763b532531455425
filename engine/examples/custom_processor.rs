//! Implements a [`WindowProcessor`]: a ring modulator in place of the model.
//!
//! ```sh
//! cargo run --release -p engine --example custom_processor
//! ```

use std::f64::consts::TAU;

use engine::cancel::Cancel;
use engine::config::ModelConfig;
use engine::settings::Settings;
use engine::stream::{Grid, History, WindowInput, WindowOutput, WindowProcessor, render};
use engine::{Error, Result};

const RATE_HZ: u32 = 44_100;
const CARRIER_HZ: f64 = 110.0;

/// Multiplies the input by a sine.
struct RingModulator {
    /// A window's wet segment starts before its new samples, so earlier samples must be kept.
    history: History,
}

impl RingModulator {
    fn new(channels: usize) -> Self {
        Self { history: History::new(channels) }
    }

    fn store(&mut self, window: &WindowInput) {
        if window.first_sample != self.history.end() {
            // The stream was interrupted.
            self.history.restart(window.first_sample);
        }
        self.history.push(&window.main);
    }
}

impl WindowProcessor for RingModulator {
    fn process(&mut self, window: &WindowInput, out: &mut WindowOutput, _: &Cancel) -> Result<()> {
        self.store(window);
        let start = window.segment.start;
        self.history.forget_before(start);
        for (channel, wet) in out.wet.iter_mut().enumerate() {
            let available = self.history.read(channel, start as i64, wet);
            available.ok_or_else(|| Error::Compute("the stream was interrupted".into()))?;
            for (n, sample) in wet.iter_mut().enumerate() {
                // The phase depends on the position in the stream, so that windows agree.
                let time_s = (start + n as u64) as f64 / f64::from(RATE_HZ);
                *sample *= (TAU * CARRIER_HZ * time_s).sin() as f32;
            }
        }
        Ok(())
    }

    fn skip(&mut self, window: &WindowInput) {
        self.store(window);
    }

    fn reset(&mut self) {
        self.history.restart(0);
    }
}

fn main() -> Result<()> {
    let tone = |n: usize| (0.25 * (TAU * 440.0 * n as f64 / f64::from(RATE_HZ)).sin()) as f32;
    let input = [(0..10 * RATE_HZ as usize).map(tone).collect::<Vec<f32>>()];

    // The windows of the default model; the resampler's look-ahead is 0 without a model.
    let grid = Grid::new(&ModelConfig::default(), RATE_HZ, 0)?;
    let (processor, settings) = (Box::new(RingModulator::new(1)), Settings::default());
    let (output, report) = render(grid, &input, processor, &settings, &mut |_| {})?;

    let expected = |n: usize| {
        let carrier = (TAU * CARRIER_HZ * n as f64 / f64::from(RATE_HZ)).sin() as f32;
        input[0][n] * carrier
    };
    let error =
        (0..output[0].len()).map(|n| (output[0][n] - expected(n)).abs()).fold(0.0, f32::max);
    println!("windows: {}, largest error: {error:.1e}", report.stats.wet);
    assert!(error < 1e-5, "expected the product of input and carrier");
    Ok(())
}
