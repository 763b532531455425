//! The worker's part of an instance: a pipeline that receives its model and style when they are
//! loaded.

use std::sync::Arc;
use std::time::Instant;

use engine::cancel::Cancel;
use engine::config::ModelConfig;
use engine::latency_mode::LatencyMode;
use engine::pipeline::{Pipeline, RollingStyle};
use engine::stream::{Grid, WindowInput, WindowOutput, WindowProcessor};
use engine::{Error, Result};

use crate::instance::Instance;
use crate::model_slot::ModelState;
use crate::plugin_model::StreamModel;
use crate::shared::Severity;
use crate::styles::Styles;

/// Processes the windows of one stream.
pub struct PluginProcessor {
    instance: Arc<Instance>,
    pipeline: Pipeline<StreamModel>,
    /// Generation of the model slot at the last update.
    generation: u64,
    mode: LatencyMode,
    hop_seconds: f32,
}

impl PluginProcessor {
    /// Creates a processor for models with the windows of `config`, in latency mode `mode`.
    ///
    /// # Errors
    /// If the sample rate is not 8 to 192 kHz.
    pub fn new(
        instance: Arc<Instance>,
        config: &ModelConfig,
        mode: LatencyMode,
        host_rate_hz: u32,
        channels: usize,
    ) -> Result<Self> {
        let rolling = RollingStyle::new(config, host_rate_hz, channels)?;
        let styles = Styles::new(Arc::clone(&instance), rolling);
        let stream_config = mode.configure(config);
        let mut pipeline =
            Pipeline::without_model(&stream_config, host_rate_hz, channels, Box::new(styles))?;
        let shared = Arc::clone(&instance.shared);
        pipeline.observe(Box::new(move |view| shared.pictures.lock().push(view)));
        let hop_seconds = pipeline.grid().hop_samples() as f32 / host_rate_hz as f32;
        Ok(Self { instance, pipeline, generation: 0, mode, hop_seconds })
    }

    /// The positions of the windows.
    pub fn grid(&self) -> &Grid {
        self.pipeline.grid()
    }

    /// Passes a changed model to the pipeline. With `wait`, in offline renders, it waits for a
    /// loading model.
    ///
    /// # Errors
    /// If `cancel` is set.
    fn update_model(&mut self, wait: bool, cancel: &Cancel) -> Result<()> {
        if wait {
            self.instance.model.wait(cancel)?;
        }
        if self.generation == self.instance.model.generation() {
            return Ok(());
        }
        let (generation, state) = self.instance.model.get();
        match state {
            // The previous model stays in use until the next one is loaded.
            ModelState::Loading => {}
            ModelState::Ready(model) => {
                if self.pipeline.set_model(StreamModel::new(model, self.mode)).is_err() {
                    let text = "The new model takes effect when the host restarts the plugin. \
                                If it does not, disable and re-enable the plugin.";
                    self.instance.shared.notify(Severity::Warning, text);
                    self.instance.shared.restart.window_mismatch();
                }
            }
            ModelState::Missing => self.pipeline.remove_model(),
        }
        self.generation = generation;
        Ok(())
    }
}

impl WindowProcessor for PluginProcessor {
    fn process(
        &mut self,
        window: &WindowInput,
        out: &mut WindowOutput,
        cancel: &Cancel,
    ) -> Result<()> {
        self.update_model(window.offline, cancel)?;
        let start = Instant::now();
        let result = self.pipeline.process(window, out, cancel);
        let factor = start.elapsed().as_secs_f32() / self.hop_seconds;
        let shared = &self.instance.shared;
        shared.status.real_time_factor.set(factor);
        if let Some(model) = self.pipeline.model().map(StreamModel::model)
            && self.instance.update_device(model)
        {
            let text = format!("GPU error: {}. Continuing on the CPU.", model.gpu().problem());
            shared.notify(Severity::Warning, text);
        }
        match &result {
            Err(error) if !matches!(error, Error::Cancelled) => {
                shared.notify(
                    Severity::Warning,
                    format!("A section of audio failed and plays dry: {error}."),
                );
            }
            Ok(()) if out.dry => shared.texts.lock().style.clear(),
            _ => {}
        }
        result
    }

    fn skip(&mut self, window: &WindowInput) {
        self.pipeline.skip(window);
    }

    fn reset(&mut self) {
        self.pipeline.reset();
        self.instance.shared.pictures.lock().clear();
    }
}
