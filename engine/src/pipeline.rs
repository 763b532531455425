//! One window of content and a style in, its wet audio out.
//!
//! ```text
//! host samples -> intake (Resampler, Level, history) -> MelFrontEnd -> content image
//!   -> transfer (encode, DDIM with guidance, strength, prefix, noise; decode) -> wet image
//!   -> voice (guided vocoder or Griffin-Lim) -> wet segment
//! ```
//!
//! [`Pipeline`] is the [`WindowProcessor`] of the real thing; the stream around it is [`crate::stream`]'s.

mod intake;
mod transfer;
mod voice;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use parking_lot::Mutex;

use crate::Result;
use crate::cancel::Cancel;
use crate::config::ModelConfig;
use crate::dsp::resample::Resampler;
use crate::image::MelImage;
use crate::settings::Settings;
use crate::stream::{Grid, Stage, Timings, WindowInput, WindowOutput, WindowProcessor};
use crate::style::StyleTokens;
use intake::Intake;
use transfer::WetWindow;
use voice::{Performance, Voice};

pub use transfer::{Executed, Transfer, TransferModel};

/// Where a model's windows lie on a stream of a host rate.
///
/// # Errors
/// If the rate is not 8 to 192 kHz or the model's windows do not overlap.
pub fn grid(config: &ModelConfig, host_rate_hz: u32) -> Result<Grid> {
    let resampler = Resampler::new(host_rate_hz, config.mel.sample_rate_hz)?;
    Grid::new(config, host_rate_hz, resampler.look_ahead_samples())
}

/// The style that a pipeline plays, exchangeable while it plays. Locks: not for the audio thread.
#[derive(Clone, Debug)]
pub struct SharedStyle(Arc<Mutex<Arc<StyleTokens>>>);

impl SharedStyle {
    /// Windows that begin from now on sound like `style`.
    pub fn set(&self, style: StyleTokens) {
        *self.0.lock() = Arc::new(style);
    }

    /// The current style.
    pub fn get(&self) -> Arc<StyleTokens> {
        Arc::clone(&self.0.lock())
    }
}

impl From<StyleTokens> for SharedStyle {
    fn from(style: StyleTokens) -> Self {
        Self(Arc::new(Mutex::new(Arc::new(style))))
    }
}

/// The whole chain for one stream, with everything that goes on from window to window.
///
/// The output depends on the samples since reset, the model, the style and the settings alone.
pub struct Pipeline {
    grid: Grid,
    intake: Intake,
    transfer: Transfer,
    voice: Voice,
    style: SharedStyle,
    /// The last window, if it was wet: its end is the next one's prefix.
    previous: Option<WetWindow>,
}

impl Pipeline {
    /// A pipeline for `channels` channels at `host_rate_hz`. Settings come with every window.
    ///
    /// # Errors
    /// As [`grid`], or if the model's config is not usable.
    pub fn new(
        model: Box<dyn TransferModel>,
        host_rate_hz: u32,
        channels: usize,
        style: impl Into<SharedStyle>,
    ) -> Result<Self> {
        let config = model.config().clone();
        let grid = grid(&config, host_rate_hz)?;
        Ok(Self {
            intake: Intake::new(&config, grid.clone(), channels)?,
            voice: Voice::new(&config.mel, grid.clone())?,
            transfer: Transfer::new(model)?,
            style: style.into(),
            previous: None,
            grid,
        })
    }

    /// Where the windows lie; what a stream for this pipeline is opened with.
    pub fn grid(&self) -> &Grid {
        &self.grid
    }

    /// A handle to exchange the style.
    pub fn style(&self) -> SharedStyle {
        self.style.clone()
    }

    /// The wet image of a content image.
    fn wet_image(
        &mut self,
        index: u64,
        content: &MelImage,
        gain: f32,
        settings: &Settings,
        timings: &mut Timings,
        cancel: &Cancel,
    ) -> Result<MelImage> {
        let previous = self.previous.take().filter(|previous| previous.index + 1 == index);
        let style = self.style.get();
        let prefix =
            previous.map(|previous| timings.measure(Stage::Encode, || self.transfer.prefix(&previous, gain)));
        cancel.check()?;
        let latent = timings.measure(Stage::Encode, || self.transfer.encode(content))?;
        cancel.check()?;
        let first_frame = self.grid.first_frame(index);
        let clean = timings.measure(Stage::Denoise, || {
            let prefix = prefix.transpose()?;
            self.transfer.denoise(&latent, prefix.as_deref(), &style, first_frame, settings, cancel)
        })?;
        timings.measure(Stage::Decode, || self.transfer.decode(&clean))
    }
}

impl WindowProcessor for Pipeline {
    fn process(&mut self, window: &WindowInput, out: &mut WindowOutput, cancel: &Cancel) -> Result<()> {
        let WindowOutput { wet, timings } = out;
        timings.measure(Stage::Resample, || self.intake.take(window));
        let (content, gain) = timings.measure(Stage::Mel, || self.intake.content(window.index))?;
        cancel.check()?;
        let silent = content.data.iter().all(|&value| value == 0.0);
        let image = if silent {
            self.previous = None;
            content.clone()
        } else {
            self.wet_image(window.index, &content, gain, &window.settings, timings, cancel)?
        };
        cancel.check()?;
        timings.measure(Stage::Vocode, || match silent {
            // Nothing that the model could hear: what there is stays as it is, and silence silent.
            true => self.intake.dry(window.segment.start, wet),
            false => {
                let performance = Performance { content: &content, target: &image, gain };
                self.voice.play(&performance, &self.intake, window, wet)
            }
        })?;
        self.previous = Some(WetWindow { index: window.index, image, gain });
        Ok(())
    }

    fn skip(&mut self, window: &WindowInput) {
        self.previous = None;
        self.intake.take(window);
    }

    fn reset(&mut self) {
        self.previous = None;
        self.intake.reset();
    }
}
