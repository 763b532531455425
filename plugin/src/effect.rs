//! The effect itself, as nice-plug drives it.

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
use crate::params::LuthierParams;
use crate::plugin_model::heard;
use crate::plugin_processor::PluginProcessor;
use crate::project::ModelChoice;
use crate::registry::Registry;
use crate::render_start::RenderStart;
use crate::shared::{Request, Severity};
use crate::shared_resources::SharedResources;
use crate::style_slot::FACTORY;

/// How long an activation waits for a model whose windows it must know.
const MODEL_WAIT: Duration = Duration::from_secs(10);

/// One instance.
pub struct Luthier {
    params: Arc<LuthierParams>,
    instance: Arc<Instance>,
    window: SharedExtent,
    /// Between `activate` and `deactivate`.
    playing: Option<ActiveStream>,
    render: RenderStart,
    /// What the guard knows of the host.
    host_link: Arc<HostLink>,
    // Goes last: the stream's work has ended before the shared_resources closes.
    shared_resources: Arc<SharedResources>,
}

impl Default for Luthier {
    fn default() -> Self {
        let instance = Arc::new(Instance::default());
        let shared_resources = SharedResources::enter();
        listen_for_states(&instance, &shared_resources);
        listen_for_requests(&instance, &shared_resources);
        let params = Arc::new(LuthierParams::new(Arc::clone(&instance.project)));
        Self {
            host_link: HostLink::offer(&params, &instance.shared),
            render: RenderStart::default(),
            params,
            instance,
            window: window::extent(),
            playing: None,
            shared_resources,
        }
    }
}

/// A loaded state may name another model.
fn listen_for_states(instance: &Arc<Instance>, shared_resources: &SharedResources) {
    let (weak, loader, registry) =
        (Arc::downgrade(instance), shared_resources.loader(), shared_resources.registry());
    instance.project.set_listener(Box::new(move || {
        let Some(instance) = weak.upgrade() else { return };
        // At once, so that an offline render that begins now waits for it.
        instance.model.set(ModelState::Loading);
        let (weak, registry) = (weak.clone(), Arc::clone(&registry));
        loader.send(move || {
            if let Some(instance) = weak.upgrade() {
                instance.settle_model(&registry);
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
                fulfil(&instance, &registry, request);
            }
        });
    }));
}

fn fulfil(instance: &Instance, registry: &Registry, request: Request) {
    match request {
        Request::LoadModel(path) => instance.load_model(registry, &path),
        Request::LoadShippedModel => {
            instance.project.set_model(ModelChoice::Shipped);
            instance.settle_model(registry);
        }
        Request::LoadStyle(path) => instance.load_style(registry, &path),
        Request::SaveStyle(keep, path) => instance.save_style(keep, &path),
        Request::Capture => instance.capture.store(true, Relaxed),
    }
}

impl Luthier {
    /// The config of the model that will play: its windows decide the latency.
    fn config(&self) -> ModelConfig {
        let shipped = self.instance.project.model() == ModelChoice::Shipped;
        if !shipped {
            self.instance.model.wait_until(Instant::now() + MODEL_WAIT);
        }
        match self.instance.model.get() {
            (_, ModelState::Ready(model)) if !shipped => model.config().clone(),
            _ => heard(factory::model_config().clone()),
        }
    }

    /// Has the model loaded, where it is not.
    fn fetch_model(&self) {
        let (instance, registry) =
            (Arc::downgrade(&self.instance), self.shared_resources.registry());
        self.shared_resources.loader().send(move || {
            if let Some(instance) = instance.upgrade()
                && matches!(instance.model.get(), (_, ModelState::Loading))
            {
                instance.settle_model(&registry);
            }
        });
    }

