//! A file on several threads: streams side by side, each of which computes some spans of windows
//! and passes over the others'.
//!
//! Every stream takes all samples in, so its level, its sidechain and its grid are those of one
//! stream alone; and windows know nothing of each other but where they are crossfaded. So what a
//! stream plays inside of its own spans is, to the bit, what one stream alone plays, and the output
//! does not depend on how many there are.

use std::ops::Range;
use std::thread;

use super::grid::Grid;
use super::offline::{OfflineStream, Report, block_len};
use super::processor::WindowProcessor;
use super::shared::Stats;
use super::timings::Timings;
use super::watch::Watch;
use super::window_job::{WindowInput, WindowOutput};
use crate::cancel::Cancel;
use crate::settings::Settings;
use crate::{Error, Result};

/// Windows of a span, at most. Each span costs a window more, which is computed for the crossfade
/// into the span.
const SPAN_WINDOWS_MAX: u64 = 12;
/// With one, every stream would compute every window.
const SPAN_WINDOWS_MIN: u64 = 2;
/// Samples after which a stream drops what it has delivered outside of its spans, and reports its
/// progress.
const KEEP_EVERY_SAMPLES: usize = 1 << 16;

/// Which windows belong to which stream.
#[derive(Clone, Debug)]
struct Spans {
    grid: Grid,
    /// Windows of a span.
    windows: u64,
    streams: u64,
}

impl Spans {
    /// The stream that plays window `k`.
    fn owner(&self, k: u64) -> u64 {
        k / self.windows % self.streams
    }

    /// The host sample at which a span begins: where its first window is faded in.
    fn start(&self, span: u64) -> u64 {
        self.grid.segment(span * self.windows).start
    }

    /// The spans of a stretch of the output, with their streams.
    fn parts(&self, stretch: Range<u64>) -> Vec<(u64, Range<u64>)> {
        let (mut parts, mut at) = (Vec::new(), stretch.start);
        // At or before the right one: a hop is rounded up, and fades lie behind the hops.
        let mut span = (at / (self.windows * self.grid.hop_samples())).saturating_sub(1);
        while at < stretch.end {
            let end = self.start(span + 1).min(stretch.end);
            if end > at {
                parts.push((span % self.streams, at..end));
                at = end;
            }
            span += 1;
        }
        parts
    }
}

/// A stream's processor: it computes the stream's own windows, and those that are faded out into
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

/// What a stream delivers, and what of it is its own.
#[derive(Debug)]
struct LaneOutput {
    number: u64,
    /// What the stream has just delivered.
    delivered: Vec<Vec<f32>>,
    /// Where that begins.
    position: u64,
    /// Samples of the stream's own spans, span after span.
    own: Vec<Vec<f32>>,
}

impl LaneOutput {
    /// Keeps the stream's own of what it has delivered.
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

/// One of the streams.
#[derive(Debug)]
struct Lane {
    stream: OfflineStream,
    output: LaneOutput,
}

impl Lane {
    /// Takes samples in, the sidechain's beside them.
    fn push(
        &mut self,
        main: &[Vec<f32>],
        beside: &[Vec<f32>],
        spans: &Spans,
        watch: &Watch,
    ) -> Result<()> {
        watch.pass(self.output.number, self.output.position)?;
        let len = main.first().map_or(0, Vec::len);
        for start in (0..len).step_by(KEEP_EVERY_SAMPLES) {
            let end = len.min(start + KEEP_EVERY_SAMPLES);
            let [main, beside] = [main, beside].map(|channels| {
                channels.iter().map(|channel| &channel[start..end]).collect::<Vec<_>>()
            });
            self.stream.push_with_sidechain(&main, &beside, &mut self.output.delivered)?;
            self.output.keep(spans);
            watch.pass(self.output.number, self.output.position)?;
        }
        Ok(())
    }

