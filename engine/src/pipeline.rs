//! Converts one window of content into wet audio in a style.
//!
//! ```text
//! host samples -> analysis (Resampler, Level, history) -> MelFrontEnd -> content image
//!   -> transfer (encode, DDIM with guidance, strength, noise; decode) -> wet image
//!   -> synthesis (guided vocoder or Griffin-Lim) -> wet segment
//! ```
//!
//! [`Pipeline`] implements [`WindowProcessor`] with these stages. [`crate::stream`] runs it on a
//! stream.
//!
//! ```
//! use engine::audio_file::Audio;
//! use engine::checkpoint::Checkpoint;
//! use engine::inference_model::InferenceModel;
//! use engine::nn::packed::Packed;
//! use engine::pipeline::{BackendModel, Pipeline};
//! use engine::reference::Reference;
//! use engine::settings::Settings;
//! use engine::stream::render;
//!
//! let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../presets/luthier.safetensors");
//! let model = InferenceModel::packed(&Checkpoint::read(file)?)?;
//! let tone = |hz: f32| -> Vec<f32> {
//!     let radians = hz * std::f32::consts::TAU / 44_100.0;
//!     (0..44_100).map(|n| 0.1 * (radians * n as f32).sin()).collect()
//! };
//! let low = Audio { sample_rate_hz: 44_100, channels: vec![tone(220.0)] };
//! let style = model.style(&mut Packed::default(), &Reference::from_audio(&low)?)?;
//!
//! let networks = BackendModel::new(model.model(), Packed::default());
//! let pipeline = Pipeline::new(Box::new(networks), 44_100, 1, style)?;
//! let (grid, settings) = (pipeline.grid().clone(), Settings::default());
//! let content = [tone(440.0)];
//! let (output, report) =
//!     render(grid, &content, Box::new(pipeline), &settings, &mut |_| {})?;
//! assert_eq!(output[0].len(), content[0].len());
//! assert_eq!(report.stats.failed, 0);
//! # Ok::<(), engine::Error>(())
//! ```

mod analysis;
mod backend_model;
mod rolling_style;
mod style_source;
mod synthesis;
mod transfer;
mod transfer_model;

#[cfg(test)]
mod tests;

use std::ops::Range;

use crate::cancel::Cancel;
use crate::config::ModelConfig;
use crate::dsp::resample::Resampler;
use crate::image::MelImage;
use crate::stream::{Grid, Stage, Timings, WindowInput, WindowOutput, WindowProcessor};
use crate::vocoder::dynamics::{Dynamics, DynamicsRequest};
use crate::{Error, Result};
use analysis::Analysis;
use synthesis::{Synthesis, SynthesisRequest};

pub use backend_model::BackendModel;
pub use rolling_style::RollingStyle;
pub use style_source::{SharedStyle, StyleSource};
pub use transfer::Transfer;
pub use transfer_model::TransferModel;
pub(crate) use transfer_model::require_finite;

/// The grid of a model's windows at one host sample rate.
///
/// # Errors
/// If the rate is not 8 to 192 kHz or the model's windows do not overlap.
pub fn grid(config: &ModelConfig, host_rate_hz: u32) -> Result<Grid> {
    let look_ahead = Resampler::look_ahead_samples(host_rate_hz, config.mel.sample_rate_hz)?;
    Grid::new(config, host_rate_hz, look_ahead)
}

/// A model's config with the windows of its latency mode.
fn mode_config(model: &impl TransferModel) -> ModelConfig {
    model.mode().configure(model.config())
}

/// The images of one window, as passed to an [`Observer`].
#[derive(Clone, Copy, Debug)]
pub struct WindowView<'a> {
    /// The host position at the centre of frame 0, in samples since reset. Negative before the
    /// start of the stream.
    pub first_frame_position: i64,
    /// Host samples between two frames.
    pub frame_samples: f64,
    /// The host samples that the window produces.
    pub segment: &'a Range<u64>,
    /// The content image, with the level gain.
    pub content: &'a MelImage,
    /// The wet image, with the same gain. Equal to `content` if the window's output is dry.
    pub wet: &'a MelImage,
}

