//! The effect that nice-plug calls.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use engine::config::ModelConfig;
use engine::latency_mode::LatencyMode;
use engine::stream::sample::clean;
use engine::stream::{Grid, StreamConfig, open_on};
use nice_plug::prelude::*;

use crate::active_stream::ActiveStream;
use crate::editor::EditorApp;
use crate::editor::window::{self, LuthierEditor, SharedExtent};
use crate::factory;
use crate::guard::host_link::HostLink;
use crate::instance::Instance;
use crate::model_slot::ModelState;
use crate::params::{self, LuthierParams};
use crate::plugin_model::effective_config;
use crate::plugin_processor::PluginProcessor;
use crate::project::ModelChoice;
use crate::registry::Registry;
use crate::render_start::RenderStart;
use crate::shared::{Request, Severity};
use crate::shared_resources::SharedResources;
use crate::style_slot::FACTORY;

/// Maximum time that an activation waits for the model's config, which determines the latency.
const MODEL_WAIT: Duration = Duration::from_secs(10);

/// One instance of the plugin.
pub struct Luthier {
    params: Arc<LuthierParams>,
    instance: Arc<Instance>,
    window: SharedExtent,
    /// Set between `activate` and `deactivate`.
    stream: Option<ActiveStream>,
    render: RenderStart,
    /// Data that the guard has received from the host.
    host_link: Arc<HostLink>,
    // Declared last, because fields are dropped in order and the stream uses the worker pool.
    shared_resources: Arc<SharedResources>,
}

impl Default for Luthier {
    fn default() -> Self {
        let instance = Arc::new(Instance::default());
        let shared_resources = SharedResources::open();
        listen_for_states(&instance, &shared_resources);
        listen_for_requests(&instance, &shared_resources);
        let params = Arc::new(LuthierParams::new(Arc::clone(&instance.project)));
        Self {
            host_link: HostLink::offer(&params, &instance.shared),
            render: RenderStart::default(),
            params,
            instance,
            window: window::extent(),
            stream: None,
            shared_resources,
        }
    }
}

/// Reloads the model when the host loads a state, because the state can name another model.
fn listen_for_states(instance: &Arc<Instance>, shared_resources: &SharedResources) {
    let (weak, loader, registry) =
        (Arc::downgrade(instance), shared_resources.loader(), shared_resources.registry());
    instance.project.set_listener(Box::new(move || {
        let Some(instance) = weak.upgrade() else { return };
        // Set here and not in the task, so that an offline render that starts now waits for it.
        instance.model.set(ModelState::Loading);
        let (weak, registry) = (weak.clone(), Arc::clone(&registry));
        loader.send(move || {
            if let Some(instance) = weak.upgrade() {
                instance.load_project_model(&registry);
            }
        });
    }));
}

fn listen_for_requests(instance: &Arc<Instance>, shared_resources: &SharedResources) {
    let (weak, loader, registry) =
        (Arc::downgrade(instance), shared_resources.loader(), shared_resources.registry());
    instance.shared.set_handler(Box::new(move |request| {
        let (weak, registry) = (weak.clone(), Arc::clone(&registry));
        loader.send(move || {
            if let Some(instance) = weak.upgrade() {
                handle_request(&instance, &registry, request);
            }
        });
    }));
}

fn handle_request(instance: &Instance, registry: &Registry, request: Request) {
    match request {
        Request::LoadModel(path) => instance.load_model(registry, &path),
        Request::LoadShippedModel => {
            instance.project.set_model(ModelChoice::Shipped);
            instance.load_project_model(registry);
        }
        Request::LoadStyle(path) => instance.load_style(registry, &path),
        Request::MoveStyle(start_ms) => instance.move_style(registry, start_ms as f64 / 1000.0),
        Request::SaveStyle(kind, path) => instance.save_style(kind, &path),
        Request::Capture => instance.capture.store(true, Relaxed),
    }
}

impl Luthier {
    /// The config of the project's model. Its windows determine the latency.
    fn config(&self) -> ModelConfig {
        let shipped = self.instance.project.model() == ModelChoice::Shipped;
        if !shipped {
            self.instance.model.wait_until(Instant::now() + MODEL_WAIT);
        }
        match self.instance.model.get() {
            (_, ModelState::Ready(model)) if !shipped => model.config().clone(),
            _ => effective_config(factory::model_config().clone()),
        }
    }

