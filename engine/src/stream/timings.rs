//! Computation time of each stage.

use std::time::{Duration, Instant};

/// A stage of the pipeline, in the order of the data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Host rate to model rate, and the level.
    Resample,
    /// Audio to log-mel image.
    Mel,
    /// Image to latent.
    Encode,
    /// DDIM.
    Denoise,
    /// Latent to image.
    Decode,
    /// Image to audio.
    Vocode,
}

impl Stage {
    /// All stages in the order of the data.
    pub const ALL: [Self; 6] =
        [Self::Resample, Self::Mel, Self::Encode, Self::Denoise, Self::Decode, Self::Vocode];

    /// The stage's name in tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Resample => "resample",
            Self::Mel => "mel",
            Self::Encode => "encode",
            Self::Denoise => "denoise",
            Self::Decode => "decode",
            Self::Vocode => "vocode",
        }
    }
}

/// Time spent in each stage.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Timings([Duration; Stage::ALL.len()]);

impl Timings {
    /// Runs `work` and adds its time to `stage`.
    pub fn measure<T>(&mut self, stage: Stage, work: impl FnOnce() -> T) -> T {
        let start = Instant::now();
        let result = work();
        self.0[stage as usize] += start.elapsed();
        result
    }

    /// The time of one stage.
    pub fn stage(&self, stage: Stage) -> Duration {
        self.0[stage as usize]
    }

    /// The time of all stages.
    pub fn total(&self) -> Duration {
        self.0.iter().sum()
    }

    /// Adds another window's times.
    pub fn add(&mut self, other: &Self) {
        for (mine, theirs) in self.0.iter_mut().zip(&other.0) {
            *mine += *theirs;
        }
    }
}
