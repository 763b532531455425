//! Upper bound of any model with this autoencoder and vocoder: the latent of the true target.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use engine::Result;
use engine::audio_file::Audio;
use engine::cancel::Cancel;
use engine::config::ModelConfig;
use engine::dsp::level::Level;
use engine::dsp::mel::MelFrontEnd;
use engine::image::MelImage;
use engine::models::model::{Conditioning, LatentDims};
use engine::pipeline::{Pipeline, TransferModel};
use engine::settings::Settings;
use engine::stream::{Grid, WindowInput, WindowOutput, WindowProcessor, render};
use engine::style::StyleTokens;

/// Renders the true target through autoencoder and vocoder, on the content's stream.
///
/// # Errors
/// If a window fails.
pub fn render_ceiling(
    networks: Box<dyn TransferModel>,
    content: &Audio,
    truth: &Audio,
) -> Result<Audio> {
    let rate_hz = content.sample_rate_hz;
    let grid = engine::pipeline::grid(networks.config(), rate_hz)?;
    let window = Arc::new(AtomicUsize::new(0));
    let images = images(networks.config(), &grid, truth, content.frames())?;
    let config = ModelConfig { makeup_db: 0.0, ..networks.config().clone() };
    let oracle = Oracle { config, networks, images, window: Arc::clone(&window) };
    let style = StyleTokens::default();
    let pipeline = Pipeline::new(Box::new(oracle), rate_hz, content.channels.len(), style)?;
    let settings = Settings { steps: 1, ..Settings::default() };
    let processor = Box::new(IndexedPipeline { pipeline, window });
    let (channels, report) = render(grid, &content.channels, processor, &settings, &mut |_| ())?;
    report.first_error.map_or(Ok(()), |error| Err(engine::Error::Compute(error)))?;
    Ok(Audio { sample_rate_hz: rate_hz, channels })
}

/// The target's images of all windows in a stream of `samples` host samples, at the target's own
/// level.
fn images(
    config: &ModelConfig,
    grid: &Grid,
    truth: &Audio,
    samples: usize,
) -> Result<Vec<MelImage>> {
    let mut channels = truth.at_rate(config.mel.sample_rate_hz)?.channels;
    let windows = (0..).take_while(|k| grid.segment(*k).start < samples as u64);
    let (mut level, mut front_end) =
        (Level::new(config.mel.sample_rate_hz), MelFrontEnd::new(&config.mel));
    let mut pushed = 0;
    let image = |k| {
        let first_center = grid.first_model_sample(k);
        let end =
            (first_center + (config.window.frames * config.mel.hop_length) as i64).max(0) as usize;
        for channel in &mut channels {
            channel.resize(channel.len().max(end), 0.0);
        }
        let new_samples: Vec<&[f32]> = channels.iter().map(|c| &c[pushed..end]).collect();
        level.push(&new_samples);
        pushed = end;
        let channels: Vec<&[f32]> = channels.iter().map(Vec::as_slice).collect();
        front_end.image(&channels, first_center as isize, config.window.frames, level.gain())
    };
    Ok(windows.map(image).collect())
}

/// A model that always returns the autoencoder's version of the true target.
struct Oracle {
    /// The model's config without makeup gain, because the true images have the level of the
    /// target.
    config: ModelConfig,
    networks: Box<dyn TransferModel>,
    images: Vec<MelImage>,
    /// Index of the current window.
    window: Arc<AtomicUsize>,
}

impl TransferModel for Oracle {
    fn config(&self) -> &ModelConfig {
        &self.config
    }

    fn style_tokens(&mut self, images: &[MelImage]) -> Result<StyleTokens> {
        self.networks.style_tokens(images)
    }

    fn encode(&mut self, image: &MelImage) -> Result<Vec<f32>> {
        self.networks.encode(image)
    }

    fn decode(&mut self, _: &[f32], dims: LatentDims) -> Result<MelImage> {
        let latent = self.networks.encode(&self.images[self.window.load(Relaxed)])?;
        self.networks.decode(&latent, dims)
    }

    fn denoise(
        &mut self,
        noisy: &[f32],
        _: LatentDims,
        _: usize,
        conditionings: &[Conditioning],
    ) -> Result<Vec<Vec<f32>>> {
        Ok(vec![vec![0.0; noisy.len()]; conditionings.len()])
    }
}

/// A pipeline that publishes the index of its current window.
struct IndexedPipeline {
    pipeline: Pipeline,
    window: Arc<AtomicUsize>,
}

impl WindowProcessor for IndexedPipeline {
    fn process(
        &mut self,
        window: &WindowInput,
        out: &mut WindowOutput,
        cancel: &Cancel,
    ) -> Result<()> {
        self.window.store(window.index as usize, Relaxed);
        self.pipeline.process(window, out, cancel)
    }

    fn skip(&mut self, window: &WindowInput) {
        self.pipeline.skip(window);
    }

    fn reset(&mut self) {
        self.pipeline.reset();
    }
}
