//! The audio thread's half of a stream: blocks in, blocks out, without waiting.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::time::Duration;

use rtrb::{Consumer, RingBuffer};

use super::bypass::Bypass;
use super::config::StreamConfig;
use super::controls::Controls;
use super::overlap_add::OverlapAdd;
use super::peaks::{Peaks, raise};
use super::piece::{MAX_PIECE_SAMPLES, pieces};
use super::pool::{Pool, StreamQueue, WorkHandle};
use super::processor::WindowProcessor;
use super::ramp::Ramp;
use super::runner::Runner;
use super::sample::clean;
use super::shared::{Stats, StreamStatus};
use super::window_job::{WindowJob, buffers};
use super::windower::Windower;
use crate::cancel::Cancel;
use crate::dsp::limiter::Limiter;
use crate::settings::Settings;
use crate::{Error, Result};

/// How often an offline render polls the worker.
const OFFLINE_POLL: Duration = Duration::from_micros(200);

/// Opens a stream with its own thread for `processor`. Allocates all memory.
///
/// # Errors
/// As [`open_on`], or if the thread cannot be created.
pub fn open(
    config: &StreamConfig,
    processor: Box<dyn WindowProcessor>,
    settings: &Settings,
) -> Result<(AudioThread, WorkHandle)> {
    open_on(&Arc::new(Pool::new(1)?), config, processor, settings)
}

/// Opens a stream that shares the threads of a pool with other streams.
///
/// # Errors
/// If the number of channels is not 1 or 2, a setting is out of range, or the deadline is shorter
/// than the limiter's delay.
pub fn open_on(
    pool: &Arc<Pool>,
    config: &StreamConfig,
    processor: Box<dyn WindowProcessor>,
    settings: &Settings,
) -> Result<(AudioThread, WorkHandle)> {
    if !(1..=2).contains(&config.channels) {
        return Err(Error::invalid("channels", "1 or 2", config.channels));
    }
    settings.validate()?;
    let look_ahead = config.look_ahead_samples();
    let Some(deadline_samples) = config.deadline_samples.checked_sub(look_ahead) else {
        let expected = format!("at least {look_ahead} samples with a limiter");
        return Err(Error::invalid("deadline", expected, config.deadline_samples));
    };
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
        Duration::from_secs_f64(deadline_samples as f64 / f64::from(grid.host_rate_hz()));
    let free = (0..count).map(|_| WindowJob::new(&grid, channels, sidechain_channels)).collect();
    let latency = config.latency_samples();
    let rate_hz = grid.host_rate_hz() as f32;
    let piece_buffers = |count: usize| buffers(count, MAX_PIECE_SAMPLES);
    let mut audio = AudioThread {
        input_gain: Ramp::new(1.0, rate_hz),
        output_gain: Ramp::new(1.0, rate_hz),
        bypass: Bypass::new(channels, latency, MAX_PIECE_SAMPLES, rate_hz),
        peaks: Peaks::default(),
        windower: Windower::new(grid.clone(), jobs, pool.waker(), deadline, free),
        limiter: config.limiter.then(|| Limiter::new(channels, grid.host_rate_hz())),
        overlap_add: OverlapAdd::new(
            grid,
            channels,
            latency - look_ahead,
            count,
            Arc::clone(&status),
        ),
        results,
        status,
        latency,
        look_ahead,
        epoch: 0,
        offline: false,
        main: piece_buffers(channels),
        sidechain: piece_buffers(sidechain_channels),
        output: piece_buffers(channels),
    };
    audio.set_settings(settings);
    Ok((audio, work))
}

/// The half of a stream that runs on the audio thread.
///
/// ```text
/// block -> pieces -> clean -> input gain -> Windower ----> worker
///                      |          |                          |
///                    Bypass   OverlapAdd (dry, mix) <--------+
///                      |          |
///                      |     output gain -> limiter
///                      |                       |
/// block <- clean <- bypass <-------------------+
/// ```
///
/// Only this type splits blocks into pieces and cleans samples. The later stages have buffers for
/// one piece and receive finite samples of bounded size.
///
/// [`AudioThread::process`] never allocates, frees, locks, fails or waits. It waits for the worker
/// only after [`AudioThread::set_offline`].
#[derive(Debug)]
pub struct AudioThread {
    windower: Windower,
    overlap_add: OverlapAdd,
    results: Consumer<WindowJob>,
    input_gain: Ramp,
    output_gain: Ramp,
    limiter: Option<Limiter>,
    bypass: Bypass,
    peaks: Peaks,
    status: Arc<StreamStatus>,
    latency: u64,
    /// The delay of the limiter. The overlap-add is this many samples ahead of the output.
    look_ahead: u64,
    epoch: u64,
    offline: bool,
    /// One piece of the main input.
    main: Vec<Vec<f32>>,
    /// One piece of the sidechain.
    sidechain: Vec<Vec<f32>>,
    /// One piece of the output.
    output: Vec<Vec<f32>>,
}

impl AudioThread {
    /// Host samples from input to output; constant.
    pub fn latency_samples(&self) -> u64 {
        self.latency
    }

    /// The input position of the next output sample, in samples since reset. Negative during the
    /// initial latency.
    pub fn position(&self) -> i64 {
        self.overlap_add.position() - self.look_ahead as i64
    }

    /// Counters, first error and timings. An editor may keep them.
    pub fn status(&self) -> Arc<StreamStatus> {
        Arc::clone(&self.status)
    }

    /// The counters. Neither locks nor waits.
    pub fn stats(&self) -> Stats {
        self.status.stats()
    }

