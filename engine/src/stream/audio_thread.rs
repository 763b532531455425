//! The audio thread's side of a stream: blocks in, blocks out, never late itself.

use std::sync::Arc;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::time::Duration;

use rtrb::{Consumer, RingBuffer};

use super::grid::Grid;
use super::latency::latency_samples;
use super::overlap_add::{OverlapAdd, PIECE_SAMPLES, flush_subnormal};
use super::pool::{Pool, StreamQueue, Work};
use super::processor::WindowProcessor;
use super::runner::Runner;
use super::shared::{Stats, StreamStatus};
use super::window_job::{WindowJob, buffers};
use super::windower::Windower;
use crate::cancel::Cancel;
use crate::settings::Settings;
use crate::{Error, Result};

/// How often an offline render looks whether the worker is ready.
const OFFLINE_POLL: Duration = Duration::from_micros(200);

/// What a stream is opened with.
#[derive(Clone, Debug)]
pub struct StreamConfig {
    /// Where windows lie.
    pub grid: Grid,
    /// Channels of the main signal, 1 or 2.
    pub channels: usize,
    /// Whether a sidechain (of equally many channels) is collected too.
    pub sidechain: bool,
    /// What the worker may take for a window, in host samples; part of the latency. 0 where the
    /// caller always waits.
    pub deadline_samples: u64,
}

impl StreamConfig {
    /// Host samples from input to output.
    pub fn latency_samples(&self) -> u64 {
        latency_samples(&self.grid, self.deadline_samples)
    }

    /// How many jobs travel: one collects for a hop, is computed for at most a deadline, waits
    /// as long at most, plays for a hop and an overlap; three more bridge a worker that falls
    /// behind.
    fn jobs(&self) -> usize {
        let hop = self.grid.hop_samples();
        let journey = 2 * hop + self.grid.fade_samples() + 2 * self.deadline_samples;
        journey.div_ceil(hop) as usize + 3
    }
}

/// Opens a stream with a thread of its own to run `processor`. Allocates everything.
///
/// # Errors
/// If the width is not 1 or 2, or the system gives no thread.
pub fn open(
    config: &StreamConfig,
    processor: Box<dyn WindowProcessor>,
    settings: &Settings,
) -> Result<(AudioThread, Work)> {
    open_on(&Arc::new(Pool::new(1)?), config, processor, settings)
}

/// Opens a stream whose `processor` runs on a pool, beside those of other streams.
///
/// # Errors
/// If the width is not 1 or 2, or a setting is out of range.
pub fn open_on(
    pool: &Arc<Pool>,
    config: &StreamConfig,
    processor: Box<dyn WindowProcessor>,
    settings: &Settings,
) -> Result<(AudioThread, Work)> {
    if !(1..=2).contains(&config.channels) {
        return Err(Error::invalid("channels", "1 or 2", config.channels));
    }
    settings.validate()?;
    let (grid, channels, count) = (config.grid.clone(), config.channels, config.jobs());
    let sidechain_channels = if config.sidechain { channels } else { 0 };
    let (jobs, jobs_out) = RingBuffer::new(count);
    let (results_in, results) = RingBuffer::new(count);
    let (status, cancel) = (Arc::new(StreamStatus::default()), Cancel::default());
    let runner =
        Runner::new(processor, grid.clone(), channels, Arc::clone(&status), cancel.clone());
    let queue = StreamQueue { runner, jobs: jobs_out, results: results_in };
    let work = pool.add(queue, cancel, Arc::clone(&status));
    let deadline =
        Duration::from_secs_f64(config.deadline_samples as f64 / f64::from(grid.host_rate_hz()));
    let free = (0..count).map(|_| WindowJob::new(&grid, channels, sidechain_channels)).collect();
    let latency = config.latency_samples();
    let pieces = |count: usize| buffers(count, PIECE_SAMPLES);
    let mut audio = AudioThread {
        windower: Windower::new(grid.clone(), jobs, pool.waker(), deadline, free),
        overlap_add: OverlapAdd::new(grid, channels, latency, count, Arc::clone(&status)),
        results,
        status,
        latency,
        epoch: 0,
        offline: false,
        main: pieces(channels),
        sidechain: pieces(sidechain_channels),
        output: pieces(channels),
    };
    audio.set_settings(settings);
    Ok((audio, work))
}

