//! The trained classifier as a judge of audio, on the packed executor: no training code runs here.

use std::path::Path;

use engine::checkpoint::{Checkpoint, Kind};
use engine::dsp::mel::MelFrontEnd;
use engine::dsp::resample::resampled;
use engine::image::MelImage;
use engine::nn::Backend;
use engine::nn::packed::{Packed, TensorSource};
use engine::{Error, Result};

use super::{Classifier, ClassifierShape};

/// RMS of what sounds, in the images that the classifier learnt from.
const REFERENCE_DBFS: f64 = -20.0;
/// Blocks below this are not counted as sounding.
const SILENT_DBFS: f64 = -60.0;
/// Samples of a block for the level.
const BLOCK_SAMPLES: usize = 1024;

/// A loaded classifier.
pub struct Judge {
    shape: ClassifierShape,
    ops: Packed,
    network: Classifier<Packed>,
}

/// Weights of a checkpoint by name.
struct Weights<'a>(&'a Checkpoint);

impl TensorSource for Weights<'_> {
    fn get(&self, name: &str) -> Option<(&[usize], &[f32])> {
        self.0.tensors.get(name).map(|tensor| (tensor.shape.as_slice(), tensor.data.as_slice()))
    }
}

impl Judge {
    /// Reads a classifier's model file.
    pub fn read(path: &Path) -> Result<Self> {
        Self::new(&Checkpoint::read(path)?)
    }

    /// Builds the classifier of a checkpoint.
    pub fn new(checkpoint: &Checkpoint) -> Result<Self> {
        checkpoint.require(Kind::Classifier)?;
        let shape: ClassifierShape = checkpoint.classifier_config()?;
        shape.validate()?;
        let weights = Weights(checkpoint);
        let network = Classifier::load(&mut (&weights as &dyn TensorSource), &shape)?;
        Ok(Self { shape, ops: Packed::default(), network })
    }

    /// The labels, in the order of every answer.
    pub fn instruments(&self) -> &[String] {
        &self.shape.instruments
    }

    /// How probable each instrument is, for one image of this classifier's mel config; any number
    /// of frames from 8.
    pub fn judge_image(&mut self, image: &MelImage) -> Result<Vec<f32>> {
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

    /// How probable each instrument is for a recording: the mean over its windows that sound.
    pub fn judge_audio(&mut self, channels: &[Vec<f32>], rate_hz: u32) -> Result<Vec<f32>> {
        let windows = self.images(channels, rate_hz)?;
        let mut mean = vec![0.0; self.shape.instruments.len()];
        for window in &windows {
            for (mean, p) in mean.iter_mut().zip(self.judge_image(window)?) {
                *mean += p / windows.len() as f32;
            }
        }
        Ok(mean)
    }

    /// The most probable instrument of an image.
    ///
    /// # Errors
    /// As [`Judge::judge_image`].
    pub fn name_image(&mut self, image: &MelImage) -> Result<String> {
        let probabilities = self.judge_image(image)?;
        Ok(self.name(&probabilities))
    }

    /// The most probable instrument of a recording.
    ///
    /// # Errors
    /// As [`Judge::judge_audio`].
    pub fn name_audio(&mut self, channels: &[Vec<f32>], rate_hz: u32) -> Result<String> {
        let probabilities = self.judge_audio(channels, rate_hz)?;
        Ok(self.name(&probabilities))
    }

    /// 1 where what `name` names is that instrument, 0 where another; NaN, and nothing is named,
    /// for an instrument that is not among the labels.
    ///
    /// # Errors
    /// As `name`.
    pub fn hears(
        &mut self,
        instrument: &str,
        name: impl FnOnce(&mut Self) -> Result<String>,
    ) -> Result<f64> {
        if !self.shape.instruments.iter().any(|known| known == instrument) {
            return Ok(f64::NAN);
        }
        Ok(f64::from(u8::from(name(self)? == instrument)))
    }

    fn name(&self, probabilities: &[f32]) -> String {
        let named = self.shape.instruments.iter().zip(probabilities);
        named.max_by(|a, b| a.1.total_cmp(b.1)).map(|(name, _)| name.clone()).unwrap_or_default()
    }

    /// The recording's windows in which something sounds, at the level of the training images.
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
            return Err(Error::invalid("audio to judge", "something that sounds", "silence"));
        }
        Ok(images)
    }
}

/// Linear gain that brings what sounds to the reference level.
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
    fn only_an_instrument_that_it_knows_is_listened_for() {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/fixtures/classifier.safetensors");
        let mut judge = Judge::read(Path::new(file)).expect("the fixture");
        assert_eq!(judge.hears("harp", |_| Ok("harp".into())).expect("named"), 1.0);
        assert_eq!(judge.hears("harp", |_| Ok("piano".into())).expect("named"), 0.0);
        assert!(judge.hears("kazoo", |_| panic!("nothing to name")).expect("not known").is_nan());
    }
}
