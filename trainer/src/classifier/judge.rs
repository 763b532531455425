//! The trained classifier as a judge of images and audio, on the packed executor.

use std::path::Path;

use engine::checkpoint::{Checkpoint, Kind};
use engine::dsp::mel::MelFrontEnd;
use engine::dsp::resample::resampled;
use engine::image::MelImage;
use engine::nn::Backend;
use engine::nn::packed::{Packed, TensorSource};
use engine::{Error, Result};

use super::{Classifier, ClassifierShape};

/// RMS level of the training images, without silent blocks.
const REFERENCE_DBFS: f64 = -20.0;
/// Blocks below this level are silent.
const SILENT_DBFS: f64 = -60.0;
/// Block length of the level measurement, in samples.
const BLOCK_SAMPLES: usize = 1024;

/// A loaded classifier.
pub struct Judge {
    shape: ClassifierShape,
    ops: Packed,
    network: Classifier<Packed>,
}

/// The weights of a checkpoint by name.
struct Weights<'a>(&'a Checkpoint);

impl TensorSource for Weights<'_> {
    fn get(&self, name: &str) -> Option<(&[usize], &[f32])> {
        self.0.tensors.get(name).map(|tensor| (tensor.shape.as_slice(), tensor.data.as_slice()))
    }
}

impl Judge {
    /// Reads a classifier's model file.
    ///
    /// # Errors
    /// If it cannot be read or is not a classifier.
    pub fn read(path: &Path) -> Result<Self> {
        Self::new(&Checkpoint::read(path)?)
    }

    /// Builds the classifier of a checkpoint.
    ///
    /// # Errors
    /// If it is not a classifier or its shape is invalid.
    pub fn new(checkpoint: &Checkpoint) -> Result<Self> {
        checkpoint.require(Kind::Classifier)?;
        let shape: ClassifierShape = checkpoint.classifier_config()?;
        shape.validate()?;
        let weights = Weights(checkpoint);
        let network = Classifier::load(&mut (&weights as &dyn TensorSource), &shape)?;
        Ok(Self { shape, ops: Packed::default(), network })
    }

    /// The labels, in the order of the probabilities.
    pub fn instruments(&self) -> &[String] {
        &self.shape.instruments
    }

    /// Probability of each instrument for one image of this classifier's mel config, with at least
    /// 8 frames.
    ///
    /// # Errors
    /// If the image has another number of bands.
    pub fn image_probabilities(&mut self, image: &MelImage) -> Result<Vec<f32>> {
        if image.n_mels != self.shape.mel.n_mels {
            return Err(Error::invalid(
                "image",
                format!("{} mel bands", self.shape.mel.n_mels),
                image.n_mels,
            ));
        }
        let image = self.ops.tensor([1, image.n_mels, image.frames, 1], &image.data)?;
        let logits = self.network.forward(&mut self.ops, &image)?;
        Ok(softmax(&self.ops.data(&logits)?))
    }

    /// Probability of each instrument for a recording: the mean over its windows that are not
    /// silent.
    ///
    /// # Errors
    /// If the recording is silent or its rate is not supported.
    pub fn audio_probabilities(&mut self, channels: &[Vec<f32>], rate_hz: u32) -> Result<Vec<f32>> {
        let windows = self.images(channels, rate_hz)?;
        let mut mean = vec![0.0; self.shape.instruments.len()];
        for window in &windows {
            for (mean, p) in mean.iter_mut().zip(self.image_probabilities(window)?) {
                *mean += p / windows.len() as f32;
            }
        }
        Ok(mean)
    }

    /// The most probable instrument of an image.
    ///
    /// # Errors
    /// As [`Judge::image_probabilities`].
    pub fn classify_image(&mut self, image: &MelImage) -> Result<String> {
        let probabilities = self.image_probabilities(image)?;
        Ok(self.most_probable(&probabilities))
    }