/// The half of a stream that lives on the audio thread.
///
/// [`AudioThread::process`] never allocates, frees, locks, fails or waits, except that it waits for
/// the worker where [`AudioThread::set_offline`] allows it.
#[derive(Debug)]
pub struct AudioThread {
    windower: Windower,
    overlap_add: OverlapAdd,
    results: Consumer<WindowJob>,
    status: Arc<StreamStatus>,
    latency: u64,
    epoch: u64,
    offline: bool,
    main: Vec<Vec<f32>>,
    sidechain: Vec<Vec<f32>>,
    output: Vec<Vec<f32>>,
}

impl AudioThread {
    /// Host samples from input to output; constant.
    pub fn latency_samples(&self) -> u64 {
        self.latency
    }

    /// Counters, first error and timings; may be kept by an editor.
    pub fn status(&self) -> Arc<StreamStatus> {
        Arc::clone(&self.status)
    }

    /// The counters. Neither locks nor waits.
    pub fn stats(&self) -> Stats {
        self.status.stats()
    }

    /// Whether `process` may wait for the worker. Then no window is late, and the output depends on
    /// the input alone.
    pub fn set_offline(&mut self, offline: bool) {
        self.offline = offline;
        self.windower.set_waited_for(offline);
    }

    /// Settings for the windows that are completed from now on, and the mix for the samples that
    /// are played from now on. The caller has validated them.
    pub fn set_settings(&mut self, settings: &Settings) {
        self.windower.set_settings(settings);
        self.overlap_add.set_mix(settings.mix);
    }

    /// A new stream begins with the next block (transport jump, host reset).
    pub fn reset(&mut self) {
        self.epoch += 1;
        self.status.epoch.store(self.epoch, Release);
        self.status.playing.store(0, Relaxed);
        let windower = &mut self.windower;
        self.overlap_add.reset(|job| windower.take_home(job));
        self.windower.reset(self.epoch);
    }

    /// Replaces one block, channels x samples of any number, by the output of `latency_samples`
    /// ago. The sidechain may have fewer channels or samples than the block: the rest is silence.
    pub fn process(&mut self, io: &mut [&mut [f32]], sidechain: &[&[f32]]) {
        let len = io.iter().map(|channel| channel.len()).min().unwrap_or(0);
        for start in (0..len).step_by(PIECE_SAMPLES) {
            let end = len.min(start + PIECE_SAMPLES);
            for (i, piece) in self.main.iter_mut().enumerate() {
                fill(piece, io.get(i).map(|channel| &**channel), start, end);
            }
            for (i, piece) in self.sidechain.iter_mut().enumerate() {
                fill(piece, sidechain.get(i).copied(), start, end);
            }
            self.process_piece(end - start);
            for (channel, piece) in io.iter_mut().zip(&self.output) {
                channel[start..end].copy_from_slice(piece);
            }
        }
    }

    fn process_piece(&mut self, len: usize) {
        self.overlap_add.write(&self.main);
        self.windower.push(&self.main, &self.sidechain);
        self.collect();
        let end = self.overlap_add.position() + len as i64;
        while self.offline && self.overlap_add.awaits(end) && self.work_is_under_way() {
            std::thread::sleep(OFFLINE_POLL);
            self.collect();
        }
        self.output.iter_mut().for_each(|piece| piece.resize(len, 0.0));
        let windower = &mut self.windower;
        self.overlap_add.render(&mut self.output, |job| windower.take_home(job));
        self.status.playing.store(self.overlap_add.position().max(0) as u64, Relaxed);
    }

    /// Whether waiting makes sense: something is with a living worker.
    fn work_is_under_way(&self) -> bool {
        self.windower.away() > 0 && self.status.worker_alive.load(Acquire)
    }

    /// Takes everything that came back.
    fn collect(&mut self) {
        while let Ok(job) = self.results.pop() {
            self.windower.returned();
            let spent =
                if job.epoch == self.epoch { self.overlap_add.accept(job) } else { Some(job) };
            if let Some(job) = spent {
                self.windower.take_home(job);
            }
        }
    }
}

/// Copies a piece of a host's channel, within the capacity. What is not a number would stay in the
/// worker's filters for ever, so it is silence from here on.
fn fill(piece: &mut Vec<f32>, channel: Option<&[f32]>, start: usize, end: usize) {
    let clean = |&sample: &f32| if sample.is_finite() { flush_subnormal(sample) } else { 0.0 };
    piece.clear();
    let channel = channel.unwrap_or(&[]);
    piece.extend(channel[start.min(channel.len())..end.min(channel.len())].iter().map(clean));
    piece.resize(end - start, 0.0);
}
