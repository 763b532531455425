//! Cuts the chosen parts out of a recording.

use std::ops::Range;

use super::survey::Choice;
use super::{Outline, Reference};
use crate::audio_file::Audio;

/// Duration of the fade at both ends of a part, in seconds. A cut without a fade is a click.
const FADE_SECONDS: f64 = 0.01;

/// The audio of a choice, read in blocks.
pub struct Excerpt {
    choice: Choice,
    audio: Audio,
    /// Samples of the recording that were read.
    samples: u64,
    /// Samples of each part in `audio`.
    lens: Vec<usize>,
}

impl Excerpt {
    /// Starts at the beginning of the recording.
    pub fn new(sample_rate_hz: u32, channels: usize, choice: Choice) -> Self {
        let lens = vec![0; choice.parts.len()];
        let audio = Audio { sample_rate_hz, channels: vec![Vec::new(); channels] };
        Self { choice, audio, samples: 0, lens }
    }

    /// Whether all parts were read.
    pub fn is_complete(&self) -> bool {
        self.samples >= self.end()
    }

    /// Copies the chosen samples of the next block.
    pub fn push(&mut self, channels: &[Vec<f32>]) {
        let len = channels.first().map_or(0, Vec::len) as u64;
        let read = self.samples..self.samples + len;
        for number in 0..self.lens.len() {
            let part = self.with_margin(number);
            let start = part.start.clamp(read.start, read.end) - read.start;
            let stop = part.end.clamp(read.start, read.end) - read.start;
            for (audio, channel) in self.audio.channels.iter_mut().zip(channels) {
                let chosen = &channel[start as usize..stop as usize];
                audio.extend(chosen.iter().map(|x| x * self.choice.gain));
            }
            self.lens[number] += (stop - start) as usize;
        }
        self.samples = read.end;
    }

    /// The audio after the last block, with the ranges that the recording contains. `outline` and
    /// `recording_seconds` are the whole recording's.
    pub fn into_reference(mut self, outline: Outline, recording_seconds: f64) -> Reference {
        if !self.choice.is_beginning {
            self.fade();
        }
        let rate_hz = f64::from(self.audio.sample_rate_hz);
        let seconds = |sample: u64| sample.min(self.samples) as f64 / rate_hz;
        let ranges =
            self.choice.parts.iter().map(|part| seconds(part.start)..seconds(part.end)).collect();
        Reference {
            audio: self.audio,
            ranges,
            is_beginning: self.choice.is_beginning,
            outline,
            recording_seconds,
            warnings: Vec::new(),
        }
    }

    fn end(&self) -> u64 {
        self.choice.parts.last().map_or(0, |part| part.end + self.choice.margin_samples)
    }

    /// A part, with the margin if it is the last.
    fn with_margin(&self, number: usize) -> Range<u64> {
        let part = self.choice.parts[number].clone();
        let last = number + 1 == self.choice.parts.len();
        part.start..if last { self.end() } else { part.end }
    }

    fn fade(&mut self) {
        let longest = (FADE_SECONDS * f64::from(self.audio.sample_rate_hz)) as usize;
        for channel in &mut self.audio.channels {
            let mut start = 0;
            for len in &self.lens {
                let part = &mut channel[start..start + len];
                let fade = longest.min(len / 2);
                for i in 0..fade {
                    let angle = std::f32::consts::PI * (i as f32 + 0.5) / fade as f32;
                    let factor = 0.5 - 0.5 * angle.cos();
                    part[i] *= factor;
                    part[len - 1 - i] *= factor;
                }
                start += len;
            }
        }
    }
}
