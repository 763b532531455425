//! A model file ready for inference: checked, packed, and able to compute a style from audio.
//!
//! ```
//! use engine::audio_file::Audio;
//! use engine::checkpoint::Checkpoint;
//! use engine::inference_model::InferenceModel;
//! use engine::nn::packed::Packed;
//! use engine::reference::Reference;
//!
//! let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../presets/luthier.safetensors");
//! let model = InferenceModel::packed(&Checkpoint::read(file)?)?;
//!
//! let tone = (0..44_100).map(|n| 0.1 * (0.06 * n as f32).sin()).collect();
//! let tone = Audio { sample_rate_hz: 44_100, channels: vec![tone] };
//! let reference = Reference::from_audio(&tone)?;
//! let style = model.style(&mut Packed::default(), &reference)?;
//! assert!(model.has_computed(&style) && style.count() > 0);
//! # Ok::<(), engine::Error>(())
//! ```

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

#[cfg(feature = "candle")]
use candle_core::Device;

use crate::checkpoint::{Checkpoint, Kind};
use crate::config::{MelConfig, ModelConfig};
use crate::dsp::level::Level;
use crate::dsp::mel::MelFrontEnd;
use crate::dsp::resample::resampled;
use crate::image::MelImage;
use crate::models::model::Model;
use crate::nn::Backend;
#[cfg(feature = "candle")]
use crate::nn::candle::{Candle, ParamStore};
use crate::nn::packed::{Packed, TensorSource};
use crate::reference::Reference;
use crate::style::{ReferenceMels, SavedStyle, StyleTokens};
use crate::{Error, Result};

/// Mean image value below which a window of a reference is ignored.
const SILENT_IMAGE_MEAN: f32 = 0.01;

/// A model and the hash of its file, on one executor.
pub struct InferenceModel<B: Backend> {
    model: Arc<Model<B>>,
    sha256: String,
}

impl InferenceModel<Packed> {
    /// Loads a model for the packed CPU executor.
    ///
    /// # Errors
    /// If the file is no transfer model, or has missing, extra, misshapen or unusable tensors.
    pub fn packed(checkpoint: &Checkpoint) -> Result<Self> {
        let recorded = Recorded { checkpoint, requested: RefCell::default() };
        let model = load(&mut (&recorded as &dyn TensorSource), checkpoint)?;
        recorded.refuse_extra()?;
        Ok(Self { model: Arc::new(model), sha256: checkpoint.sha256.clone() })
    }
}

#[cfg(feature = "candle")]
impl InferenceModel<Candle> {
    /// Loads a model for candle on any of its devices.
    ///
    /// # Errors
    /// As [`InferenceModel::packed`], and if the device runs out of memory.
    pub fn candle(checkpoint: &Checkpoint, device: &Device) -> Result<Self> {
        // The packed executor checks first, because this store would initialise missing tensors.
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
    /// The networks, which any number of streams may share.
    pub fn model(&self) -> Arc<Model<B>> {
        Arc::clone(&self.model)
    }

    /// SHA-256 of the model file in lower-case hex. Styles computed by this model carry it.
    pub fn sha256(&self) -> &str {
        &self.sha256
    }

    /// The model's config.
    pub fn config(&self) -> &ModelConfig {
        self.model.config()
    }

    /// Computes a style from the chosen windows of a recording.
    ///
    /// # Errors
    /// If all windows are silent for the model.
    pub fn style(&self, ops: &mut B, reference: &Reference) -> Result<StyleTokens> {
        self.style_from_images(ops, &reference_images(self.config(), reference)?)
    }

    /// Computes a style from the output of [`reference_images`].
    ///
    /// # Errors
    /// If there are no images, or one has another size than the model's.
    pub fn style_from_images(&self, ops: &mut B, images: &[MelImage]) -> Result<StyleTokens> {
        Ok(StyleTokens { model: self.sha256.clone(), ..self.model.style_tokens(ops, images)? })
    }

    /// Computes a style from a recording and keeps its mel images, so that other models can compute
    /// theirs. `path` is the recording's.
    ///
    /// # Errors
    /// As [`InferenceModel::style`].
    pub fn saved_style(
        &self,
        ops: &mut B,
        name: String,
        path: &Path,
        reference: &Reference,
    ) -> Result<SavedStyle> {
        let images = reference_images(self.config(), reference)?;
        let tokens = self.style_from_images(ops, &images)?;
        let mels = ReferenceMels::from_images(&self.config().mel, &images);
        Ok(SavedStyle {
            name,
            path: path.to_path_buf(),
            tokens: Arc::new(tokens),
            mels: Arc::new(mels),
        })
    }

    /// Whether this model computed `style`, and the style is complete. Older versions drop parts
    /// that they do not support when they save.
    pub fn has_computed(&self, style: &StyleTokens) -> bool {
        style.model == self.sha256 && self.model.fits(style)
    }

    /// The style computed by this model, from the stored mel images if another model computed it.
    ///
    /// # Errors
    /// If the style has no mel images, or they were computed with another mel config.
    pub fn reencode(&self, ops: &mut B, style: &SavedStyle) -> Result<SavedStyle> {
        if self.has_computed(&style.tokens) {
            return Ok(style.clone());
        }
        require_same_mel(&style.name, &self.config().mel, &style.mels.mel)?;
        let tokens = self.style_from_images(ops, &style.mels.images())?;
        Ok(SavedStyle { tokens: Arc::new(tokens), ..style.clone() })
    }
}

/// # Errors
/// If a field of the configs differs. The error names the first one.
fn require_same_mel(style: &str, expected: &MelConfig, found: &MelConfig) -> Result<()> {
    let fields = |config: &MelConfig| {
        let value = serde_json::to_value(config).unwrap_or_default();
        value.as_object().cloned().unwrap_or_default()
    };
    let found = fields(found);
    for (field, expected) in fields(expected) {
        let found = found.get(&field).cloned().unwrap_or_default();
        if expected != found {
            let what = format!("{style}: mel.{field}");
            return Err(Error::invalid(what, expected.to_string(), found));
        }
    }
    Ok(())
}

fn load<B: Backend>(source: &mut B::Source<'_>, checkpoint: &Checkpoint) -> Result<Model<B>> {
    checkpoint.require(Kind::Model)?;
    let latent = &checkpoint.latent;
    Model::load(source, checkpoint.model_config()?, latent.mean.clone(), latent.std.clone())
}

/// A checkpoint that records which tensors were requested.
struct Recorded<'a> {
    checkpoint: &'a Checkpoint,
    requested: RefCell<BTreeSet<String>>,
}