    /// Takes the last samples in and brings out the rest.
    fn finish(
        mut self,
        main: &[Vec<f32>],
        beside: &[Vec<f32>],
        spans: &Spans,
        watch: &Watch,
    ) -> Result<(LaneOutput, Report)> {
        self.push(main, beside, spans, watch)?;
        let report = self.stream.finish(&mut self.output.delivered)?;
        self.output.keep(spans);
        watch.pass(self.output.number, self.output.position)?;
        Ok((self.output, report))
    }
}

/// [`OfflineStream`] on several threads: the same samples, later and in larger pieces.
///
/// Memory does not grow with the length of the input: a span of every stream is kept at a time.
#[derive(Debug)]
pub struct ParallelRender {
    spans: Spans,
    lanes: Vec<Lane>,
    channels: usize,
    /// Input that no stream has been given yet.
    main: Vec<Vec<f32>>,
    /// The sidechain's; no channels without one.
    beside: Vec<Vec<f32>>,
    delivered: u64,
    watch: Watch,
}

impl ParallelRender {
    /// Opens a stream for each of the processors, which must all compute the same, with a sidechain
    /// of as many channels if wanted. Where it is known how many samples will come, a short input
    /// is divided as well.
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
            beside: vec![Vec::new(); if sidechain { channels } else { 0 }],
            delivered: 0,
            watch: Watch::new(streams as usize, Cancel::default(), |_| ()),
            spans,
        })
    }

    /// From now on `told` hears, on any thread, how many samples all streams have passed, and once
    /// `cancel` is raised they stop and what is asked next ends with [`Error::Cancelled`].
    pub fn watch(&mut self, cancel: Cancel, told: impl Fn(u64) + Send + Sync + 'static) {
        self.watch = Watch::new(self.lanes.len(), cancel, told);
    }

    /// Takes one block (channels x samples of any number) and what the sidechain plays meanwhile,
    /// silent where it is shorter, and appends what is ready to `output`.
    ///
    /// # Errors
    /// If the block's shape is not the stream's, or the render is called off.
    pub fn push_with_sidechain(
        &mut self,
        block: &[&[f32]],
        sidechain: &[&[f32]],
        output: &mut [Vec<f32>],
    ) -> Result<()> {
        let len = block_len(block, self.channels)?;
        self.main.iter_mut().zip(block).for_each(|(main, block)| main.extend_from_slice(block));
        let waiting = self.main.first().map_or(0, Vec::len);
        for (c, beside) in self.beside.iter_mut().enumerate() {
            let played = sidechain.get(c).copied().unwrap_or(&[]);
            beside.extend_from_slice(&played[..played.len().min(len)]);
            beside.resize(waiting, 0.0);
        }
        // One span of every stream: all of them have as much to compute.
        if waiting as u64 >= self.spans.grid.hop_samples() * self.spans.windows * self.spans.streams
        {
            self.compute(output)?;
        }
        Ok(())
    }

    /// Brings out the rest, so that the output is exactly as long as the input, and closes the
    /// streams.
    ///
    /// # Errors
    /// If a stream fails or the render is called off; windows that fail play dry and are told in
    /// the [`Report`].
    pub fn finish(self, output: &mut [Vec<f32>]) -> Result<Report> {
        let (main, beside, spans, watch) = (&self.main, &self.beside, &self.spans, &self.watch);
        let done = parallel_render(self.lanes.into_iter(), |lane| {
            lane.finish(main, beside, spans, watch)
        })?;
        let (mut harvests, reports): (Vec<LaneOutput>, Vec<Report>) = done.into_iter().unzip();
        let mut own: Vec<_> = harvests.iter_mut().collect();
        let samples = join(&mut own, spans, self.delivered, output);
        Ok(Report { samples, ..together(&reports) })
    }

    /// Samples delivered so far, each channel.
    pub fn delivered_samples(&self) -> u64 {
        self.delivered
    }

    /// Hands what waits to all streams at once.
    fn compute(&mut self, output: &mut [Vec<f32>]) -> Result<()> {
        let (main, beside, spans, watch) = (&self.main, &self.beside, &self.spans, &self.watch);
        parallel_render(self.lanes.iter_mut(), |lane| lane.push(main, beside, spans, watch))?;
        self.main.iter_mut().chain(&mut self.beside).for_each(Vec::clear);
        let mut own: Vec<_> = self.lanes.iter_mut().map(|lane| &mut lane.output).collect();
        self.delivered = join(&mut own, &self.spans, self.delivered, output);
        Ok(())
    }
}

/// Runs `work` on every item, each on a thread of its own.
fn parallel_render<T: Send, R: Send>(
    items: impl Iterator<Item = T>,
    work: impl Fn(T) -> Result<R> + Sync,
) -> Result<Vec<R>> {
    let work = &work;
    thread::scope(|scope| {
        let threads: Vec<_> = items.map(|item| scope.spawn(move || work(item))).collect();
        let lost = |_| Err(Error::Compute("a thread of the render is lost".into()));
        threads.into_iter().map(|thread| thread.join().unwrap_or_else(lost)).collect()
    })
}

/// Appends what all streams have delivered, each in its own spans, and says up to where that is.
fn join(
    harvests: &mut [&mut LaneOutput],
    spans: &Spans,
    from: u64,
    output: &mut [Vec<f32>],
) -> u64 {
    let to = harvests.iter().map(|output| output.position).min().unwrap_or(from);
    for (owner, part) in spans.parts(from..to) {
        let len = (part.end - part.start) as usize;
        for (output, own) in output.iter_mut().zip(&mut harvests[owner as usize].own) {
            output.extend(own.drain(..len));
        }
    }
    to
}

/// What all streams did. Windows that two of them computed count twice.
fn together(reports: &[Report]) -> Report {
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
