//! A style computed from the last suitable seconds of the sidechain.

use std::collections::VecDeque;
use std::sync::Arc;

use super::{StyleSource, TransferModel};
use crate::Result;
use crate::config::ModelConfig;
use crate::dsp::resample::Resampler;
use crate::image::MelImage;
use crate::inference_model::window_images;
use crate::reference::{Block, BlockMeter, QUIETEST_DB, SECONDS_MAX};
use crate::stream::WindowInput;
use crate::style::StyleTokens;

/// Block length of the silence gate, in model samples (23 ms at 22.05 kHz).
const GATE_BLOCK_SAMPLES: usize = 512;
/// Blocks kept after the last sounding block: a note's decay and the pause between two notes.
const GATE_HOLD_BLOCKS: usize = 8;
/// Amplitude of sound (-60 dBFS), which opens the gate.
const AUDIBLE: f32 = 1e-3;
/// Measured blocks whose loudest determines which others are too quiet: one minute of sound.
const LOUD_MEMORY_BLOCKS: usize = 160;
/// New audio before the style is computed again, in seconds. Modes with short hops have no time to
/// encode up to 12 s for every window.
const REFRESH_SECONDS: f32 = 1.0;

/// Computes the style of the sidechain. The reference depends only on the samples since reset.
pub struct RollingStyle {
    config: ModelConfig,
    resamplers: Vec<Resampler>,
    meter: BlockMeter,
    /// Suitable samples at the model's rate, at most the last [`SECONDS_MAX`] seconds.
    suitable: Vec<Vec<f32>>,
    /// Samples after the gate that do not fill a measured block yet.
    sounding: Vec<Vec<f32>>,
    /// Samples before the gate that do not fill its block yet.
    pending: Vec<Vec<f32>>,
    /// Levels in dBFS of the last blocks without noise, at most [`LOUD_MEMORY_BLOCKS`].
    levels_db: VecDeque<f32>,
    /// Number of blocks for which the gate stays open.
    open_blocks: usize,
    /// The newest whole windows of `suitable` at the last refresh. The style is computed from them.
    reference: Vec<Vec<f32>>,
    /// Suitable samples since the last refresh.
    new_samples: usize,
    /// Whether the reference's style must still be computed.
    stale: bool,
    /// The reference's style. `None` if the reference is silent.
    tokens: Option<Arc<StyleTokens>>,
    /// The images of the last computed style.
    images: Vec<MelImage>,
}

impl RollingStyle {
    /// Starts without a reference.
    ///
    /// # Errors
    /// If the rates cannot be converted.
    pub fn new(config: &ModelConfig, host_rate_hz: u32, channels: usize) -> Result<Self> {
        let resampler = || Resampler::new(host_rate_hz, config.mel.sample_rate_hz);
        Ok(Self {
            resamplers: (0..channels).map(|_| resampler()).collect::<Result<_>>()?,
            config: config.clone(),
            meter: BlockMeter::new(config.mel.sample_rate_hz),
            suitable: vec![Vec::new(); channels],
            sounding: vec![Vec::new(); channels],
            pending: vec![Vec::new(); channels],
            levels_db: VecDeque::with_capacity(LOUD_MEMORY_BLOCKS),
            open_blocks: 0,
            reference: Vec::new(),
            new_samples: 0,
            stale: false,
            tokens: None,
            images: Vec::new(),
        })
    }

    /// Length of the suitable audio, 0 to [`SECONDS_MAX`] seconds.
    pub fn seconds(&self) -> f32 {
        self.suitable.first().map_or(0, Vec::len) as f32 / self.config.mel.sample_rate_hz as f32
    }

    /// The images of the style that [`RollingStyle::tokens`] computed last.
    pub fn images(&self) -> &[MelImage] {
        &self.images
    }

