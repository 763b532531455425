//! File rendering on several threads. Parallel streams each compute some spans of windows and skip
//! the others.
//!
//! Every stream receives all samples, so its level, its sidechain and its grid equal those of a
//! single stream. Windows are independent except for their crossfades. Within its own spans, a
//! stream's output therefore equals that of a single stream, to the bit. The output does not depend
//! on the number of streams. See `docs/decisions/034-parallel-spans.md`.

use std::ops::Range;
use std::thread;

use super::grid::Grid;
use super::offline::{OfflineStream, Report, block_len};
use super::processor::WindowProcessor;
use super::progress::Progress;
use super::shared::Stats;
use super::timings::Timings;
use super::window_job::{WindowInput, WindowOutput};
use crate::cancel::Cancel;
use crate::settings::Settings;
use crate::{Error, Result};

/// Maximum number of windows in a span. Each span needs an additional window for the crossfade into
/// it.
const SPAN_WINDOWS_MAX: u64 = 12;
/// Minimum number of windows in a span. With 1, two streams would compute every window.
const SPAN_WINDOWS_MIN: u64 = 2;
/// A stream discards its output outside its spans, and reports progress, after this many samples.
const KEEP_EVERY_SAMPLES: usize = 1 << 16;

/// The assignment of windows to streams.
#[derive(Clone, Debug)]
struct Spans {
    grid: Grid,
    /// Windows per span.
    windows: u64,
    streams: u64,
}

impl Spans {
    /// The stream that outputs window `k`.
    fn owner(&self, k: u64) -> u64 {
        k / self.windows % self.streams
    }

    /// The first host sample of a span: the start of its first window's fade-in.
    fn start(&self, span: u64) -> u64 {
        self.grid.segment(span * self.windows).start
    }

    /// The spans within a range of the output, with their streams.
    fn parts(&self, range: Range<u64>) -> Vec<(u64, Range<u64>)> {
        let (mut parts, mut at) = (Vec::new(), range.start);
        // Not after the first span: a hop is rounded up, and fades follow the hops.
        let mut span = (at / (self.windows * self.grid.hop_samples())).saturating_sub(1);
        while at < range.end {
            let end = self.start(span + 1).min(range.end);
            if end > at {
                parts.push((span % self.streams, at..end));
                at = end;
            }
            span += 1;
        }
        parts
    }
}

/// The processor of one stream. It computes the stream's own windows, and those that fade into
/// them.
struct SpanProcessor {
    processor: Box<dyn WindowProcessor>,
    number: u64,
    spans: Spans,
}

impl WindowProcessor for SpanProcessor {
    fn process(
        &mut self,
        window: &WindowInput,
        out: &mut WindowOutput,
        cancel: &Cancel,
    ) -> Result<()> {
        let owners = [window.index, window.index + 1].map(|k| self.spans.owner(k));
        if owners.contains(&self.number) {
            return self.processor.process(window, out, cancel);
        }
        self.processor.skip(window);
        out.dry = true;
        Ok(())
    }

    fn skip(&mut self, window: &WindowInput) {
        self.processor.skip(window);
    }

    fn reset(&mut self) {
        self.processor.reset();
    }
}

/// The output of one stream.
#[derive(Debug)]
struct LaneOutput {
    number: u64,
    /// The stream's new output.
    delivered: Vec<Vec<f32>>,
    /// The position of its first sample.
    position: u64,
    /// Samples in the stream's own spans, span after span.
    own: Vec<Vec<f32>>,
}

impl LaneOutput {
    /// Moves the samples in the stream's own spans from `delivered` to `own`.
    fn keep(&mut self, spans: &Spans) {
        let end = self.position + self.delivered.first().map_or(0, Vec::len) as u64;
        let parts = spans.parts(self.position..end);
        for (_, part) in parts.into_iter().filter(|(owner, _)| *owner == self.number) {
            let part = (part.start - self.position) as usize..(part.end - self.position) as usize;
            for (own, delivered) in self.own.iter_mut().zip(&self.delivered) {
                own.extend_from_slice(&delivered[part.clone()]);
            }
        }
        self.delivered.iter_mut().for_each(Vec::clear);
        self.position = end;
    }
}

/// One stream and its output.
#[derive(Debug)]
struct Lane {
    stream: OfflineStream,
    output: LaneOutput,
}

