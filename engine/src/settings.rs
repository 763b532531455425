//! What a user may choose for one transfer.

use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// How magnitudes become audio.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum VocoderKind {
    /// The content's own STFT under a smooth mel gain, refined by a few Griffin-Lim iterations.
    Guided,
    /// Griffin-Lim from the model's mel alone (the reports' way).
    GriffinLim,
}

/// Settings of one transfer; defaults are the shipped ones.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Settings {
    /// DDIM steps, 1 to 1000. The default is two: more move hardly more and are further from the
    /// truth (model card).
    pub steps: usize,
    /// Classifier-free guidance scale, 0 to 10; 1 is none.
    pub guidance_scale: f32,
    /// 0 (the content) to 1 (from pure noise): how much of the schedule is left to the model.
    pub strength: f32,
    /// Scale of the initial noise, 0 (the mean) to 1 (a fair draw).
    pub temperature: f32,
    /// Noise seed.
    pub seed: u64,
    /// 0 (delayed dry) to 1 (wet).
    pub mix: f32,
    /// How magnitudes become audio.
    pub vocoder: VocoderKind,
    /// Which of several styles is played; a processor with one style ignores it.
    #[serde(default)]
    pub style_slot: u16,
    /// Whether a style that follows the sidechain stays as it is.
    #[serde(default)]
    pub style_held: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            steps: 2,
            guidance_scale: 1.0,
            strength: 1.0,
            temperature: 0.25,
            seed: 0,
            mix: 1.0,
            vocoder: VocoderKind::Guided,
            style_slot: 0,
            style_held: false,
        }
    }
}

impl Settings {
    /// Refuses values out of range, naming the setting.
    pub fn validate(&self) -> Result<()> {
        if !(1..=1000).contains(&self.steps) {
            return Err(Error::invalid("steps", "1 to 1000", self.steps));
        }
        let ranges = [
            ("guidance", self.guidance_scale, 10.0),
            ("strength", self.strength, 1.0),
            ("temperature", self.temperature, 1.0),
            ("mix", self.mix, 1.0),
        ];
        for (name, value, max) in ranges {
            if !(0.0..=max).contains(&value) {
                return Err(Error::invalid(name, format!("0 to {max}"), value));
            }
        }
        Ok(())
    }
}
