//! A style computed from the last sounding seconds of the sidechain.

use std::sync::Arc;

use super::{StyleSource, TransferModel};
use crate::Result;
use crate::config::ModelConfig;
use crate::dsp::resample::Resampler;
use crate::image::MelImage;
use crate::inference_model::{REFERENCE_SECONDS_MAX, SILENT_SAMPLE, window_images};
use crate::stream::WindowInput;
use crate::style::StyleTokens;

/// Block length of the silence gate, in model samples (23 ms at 22.05 kHz).
const GATE_BLOCK_SAMPLES: usize = 512;
/// Blocks kept after the last sounding block: a note's decay and the pause between two notes.
const GATE_HOLD_BLOCKS: usize = 8;
/// New audio before the style is computed again, in seconds. Modes with short hops have no time to
/// encode up to 12 s for every window.
const REFRESH_SECONDS: f32 = 1.0;

/// Computes the style of the sidechain. The reference depends only on the samples since reset.
pub struct RollingStyle {
    config: ModelConfig,
    resamplers: Vec<Resampler>,
    /// Sounding samples at the model's rate, at most the last [`REFERENCE_SECONDS_MAX`] seconds.
    sounding: Vec<Vec<f32>>,
    /// Samples of an incomplete block.
    pending: Vec<Vec<f32>>,
    /// Number of blocks for which the gate stays open.
    open_blocks: usize,
    /// The newest whole windows of `sounding` at the last refresh. The style is computed from them.
    reference: Vec<Vec<f32>>,
    /// Sounding samples since the last refresh.
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
            sounding: vec![Vec::new(); channels],
            pending: vec![Vec::new(); channels],
            open_blocks: 0,
            reference: Vec::new(),
            new_samples: 0,
            stale: false,
            tokens: None,
            images: Vec::new(),
        })
    }

    /// Length of the sounding audio, 0 to [`REFERENCE_SECONDS_MAX`] seconds.
    pub fn seconds(&self) -> f32 {
        self.sounding.first().map_or(0, Vec::len) as f32 / self.config.mel.sample_rate_hz as f32
    }

    /// The images of the style that [`RollingStyle::tokens`] computed last.
    pub fn images(&self) -> &[MelImage] {
        &self.images
    }

    /// The reference's style, computed at the first call after a refresh. `None` before a whole
    /// window has sounded, or if the reference is silent.
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
        self.sounding.iter_mut().chain(&mut self.pending).for_each(Vec::clear);
        self.reference.clear();
        (self.open_blocks, self.new_samples, self.stale, self.tokens) = (0, 0, false, None);
    }

    /// Selects a new reference after [`REFRESH_SECONDS`] of new audio. Runs for every window, also
    /// if no style is requested. So a style does not depend on which windows are computed.
    fn refresh(&mut self) {
        let window_samples = self.config.window.frames * self.config.mel.hop_length;
        let len = self.sounding.first().map_or(0, Vec::len);
        let whole = len / window_samples * window_samples;
        let refresh_samples = (REFRESH_SECONDS * self.config.mel.sample_rate_hz as f32) as usize;
        let due = self.reference.is_empty() || self.new_samples >= refresh_samples;
        if whole > 0 && due {
            // The remainder at the oldest end is dropped.
            self.reference =
                self.sounding.iter().map(|channel| channel[len - whole..].to_vec()).collect();
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
                |channel: &Vec<f32>| channel[block.clone()].iter().any(|x| x.abs() > SILENT_SAMPLE);
            if self.pending.iter().any(sounds) {
                self.open_blocks = GATE_HOLD_BLOCKS + 1;
            }
            if self.open_blocks > 0 {
                self.open_blocks -= 1;
                self.new_samples += GATE_BLOCK_SAMPLES;
                for (sounding, pending) in self.sounding.iter_mut().zip(&self.pending) {
                    sounding.extend_from_slice(&pending[block.clone()]);
                }
            }
        }
        self.pending.iter_mut().for_each(|channel| drop(channel.drain(..whole)));
    }

    fn trim(&mut self) {
        let longest = (REFERENCE_SECONDS_MAX * f64::from(self.config.mel.sample_rate_hz)) as usize;
        for channel in &mut self.sounding {
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
