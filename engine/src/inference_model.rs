//! A model file made ready to play: checked against the networks, packed, and able to read a style
//! from audio.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

#[cfg(feature = "candle")]
use candle_core::Device;

use crate::audio_file::Audio;
use crate::checkpoint::{Checkpoint, Kind};
use crate::config::ModelConfig;
use crate::dsp::level::Level;
use crate::dsp::mel::MelFrontEnd;
use crate::dsp::resample::resampled;
use crate::image::MelImage;
use crate::models::model::Model;
use crate::nn::Backend;
#[cfg(feature = "candle")]
use crate::nn::candle::{Candle, ParamStore};
use crate::nn::packed::{Packed, TensorSource};
use crate::style::{ReferenceMels, SavedStyle, StyleTokens};
use crate::{Error, Result};

/// Longest stretch of a reference that a style is read from.
pub const REFERENCE_SECONDS_MAX: f64 = 12.0;
/// Mean value below which a window of a reference says nothing about its sound.
const SILENT_IMAGE_MEAN: f32 = 0.01;
/// What counts as sound at the start of a reference (-60 dBFS).
pub(crate) const SILENT_SAMPLE: f32 = 1e-3;

/// Networks with everything that playing them needs, on one executor.
pub struct InferenceModel<B: Backend> {
    model: Arc<Model<B>>,
    sha256: String,
}

impl InferenceModel<Packed> {
    /// For the packed CPU engine.
    ///
    /// # Errors
    /// If the file holds no transfer model, or a tensor is missing, of another shape, or of no use.
    pub fn packed(checkpoint: &Checkpoint) -> Result<Self> {
        let recorded = Recorded { checkpoint, asked: RefCell::default() };
        let model = load(&mut (&recorded as &dyn TensorSource), checkpoint)?;
        recorded.refuse_extra()?;
        Ok(Self { model: Arc::new(model), sha256: checkpoint.sha256.clone() })
    }
}

#[cfg(feature = "candle")]
impl InferenceModel<Candle> {
    /// For candle, on any of its devices.
    ///
    /// # Errors
    /// As [`InferenceModel::packed`], and if the device runs out of memory.
    pub fn candle(checkpoint: &Checkpoint, device: &Device) -> Result<Self> {
        // The packed engine's check first: an empty place in this store would be filled with noise.
        InferenceModel::packed(checkpoint)?;
        let mut store = ParamStore::frozen(device);
        for (name, tensor) in &checkpoint.tensors {
            store.insert(name, tensor.shape.clone(), tensor.data.clone());
        }
        let model = load(&mut &mut store, checkpoint)?;
        Ok(Self { model: Arc::new(model), sha256: checkpoint.sha256.clone() })
    }
}

impl<B: Backend> InferenceModel<B> {
    /// The networks; any number of streams may share them.
    pub fn model(&self) -> Arc<Model<B>> {
        Arc::clone(&self.model)
    }

    /// SHA-256 of the model file in lower-case hex; what its styles are marked with.
    pub fn sha256(&self) -> &str {
        &self.sha256
    }

    /// What the model was built from.
    pub fn config(&self) -> &ModelConfig {
        self.model.config()
    }

    /// Reads a style from the first [`REFERENCE_SECONDS_MAX`] of sound of a recording.
    ///
    /// # Errors
    /// If the recording is silent.
    pub fn style(&self, ops: &mut B, reference: &Audio) -> Result<StyleTokens> {
        self.style_of(ops, &reference_images(self.config(), reference)?)
    }

    /// Reads a style from images that were made as [`reference_images`] makes them.
    ///
    /// # Errors
    /// If there is none, or one is not of the model's size.
    pub fn style_of(&self, ops: &mut B, images: &[MelImage]) -> Result<StyleTokens> {
        Ok(StyleTokens { model: self.sha256.clone(), ..self.model.style_tokens(ops, images)? })
    }

    /// The style of a recording with what other models need to read it, called `name` and from
    /// `path`.
    ///
    /// # Errors
    /// If the recording is silent.
    pub fn keep(
        &self,
        ops: &mut B,
        name: String,
        path: &Path,
        recording: &Audio,
    ) -> Result<SavedStyle> {
        let images = reference_images(self.config(), recording)?;
        let tokens = self.style_of(ops, &images)?;
        let heard = ReferenceMels::from_images(&self.config().mel, &images);
        Ok(SavedStyle {
            name,
            path: path.to_path_buf(),
            tokens: Arc::new(tokens),
            heard: Arc::new(heard),
        })
    }

    /// Whether this model made a style, and all of it is there: an older version drops what it does
    /// not know when it saves.
    pub fn made(&self, style: &StyleTokens) -> bool {
        style.model == self.sha256 && self.model.fits(style)
    }

    /// A kept style as this model hears it, whichever model made it.
    ///
    /// # Errors
    /// If it was kept without what was heard, or by a model with other ears.
    pub fn reencode(&self, ops: &mut B, style: &SavedStyle) -> Result<SavedStyle> {
        if self.made(&style.tokens) {
            return Ok(style.clone());
        }
        let (expected, found) = (&self.config().mel, &style.heard.mel);
        if expected != found {
            return Err(Error::invalid(&style.name, format!("{expected:?}"), format!("{found:?}")));
        }
        let tokens = self.style_of(ops, &style.heard.images())?;
        Ok(SavedStyle { tokens: Arc::new(tokens), ..style.clone() })
    }
}

