//! The stream for files: no latency, output as long as the input, no late windows.

use std::sync::Arc;

use super::audio_thread::{AudioThread, open};
use super::config::StreamConfig;
use super::grid::Grid;
use super::pool::WorkHandle;
use super::processor::WindowProcessor;
use super::shared::{Stats, StreamStatus};
use super::timings::Timings;
use crate::settings::Settings;
use crate::{Error, Result};

/// Samples of a block in [`render`], which reports progress after each.
const BLOCK_SAMPLES: usize = 4096;

/// The result of a render.
#[derive(Clone, Debug)]
pub struct Report {
    /// Samples rendered, each channel.
    pub samples: u64,
    /// Numbers of wet, late (0 offline) and failed windows.
    pub stats: Stats,
    /// The first failure as a sentence. Failed windows are dry in the output.
    pub first_error: Option<String>,
    /// Time per stage, summed over all windows.
    pub timings: Timings,
}

/// A stream that waits for its worker. Memory does not grow with the length of the input.
#[derive(Debug)]
pub struct OfflineStream {
    // Dropped last: the worker may still have jobs of the audio half.
    audio: AudioThread,
    worker: WorkHandle,
    status: Arc<StreamStatus>,
    channels: usize,
    /// Output samples to discard as latency.
    to_drop: u64,
    pushed: u64,
    delivered: u64,
}

impl OfflineStream {
    /// Opens a stream without a sidechain. The deadline is 0.
    pub fn new(
        grid: Grid,
        channels: usize,
        processor: Box<dyn WindowProcessor>,
        settings: &Settings,
    ) -> Result<Self> {
        Self::open(grid, channels, false, processor, settings)
    }

    /// Opens a stream with a sidechain, with the same number of channels.
    pub fn with_sidechain(
        grid: Grid,
        channels: usize,
        processor: Box<dyn WindowProcessor>,
        settings: &Settings,
    ) -> Result<Self> {
        Self::open(grid, channels, true, processor, settings)
    }

    fn open(
        grid: Grid,
        channels: usize,
        sidechain: bool,
        processor: Box<dyn WindowProcessor>,
        settings: &Settings,
    ) -> Result<Self> {
        let config =
            StreamConfig { grid, channels, sidechain, deadline_samples: 0, limiter: false };
        let (mut audio, worker) = open(&config, processor, settings)?;
        audio.set_offline(true);
        let status = worker.status();
        let to_drop = audio.latency_samples();
        Ok(Self { audio, worker, status, channels, to_drop, pushed: 0, delivered: 0 })
    }

    /// Processes one block (channels x samples of any number). Appends the available output to
    /// `output`.
    ///
    /// # Errors
    /// If the block's shape is not the stream's.
    pub fn push(&mut self, block: &[&[f32]], output: &mut [Vec<f32>]) -> Result<()> {
        self.push_with_sidechain(block, &[], output)
    }

    /// Like [`Self::push`], with a sidechain. Its missing samples are silent.
    ///
    /// # Errors
    /// If the block's shape is not the stream's.
    pub fn push_with_sidechain(
        &mut self,
        block: &[&[f32]],
        sidechain: &[&[f32]],
        output: &mut [Vec<f32>],
    ) -> Result<()> {
        let len = block_len(block, self.channels)?;
        self.pushed += len as u64;
        self.process(len, block, sidechain, output);
        Ok(())
    }

    /// Appends the remaining output, up to the input's length, and closes the stream.
    pub fn finish(mut self, output: &mut [Vec<f32>]) -> Result<Report> {
        // Silence completes the last windows.
        let missing = self.pushed - self.delivered;
        if missing > 0 {
            let len = usize::try_from(missing + self.to_drop).unwrap_or(usize::MAX);
            self.process(len, &[], &[], output);
        }
        self.worker.stop();
        Ok(Report {
            samples: self.delivered,
            stats: self.status.stats(),
            first_error: self.status.first_error(),
            timings: self.status.timings(),
        })
    }

    /// Counters while the render runs.
    pub fn status(&self) -> Arc<StreamStatus> {
        Arc::clone(&self.status)
    }

    /// Samples delivered so far, each channel.
    pub fn delivered_samples(&self) -> u64 {
        self.delivered
    }

    /// Processes `len` samples and appends the result, without the latency, to `output`.
    fn process(
        &mut self,
        len: usize,
        block: &[&[f32]],
        sidechain: &[&[f32]],
        output: &mut [Vec<f32>],
    ) {
        let Self { audio, to_drop, delivered, .. } = self;
        audio.process_into(len, block, sidechain, |piece| {
            let len = piece.first().map_or(0, Vec::len);
            let skip = (*to_drop).min(len as u64) as usize;
            *to_drop -= skip as u64;
            for (output, channel) in output.iter_mut().zip(piece) {
                output.extend_from_slice(&channel[skip..]);
            }
            *delivered += (len - skip) as u64;
        });
    }
}

/// Samples of each channel of a block.
///
/// # Errors
/// If it does not have `channels` channels of equal length.
pub(super) fn block_len(block: &[&[f32]], channels: usize) -> Result<usize> {
    let len = block.first().map_or(0, |channel| channel.len());
    if block.len() != channels || block.iter().any(|channel| channel.len() != len) {
        let found =
            format!("{} of {:?}", block.len(), block.iter().map(|c| c.len()).collect::<Vec<_>>());
        return Err(Error::invalid("block", format!("{channels} channels of equal length"), found));
    }
    Ok(len)
}

/// Renders a whole signal, channels x samples. `progress` receives the number of samples delivered
/// so far.
///
/// # Errors
/// If the shape of the signal or a setting is invalid. Failed windows are dry, and the [`Report`]
/// counts them.
pub fn render(
    grid: Grid,
    signal: &[Vec<f32>],
    processor: Box<dyn WindowProcessor>,
    settings: &Settings,
    progress: &mut dyn FnMut(u64),
) -> Result<(Vec<Vec<f32>>, Report)> {
    let len = signal.first().map_or(0, Vec::len);
    let mut stream = OfflineStream::new(grid, signal.len(), processor, settings)?;
    let mut output = vec![Vec::with_capacity(len); signal.len()];
    for start in (0..len).step_by(BLOCK_SAMPLES) {
        let end = len.min(start + BLOCK_SAMPLES);
        let block: Vec<&[f32]> =
            signal.iter().map(|channel| channel.get(start..end).unwrap_or(&[])).collect();
        stream.push(&block, &mut output)?;
        progress(stream.delivered_samples());
    }
    let report = stream.finish(&mut output)?;
    progress(report.samples);
    Ok((output, report))
}
