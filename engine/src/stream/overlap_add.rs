//! Output stage of the audio thread: places wet segments, and the delayed dry signal elsewhere.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use super::crossfade::{Weight, correlation};
use super::delay_line::DelayLine;
use super::grid::Grid;
use super::piece::MAX_PIECE_SAMPLES;
use super::shared::StreamStatus;
use super::window_job::{Outcome, WindowJob};

/// Duration of a change of the mix.
const MIX_RAMP_MS: f32 = 20.0;

/// A source of the output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Source {
    /// The delayed input.
    Dry,
    /// The wet segment of this window.
    Wet(u64),
}

/// A crossfade from the current source, over absolute positions.
#[derive(Clone, Copy, Debug)]
struct Fade {
    to: Source,
    start: u64,
    len: u64,
    rho: f32,
}

/// Combines wet segments, the delayed dry signal and the mix. Does not allocate, lock or wait.
///
/// All decisions depend on absolute positions: starts of segments, starts of overlaps, ends of
/// fades. So the output does not depend on the host's block sizes. Only a late window fades in at
/// the position of its arrival.
#[derive(Debug)]
pub(super) struct OverlapAdd {
    grid: Grid,
    status: Arc<StreamStatus>,
    latency: u64,
    dry: DelayLine,
    /// The host position of the next output sample. Negative during the initial latency.
    position: i64,
    /// Wet segments, in order.
    ready: Vec<WindowJob>,
    source: Source,
    fade: Option<Fade>,
    /// The worker has returned the windows before this one, with any outcome.
    returned: u64,
    /// The segments before this one have started in the output.
    due: u64,
    mix: f32,
    mix_target: f32,
    mix_step: f32,
    mix_ramp: Vec<f32>,
    dry_piece: Vec<f32>,
}

impl OverlapAdd {
    /// Output delayed by `latency` host samples, with space for `jobs` segments.
    pub fn new(
        grid: Grid,
        channels: usize,
        latency: u64,
        jobs: usize,
        status: Arc<StreamStatus>,
    ) -> Self {
        let mix_step = 1000.0 / (MIX_RAMP_MS * grid.host_rate_hz() as f32);
        Self {
            status,
            latency,
            dry: DelayLine::new(channels, latency as usize + MAX_PIECE_SAMPLES),
            position: -(latency as i64),
            ready: Vec::with_capacity(jobs),
            source: Source::Dry,
            fade: None,
            returned: 0,
            due: 0,
            mix: 1.0,
            mix_target: 1.0,
            mix_step,
            mix_ramp: vec![0.0; MAX_PIECE_SAMPLES],
            dry_piece: vec![0.0; MAX_PIECE_SAMPLES],
            grid,
        }
    }

    /// Sets the mix, 0 (delayed dry) to 1 (wet). It changes with a short ramp, or immediately
    /// before the first output sample.
    pub fn set_mix(&mut self, mix: f32) {
        self.mix_target = mix;
        if self.is_fresh() {
            self.mix = mix;
        }
    }

    /// Starts a new stream. `recycle` receives the unused segments.
    pub fn reset(&mut self, mut recycle: impl FnMut(WindowJob)) {
        self.ready.drain(..).for_each(&mut recycle);
        self.dry.reset();
        self.position = -(self.latency as i64);
        (self.source, self.fade) = (Source::Dry, None);
        (self.returned, self.due) = (0, 0);
        self.mix = self.mix_target;
    }

    /// Whether no sample has been rendered since the last reset.
    pub fn is_fresh(&self) -> bool {
        self.position == -(self.latency as i64)
    }

    /// The host position of the next output sample.
    pub fn position(&self) -> i64 {
        self.position
    }

    /// Whether the output up to `end` needs a window that the worker has not returned.
    pub fn needs_results(&self, end: i64) -> bool {
        (self.grid.segment(self.returned).start as i64) < end
    }

    /// Accepts a returned job. Returns it if it contains no wet audio.
    pub fn accept(&mut self, job: WindowJob) -> Option<WindowJob> {
        self.returned = job.input.index + 1;
        if job.outcome == Outcome::Wet {
            self.ready.push(job);
            return None;
        }
        Some(job)
    }

    /// Appends one input block of at most [`MAX_PIECE_SAMPLES`] to the delay line. Must precede
    /// [`Self::render`].
    pub fn write(&mut self, block: &[Vec<f32>]) {
        self.dry.write(block);
    }

    /// Writes the output for the last input block to every channel of `out`. `recycle` receives
    /// finished segments.
    pub fn render(&mut self, out: &mut [Vec<f32>], mut recycle: impl FnMut(WindowJob)) {
        let len = out.first().map_or(0, Vec::len);
        let mut done = 0;
        while done < len {
            let boundary = self.advance(&mut recycle);
            let run =
                (len - done).min(usize::try_from(boundary - self.position).unwrap_or(usize::MAX));
            self.ramp_mix(run);
            for (c, channel) in out.iter_mut().enumerate() {
                self.render_channel(c, &mut channel[done..done + run]);
            }
            self.position += run as i64;
            done += run;
        }
    }

