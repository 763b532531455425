//! Processors that replace the model, and streams for them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use engine::cancel::Cancel;
use engine::config::{ModelConfig, WindowConfig};
use engine::settings::Settings;
use engine::stream::{
    AudioThread, Grid, History, StreamConfig, WindowInput, WindowOutput, WindowProcessor,
    WorkHandle, open,
};
use engine::{Error, Result};

/// Returns the input, multiplied by a gain.
pub struct Passthrough {
    pub history: History,
    pub gain: f32,
}

impl Passthrough {
    pub fn new(channels: usize) -> Self {
        Self { history: History::new(channels), gain: 1.0 }
    }

    fn take(&mut self, window: &WindowInput) {
        if window.first_sample != self.history.end() {
            self.history.restart(window.first_sample);
        }
        self.history.push(&window.main);
    }
}

impl WindowProcessor for Passthrough {
    fn process(&mut self, window: &WindowInput, out: &mut WindowOutput, _: &Cancel) -> Result<()> {
        self.take(window);
        self.history.forget_before(window.segment.start);
        for (c, wet) in out.wet.iter_mut().enumerate() {
            let here = self.history.read(c, window.segment.start as i64, wet);
            here.ok_or_else(|| Error::Compute("the stream was interrupted".into()))?;
            wet.iter_mut().for_each(|sample| *sample *= self.gain);
        }
        Ok(())
    }

    fn skip(&mut self, window: &WindowInput) {
        self.take(window);
    }

    fn reset(&mut self) {
        self.history.restart(0);
    }
}

/// Returns the input, multiplied by a gain that differs in every window.
pub struct Numbered(pub Passthrough);

impl WindowProcessor for Numbered {
    fn process(
        &mut self,
        window: &WindowInput,
        out: &mut WindowOutput,
        cancel: &Cancel,
    ) -> Result<()> {
        self.0.gain = (window.index * 7 % 11) as f32 / 5.0 - 1.0;
        self.0.process(window, out, cancel)
    }

    fn skip(&mut self, window: &WindowInput) {
        self.0.skip(window);
    }

    fn reset(&mut self) {
        self.0.reset();
    }
}

/// A processor that first calls a function with the window's index.
pub struct Before<F> {
    pub inner: Passthrough,
    pub before: F,
}

impl<F: FnMut(u64, &Cancel) -> Result<()> + Send> WindowProcessor for Before<F> {
    fn process(
        &mut self,
        window: &WindowInput,
        out: &mut WindowOutput,
        cancel: &Cancel,
    ) -> Result<()> {
        self.inner.take(window);
        (self.before)(window.index, cancel)?;
        let empty = WindowInput {
            index: window.index,
            first_sample: self.inner.history.end(),
            main: vec![Vec::new(); window.main.len()],
            sidechain: Vec::new(),
            has_sidechain_signal: false,
            segment: window.segment.clone(),
            settings: window.settings.clone(),
            offline: window.offline,
        };
        self.inner.process(&empty, out, cancel)
    }

    fn skip(&mut self, window: &WindowInput) {
        self.inner.skip(window);
    }

    fn reset(&mut self) {
        self.inner.reset();
    }
}

/// A passthrough that first calls `before`.
pub fn before<F: FnMut(u64, &Cancel) -> Result<()> + Send>(
    channels: usize,
    before: F,
) -> Box<Before<F>> {
    Box::new(Before { inner: Passthrough::new(channels), before })
}

/// Works for `total` in stages of 5 ms, and checks for cancellation between them.
pub fn work_for(total: Duration, cancel: &Cancel) -> Result<()> {
    let stage = Duration::from_millis(5);
    for _ in 0..total.as_micros() / stage.as_micros() {
        cancel.check()?;
        std::thread::sleep(stage);
    }
    Ok(())
}

/// A short window, so that tests have many: 16 frames, a hop of 8 frames, at the default 22050 Hz.
pub fn short() -> ModelConfig {
    let window = WindowConfig { frames: 16, hop_frames: 8, overlap_frames: 8 };
    ModelConfig { window, ..ModelConfig::default() }
}

/// A window of the live mode: long history, short hop.
pub fn live() -> ModelConfig {
    let window = WindowConfig { frames: 64, hop_frames: 16, overlap_frames: 48 };
    ModelConfig { window, ..ModelConfig::default() }
}

/// The shortest hop for windows with a fade: each fade starts at the end of the previous fade.
pub fn shortest() -> ModelConfig {
    let window = WindowConfig { frames: 16, hop_frames: 2, overlap_frames: 14 };
    ModelConfig { window, ..ModelConfig::default() }
}

pub fn grid(config: &ModelConfig, host_rate_hz: u32) -> Grid {
    Grid::new(config, host_rate_hz, 37).expect("a valid grid")
}

/// A stream that waits for its worker.
pub fn offline(
    grid: Grid,
    channels: usize,
    processor: Box<dyn WindowProcessor>,
) -> (AudioThread, WorkHandle) {
    let config =
        StreamConfig { grid, channels, sidechain: false, deadline_samples: 0, limiter: false };
    let (mut audio, worker) = open(&config, processor, &Settings::default()).expect("a stream");
    audio.set_offline(true);
    (audio, worker)
}

pub fn sine(len: usize, hz: f64, rate_hz: u32) -> Vec<f32> {
    let step = std::f64::consts::TAU * hz / f64::from(rate_hz);
    (0..len).map(|n| (step * n as f64).sin() as f32 * 0.5).collect()
}

/// Processes `signal` in blocks. `next_block` is called with the position of each block and returns
/// its length.
pub fn play(
    audio: &mut AudioThread,
    signal: &[Vec<f32>],
    mut next_block: impl FnMut(usize) -> usize,
) -> Vec<Vec<f32>> {
    let mut out = signal.to_vec();
    let len = signal[0].len();
    let mut start = 0;
    while start < len {
        let end = len.min(start + next_block(start));
        let mut io: Vec<&mut [f32]> =
            out.iter_mut().map(|channel| &mut channel[start..end]).collect();
        audio.process(&mut io, &[]);
        start = end;
    }
    out
}

/// The largest difference of adjacent samples.
pub fn max_step(signal: &[f32]) -> f32 {
    signal.windows(2).map(|pair| (pair[1] - pair[0]).abs()).fold(0.0, f32::max)
}

/// A counter that a processor and a test share.
pub fn counter() -> (Arc<AtomicU64>, impl Fn() -> u64) {
    let count = Arc::new(AtomicU64::new(0));
    let read = Arc::clone(&count);
    (count, move || read.load(Ordering::SeqCst))
}
