//! The studio in which a dataset was rendered, to hear its pieces as audio: images alone cannot be
//! listened to.

use std::path::{Path, PathBuf};

use engine::Result;
use engine::audio_file::Audio;

use super::compose::PieceKind;
use super::description::Description;
use super::imager::master;
use super::random;
use super::renderer::Renderer;
use super::score::Score;
use super::synth::SYNTH_RATE_HZ;

/// What a dataset was rendered with, and its folder.
pub struct Studio {
    renderer: Renderer,
    folder: PathBuf,
}

impl Studio {
    /// For the dataset in a folder, with the soundfonts that it was rendered with among
    /// `soundfonts`.
    ///
    /// # Errors
    /// If the dataset or a soundfont cannot be read, or one is missing.
    pub fn open(folder: &Path, soundfonts: &[PathBuf]) -> Result<Self> {
        let renderer = Renderer::open(folder, soundfonts, "--soundfonts")?;
        Ok(Self { renderer, folder: folder.to_path_buf() })
    }

    /// What the dataset was made from.
    pub fn description(&self) -> &Description {
        &self.renderer.description
    }

    /// The first `seconds` of piece number `index` as one score; isolated windows follow each
    /// other.
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

    /// A score on an instrument in a setup (indices into the description), as long as it is, at
    /// [`SYNTH_RATE_HZ`].
    ///
    /// Unlike in the dataset's images the level is -20 dBFS after the recording chain, not before
    /// it: a transfer keeps its input's level, whatever the target's was. Every `take` has a
    /// recording noise of its own.
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
        let mut player = self.renderer.bank(setup).player()?;
        let stereo = player.play(score, setup.programs[instrument], chain.tuning_cents, samples);
        let mut takes = [chain.channels(stereo.left, stereo.right)];
        master(&mut takes);
        let key = 1_000_000 * take + (number * 1000 + instrument) as u64;
        let noise = &mut random::stream(self.description().seed, "studio noise", key);
        chain.apply(&mut takes[0], SYNTH_RATE_HZ as f32, noise);
        master(&mut takes);
        let [channels] = takes;
        Ok(Audio { sample_rate_hz: SYNTH_RATE_HZ, channels })
    }
}