    /// The reference's style, computed at the first call after a refresh. `None` before a whole
    /// window of suitable sound, or if the reference is silent.
    ///
    /// # Errors
    /// If the model's executor fails.
    pub fn tokens(&mut self, model: &mut impl TransferModel) -> Result<Option<Arc<StyleTokens>>> {
        if self.stale {
            let channels: Vec<&[f32]> = self.reference.iter().map(Vec::as_slice).collect();
            let images = window_images(&self.config, &channels);
            if !images.is_empty() {
                self.tokens = Some(Arc::new(model.style_tokens(&images)?));
                self.images = images;
            }
            self.stale = false;
        }
        Ok(self.tokens.clone())
    }

    /// Appends the sidechain's next samples, channels x samples at the host's rate.
    pub fn push(&mut self, sidechain: &[Vec<f32>]) {
        for ((resampler, samples), pending) in
            self.resamplers.iter_mut().zip(sidechain).zip(&mut self.pending)
        {
            resampler.push(samples, pending);
        }
        self.gate();
        self.select();
        self.trim();
        self.refresh();
    }

    /// Discards the style, because another model computes the next one.
    pub fn model_changed(&mut self) {
        self.stale = !self.reference.is_empty();
        self.tokens = None;
    }

    /// Returns to the state after construction.
    pub fn reset(&mut self) {
        self.resamplers.iter_mut().for_each(Resampler::reset);
        for buffers in [&mut self.suitable, &mut self.sounding, &mut self.pending] {
            buffers.iter_mut().for_each(Vec::clear);
        }
        self.reference.clear();
        self.levels_db.clear();
        (self.open_blocks, self.new_samples, self.stale, self.tokens) = (0, 0, false, None);
    }

    /// Selects a new reference after [`REFRESH_SECONDS`] of new audio. Runs for every window, also
    /// if no style is requested. So a style does not depend on which windows are computed.
    fn refresh(&mut self) {
        let window_samples = self.config.window.frames * self.config.mel.hop_length;
        let len = self.suitable.first().map_or(0, Vec::len);
        let whole = len / window_samples * window_samples;
        let refresh_samples = (REFRESH_SECONDS * self.config.mel.sample_rate_hz as f32) as usize;
        let due = self.reference.is_empty() || self.new_samples >= refresh_samples;
        if whole > 0 && due {
            // The remainder at the oldest end is dropped.
            self.reference =
                self.suitable.iter().map(|channel| channel[len - whole..].to_vec()).collect();
            (self.new_samples, self.stale, self.tokens) = (0, true, None);
        }
    }

    /// Applies the gate to every whole block in `pending`.
    fn gate(&mut self) {
        let whole =
            self.pending.first().map_or(0, Vec::len) / GATE_BLOCK_SAMPLES * GATE_BLOCK_SAMPLES;
        for start in (0..whole).step_by(GATE_BLOCK_SAMPLES) {
            let block = start..start + GATE_BLOCK_SAMPLES;
            let sounds =
                |channel: &Vec<f32>| channel[block.clone()].iter().any(|x| x.abs() > AUDIBLE);
            if self.pending.iter().any(sounds) {
                self.open_blocks = GATE_HOLD_BLOCKS + 1;
            }
            if self.open_blocks > 0 {
                self.open_blocks -= 1;
                for (sounding, pending) in self.sounding.iter_mut().zip(&self.pending) {
                    sounding.extend_from_slice(&pending[block.clone()]);
                }
            }
        }
        self.pending.iter_mut().for_each(|channel| drop(channel.drain(..whole)));
    }

    /// Moves every whole measured block from `sounding` to `suitable`, or drops it.
    fn select(&mut self) {
        let block_samples = self.meter.block_samples();
        while self.sounding.first().is_some_and(|channel| channel.len() >= block_samples) {
            let block = self
                .meter
                .measure(&self.sounding.iter().map(|c| &c[..block_samples]).collect::<Vec<_>>());
            let suits = self.suits(&block);
            for (suitable, sounding) in self.suitable.iter_mut().zip(&mut self.sounding) {
                let samples = sounding.drain(..block_samples);
                if suits {
                    suitable.extend(samples);
                }
            }
            self.new_samples += if suits { block_samples } else { 0 };
        }
    }

