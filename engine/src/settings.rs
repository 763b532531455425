//! User settings of one transfer.
//!
//! ```
//! use engine::settings::Settings;
//!
//! let settings = Settings { steps: 8, strength: 0.7, ..Settings::default() };
//! settings.validate()?;
//! assert!(Settings { mix: 1.5, ..settings }.validate().is_err());
//! # Ok::<(), engine::Error>(())
//! ```

use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// How magnitudes become audio.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum VocoderKind {
    /// The content's own STFT under a smooth mel gain, refined by a few Griffin-Lim iterations.
    Guided,
    /// Griffin-Lim from the model's mel image alone, as in the reports.
    GriffinLim,
}

/// Settings of one transfer; the defaults suit the shipped model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Settings {
    /// DDIM steps, 1 to 1000; see `docs/decisions/046-two-ddim-steps.md`.
    pub steps: usize,
    /// Classifier-free guidance scale, 0 to 10; 1 disables guidance.
    pub guidance_scale: f32,
    /// Fraction of the noise schedule at which sampling starts: 0 returns the content, 1 starts
    /// from pure noise.
    pub strength: f32,
    /// Scale of the initial noise, 0 (its mean) to 1 (unit variance).
    pub temperature: f32,
    /// Whose level the output follows, 0 (the model's) to 1 (the input's); see
    /// [`crate::vocoder::dynamics`].
    #[serde(default = "input_dynamics")]
    pub dynamics: f32,
    /// Noise seed.
    pub seed: u64,
    /// Dry/wet mix, 0 (delayed dry signal) to 1 (wet signal).
    pub mix: f32,
    /// How magnitudes become audio.
    pub vocoder: VocoderKind,
    /// Index of the style to use; ignored by processors with one style.
    #[serde(default)]
    pub style_slot: u16,
    /// Whether a style computed from the sidechain is frozen.
    #[serde(default)]
    pub style_held: bool,
}

/// The default of [`Settings::dynamics`].
fn input_dynamics() -> f32 {
    1.0
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            steps: 2,
            guidance_scale: 1.0,
            strength: 1.0,
            temperature: 0.25,
            dynamics: input_dynamics(),
            seed: 0,
            mix: 1.0,
            vocoder: VocoderKind::Guided,
            style_slot: 0,
            style_held: false,
        }
    }
}

impl Settings {
    /// Checks all ranges.
    ///
    /// # Errors
    /// Names the first setting that is out of range.
    pub fn validate(&self) -> Result<()> {
        if !(1..=1000).contains(&self.steps) {
            return Err(Error::invalid("steps", "1 to 1000", self.steps));
        }
        let ranges = [
            ("guidance", self.guidance_scale, 10.0),
            ("strength", self.strength, 1.0),
            ("temperature", self.temperature, 1.0),
            ("dynamics", self.dynamics, 1.0),
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