/// Receives the images of every window, on the worker.
pub type Observer = Box<dyn FnMut(&WindowView) + Send>;

/// All stages for one stream, with the state that persists between windows.
///
/// The output depends only on the samples since reset, the model, the style and the settings.
pub struct Pipeline<M = Box<dyn TransferModel>> {
    grid: Grid,
    analysis: Analysis,
    /// `None` without a model: the output is dry.
    transfer: Option<Transfer<M>>,
    synthesis: Synthesis,
    dynamics: Dynamics,
    style: Box<dyn StyleSource<M>>,
    observer: Option<Observer>,
}

impl Pipeline {
    /// A pipeline for `channels` channels at `host_rate_hz`, with one style. Settings are passed
    /// with every window.
    ///
    /// # Errors
    /// As [`grid`], or if the model's config is not usable.
    pub fn new(
        model: Box<dyn TransferModel>,
        host_rate_hz: u32,
        channels: usize,
        style: impl Into<SharedStyle>,
    ) -> Result<Self> {
        let style: SharedStyle = style.into();
        let mut pipeline =
            Self::without_model(&mode_config(&model), host_rate_hz, channels, Box::new(style))?;
        pipeline.set_model(model)?;
        Ok(pipeline)
    }

    /// A pipeline with a [`RollingStyle`]: the style follows the sidechain.
    ///
    /// # Errors
    /// As [`Pipeline::new`].
    pub fn with_sidechain_style(
        model: Box<dyn TransferModel>,
        host_rate_hz: u32,
        channels: usize,
    ) -> Result<Self> {
        let style = RollingStyle::new(model.config(), host_rate_hz, channels)?;
        let mut pipeline =
            Self::without_model(&mode_config(&model), host_rate_hz, channels, Box::new(style))?;
        pipeline.set_model(model)?;
        Ok(pipeline)
    }
}

impl<M: TransferModel> Pipeline<M> {
    /// A pipeline for models with the windows of `config`. It analyses the input, and its output is
    /// dry until [`Pipeline::set_model`].
    ///
    /// # Errors
    /// As [`grid`].
    pub fn without_model(
        config: &ModelConfig,
        host_rate_hz: u32,
        channels: usize,
        style: Box<dyn StyleSource<M>>,
    ) -> Result<Self> {
        let grid = grid(config, host_rate_hz)?;
        Ok(Self {
            analysis: Analysis::new(config, grid.clone(), channels)?,
            synthesis: Synthesis::new(&config.mel, grid.clone())?,
            dynamics: Dynamics::new(&config.mel),
            transfer: None,
            style,
            observer: None,
            grid,
        })
    }

    /// Processes windows with `model` from the next window on.
    ///
    /// # Errors
    /// If the model's windows or mel spectrogram differ from those of the pipeline.
    pub fn set_model(&mut self, model: M) -> Result<()> {
        let config = mode_config(&model);
        if grid(&config, self.grid.host_rate_hz())? != self.grid
            || config.mel != *self.synthesis.mel()
        {
            let expected = "the windows and the mel spectrogram of the open stream";
            return Err(Error::checkpoint("window", expected, "different ones"));
        }
        self.transfer = Some(Transfer::from_model(model)?);
        self.style.model_changed();
        Ok(())
    }

    /// Switches to dry output from the next window on.
    pub fn remove_model(&mut self) {
        self.transfer = None;
    }

    /// The model, if one is set.
    pub fn model(&self) -> Option<&M> {
        self.transfer.as_ref().map(Transfer::model)
    }

    /// Passes the images of every window to `observer`.
    pub fn observe(&mut self, observer: Observer) {
        self.observer = Some(observer);
    }

    /// The grid of the windows. Open the stream for this pipeline with it.
    pub fn grid(&self) -> &Grid {
        &self.grid
    }

