//! Measures a whole recording and chooses the windows of its style.

use std::ops::Range;

use super::SECONDS_MAX;
use super::block::{BLOCKS_PER_WINDOW, BlockMeter};
use super::choice::{Blocks, WINDOWS_MAX, end, loud_level_db};
use super::outline::Outline;
use super::overview::Overview;

/// Largest sample of a silent recording (-90 dBFS).
const SILENT_PEAK: f32 = 3e-5;
/// The same as a level.
const SILENT_DB: f32 = -90.0;
/// Amplitude of the first audible sample of a recording (-60 dBFS), unless all samples are smaller.
const AUDIBLE: f32 = 1e-3;
/// A recording with a lower loud level is amplified.
const QUIET_DB: f32 = -40.0;
/// The loud level after the amplification.
const TARGET_DB: f32 = -20.0;

/// Why a recording has no style.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Unsuitable {
    /// No sample is above -90 dBFS.
    Silence,
    /// All sound is stationary and without a pitch.
    Noise,
}

impl Unsuitable {
    /// What a recording should contain.
    pub fn expected(self) -> &'static str {
        match self {
            Self::Silence => "an audible recording",
            Self::Noise => "a pitched instrument",
        }
    }

    /// What it contains.
    pub fn name(self) -> &'static str {
        match self {
            Self::Silence => "silence",
            Self::Noise => "only noise",
        }
    }
}

/// The parts of a recording that a style is computed from.
#[derive(Clone, Debug, PartialEq)]
pub struct Choice {
    /// Samples of the parts, in order.
    pub parts: Vec<Range<u64>>,
    /// Samples after the last window, of which its last frames need a few.
    pub margin_samples: u64,
    /// Factor for all samples.
    pub gain: f32,
    /// Whether it is one part from the first audible sample.
    pub is_beginning: bool,
}

/// The measures of a recording, in bounded memory.
pub struct Survey {
    meter: BlockMeter,
    sample_rate_hz: u32,
    overview: Overview,
    outline: Outline,
    /// The samples of an incomplete block, by channel.
    pending: Vec<Vec<f32>>,
    samples: u64,
    /// The first samples above [`AUDIBLE`] and above [`SILENT_PEAK`].
    first_audible: Option<u64>,
    first_sound: Option<u64>,
}

impl Survey {
    /// Starts a recording.
    pub fn new(sample_rate_hz: u32, channels: usize) -> Self {
        Self {
            meter: BlockMeter::new(sample_rate_hz),
            sample_rate_hz,
            overview: Overview::default(),
            outline: Outline::default(),
            pending: vec![Vec::new(); channels],
            samples: 0,
            first_audible: None,
            first_sound: None,
        }
    }

    /// Measures the next samples, channels of equal length.
    pub fn push(&mut self, channels: &[Vec<f32>]) {
        let len = channels.first().map_or(0, Vec::len);
        self.search(channels, len);
        self.outline.push(channels);
        let mut start = 0;
        while start < len {
            let missing = self.meter.block_samples() - self.pending[0].len();
            let stop = len.min(start + missing);
            for (pending, channel) in self.pending.iter_mut().zip(channels) {
                pending.extend_from_slice(&channel[start..stop]);
            }
            if stop - start == missing {
                self.end_block();
            }
            start = stop;
        }
        self.samples += len as u64;
    }

    fn search(&mut self, channels: &[Vec<f32>], len: usize) {
        let first_above = |least: f32| {
            let above = |i: &usize| channels.iter().any(|channel| channel[*i].abs() > least);
            (0..len).find(above).map(|i| self.samples + i as u64)
        };
        if self.first_audible.is_none() {
            self.first_sound = self.first_sound.or_else(|| first_above(SILENT_PEAK));
            self.first_audible = first_above(AUDIBLE);
        }
    }

    fn end_block(&mut self) {
        let channels: Vec<&[f32]> = self.pending.iter().map(Vec::as_slice).collect();
        self.overview.push(self.meter.measure(&channels));
        self.pending.iter_mut().for_each(Vec::clear);
    }

    /// The waveform of the recording.
    pub fn outline(&self) -> Outline {
        self.outline.clone()
    }

    /// Duration of the recording.
    pub fn seconds(&self) -> f64 {
        self.samples as f64 / f64::from(self.sample_rate_hz)
    }