impl Lane {
    /// Processes samples with their sidechain.
    fn push(
        &mut self,
        main: &[Vec<f32>],
        sidechain: &[Vec<f32>],
        spans: &Spans,
        progress: &Progress,
    ) -> Result<()> {
        progress.advance(self.output.number, self.output.position)?;
        let len = main.first().map_or(0, Vec::len);
        for start in (0..len).step_by(KEEP_EVERY_SAMPLES) {
            let end = len.min(start + KEEP_EVERY_SAMPLES);
            let [main, sidechain] = [main, sidechain].map(|channels| {
                channels.iter().map(|channel| &channel[start..end]).collect::<Vec<_>>()
            });
            self.stream.push_with_sidechain(&main, &sidechain, &mut self.output.delivered)?;
            self.output.keep(spans);
            progress.advance(self.output.number, self.output.position)?;
        }
        Ok(())
    }

    /// Processes the last samples and closes the stream.
    fn finish(
        mut self,
        main: &[Vec<f32>],
        sidechain: &[Vec<f32>],
        spans: &Spans,
        progress: &Progress,
    ) -> Result<(LaneOutput, Report)> {
        self.push(main, sidechain, spans, progress)?;
        let report = self.stream.finish(&mut self.output.delivered)?;
        self.output.keep(spans);
        progress.advance(self.output.number, self.output.position)?;
        Ok((self.output, report))
    }
}

/// [`OfflineStream`] on several threads. The output has the same samples, but larger pieces and a
/// longer delay.
///
/// Memory does not grow with the length of the input: one span per stream is kept.
#[derive(Debug)]
pub struct ParallelRender {
    spans: Spans,
    lanes: Vec<Lane>,
    channels: usize,
    /// Input that no stream has received yet.
    main: Vec<Vec<f32>>,
    /// The same for the sidechain. No channels without a sidechain.
    sidechain: Vec<Vec<f32>>,
    delivered: u64,
    progress: Progress,
}

impl ParallelRender {
    /// Opens one stream per processor. All processors must compute the same. A sidechain has the
    /// same number of channels. With `expected_samples`, a short input is also divided evenly.
    ///
    /// # Errors
    /// If there is no processor, or as [`OfflineStream::new`].
    pub fn new(
        grid: Grid,
        channels: usize,
        sidechain: bool,
        processors: Vec<Box<dyn WindowProcessor>>,
        settings: &Settings,
        expected_samples: Option<u64>,
    ) -> Result<Self> {
        if processors.is_empty() {
            return Err(Error::invalid("processors", "at least one", 0));
        }
        let streams = processors.len() as u64;
        let share = |samples: u64| samples.div_ceil(grid.hop_samples()).div_ceil(streams);
        let windows = expected_samples
            .map_or(SPAN_WINDOWS_MAX, share)
            .clamp(SPAN_WINDOWS_MIN, SPAN_WINDOWS_MAX);
        let spans = Spans { grid, windows, streams };
        let open = if sidechain { OfflineStream::with_sidechain } else { OfflineStream::new };
        let lane = |(number, processor): (usize, Box<dyn WindowProcessor>)| {
            let number = number as u64;
            let share = Box::new(SpanProcessor { processor, number, spans: spans.clone() });
            let none = || vec![Vec::new(); channels];
            let output = LaneOutput { number, delivered: none(), position: 0, own: none() };
            Ok(Lane { stream: open(spans.grid.clone(), channels, share, settings)?, output })
        };
        Ok(Self {
            lanes: processors.into_iter().enumerate().map(lane).collect::<Result<_>>()?,
            channels,
            main: vec![Vec::new(); channels],
            sidechain: vec![Vec::new(); if sidechain { channels } else { 0 }],
            delivered: 0,
            progress: Progress::new(streams as usize, Cancel::default(), |_| ()),
            spans,
        })
    }

    /// Sets progress and cancellation. `on_progress` receives, on any thread, the number of samples
    /// that all streams have passed. After `cancel`, the streams stop, and the next call returns
    /// [`Error::Cancelled`].
    pub fn on_progress(
        &mut self,
        cancel: Cancel,
        on_progress: impl Fn(u64) + Send + Sync + 'static,
    ) {
        self.progress = Progress::new(self.lanes.len(), cancel, on_progress);
    }

