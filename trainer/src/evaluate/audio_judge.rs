//! Plays a model, and hears what comes out: notes, images, instruments.

use std::sync::{Mutex, PoisonError};

use engine::audio_file::Audio;
use engine::checkpoint::Checkpoint;
use engine::dsp::mel::MelFrontEnd;
use engine::image::MelImage;
use engine::inference_model::InferenceModel;
use engine::latency_mode::LatencyMode;
use engine::nn::packed::Packed;
use engine::pipeline::{BackendModel, Pipeline, TransferModel};
use engine::settings::Settings;
use engine::stream::render;
use engine::{Error, Result};

use super::eval_args::EvalArgs;
use crate::classifier::Judge;
use crate::data::score::Score;
use crate::transcription::Note;
use crate::transcription::basic_pitch::BasicPitch;

/// A model and the ears that judge it. Calls may come from several threads at once.
pub struct AudioJudge {
    /// The model.
    pub playable: InferenceModel<Packed>,
    /// Has one workspace; of all that is done for a clip its part is the least.
    judge: Mutex<Judge>,
    ear: BasicPitch,
}

impl AudioJudge {
    /// Reads a model and a classifier.
    ///
    /// # Errors
    /// If one of the files cannot be read or is something else.
    pub fn open(eval_args: &EvalArgs) -> Result<Self> {
        Ok(Self {
            playable: InferenceModel::packed(&Checkpoint::read(&eval_args.model)?)?,
            judge: Mutex::new(Judge::read(&eval_args.classifier)?),
            ear: BasicPitch::new()?,
        })
    }

    /// The model's networks, to be played once more.
    pub fn networks(&self) -> Box<dyn TransferModel> {
        Box::new(BackendModel::new(self.playable.model(), Packed::default()))
    }

    /// dB from 0 to 1 of the model's images.
    pub fn range_db(&self) -> f32 {
        self.playable.config().mel.range_db
    }

    /// What `cargo xtask transfer` makes of the content in a mode.
    ///
    /// # Errors
    /// If the style is silent or a window fails.
    pub fn transferred(
        &self,
        content: &Audio,
        style: &Audio,
        settings: &Settings,
        mode: LatencyMode,
    ) -> Result<Audio> {
        let (rate_hz, channels) = (content.sample_rate_hz, content.channels.len());
        let tokens = self.playable.style(&mut Packed::default(), style)?;
        let networks = BackendModel::new(self.playable.model(), Packed::default()).in_mode(mode);
        let pipeline = Pipeline::new(Box::new(networks), rate_hz, channels, tokens)?;
        let grid = pipeline.grid().clone();
        let (channels, report) =
            render(grid, &content.channels, Box::new(pipeline), settings, &mut |_| ())?;
        report.first_error.map_or(Ok(()), |error| Err(Error::Compute(error)))?;
        Ok(Audio { sample_rate_hz: rate_hz, channels })
    }

    /// The image of a whole recording, level as it is.
    ///
    /// # Errors
    /// If its rate cannot be changed to the model's.
    pub fn image(&self, audio: &Audio) -> Result<MelImage> {
        let mel = &self.playable.config().mel;
        let audio = audio.at_rate(mel.sample_rate_hz)?;
        let channels: Vec<&[f32]> = audio.channels.iter().map(Vec::as_slice).collect();
        Ok(MelFrontEnd::new(mel).image(&channels, 0, 1 + audio.frames() / mel.hop_length, 1.0))
    }

    /// The notes that are heard.
    ///
    /// # Errors
    /// If the transcriber fails.
    pub fn notes(&self, audio: &Audio) -> Result<Vec<Note>> {
        self.ear.transcribe(audio)
    }

    /// The notes that are heard, to be played on something else.
    ///
    /// # Errors
    /// If the transcriber fails.
    pub fn score(&self, audio: &Audio) -> Result<Score> {
        self.ear.score(audio)
    }

    /// 1 where the judge hears that instrument, 0 where another; NaN for one that it does not know.
    ///
    /// # Errors
    /// If the recording is silent.
    pub fn heard(&self, audio: &Audio, instrument: &str) -> Result<f64> {
        let mut judge = self.judge.lock().unwrap_or_else(PoisonError::into_inner);
        judge.hears(instrument, |judge| judge.name_audio(&audio.channels, audio.sample_rate_hz))
    }
}