    /// Whether a block is neither noise nor much quieter than the loudest block of the last minute.
    fn suits(&mut self, block: &Block) -> bool {
        if block.is_noise() {
            return false;
        }
        if self.levels_db.len() == LOUD_MEMORY_BLOCKS {
            self.levels_db.pop_front();
        }
        self.levels_db.push_back(block.level_db());
        let loud_db = self.levels_db.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        block.level_db() > loud_db - QUIETEST_DB
    }

    fn trim(&mut self) {
        let longest = (SECONDS_MAX * f64::from(self.config.mel.sample_rate_hz)) as usize;
        for channel in &mut self.suitable {
            let excess = channel.len().saturating_sub(longest);
            channel.drain(..excess);
        }
    }
}

impl<M: TransferModel> StyleSource<M> for RollingStyle {
    fn receive_sidechain(&mut self, window: &WindowInput, _: Option<&mut M>) {
        self.push(&window.sidechain);
    }

    fn style(&mut self, _: &WindowInput, model: &mut M) -> Result<Option<Arc<StyleTokens>>> {
        self.tokens(model)
    }

    fn model_changed(&mut self) {
        RollingStyle::model_changed(self);
    }

    fn reset(&mut self) {
        RollingStyle::reset(self);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE_HZ: u32 = 22_050;

    fn rolling() -> RollingStyle {
        RollingStyle::new(&ModelConfig::default(), RATE_HZ, 1).expect("a style")
    }

    fn tone(seconds: usize, amplitude: f32) -> Vec<f32> {
        (0..seconds * RATE_HZ as usize).map(|n| amplitude * (0.1 * n as f32).sin()).collect()
    }

    fn hiss(seconds: usize, amplitude: f32) -> Vec<f32> {
        let mut state = 1_u32;
        let sample = |_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            amplitude * ((state >> 8) as f32 / (1 << 23) as f32 - 1.0)
        };
        (0..seconds * RATE_HZ as usize).map(sample).collect()
    }

    #[test]
    fn hiss_and_hum_in_pauses_do_not_replace_music() {
        for pause in [hiss(30, 0.01), tone(30, 0.002)] {
            let mut rolling = rolling();
            rolling.push(&[tone(12, 0.3)]);
            let loud =
                |rolling: &RollingStyle| rolling.suitable[0].iter().filter(|x| **x > 0.1).count();
            let before = loud(&rolling);
            assert!(rolling.seconds() > 11.5);
            rolling.push(&[pause]);
            // One block contains the end of the music and the beginning of the pause.
            let after = loud(&rolling);
            assert!(after > before * 9 / 10, "{after} of {before} samples of music");
        }
    }

    #[test]
    fn hiss_alone_yields_no_style() {
        let mut rolling = rolling();
        rolling.push(&[hiss(20, 0.05)]);
        assert_eq!(rolling.seconds(), 0.0);
    }

    #[test]
    fn a_quieter_source_is_used_after_a_minute() {
        let mut rolling = rolling();
        rolling.push(&[tone(4, 0.5)]);
        rolling.push(&[tone(50, 0.005)]);
        assert!(rolling.suitable[0].iter().any(|x| x.abs() > 0.4));
        rolling.push(&[tone(30, 0.005)]);
        assert!(rolling.suitable[0].iter().all(|x| x.abs() < 0.4) && rolling.seconds() > 11.0);
    }

    #[test]
    fn music_is_used_whole_and_block_sizes_do_not_matter() {
        let (music, mut whole, mut cut) = (tone(9, 0.3), rolling(), rolling());
        whole.push(std::slice::from_ref(&music));
        music.chunks(1000).for_each(|block| cut.push(&[block.to_vec()]));
        assert_eq!(whole.suitable, cut.suitable);
        assert_eq!(whole.suitable[0], music[..whole.suitable[0].len()]);
        assert!(whole.seconds() > 8.5);
    }
}