    /// Processes one block (channels x samples of any number) with its sidechain. Missing sidechain
    /// samples are silent. Appends the available output to `output`.
    ///
    /// # Errors
    /// If the block's shape differs from the stream's, or the render is cancelled.
    pub fn push_with_sidechain(
        &mut self,
        block: &[&[f32]],
        sidechain: &[&[f32]],
        output: &mut [Vec<f32>],
    ) -> Result<()> {
        let len = block_len(block, self.channels)?;
        self.main.iter_mut().zip(block).for_each(|(main, block)| main.extend_from_slice(block));
        let pending = self.main.first().map_or(0, Vec::len);
        for (c, collected) in self.sidechain.iter_mut().enumerate() {
            let new = sidechain.get(c).copied().unwrap_or(&[]);
            collected.extend_from_slice(&new[..new.len().min(len)]);
            collected.resize(pending, 0.0);
        }
        // One span per stream is an equal share of work for each.
        if pending as u64 >= self.spans.grid.hop_samples() * self.spans.windows * self.spans.streams
        {
            self.compute(output)?;
        }
        Ok(())
    }

    /// Appends the remaining output, up to the input's length, and closes the streams.
    ///
    /// # Errors
    /// If a stream fails or the render is cancelled. Failed windows are dry, and the [`Report`]
    /// counts them.
    pub fn finish(self, output: &mut [Vec<f32>]) -> Result<Report> {
        let (main, sidechain, spans, progress) =
            (&self.main, &self.sidechain, &self.spans, &self.progress);
        let done = run_parallel(self.lanes.into_iter(), |lane| {
            lane.finish(main, sidechain, spans, progress)
        })?;
        let (mut outputs, reports): (Vec<LaneOutput>, Vec<Report>) = done.into_iter().unzip();
        let mut own: Vec<_> = outputs.iter_mut().collect();
        let samples = join(&mut own, spans, self.delivered, output);
        Ok(Report { samples, ..sum_reports(&reports) })
    }

    /// Samples delivered so far, each channel.
    pub fn delivered_samples(&self) -> u64 {
        self.delivered
    }

    /// Passes the collected input to all streams at once.
    fn compute(&mut self, output: &mut [Vec<f32>]) -> Result<()> {
        let (main, sidechain, spans, progress) =
            (&self.main, &self.sidechain, &self.spans, &self.progress);
        run_parallel(self.lanes.iter_mut(), |lane| lane.push(main, sidechain, spans, progress))?;
        self.main.iter_mut().chain(&mut self.sidechain).for_each(Vec::clear);
        let mut own: Vec<_> = self.lanes.iter_mut().map(|lane| &mut lane.output).collect();
        self.delivered = join(&mut own, &self.spans, self.delivered, output);
        Ok(())
    }
}

/// Runs `work` on every item, with one thread per item.
fn run_parallel<T: Send, R: Send>(
    items: impl Iterator<Item = T>,
    work: impl Fn(T) -> Result<R> + Sync,
) -> Result<Vec<R>> {
    let work = &work;
    thread::scope(|scope| {
        let threads: Vec<_> = items.map(|item| scope.spawn(move || work(item))).collect();
        let lost = |_| Err(Error::Compute("a render thread panicked".into()));
        threads.into_iter().map(|thread| thread.join().unwrap_or_else(lost)).collect()
    })
}

/// Appends the output up to the position that all streams have passed, and returns that position.
fn join(outputs: &mut [&mut LaneOutput], spans: &Spans, from: u64, output: &mut [Vec<f32>]) -> u64 {
    let to = outputs.iter().map(|output| output.position).min().unwrap_or(from);
    for (owner, part) in spans.parts(from..to) {
        let len = (part.end - part.start) as usize;
        for (output, own) in output.iter_mut().zip(&mut outputs[owner as usize].own) {
            output.extend(own.drain(..len));
        }
    }
    to
}

/// The sum of the reports. Windows that two streams computed count twice.
fn sum_reports(reports: &[Report]) -> Report {
    let (mut stats, mut timings) = (Stats::default(), Timings::default());
    for report in reports {
        stats.wet += report.stats.wet;
        stats.late += report.stats.late;
        stats.failed += report.stats.failed;
        timings.add(&report.timings);
    }
    let first_error = reports.iter().find_map(|report| report.first_error.clone());
    Report { samples: 0, stats, first_error, timings }
}
