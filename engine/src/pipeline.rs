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
//! use engine::settings::Settings;
//! use engine::stream::render;
//!
//! let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../presets/luthier.safetensors");
//! let model = InferenceModel::packed(&Checkpoint::read(file)?)?;
//! let tone = |hz: f32| -> Vec<f32> {
//!     let radians = hz * std::f32::consts::TAU / 44_100.0;
//!     (0..44_100).map(|n| 0.1 * (radians * n as f32).sin()).collect()
//! };
//! let reference = Audio { sample_rate_hz: 44_100, channels: vec![tone(220.0)] };
//! let style = model.style(&mut Packed::default(), &reference)?;
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
use crate::{Error, Result};
use analysis::Analysis;
use synthesis::{Synthesis, SynthesisRequest};

pub use backend_model::BackendModel;
pub use rolling_style::RollingStyle;
pub use style_source::{SharedStyle, StyleSource};
pub use transfer::Transfer;
pub use transfer_model::TransferModel;
pub(crate) use transfer_model::require_finite;

/// Where a model's windows lie on a stream of a host rate.
///
/// # Errors
/// If the rate is not 8 to 192 kHz or the model's windows do not overlap.
pub fn grid(config: &ModelConfig, host_rate_hz: u32) -> Result<Grid> {
    let look_ahead = Resampler::look_ahead_samples(host_rate_hz, config.mel.sample_rate_hz)?;
    Grid::new(config, host_rate_hz, look_ahead)
}

/// A model's config with the windows that it plays in.
fn played(model: &impl TransferModel) -> ModelConfig {
    model.mode().configure(model.config())
}

/// One window's images, for somebody who wants to see them.
#[derive(Clone, Copy, Debug)]
pub struct WindowView<'a> {
    /// The host position (samples since reset) on which frame 0 is centred; negative before the
    /// stream.
    pub first_frame_position: i64,
    /// Host samples from frame to frame.
    pub frame_samples: f64,
    /// The host samples that the window plays.
    pub segment: &'a Range<u64>,
    /// What came in, levelled.
    pub content: &'a MelImage,
    /// What goes out, at the same level; the content itself where the window plays dry.
    pub wet: &'a MelImage,
}

/// Called on the worker with every window's images.
pub type Observer = Box<dyn FnMut(&WindowView) + Send>;

/// The whole chain for one stream, with everything that goes on from window to window.
///
/// The output depends on the samples since reset, the model, the style and the settings alone.
pub struct Pipeline<M = Box<dyn TransferModel>> {
    grid: Grid,
    analysis: Analysis,
    /// None while there is no model: windows then play dry.
    transfer: Option<Transfer<M>>,
    synthesis: Synthesis,
    style: Box<dyn StyleSource<M>>,
    observer: Option<Observer>,
}

impl Pipeline {
    /// A pipeline for `channels` channels at `host_rate_hz`, with one style. Settings come with
    /// every window.
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
            Self::without_model(&played(&model), host_rate_hz, channels, Box::new(style))?;
        pipeline.set_model(model)?;
        Ok(pipeline)
    }

    /// A pipeline whose style is what the sidechain plays.
    ///
    /// # Errors
    /// As [`Pipeline::new`].
    pub fn following(
        model: Box<dyn TransferModel>,
        host_rate_hz: u32,
        channels: usize,
    ) -> Result<Self> {
        let style = RollingStyle::new(model.config(), host_rate_hz, channels)?;
        let mut pipeline =
            Self::without_model(&played(&model), host_rate_hz, channels, Box::new(style))?;
        pipeline.set_model(model)?;
        Ok(pipeline)
    }
}

impl<M: TransferModel> Pipeline<M> {
    /// A pipeline for models whose windows are those of `config`. It listens, and plays dry until
    /// it is given one.
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
            transfer: None,
            style,
            observer: None,
            grid,
        })
    }

    /// Windows that begin from now on are played by `model`.
    ///
    /// # Errors
    /// If the model's windows are not those that the pipeline was made for.
    pub fn set_model(&mut self, model: M) -> Result<()> {
        let config = played(&model);
        if grid(&config, self.grid.host_rate_hz())? != self.grid
            || config.mel != *self.synthesis.mel()
        {
            let expected = "the windows and the mel spectrogram that the stream was opened with";
            return Err(Error::checkpoint("window", expected, "others"));
        }
        self.transfer = Some(Transfer::from_model(model)?);
        self.style.model_changed();
        Ok(())
    }

    /// Windows that begin from now on play dry.
    pub fn remove_model(&mut self) {
        self.transfer = None;
    }

    /// The model, where there is one.
    pub fn model(&self) -> Option<&M> {
        self.transfer.as_ref().map(Transfer::model)
    }

    /// Shows every window's images to `observer`.
    pub fn observe(&mut self, observer: Observer) {
        self.observer = Some(observer);
    }

    /// Where the windows lie; what a stream for this pipeline is opened with.
    pub fn grid(&self) -> &Grid {
        &self.grid
    }

    /// The window's image as it shall sound; none where there is nothing to play it or to imitate.
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

    fn show(&mut self, window: &WindowInput, content: &MelImage, wet: &MelImage) {
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

impl<M: TransferModel> WindowProcessor for Pipeline<M> {
    fn process(
        &mut self,
        window: &WindowInput,
        out: &mut WindowOutput,
        cancel: &Cancel,
    ) -> Result<()> {
        let WindowOutput { wet, timings, dry } = out;
        timings.measure(Stage::Resample, || self.analysis.take(window));
        let model = self.transfer.as_mut().map(Transfer::model_mut);
        timings.measure(Stage::Resample, || self.style.listen(window, model));
        let (content, gain) =
            timings.measure(Stage::Mel, || self.analysis.content(window.index))?;
        cancel.check()?;
        if content.data.iter().all(|&value| value == 0.0) {
            // Nothing that the model could hear: what there is stays as it is, and silence silent.
            self.show(window, &content, &content);
            return timings.measure(Stage::Vocode, || self.analysis.dry(window.segment.start, wet));
        }
        let Some(image) = self.image(window, &content, timings, cancel)? else {
            self.show(window, &content, &content);
            *dry = true;
            return Ok(());
        };
        cancel.check()?;
        self.show(window, &content, &image);
        let played = |transfer: &Transfer<M>| {
            (transfer.model().mode().vocoder_iterations(), transfer.makeup(&window.settings))
        };
        let (iterations, makeup) = self.transfer.as_ref().map_or((0, 1.0), played);
        let performance = SynthesisRequest { content: &content, target: &image, gain, iterations };
        timings.measure(Stage::Vocode, || {
            self.synthesis.play(&performance, &self.analysis, window, wet)?;
            wet.iter_mut().flatten().for_each(|sample| *sample *= makeup);
            Ok(())
        })
    }

    fn skip(&mut self, window: &WindowInput) {
        self.analysis.take(window);
        self.style.listen(window, None);
    }

    fn reset(&mut self) {
        self.analysis.reset();
        self.style.reset();
    }
}