    /// Applies the decisions at this position. Returns the position of the next ones.
    fn advance(&mut self, recycle: &mut impl FnMut(WindowJob)) -> i64 {
        let Ok(now) = u64::try_from(self.position) else { return 0 };
        if let Some(fade) = self.fade.filter(|fade| now >= fade.start + fade.len) {
            (self.source, self.fade) = (fade.to, None);
        }
        while now >= self.grid.segment(self.due).start {
            if self.returned <= self.due {
                self.status.late.fetch_add(1, Relaxed);
            }
            self.due += 1;
        }
        if self.fade.is_none() {
            self.release(now, recycle);
            self.start_due_fade(now);
        }
        let due = self.grid.segment(self.due).start;
        let next = match (self.fade, self.source) {
            (Some(fade), _) => fade.start + fade.len,
            (None, Source::Wet(k)) => self.grid.segment(k + 1).start,
            (None, Source::Dry) => due,
        };
        next.min(due) as i64
    }

    /// Recycles the segments that the output no longer needs.
    fn release(&mut self, now: u64, recycle: &mut impl FnMut(WindowJob)) {
        while let Some(first) = self.ready.first() {
            let k = first.input.index;
            let spent = match self.source {
                Source::Wet(current) => k < current,
                Source::Dry => {
                    now + self.grid.fade_in_samples(k, now) > self.grid.segment(k + 1).start
                }
            };
            if !spent {
                break;
            }
            recycle(self.ready.remove(0));
        }
    }

    /// Starts a fade if one is due.
    fn start_due_fade(&mut self, now: u64) {
        match self.source {
            Source::Wet(k) => {
                let overlap = self.grid.overlap(k + 1);
                if now < overlap.start {
                    return;
                }
                let next = self.ready.iter().find(|job| job.input.index == k + 1);
                let (to, rho) = match next {
                    Some(job) => (Source::Wet(k + 1), job.rho),
                    None => (
                        Source::Dry,
                        self.dry_correlation(k, overlap.start, overlap.end - overlap.start),
                    ),
                };
                self.fade =
                    Some(Fade { to, start: overlap.start, len: overlap.end - overlap.start, rho });
            }
            Source::Dry => {
                let Some(k) = self.ready.first().map(|job| job.input.index) else { return };
                if now == 0 && k == 0 {
                    self.source = Source::Wet(0);
                } else if now >= self.grid.segment(k).start {
                    let len = self.grid.fade_in_samples(k, now);
                    let rho = self.dry_correlation(k, now, len);
                    self.fade = Some(Fade { to: Source::Wet(k), start: now, len, rho });
                }
            }
        }
    }

    /// The correlation of window `k` with the dry signal over a fade. Needs some thousand products
    /// on the audio thread, but only at missing windows.
    fn dry_correlation(&self, k: u64, start: u64, len: u64) -> f32 {
        let Some(job) = self.ready.iter().find(|job| job.input.index == k) else {
            return 0.0;
        };
        let offset = (start - job.input.segment.start) as usize;
        let wet = job.output.wet.iter().map(|channel| &channel[offset..offset + len as usize]);
        correlation(wet.enumerate().flat_map(|(c, wet)| {
            let (head, tail) = self.dry.slices(c, start, len as usize);
            let (wet_head, wet_tail) = wet.split_at(head.len());
            [(wet_head, head), (wet_tail, tail)]
        }))
    }

    /// Fills `mix_ramp` for the next `run` samples.
    fn ramp_mix(&mut self, run: usize) {
        for value in &mut self.mix_ramp[..run] {
            *value = self.mix;
            self.mix += (self.mix_target - self.mix).clamp(-self.mix_step, self.mix_step);
        }
    }

    /// Renders one channel from the current position on, at most to the next decision.
    fn render_channel(&mut self, channel: usize, out: &mut [f32]) {
        let run = out.len();
        let mut dry_piece = std::mem::take(&mut self.dry_piece);
        let dry = &mut dry_piece[..run];
        self.dry.read(channel, self.position, dry);
        let from = self.samples(self.source, channel, run).unwrap_or(dry);
        match self.fade {
            None => out.copy_from_slice(from),
            Some(fade) => {
                let to = self.samples(fade.to, channel, run).unwrap_or(dry);
                let first = self.position as u64 - fade.start;
                for (i, (out, (&a, &b))) in out.iter_mut().zip(from.iter().zip(to)).enumerate() {
                    *out = Weight::at_sample(first + i as u64, fade.len, fade.rho).apply(a, b);
                }
            }
        }
        for ((out, &dry), &mix) in out.iter_mut().zip(&*dry).zip(&self.mix_ramp) {
            *out = *out * mix + dry * (1.0 - mix);
        }
        self.dry_piece = dry_piece;
    }

    /// The next `run` samples of a source. `None` for the dry signal.
    fn samples(&self, source: Source, channel: usize, run: usize) -> Option<&[f32]> {
        let Source::Wet(k) = source else { return None };
        let job = self.ready.iter().find(|job| job.input.index == k)?;
        let offset = (self.position as u64 - job.input.segment.start) as usize;
        job.output.wet[channel].get(offset..offset + run)
    }
}
