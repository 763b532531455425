//! Runs a model on audio and analyses the result: notes, images, instruments.

use std::sync::{Mutex, PoisonError};

use engine::audio_file::Audio;
use engine::checkpoint::Checkpoint;
use engine::dsp::mel::MelFrontEnd;
use engine::image::MelImage;
use engine::inference_model::InferenceModel;
use engine::latency_mode::LatencyMode;
use engine::nn::packed::Packed;
use engine::pipeline::{BackendModel, Pipeline, TransferModel};
use engine::reference::Reference;
use engine::settings::Settings;
use engine::stream::render;
use engine::style::StyleTokens;
use engine::{Error, Result};

use super::eval_args::EvalArgs;
use crate::classifier::Judge;
use crate::data::score::Score;
use crate::transcription::Note;
use crate::transcription::basic_pitch::BasicPitch;

/// A model, a classifier and a transcriber. Calls may be concurrent.
pub struct AudioJudge {
    /// The model.
    pub model: InferenceModel<Packed>,
    /// One judge for all threads, because its share of the time is small.
    judge: Mutex<Judge>,
    transcriber: BasicPitch,
}

impl AudioJudge {
    /// Opens a model and a classifier.
    ///
    /// # Errors
    /// If a file cannot be read or has another kind.
    pub fn open(eval_args: &EvalArgs) -> Result<Self> {
        Ok(Self {
            model: InferenceModel::packed(&Checkpoint::read(&eval_args.model)?)?,
            judge: Mutex::new(Judge::read(&eval_args.classifier)?),
            transcriber: BasicPitch::new()?,
        })
    }

    /// Another executor of the model's networks.
    pub fn networks(&self) -> Box<dyn TransferModel> {
        Box::new(BackendModel::new(self.model.model(), Packed::default()))
    }

    /// Range of the model's images from 0 to 1, in dB.
    pub fn range_db(&self) -> f32 {
        self.model.config().mel.range_db
    }

    /// [`transfer`] with this model and the style of a recording.
    ///
    /// # Errors
    /// As [`style_tokens`] and [`transfer`].
    pub fn transfer(
        &self,
        content: &Audio,
        style: &Audio,
        settings: &Settings,
        mode: LatencyMode,
    ) -> Result<Audio> {
        transfer(&self.model, content, style_tokens(&self.model, style)?, settings, mode)
    }

    /// The image of a complete recording, without a change of level.
    ///
    /// # Errors
    /// If its rate cannot be converted to the model's.
    pub fn image(&self, audio: &Audio) -> Result<MelImage> {
        let mel = &self.model.config().mel;
        let audio = audio.at_rate(mel.sample_rate_hz)?;
        let channels: Vec<&[f32]> = audio.channels.iter().map(Vec::as_slice).collect();
        Ok(MelFrontEnd::new(mel).image(&channels, 0, 1 + audio.frames() / mel.hop_length, 1.0))
    }

    /// Transcribes a recording.
    ///
    /// # Errors
    /// If the transcriber fails.
    pub fn notes(&self, audio: &Audio) -> Result<Vec<Note>> {
        self.transcriber.transcribe(audio)
    }

    /// Transcribes a recording to a score.
    ///
    /// # Errors
    /// If the transcriber fails.
    pub fn score(&self, audio: &Audio) -> Result<Score> {
        self.transcriber.score(audio)
    }

    /// Whether the judge classifies a recording as this instrument: 1 if so, 0 if not, NaN if it
    /// has no label for it.
    ///
    /// # Errors
    /// If the recording is silent.
    pub fn is_classified_as(&self, audio: &Audio, instrument: &str) -> Result<f64> {
        let mut judge = self.judge.lock().unwrap_or_else(PoisonError::into_inner);
        judge.is_classified_as(instrument, |judge| {
            judge.classify_audio(&audio.channels, audio.sample_rate_hz)
        })
    }
}

/// The style of a recording.
///
/// # Errors
/// If the recording is silent or only noise.
pub fn style_tokens(model: &InferenceModel<Packed>, recording: &Audio) -> Result<StyleTokens> {
    model.style(&mut Packed::default(), &Reference::from_audio(recording)?)
}

/// Transfers the style to the content like `cargo xtask transfer`, in a latency mode.
///
/// # Errors
/// If a window fails.
pub fn transfer(
    model: &InferenceModel<Packed>,
    content: &Audio,
    style: StyleTokens,
    settings: &Settings,
    mode: LatencyMode,
) -> Result<Audio> {
    let (rate_hz, channels) = (content.sample_rate_hz, content.channels.len());
    let networks = BackendModel::new(model.model(), Packed::default()).in_mode(mode);
    let pipeline = Pipeline::new(Box::new(networks), rate_hz, channels, style)?;
    let grid = pipeline.grid().clone();
    let (channels, report) =
        render(grid, &content.channels, Box::new(pipeline), settings, &mut |_| ())?;
    report.first_error.map_or(Ok(()), |error| Err(Error::Compute(error)))?;
    Ok(Audio { sample_rate_hz: rate_hz, channels })
}