    /// Requests the model from the loader if it is not loaded.
    fn request_model(&self) {
        let (instance, registry) =
            (Arc::downgrade(&self.instance), self.shared_resources.registry());
        self.shared_resources.loader().send(move || {
            if let Some(instance) = instance.upgrade()
                && matches!(instance.model.get(), (_, ModelState::Loading))
            {
                instance.load_project_model(&registry);
            }
        });
    }

    /// Computes the factory styles on the loader's thread. At a short latency, a window has no time
    /// to compute one.
    fn precompute_factory_styles(&self) {
        for index in 0..FACTORY.len() {
            let instance = Arc::downgrade(&self.instance);
            self.shared_resources.loader().send(move || {
                if let Some(instance) = instance.upgrade()
                    && let (_, ModelState::Ready(model)) = instance.model.get()
                {
                    // The worker reports an error when the style is used.
                    let _ = model.factory_style(index);
                }
            });
        }
    }

    fn open(
        &self,
        sample_rate_hz: u32,
        channels: usize,
        block: u64,
    ) -> engine::Result<ActiveStream> {
        let (instance, mode) = (Arc::clone(&self.instance), self.params.latency.value().mode());
        let plugin_processor =
            PluginProcessor::new(instance, &self.config(), mode, sample_rate_hz, channels)?;
        let grid = plugin_processor.grid().clone();
        let mut config =
            StreamConfig { grid, channels, sidechain: true, deadline_samples: 0, limiter: true };
        // A window that is complete at the start of a block is ready at its end at the earliest.
        let block_samples = block + config.look_ahead_samples();
        config.deadline_samples = deadline_samples(mode, &config.grid).max(block_samples);
        let (audio, work) = open_on(
            self.shared_resources.pool()?,
            &config,
            Box::new(plugin_processor),
            &self.params.settings(),
        )?;
        Ok(ActiveStream::new(audio, work))
    }
}

/// Maximum computing time of a window in host samples. It is a part of the latency.
pub(crate) fn deadline_samples(mode: LatencyMode, grid: &Grid) -> u64 {
    (grid.hop_samples() as f64 * mode.deadline_of_hop()) as u64
}

impl Plugin for Luthier {
    const NAME: &'static str = "Luthier";
    const VENDOR: &'static str = "Luthier";
    const URL: &'static str = "";
    const EMAIL: &'static str = "";
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");

    // No `PortNames::main_input`, because it would rename the output as well.
    const AUDIO_IO_LAYOUTS: &'static [AudioIOLayout] = &[layout(2, "Stereo"), layout(1, "Mono")];

    type Editor = LuthierEditor;
    type SysExMessage = ();
    // Not used: nice-plug runs these tasks on one thread for all instances, which can end with the
    // host.
    type BackgroundTask = ();

    fn filter_state(state: &mut PluginState) {
        params::complete(state);
    }

    fn params(&self) -> Arc<dyn Params> {
        Arc::clone(&self.params) as Arc<dyn Params>
    }

    fn editor(&mut self, _: AsyncExecutor<Self>) -> Option<Self::Editor> {
        let app = EditorApp::new(Arc::clone(&self.params), Arc::clone(&self.instance.shared));
        Some(LuthierEditor::new(app, &self.window))
    }

    fn activate(
        &mut self,
        layout: &AudioIOLayout,
        config: &BufferConfig,
        context: &mut impl ActivateContext<Self>,
    ) -> bool {
        self.stream = None;
        self.render = RenderStart::default();
        self.instance.shared.restart.activated(self.params.latency.value());
        self.request_model();
        self.precompute_factory_styles();
        let sample_rate_hz = config.sample_rate.round() as u32;
        let channels = layout.main_output_channels.map_or(0, NonZeroU32::get) as usize;
        match self.open(sample_rate_hz, channels, config.max_buffer_size.into()) {
            Ok(stream) => self.stream = Some(stream),
            // Not an activation error: the host continues, and the output is the input.
            Err(error) => {
                let text = format!("The plugin cannot start: {error}. The input passes unchanged.");
                self.instance.shared.notify(Severity::Warning, text);
            }
        }
        let latency = self.stream.as_ref().map_or(0, ActiveStream::latency_samples);
        let status = &self.instance.shared.status;
        status.channels.store(channels as u32, Relaxed);
        status.sample_rate_hz.store(sample_rate_hz, Relaxed);
        status.latency_samples.store(latency, Relaxed);
        status.offline.store(self.host_link.is_offline(), Relaxed);
        status.active.store(true, Relaxed);
        context.set_latency_samples(latency);
        true
    }