    /// Chooses the parts. A recording of about 12 s whose windows are equally suitable is used from
    /// its first audible sample; of others, the most suitable windows are used. With a start in
    /// seconds, consecutive windows from there are used instead.
    ///
    /// # Errors
    /// If the recording is silent or only noise.
    pub fn choice(&mut self, start_seconds: Option<f64>) -> Result<Choice, Unsuitable> {
        let first = self.first_audible.or(self.first_sound).ok_or(Unsuitable::Silence)?;
        let whole = self.overview.entries().len();
        // The incomplete block at the end counts for the levels, but not as a part of a window.
        if self.pending.iter().any(|pending| !pending.is_empty()) {
            self.end_block();
        }
        let entries = self.overview.entries();
        let loud_db = loud_level_db(entries, SILENT_DB).ok_or(Unsuitable::Noise)?;
        let gain = if loud_db < QUIET_DB { 10f32.powf((TARGET_DB - loud_db) / 20.0) } else { 1.0 };
        let (parts, is_beginning) = match start_seconds {
            Some(seconds) => (vec![self.consecutive(seconds)], false),
            None => self.suitable(first, whole, loud_db),
        };
        Ok(Choice { parts, margin_samples: self.margin(), gain, is_beginning })
    }

    /// The suitable parts, and whether they are the beginning. `whole` is the number of entries
    /// without the incomplete block.
    fn suitable(&self, first: u64, whole: usize, loud_db: f32) -> (Vec<Range<u64>>, bool) {
        let entries = self.overview.entries();
        let blocks =
            Blocks { blocks: &entries[..whole], per_window: self.overview.entries_per_window() };
        let beginning = self.beginning(first, self.entry_samples() * end(entries, loud_db) as u64);
        let suits = beginning.is_some_and(|windows| {
            let first_entry = (first + self.entry_samples() / 2) / self.entry_samples();
            blocks.consecutive_suit(first_entry as usize, windows, loud_db)
        });
        let chosen = if suits { Vec::new() } else { blocks.choose(loud_db) };
        if chosen.is_empty() {
            let windows = beginning.unwrap_or(WINDOWS_MAX) as u64;
            let beginning = first..first + windows * self.window();
            return (vec![beginning], true);
        }
        (self.parts(&chosen), false)
    }

    /// Consecutive windows from a time in seconds, at least one.
    fn consecutive(&self, start_seconds: f64) -> Range<u64> {
        let latest = self.samples.saturating_sub(self.window());
        let start = ((start_seconds * f64::from(self.sample_rate_hz)) as u64).min(latest);
        let windows = ((self.samples - start) / self.window()).clamp(1, WINDOWS_MAX as u64);
        start..start + windows * self.window()
    }

    /// Number of windows from the first audible sample to the end of the sound, at least 1. The last
    /// one can be half silent. `None` if there are more than a style has.
    fn beginning(&self, first: u64, end: u64) -> Option<usize> {
        let sounding = end.min(self.samples).saturating_sub(first);
        let complete = self.samples.saturating_sub(first) / self.window();
        let windows = ((sounding + self.window() / 2) / self.window()).min(complete) as usize;
        (sounding / self.window() <= WINDOWS_MAX as u64).then_some(windows.clamp(1, WINDOWS_MAX))
    }

    /// The samples of windows; consecutive ones are one part.
    fn parts(&self, first_entries: &[usize]) -> Vec<Range<u64>> {
        let mut parts: Vec<Range<u64>> = Vec::new();
        for first in first_entries {
            let start = *first as u64 * self.entry_samples();
            match parts.last_mut() {
                Some(last) if last.end == start => last.end += self.window(),
                _ => parts.push(start..start + self.window()),
            }
        }
        parts
    }

    fn entry_samples(&self) -> u64 {
        (self.meter.block_samples() * self.overview.blocks_per_entry()) as u64
    }

    fn window(&self) -> u64 {
        (self.meter.block_samples() * BLOCKS_PER_WINDOW) as u64
    }

    fn margin(&self) -> u64 {
        let longest = (SECONDS_MAX * f64::from(self.sample_rate_hz)) as u64;
        longest.saturating_sub(WINDOWS_MAX as u64 * self.window())
    }
}
