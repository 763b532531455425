//! A style that follows the sidechain: the last seconds of it that sounded.

use std::sync::Arc;

use super::{StyleSource, TransferModel};
use crate::Result;
use crate::config::ModelConfig;
use crate::dsp::resample::Resampler;
use crate::image::MelImage;
use crate::inference_model::{REFERENCE_SECONDS_MAX, SILENT_SAMPLE, window_images};
use crate::stream::WindowInput;
use crate::style::StyleTokens;

/// Silence is found block by block, in model samples (23 ms at 22.05 kHz).
const GATE_BLOCK_SAMPLES: usize = 512;
/// So many blocks after the last one that sounded still belong to it: its decay, and the pause
/// between two notes.
const GATE_HOLD_BLOCKS: usize = 8;
/// How much must have been heard anew before a style is read again. Windows bring more than that,
/// but for those that move by little: they have no time to read up to 12 s each.
const REFRESH_SECONDS: f32 = 1.0;

/// Listens to the sidechain. What it hears depends on the samples since reset alone.
pub struct RollingStyle {
    config: ModelConfig,
    resamplers: Vec<Resampler>,
    /// Sounding samples at the model's rate, the last [`REFERENCE_SECONDS_MAX`] at most.
    heard: Vec<Vec<f32>>,
    /// Samples that do not fill a block yet.
    pending: Vec<Vec<f32>>,
    /// Blocks for which the gate stays open.
    open_blocks: usize,
    /// What the style is read from: the newest whole windows of what was heard when it was chosen.
    reference: Vec<Vec<f32>>,
    /// Samples that were heard since then.
    unread_samples: usize,
    /// Whether nobody has asked for its style yet.
    unread: bool,
    /// The reference's style; none where it says nothing.
    tokens: Option<Arc<StyleTokens>>,
    /// What the last style was read from.
    images: Vec<MelImage>,
}

impl RollingStyle {
    /// Hears nothing yet.
    ///
    /// # Errors
    /// If the rates cannot be converted.
    pub fn new(config: &ModelConfig, host_rate_hz: u32, channels: usize) -> Result<Self> {
        let resampler = || Resampler::new(host_rate_hz, config.mel.sample_rate_hz);
        Ok(Self {
            resamplers: (0..channels).map(|_| resampler()).collect::<Result<_>>()?,
            config: config.clone(),
            heard: vec![Vec::new(); channels],
            pending: vec![Vec::new(); channels],
            open_blocks: 0,
            reference: Vec::new(),
            unread_samples: 0,
            unread: false,
            tokens: None,
            images: Vec::new(),
        })
    }

    /// How much has been heard, 0 to [`REFERENCE_SECONDS_MAX`].
    pub fn seconds(&self) -> f32 {
        self.heard.first().map_or(0, Vec::len) as f32 / self.config.mel.sample_rate_hz as f32
    }

    /// What the style that [`RollingStyle::tokens`] gave last was read from.
    pub fn images(&self) -> &[MelImage] {
        &self.images
    }

    /// The reference's style, read when it is first asked for; `None` before what was heard fills a
    /// window, and where it says nothing.
    ///
    /// # Errors
    /// If the model's executor fails.
    pub fn tokens(&mut self, model: &mut impl TransferModel) -> Result<Option<Arc<StyleTokens>>> {
        if self.unread {
            let channels: Vec<&[f32]> = self.reference.iter().map(Vec::as_slice).collect();
            let images = window_images(&self.config, &channels);
            if !images.is_empty() {
                self.tokens = Some(Arc::new(model.style_tokens(&images)?));
                self.images = images;
            }
            self.unread = false;
        }
        Ok(self.tokens.clone())
    }

    /// Takes in the sidechain's next samples, channels x samples at the host's rate.
    pub fn push(&mut self, sidechain: &[Vec<f32>]) {
        for ((resampler, samples), pending) in
            self.resamplers.iter_mut().zip(sidechain).zip(&mut self.pending)
        {
            resampler.push(samples, pending);
        }
        self.gate();
        self.forget();
        self.choose();
    }

    /// The next style is computed by another model.
    pub fn model_changed(&mut self) {
        self.unread = !self.reference.is_empty();
        self.tokens = None;
    }

    /// Back to the state after construction.
    pub fn reset(&mut self) {
        self.resamplers.iter_mut().for_each(Resampler::reset);
        self.heard.iter_mut().chain(&mut self.pending).for_each(Vec::clear);
        self.reference.clear();
        (self.open_blocks, self.unread_samples, self.unread, self.tokens) = (0, 0, false, None);
    }

    /// Chooses what the style is read from anew where enough was heard. That is settled with every
    /// window that is listened to, whether or not anybody asks for its style: so a style does not
    /// depend on which windows were played.
    fn choose(&mut self) {
        let window_samples = self.config.window.frames * self.config.mel.hop_length;
        let len = self.heard.first().map_or(0, Vec::len);
        let whole = len / window_samples * window_samples;
        let refresh_samples = (REFRESH_SECONDS * self.config.mel.sample_rate_hz as f32) as usize;
        let due = self.reference.is_empty() || self.unread_samples >= refresh_samples;
        if whole > 0 && due {
            // What is left over is the oldest.
            self.reference =
                self.heard.iter().map(|channel| channel[len - whole..].to_vec()).collect();
            (self.unread_samples, self.unread, self.tokens) = (0, true, None);
        }
    }

    /// Lets the gate judge every whole block that is pending.
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
                self.unread_samples += GATE_BLOCK_SAMPLES;
                for (heard, pending) in self.heard.iter_mut().zip(&self.pending) {
                    heard.extend_from_slice(&pending[block.clone()]);
                }
            }
        }
        self.pending.iter_mut().for_each(|channel| drop(channel.drain(..whole)));
    }

    fn forget(&mut self) {
        let longest = (REFERENCE_SECONDS_MAX * f64::from(self.config.mel.sample_rate_hz)) as usize;
        for channel in &mut self.heard {
            let excess = channel.len().saturating_sub(longest);
            channel.drain(..excess);
        }
    }
}

impl<M: TransferModel> StyleSource<M> for RollingStyle {
    fn listen(&mut self, window: &WindowInput, _: Option<&mut M>) {
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