impl TensorSource for Recorded<'_> {
    fn get(&self, name: &str) -> Option<(&[usize], &[f32])> {
        self.requested.borrow_mut().insert(name.to_owned());
        let tensor = self.checkpoint.tensors.get(name)?;
        Some((&tensor.shape, &tensor.data))
    }
}

impl Recorded<'_> {
    fn refuse_extra(&self) -> Result<()> {
        let requested = self.requested.borrow();
        match self.checkpoint.tensors.iter().find(|(name, _)| !requested.contains(name.as_str())) {
            None => Ok(()),
            Some((name, tensor)) => {
                let found = format!("a tensor of shape {:?}", tensor.shape);
                Err(Error::checkpoint(name, "no tensor of this name", found))
            }
        }
    }
}

/// The audible windows of a reference as mel images, normalised in level like a stream.
///
/// A reference shorter than one window is padded with silence.
///
/// # Errors
/// If all windows are silent for the model.
pub fn reference_images(config: &ModelConfig, reference: &Reference) -> Result<Vec<MelImage>> {
    let audio = &reference.audio;
    let at_model_rate =
        |channel: &Vec<f32>| resampled(channel, audio.sample_rate_hz, config.mel.sample_rate_hz);
    let channels = audio.channels.iter().map(at_model_rate).collect::<Result<Vec<_>>>()?;
    let images = window_images(config, &channels.iter().map(Vec::as_slice).collect::<Vec<_>>());
    if images.is_empty() {
        return Err(Error::invalid("style reference", "an audible recording", "silence"));
    }
    Ok(images)
}

/// The mel images of a signal at the model's rate, in consecutive windows without overlap. Each is
/// normalised by the stream's level at its end. Silent windows are omitted.
pub(crate) fn window_images(config: &ModelConfig, channels: &[&[f32]]) -> Vec<MelImage> {
    let window_samples = config.window.frames * config.mel.hop_length;
    let len = channels.first().map_or(0, |channel| channel.len());
    let count = (len / window_samples).max(1);
    let mut front_end = MelFrontEnd::new(&config.mel);
    let mut level = Level::new(config.mel.sample_rate_hz);
    let mut images = Vec::new();
    for k in 0..count {
        let (begin, end) = (k * window_samples, len.min((k + 1) * window_samples));
        let chunk: Vec<&[f32]> = channels.iter().map(|c| &c[begin..end]).collect();
        level.push(&chunk);
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
    use crate::audio_file::Audio;

    fn tone(seconds: f64, amplitude: f32) -> Audio {
        let rate_hz = 44_100;
        let frames = (seconds * f64::from(rate_hz)) as usize;
        let sample =
            |n: usize| amplitude * (std::f32::consts::TAU * 440.0 * n as f32 / 44_100.0).sin();
        Audio { sample_rate_hz: rate_hz, channels: vec![(0..frames).map(sample).collect(); 2] }
    }

    fn images(audio: &Audio) -> Vec<MelImage> {
        let reference = Reference::from_audio(audio).expect("a reference");
        reference_images(&ModelConfig::default(), &reference).expect("sounds")
    }

    #[test]
    fn a_reference_has_one_window_per_three_seconds_up_to_twelve() {
        for (seconds, windows) in [(0.7, 1), (3.1, 1), (6.1, 2), (12.0, 4), (14.8, 4), (30.0, 4)] {
            assert_eq!(images(&tone(seconds, 0.1)).len(), windows, "{seconds} s");
        }
    }

    #[test]
    fn a_reference_has_all_its_windows_at_every_rate() {
        for rate_hz in [8000, 11_025, 32_000, 48_000, 96_000] {
            let steps = (0..20 * rate_hz as usize).map(|n| n as f32 / rate_hz as f32);
            let note = |t: f32| 0.1 * (std::f32::consts::TAU * 440.0 * t).sin();
            let late = steps.map(|t| if t < 7.9 { 0.0 } else { note(t) }).collect();
            let audio = Audio { sample_rate_hz: rate_hz, channels: vec![late] };
            assert_eq!(images(&audio).len(), 4, "{rate_hz} Hz");
        }
    }

    #[test]
    fn silence_before_a_reference_changes_nothing() {
        let early = tone(3.5, 0.1);
        let mut late = early.clone();
        late.channels.iter_mut().for_each(|c| {
            c.splice(0..0, vec![0.0; 88_200]);
        });
        let (a, b) = (images(&early), images(&late));
        let apart =
            a[0].data.iter().zip(&b[0].data).map(|(x, y)| (x - y).abs()).fold(0.0, f32::max);
        assert!(a.len() == b.len() && apart < 0.02, "{apart}");
    }
}
