//! Input analysis: the stream at two rates, its level, and the content image of a window.

use crate::config::ModelConfig;
use crate::dsp::level::Level;
use crate::dsp::mel::MelFrontEnd;
use crate::dsp::resample::Resampler;
use crate::image::MelImage;
use crate::stream::{Grid, History, WindowInput};
use crate::{Error, Result};

/// Host samples kept before a window's segment, in lengths of the model's FFT.
const HOST_PAST_FFTS: u64 = 4;

/// The input stream, without the samples that no later window needs.
pub(super) struct Analysis {
    grid: Grid,
    frames: usize,
    hop_length: usize,
    n_fft: usize,
    resamplers: Vec<Resampler>,
    /// The stream at the host's rate, for the vocoder.
    host: History,
    /// The stream at the model's rate, for the mel front end and the level.
    audio: History,
    level: Level,
    /// The level includes the model samples before this one.
    level_end: u64,
    front_end: MelFrontEnd,
    /// The first host position with real input: 0, or the position after an interruption.
    valid_from: u64,
}

impl Analysis {
    /// An empty stream.
    pub fn new(config: &ModelConfig, grid: Grid, channels: usize) -> Result<Self> {
        let resampler = || Resampler::new(grid.host_rate_hz(), grid.model_rate_hz());
        Ok(Self {
            frames: config.window.frames,
            hop_length: config.mel.hop_length,
            n_fft: config.mel.n_fft,
            resamplers: (0..channels).map(|_| resampler()).collect::<Result<_>>()?,
            host: History::new(channels),
            audio: History::new(channels),
            level: Level::new(grid.model_rate_hz()),
            level_end: 0,
            front_end: MelFrontEnd::new(&config.mel),
            valid_from: 0,
            grid,
        })
    }

    /// Returns to the state before the first sample.
    pub fn reset(&mut self) {
        self.restart(0);
        self.level.reset();
    }

    /// The kept samples at the host's rate.
    pub fn host(&self) -> &History {
        &self.host
    }

    /// Appends a window's new samples and discards those that no later window needs.
    pub fn push_window(&mut self, window: &WindowInput) {
        if window.first_sample != self.host.end() {
            self.restart(window.first_sample);
        }
        self.push(&window.main);
        self.update_level(window.index);
        let first = self.grid.first_model_sample(window.index).max(0) as u64;
        self.audio.forget_before(first.saturating_sub(self.n_fft as u64 / 2).min(self.level_end));
        let past_model_samples = HOST_PAST_FFTS * self.n_fft as u64;
        let past = past_model_samples * u64::from(self.grid.host_rate_hz())
            / u64::from(self.grid.model_rate_hz());
        self.host.forget_before(window.segment.start.saturating_sub(past));
    }

    /// The window's content image, and the gain that was applied before its analysis.
    ///
    /// # Errors
    /// If the stream was interrupted within the window, or model samples are missing.
    pub fn content(&mut self, index: u64) -> Result<(MelImage, f32)> {
        let first_centre = self.grid.first_model_sample(index);
        let begins = (first_centre - self.n_fft as i64 / 2).max(0) as u64;
        let valid_from = u64::from(self.grid.model_rate_hz()) * self.valid_from;
        if begins * u64::from(self.grid.host_rate_hz()) < valid_from {
            return Err(Error::Compute("the stream was interrupted within this window".into()));
        }
        if self.audio.end() < self.grid.model_samples(index) {
            let found = format!("{} of {}", self.audio.end(), self.grid.model_samples(index));
            return Err(Error::Compute(format!("the resampler has produced only {found} samples")));
        }
        let gain = self.level.gain();
        let offset = first_centre - self.audio.start() as i64;
        let image = self.front_end.image(&self.audio.slices(), offset as isize, self.frames, gain);
        Ok((image, gain))
    }

    /// Writes the input from a host position on to `out`.
    ///
    /// # Errors
    /// If these samples are no longer kept.
    pub fn dry(&self, position: u64, out: &mut [Vec<f32>]) -> Result<()> {
        for (c, channel) in out.iter_mut().enumerate() {
            let read = self.host.read(c, position as i64, channel);
            read.ok_or_else(|| Error::Compute("the window's input is no longer kept".into()))?;
        }
        Ok(())
    }

    fn push(&mut self, samples: &[Vec<f32>]) {
        self.host.push(samples);
        for (c, (resampler, samples)) in self.resamplers.iter_mut().zip(samples).enumerate() {
            resampler.push(samples, self.audio.channel_mut(c));
        }
    }

    /// Updates the level up to the end of the window's last frame, as in training.
    fn update_level(&mut self, index: u64) {
        let end = self.grid.first_model_sample(index) + (self.frames * self.hop_length) as i64;
        let end = (end.max(0) as u64).min(self.audio.end());
        if end <= self.level_end {
            return;
        }
        let range =
            (self.level_end - self.audio.start()) as usize..(end - self.audio.start()) as usize;
        let new: Vec<&[f32]> =
            self.audio.slices().iter().map(|channel| &channel[range.clone()]).collect();
        self.level.push(&new);
        self.level_end = end;
    }

    /// Continues at a host position as if the input before it were silent. The resampler starts
    /// where a host sample and a model sample coincide, so that the model's samples stay on their
    /// grid.
    fn restart(&mut self, position: u64) {
        let (host, model) =
            (u64::from(self.grid.host_rate_hz()), u64::from(self.grid.model_rate_hz()));
        let period = host / gcd(host, model);
        let aligned = position / period * period;
        self.resamplers.iter_mut().for_each(Resampler::reset);
        self.host.restart(aligned);
        self.audio.restart(aligned / period * (model / gcd(host, model)));
        self.level_end = self.audio.start();
        self.valid_from = position;
        self.push(&vec![vec![0.0; (position - aligned) as usize]; self.resamplers.len()]);
    }
}

/// The greatest common divisor.
pub(super) fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}