    /// Has the factory's styles read before anybody asks for one: a window of a short latency has
    /// no time for that.
    fn fetch_styles(&self) {
        for index in 0..FACTORY.len() {
            let instance = Arc::downgrade(&self.instance);
            self.shared_resources.loader().send(move || {
                if let Some(instance) = instance.upgrade()
                    && let (_, ModelState::Ready(model)) = instance.model.get()
                {
                    // What cannot be read is told to who plays it.
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
        // A window that is complete at a block's beginning cannot be there before its end.
        let deadline_samples = deadline_samples(mode, &grid).max(block);
        let config = StreamConfig { grid, channels, sidechain: true, deadline_samples };
        let (audio, work) = open_on(
            self.shared_resources.pool()?,
            &config,
            Box::new(plugin_processor),
            &self.params.settings(),
        )?;
        Ok(ActiveStream::new(audio, work))
    }
}

/// What a window may take to compute, in host samples; a part of the latency.
pub(crate) fn deadline_samples(mode: LatencyMode, grid: &Grid) -> u64 {
    (grid.hop_samples() as f64 * mode.deadline_of_hop()) as u64
}

impl Plugin for Luthier {
    const NAME: &'static str = "Luthier";
    const VENDOR: &'static str = "Luthier";
    const URL: &'static str = "";
    const EMAIL: &'static str = "";
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");

    // `PortNames::main_input` would rename the output as well.
    const AUDIO_IO_LAYOUTS: &'static [AudioIOLayout] = &[layout(2, "Stereo"), layout(1, "Mono")];

    type Editor = LuthierEditor;
    type SysExMessage = ();
    // Not used: nice-plug has one such thread for all instances, and it may end with the host.
    type BackgroundTask = ();

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
        self.playing = None;
        self.render = RenderStart::default();
        self.instance.shared.restart.activated(self.params.latency.value());
        self.fetch_model();
        self.fetch_styles();
        let sample_rate_hz = config.sample_rate.round() as u32;
        let channels = layout.main_output_channels.map_or(0, NonZeroU32::get) as usize;
        match self.open(sample_rate_hz, channels, config.max_buffer_size.into()) {
            Ok(playing) => self.playing = Some(playing),
            // The host goes on, and hears its own input.
            Err(error) => {
                self.instance.shared.notify(Severity::Warning, format!("Passing through: {error}."))
            }
        }
        let latency = self.playing.as_ref().map_or(0, ActiveStream::latency_samples);
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
        if let Some(playing) = &mut self.playing {
            playing.reset();
        }
    }

    fn deactivate(&mut self) {
        self.playing = None;
        self.instance.shared.restart.deactivated();
        self.instance.shared.status.active.store(false, Relaxed);
    }

    fn process(
        &mut self,
        buffer: &mut Buffer,
        aux: &mut AuxiliaryBuffers,
        context: &mut impl ProcessContext<Self>,
    ) -> ProcessStatus {
        let Some(playing) = &mut self.playing else {
            let channels = buffer.as_slice().iter_mut();
            channels.flat_map(|c| c.iter_mut()).for_each(|sample| *sample = clean(*sample));
            return ProcessStatus::Normal;
        };
        let offline = self.host_link.is_offline();
        playing.set_offline(offline);
        self.instance.shared.status.offline.store(offline, Relaxed);
        // A VST3 host may be asked on its main thread alone: the editor and the guard do.
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
            (context.transport(), playing.latency_samples(), buffer.samples());
        let io = buffer.as_slice();
        let rolls = offline && transport.playing;
        let sound = || first_sound(io.iter().map(|channel| &**channel).chain(sidechain));
        let begins = self.render.within(rolls, transport.pos_samples(), latency, sound, len);
        playing.process(io, &sidechain, begins, &self.params, &self.instance.shared);
        ProcessStatus::Tail(playing.latency_samples())
    }
}

/// The first sample in which a channel is not silent.
fn first_sound<'a>(channels: impl Iterator<Item = &'a [f32]>) -> Option<usize> {
    channels.filter_map(|channel| channel.iter().position(|&sample| sample != 0.0)).min()
}

impl Drop for Luthier {
    fn drop(&mut self) {
        self.playing = None;
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