    /// The most probable instrument of a recording.
    ///
    /// # Errors
    /// As [`Judge::audio_probabilities`].
    pub fn classify_audio(&mut self, channels: &[Vec<f32>], rate_hz: u32) -> Result<String> {
        let probabilities = self.audio_probabilities(channels, rate_hz)?;
        Ok(self.most_probable(&probabilities))
    }

    /// Whether `classify` returns this instrument: 1 if so, 0 if not. The result is NaN, and
    /// `classify` is not called, if the instrument has no label.
    ///
    /// # Errors
    /// As `classify`.
    pub fn is_classified_as(
        &mut self,
        instrument: &str,
        classify: impl FnOnce(&mut Self) -> Result<String>,
    ) -> Result<f64> {
        if !self.shape.instruments.iter().any(|label| label == instrument) {
            return Ok(f64::NAN);
        }
        Ok(f64::from(u8::from(classify(self)? == instrument)))
    }

    fn most_probable(&self, probabilities: &[f32]) -> String {
        let named = self.shape.instruments.iter().zip(probabilities);
        named.max_by(|a, b| a.1.total_cmp(b.1)).map(|(name, _)| name.clone()).unwrap_or_default()
    }

    /// The recording's windows that are not silent, at the level of the training images.
    fn images(&self, channels: &[Vec<f32>], rate_hz: u32) -> Result<Vec<MelImage>> {
        let frames = channels.first().map_or(0, Vec::len);
        let mono: Vec<f32> = (0..frames)
            .map(|i| channels.iter().map(|c| c[i]).sum::<f32>() / channels.len() as f32)
            .collect();
        let signal = resampled(&mono, rate_hz, self.shape.mel.sample_rate_hz)?;
        let gain = level_gain(&signal);
        let mut front_end = MelFrontEnd::new(&self.shape.mel);
        let hop = self.shape.mel.hop_length;
        let windows = (signal.len() / hop).div_ceil(self.shape.frames).max(1);
        let window = |k: usize| {
            let first = (k * self.shape.frames * hop) as isize;
            front_end.image(&[&signal], first, self.shape.frames, gain)
        };
        let sounds = |image: &MelImage| image.data.iter().any(|v| *v > 0.45);
        let images: Vec<_> = (0..windows).map(window).filter(sounds).collect();
        if images.is_empty() {
            return Err(Error::invalid("audio to judge", "sound", "silence"));
        }
        Ok(images)
    }
}

/// Linear gain from the signal's level, without silent blocks, to the reference level.
fn level_gain(signal: &[f32]) -> f32 {
    let power = |block: &[f32]| {
        block.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>() / block.len() as f64
    };
    let floor = 10f64.powf(SILENT_DBFS / 10.0);
    let (sum, count) = signal
        .chunks_exact(BLOCK_SAMPLES)
        .map(power)
        .filter(|p| *p > floor)
        .fold((0.0, 0u32), |(sum, count), p| (sum + p, count + 1));
    if count == 0 {
        1.0
    } else {
        (10f64.powf(REFERENCE_DBFS / 10.0) * f64::from(count) / sum).sqrt() as f32
    }
}

fn softmax(logits: &[f32]) -> Vec<f32> {
    let largest = logits.iter().copied().fold(f32::MIN, f32::max);
    let exponentials: Vec<f32> = logits.iter().map(|l| (l - largest).exp()).collect();
    let sum: f32 = exponentials.iter().sum();
    exponentials.iter().map(|e| e / sum).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instruments_without_a_label_are_not_classified() {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/fixtures/classifier.safetensors");
        let mut judge = Judge::read(Path::new(file)).expect("the fixture");
        assert_eq!(judge.is_classified_as("harp", |_| Ok("harp".into())).expect("classified"), 1.0);
        assert_eq!(
            judge.is_classified_as("harp", |_| Ok("piano".into())).expect("classified"),
            0.0
        );
        assert!(judge.is_classified_as("kazoo", |_| panic!("called")).expect("no label").is_nan());
    }
}
