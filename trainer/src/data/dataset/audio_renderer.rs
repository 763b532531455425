//! Renders the pieces of a dataset as audio, which its images do not contain.

use std::path::{Path, PathBuf};

use engine::Result;
use engine::audio_file::Audio;

use super::description::Description;
use super::imager::normalise_level;
use super::renderer::Renderer;
use crate::data::random;
use crate::data::score::Score;
use crate::data::score::piece::PieceKind;
use crate::data::soundfont::synth::SYNTH_RATE_HZ;

/// A dataset's soundfonts, description and folder.
pub struct AudioRenderer {
    renderer: Renderer,
    folder: PathBuf,
}

impl AudioRenderer {
    /// For the dataset in a folder. Its soundfonts must be among `soundfonts`.
    ///
    /// # Errors
    /// If the dataset or a soundfont cannot be read, or one is missing.
    pub fn open(folder: &Path, soundfonts: &[PathBuf]) -> Result<Self> {
        let renderer = Renderer::open(folder, soundfonts, "--soundfonts")?;
        Ok(Self { renderer, folder: folder.to_path_buf() })
    }

    /// The dataset's description.
    pub fn description(&self) -> &Description {
        &self.renderer.description
    }

    /// The first `seconds` of piece number `index` as one score. Isolated windows are
    /// concatenated.
    ///
    /// # Errors
    /// If a score cannot be read.
    pub fn score(&self, index: usize, seconds: f32) -> Result<Score> {
        let scores = self.description().scores(index, &self.folder)?;
        if self.description().pieces[index].kind == PieceKind::Continuous {
            return Ok(scores[0].window(0.0, seconds));
        }
        let window_s = self.description().shape.window_s;
        let (mut notes, mut gestures) = (Vec::new(), Vec::new());
        for (k, score) in scores.iter().enumerate() {
            let start_s = k as f32 * window_s;
            notes.extend(score.notes.iter().map(|n| n.later(start_s)));
            gestures.extend(score.gestures.iter().map(|g| g.later(start_s)));
        }
        let score = Score::new(notes, scores.len() as f32 * window_s).with_gestures(gestures);
        Ok(score.window(0.0, seconds))
    }

    /// Renders a whole score on an instrument in a setup (indices into the description) at
    /// [`SYNTH_RATE_HZ`].
    ///
    /// Here the level is -20 dBFS after the recording chain; for the dataset's images it is
    /// -20 dBFS before the chain. A transfer keeps its input's level, whatever the target's is.
    /// Every `take` has its own recording noise.
    ///
    /// # Errors
    /// If the synthesiser cannot be created.
    pub fn record(
        &self,
        score: &Score,
        setup: usize,
        instrument: usize,
        take: u64,
    ) -> Result<Audio> {
        let (number, setup) = (setup, &self.description().setups[setup]);
        let chain = &setup.chain;
        let samples = (score.length_s * SYNTH_RATE_HZ as f32) as usize;
        let mut voice = self.renderer.bank(setup).voice()?;
        let stereo = voice.play(score, setup.programs[instrument], chain.tuning_cents, samples);
        let mut recordings = [chain.channels(stereo.left, stereo.right)];
        normalise_level(&mut recordings);
        let key = 1_000_000 * take + (number * 1000 + instrument) as u64;
        let noise = &mut random::stream(self.description().seed, "studio noise", key);
        chain.apply(&mut recordings[0], SYNTH_RATE_HZ as f32, noise);
        normalise_level(&mut recordings);
        let [channels] = recordings;
        Ok(Audio { sample_rate_hz: SYNTH_RATE_HZ, channels })
    }
}