    /// The wet image of a window. `None` without a model or a style.
    fn image(
        &mut self,
        window: &WindowInput,
        content: &MelImage,
        timings: &mut Timings,
        cancel: &Cancel,
    ) -> Result<Option<MelImage>> {
        let Some(transfer) = &mut self.transfer else { return Ok(None) };
        let style =
            timings.measure(Stage::Encode, || self.style.style(window, transfer.model_mut()))?;
        let Some(style) = style else { return Ok(None) };
        cancel.check()?;
        let latent = timings.measure(Stage::Encode, || transfer.encode(content))?;
        cancel.check()?;
        let first_frame = self.grid.first_frame(window.index);
        let clean = timings.measure(Stage::Denoise, || {
            transfer.denoise(&latent, &style, first_frame, &window.settings, cancel)
        })?;
        timings.measure(Stage::Decode, || transfer.decode(&clean)).map(Some)
    }

    /// The vocoder's iterations and the makeup gain (linear).
    fn parameters(&self, window: &WindowInput) -> (usize, f32) {
        let Some(transfer) = &self.transfer else { return (0, 1.0) };
        (transfer.model().mode().vocoder_iterations(), transfer.makeup(&window.settings))
    }

    fn notify_observer(&mut self, window: &WindowInput, content: &MelImage, wet: &MelImage) {
        let Some(observer) = &mut self.observer else { return };
        let to_host = f64::from(self.grid.host_rate_hz()) / f64::from(self.grid.model_rate_hz());
        let first = self.grid.first_model_sample(window.index) as f64 * to_host;
        observer(&WindowView {
            first_frame_position: first as i64,
            frame_samples: self.synthesis.mel().hop_length as f64 * to_host,
            segment: &window.segment,
            content,
            wet,
        });
    }
}

fn scale(channels: &mut [Vec<f32>], gain: f32) {
    channels.iter_mut().flatten().for_each(|sample| *sample *= gain);
}

impl<M: TransferModel> WindowProcessor for Pipeline<M> {
    fn process(
        &mut self,
        window: &WindowInput,
        out: &mut WindowOutput,
        cancel: &Cancel,
    ) -> Result<()> {
        let WindowOutput { wet, timings, dry } = out;
        timings.measure(Stage::Resample, || self.analysis.push_window(window));
        let model = self.transfer.as_mut().map(Transfer::model_mut);
        timings.measure(Stage::Resample, || self.style.receive_sidechain(window, model));
        let (content, gain) =
            timings.measure(Stage::Mel, || self.analysis.content(window.index))?;
        cancel.check()?;
        if content.data.iter().all(|&value| value == 0.0) {
            // The model has no content here. The input passes with the model's makeup gain, so that
            // silence stays silent and the level has no step.
            self.notify_observer(window, &content, &content);
            let (_, makeup) = self.parameters(window);
            return timings.measure(Stage::Vocode, || {
                self.analysis.dry(window.segment.start, wet)?;
                scale(wet, makeup);
                Ok(())
            });
        }
        let Some(mut image) = self.image(window, &content, timings, cancel)? else {
            self.notify_observer(window, &content, &content);
            *dry = true;
            return Ok(());
        };
        cancel.check()?;
        let (iterations, makeup) = self.parameters(window);
        let request = DynamicsRequest {
            content: &content,
            stream_start: self.grid.first_frame(window.index) == 0,
            makeup_db: 20.0 * makeup.log10(),
            share: window.settings.dynamics,
        };
        timings.measure(Stage::Vocode, || self.dynamics.apply(&request, &mut image));
        self.notify_observer(window, &content, &image);
        let request = SynthesisRequest { content: &content, target: &image, gain, iterations };
        timings.measure(Stage::Vocode, || {
            self.synthesis.render(&request, &self.analysis, window, wet)?;
            scale(wet, makeup);
            Ok(())
        })
    }

    fn skip(&mut self, window: &WindowInput) {
        self.analysis.push_window(window);
        self.style.receive_sidechain(window, None);
    }

    fn reset(&mut self) {
        self.analysis.reset();
        self.style.reset();
    }
}