fn load<B: Backend>(source: &mut B::Source<'_>, checkpoint: &Checkpoint) -> Result<Model<B>> {
    checkpoint.require(Kind::Model)?;
    let latent = &checkpoint.latent;
    Model::load(source, checkpoint.model_config()?, latent.mean.clone(), latent.std.clone())
}

/// A checkpoint that remembers which of its tensors were asked for.
struct Recorded<'a> {
    checkpoint: &'a Checkpoint,
    asked: RefCell<BTreeSet<String>>,
}

impl TensorSource for Recorded<'_> {
    fn get(&self, name: &str) -> Option<(&[usize], &[f32])> {
        self.asked.borrow_mut().insert(name.to_owned());
        let tensor = self.checkpoint.tensors.get(name)?;
        Some((&tensor.shape, &tensor.data))
    }
}

impl Recorded<'_> {
    fn refuse_extra(&self) -> Result<()> {
        let asked = self.asked.borrow();
        match self.checkpoint.tensors.iter().find(|(name, _)| !asked.contains(name.as_str())) {
            None => Ok(()),
            Some((name, tensor)) => {
                let found = format!("one of shape {:?}", tensor.shape);
                Err(Error::checkpoint(name, "no tensor of this name", found))
            }
        }
    }
}

/// The windows of a reference that say something, levelled as a stream's are.
///
/// A reference shorter than one window gives one whose rest is silence.
///
/// # Errors
/// If nothing in it sounds.
pub fn reference_images(config: &ModelConfig, reference: &Audio) -> Result<Vec<MelImage>> {
    let rate_hz = config.mel.sample_rate_hz;
    let sounding = |n: &usize| reference.channels.iter().any(|c| c[*n].abs() > SILENT_SAMPLE);
    let start = (0..reference.frames()).find(sounding).unwrap_or(reference.frames());
    let longest = (REFERENCE_SECONDS_MAX * f64::from(reference.sample_rate_hz)) as usize;
    let end = reference.frames().min(start + longest);
    let at_model_rate =
        |channel: &Vec<f32>| resampled(&channel[start..end], reference.sample_rate_hz, rate_hz);
    let channels = reference.channels.iter().map(at_model_rate).collect::<Result<Vec<_>>>()?;
    let images = window_images(config, &channels.iter().map(Vec::as_slice).collect::<Vec<_>>());
    if images.is_empty() {
        return Err(Error::invalid("style reference", "a recording that sounds", "silence"));
    }
    Ok(images)
}

/// The images of a signal at the model's rate, window after window without overlap, each at the
/// level that a stream would have reached at its end; those that say nothing are left out.
pub(crate) fn window_images(config: &ModelConfig, channels: &[&[f32]]) -> Vec<MelImage> {
    let window_samples = config.window.frames * config.mel.hop_length;
    let len = channels.first().map_or(0, |channel| channel.len());
    let count = (len / window_samples).max(1);
    let mut front_end = MelFrontEnd::new(&config.mel);
    let mut level = Level::new(config.mel.sample_rate_hz);
    let mut images = Vec::new();
    for k in 0..count {
        let (begin, end) = (k * window_samples, len.min((k + 1) * window_samples));
        let news: Vec<&[f32]> = channels.iter().map(|c| &c[begin..end]).collect();
        level.push(&news);
        let image = front_end.image(channels, begin as isize, config.window.frames, level.gain());
        let mean = image.data.iter().sum::<f32>() / image.data.len() as f32;
        if mean > SILENT_IMAGE_MEAN {
            images.push(image);
        }
    }
    images
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tone(seconds: f64, amplitude: f32) -> Audio {
        let rate_hz = 44_100;
        let frames = (seconds * f64::from(rate_hz)) as usize;
        let sample =
            |n: usize| amplitude * (std::f32::consts::TAU * 440.0 * n as f32 / 44_100.0).sin();
        Audio { sample_rate_hz: rate_hz, channels: vec![(0..frames).map(sample).collect(); 2] }
    }

    #[test]
    fn a_reference_gives_a_window_for_each_three_seconds_up_to_twelve() {
        let config = ModelConfig::default();
        for (seconds, windows) in [(0.7, 1), (3.1, 1), (6.1, 2), (30.0, 4)] {
            assert_eq!(
                reference_images(&config, &tone(seconds, 0.1)).expect("sounds").len(),
                windows,
                "{seconds} s"
            );
        }
    }

    #[test]
    fn silence_before_a_reference_changes_nothing() {
        let config = ModelConfig::default();
        let early = tone(3.5, 0.1);
        let mut late = early.clone();
        late.channels.iter_mut().for_each(|c| {
            c.splice(0..0, vec![0.0; 88_200]);
        });
        let (a, b) = (
            reference_images(&config, &early).expect("a"),
            reference_images(&config, &late).expect("b"),
        );
        let apart =
            a[0].data.iter().zip(&b[0].data).map(|(x, y)| (x - y).abs()).fold(0.0, f32::max);
        assert!(a.len() == b.len() && apart < 0.02, "{apart}");
    }

    #[test]
    fn a_silent_reference_is_refused() {
        let refused =
            reference_images(&ModelConfig::default(), &tone(5.0, 0.0)).expect_err("refused");
        assert!(refused.to_string().contains("silence"));
    }
}