    fn reset(&mut self) {
        self.render = RenderStart::default();
        if let Some(stream) = &mut self.stream {
            stream.reset();
        }
    }

    fn deactivate(&mut self) {
        self.stream = None;
        self.instance.shared.restart.deactivated();
        self.instance.shared.status.active.store(false, Relaxed);
    }

    fn process(
        &mut self,
        buffer: &mut Buffer,
        aux: &mut AuxiliaryBuffers,
        context: &mut impl ProcessContext<Self>,
    ) -> ProcessStatus {
        let Some(stream) = &mut self.stream else {
            let channels = buffer.as_slice().iter_mut();
            channels.flat_map(|c| c.iter_mut()).for_each(|sample| *sample = clean(*sample));
            return ProcessStatus::Normal;
        };
        let offline = self.host_link.is_offline();
        stream.set_offline(offline);
        self.instance.shared.status.offline.store(offline, Relaxed);
        // VST3 allows the request on the main thread only, where the editor and the guard send it.
        // See `docs/decisions/050-restart-requests.md`.
        if context.plugin_api() == PluginApi::Clap && self.host_link.restart_is_due() {
            context.request_restart();
        }
        let mut sidechain: [&[f32]; 2] = [&[]; 2];
        if let Some(port) = aux.inputs.first() {
            for (slot, channel) in sidechain.iter_mut().zip(port.as_slice_immutable()) {
                *slot = channel;
            }
        }
        let (transport, latency, len) =
            (context.transport(), stream.latency_samples(), buffer.samples());
        let io = buffer.as_slice();
        let rolls = offline && transport.playing;
        let sound = || first_sound(io.iter().map(|channel| &**channel).chain(sidechain));
        let start = self.render.find_start(rolls, transport.pos_samples(), latency, sound, len);
        stream.process(io, &sidechain, start, &self.params, &self.instance.shared);
        ProcessStatus::Tail(stream.latency_samples())
    }
}

/// The first sample in which a channel is not silent.
fn first_sound<'a>(channels: impl Iterator<Item = &'a [f32]>) -> Option<usize> {
    channels.filter_map(|channel| channel.iter().position(|&sample| sample != 0.0)).min()
}

impl Drop for Luthier {
    fn drop(&mut self) {
        self.stream = None;
    }
}

const fn layout(channels: u32, name: &'static str) -> AudioIOLayout {
    AudioIOLayout {
        main_input_channels: NonZeroU32::new(channels),
        main_output_channels: NonZeroU32::new(channels),
        aux_input_ports: match channels {
            1 => const { &[new_nonzero_u32(1)] },
            _ => const { &[new_nonzero_u32(2)] },
        },
        names: PortNames {
            layout: Some(name),
            aux_inputs: &["Style reference"],
            ..PortNames::const_default()
        },
        ..AudioIOLayout::const_default()
    }
}

impl ClapPlugin for Luthier {
    const CLAP_ID: &'static str = "audio.luthier.luthier";
    const CLAP_DESCRIPTION: Option<&'static str> = Some("Turns one instrument into another");
    const CLAP_MANUAL_URL: Option<&'static str> = None;
    const CLAP_SUPPORT_URL: Option<&'static str> = None;
    const CLAP_FEATURES: &'static [ClapFeature] = &[
        ClapFeature::AudioEffect,
        ClapFeature::Stereo,
        ClapFeature::Mono,
        ClapFeature::Custom("timbre-transfer"),
    ];
}

impl Vst3Plugin for Luthier {
    const VST3_CLASS_ID: [u8; 16] = *b"LuthierStyleFxV1";
    const VST3_SUBCATEGORIES: &'static [Vst3SubCategory] =
        &[Vst3SubCategory::Fx, Vst3SubCategory::Modulation];
}