    /// The peaks since the last call.
    pub fn take_peaks(&mut self) -> Peaks {
        std::mem::take(&mut self.peaks)
    }

    /// Sets whether `process` may wait for the worker. Then no window is late, and the output
    /// depends only on the input.
    pub fn set_offline(&mut self, offline: bool) {
        self.offline = offline;
        self.windower.set_offline(offline);
    }

    /// Sets the settings of the windows completed from now on, and the mix of the next output
    /// samples. The caller has validated them.
    pub fn set_settings(&mut self, settings: &Settings) {
        self.windower.set_settings(settings);
        self.overlap_add.set_mix(settings.mix);
    }

    /// Sets gains, limiter and bypass from the next sample on. They change without a step, or
    /// immediately at the first sample of a stream.
    pub fn set_controls(&mut self, controls: &Controls) {
        self.input_gain.set(controls.input_gain);
        self.output_gain.set(controls.output_gain);
        self.bypass.set(controls.bypass);
        if let Some(limiter) = &mut self.limiter {
            limiter.set_enabled(controls.limiter);
        }
        if self.overlap_add.is_fresh() {
            self.input_gain.settle();
            self.output_gain.settle();
            self.bypass.settle();
        }
    }

    /// Starts a new stream with the next block (transport jump, host reset).
    pub fn reset(&mut self) {
        self.epoch += 1;
        self.status.epoch.store(self.epoch, Release);
        self.status.output_position.store(0, Relaxed);
        let windower = &mut self.windower;
        self.overlap_add.reset(|job| windower.recycle(job));
        self.windower.reset(self.epoch);
        self.bypass.reset();
        if let Some(limiter) = &mut self.limiter {
            limiter.reset();
        }
    }

    /// Replaces one block (channels x samples of any number) by the output, `latency_samples` late.
    /// Missing channels or samples of the sidechain are silent.
    pub fn process(&mut self, io: &mut [&mut [f32]], sidechain: &[&[f32]]) {
        let len = io.iter().map(|channel| channel.len()).min().unwrap_or(0);
        for piece in pieces(len) {
            read(&mut self.main, io, &piece);
            read(&mut self.sidechain, sidechain, &piece);
            self.process_piece(piece.len());
            for (channel, output) in io.iter_mut().zip(&self.output) {
                channel[piece.clone()].copy_from_slice(output);
            }
        }
    }

    /// Like [`Self::process`], for `len` samples of a separate input. `sink` receives the output in
    /// pieces, channels x samples.
    pub(super) fn process_into(
        &mut self,
        len: usize,
        input: &[&[f32]],
        sidechain: &[&[f32]],
        mut sink: impl FnMut(&[Vec<f32>]),
    ) {
        for piece in pieces(len) {
            read(&mut self.main, input, &piece);
            read(&mut self.sidechain, sidechain, &piece);
            self.process_piece(piece.len());
            sink(&self.output);
        }
    }

    /// Processes one piece from `main` and `sidechain` into `output`.
    fn process_piece(&mut self, len: usize) {
        raise(&mut self.peaks.input, &self.main);
        raise(&mut self.peaks.sidechain, &self.sidechain);
        self.bypass.write(&self.main);
        self.input_gain.apply(&mut self.main);
        let position = self.position();
        self.render_piece(len);
        self.output_gain.apply(&mut self.output);
        if let Some(limiter) = &mut self.limiter {
            limiter.process(&mut self.output);
        }
        self.bypass.mix(position, &mut self.output);
        self.output.iter_mut().flatten().for_each(|sample| *sample = clean(*sample));
        raise(&mut self.peaks.output, &self.output);
    }

    /// Sends complete windows to the worker and joins the results.
    fn render_piece(&mut self, len: usize) {
        self.overlap_add.write(&self.main);
        self.windower.push(&self.main, &self.sidechain);
        self.collect();
        let end = self.overlap_add.position() + len as i64;
        while self.offline && self.overlap_add.needs_results(end) && self.is_worker_busy() {
            std::thread::sleep(OFFLINE_POLL);
            self.collect();
        }
        self.output.iter_mut().for_each(|piece| piece.resize(len, 0.0));
        let windower = &mut self.windower;
        self.overlap_add.render(&mut self.output, |job| windower.recycle(job));
        self.status.output_position.store(self.overlap_add.position().max(0) as u64, Relaxed);
    }

    /// Whether waiting can succeed: a running worker has jobs.
    fn is_worker_busy(&self) -> bool {
        self.windower.in_flight() > 0 && self.status.worker_alive.load(Acquire)
    }

    /// Receives all results of the worker.
    fn collect(&mut self) {
        while let Ok(job) = self.results.pop() {
            self.windower.returned();
            let spent =
                if job.epoch == self.epoch { self.overlap_add.accept(job) } else { Some(job) };
            if let Some(job) = spent {
                self.windower.recycle(job);
            }
        }
    }
}

/// Copies one piece of a block, cleaned, within the capacity of `into`. Missing samples are silent.
fn read<C: AsRef<[f32]>>(into: &mut [Vec<f32>], block: &[C], piece: &Range<usize>) {
    for (c, into) in into.iter_mut().enumerate() {
        let channel = block.get(c).map_or(&[][..], C::as_ref);
        let (start, end) = (piece.start.min(channel.len()), piece.end.min(channel.len()));
        into.clear();
        into.extend(channel[start..end].iter().map(|&sample| clean(sample)));
        into.resize(piece.len(), 0.0);
    }
}
