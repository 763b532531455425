//! A well-behaved CLAP host.

use std::ops::Range;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use std::time::{Duration, Instant};

use clack_extensions::audio_ports_config::{AudioPortsConfigBuffer, PluginAudioPortsConfig};
use clack_extensions::latency::{HostLatency, HostLatencyImpl, PluginLatency};
use clack_extensions::params::{
    HostParams, HostParamsImplMainThread, HostParamsImplShared, ParamClearFlags, ParamInfoBuffer,
    ParamRescanFlags, PluginParams,
};
use clack_extensions::render::{PluginRender, RenderMode};
use clack_extensions::state::PluginState;
use clack_host::events::event_types::{ParamValueEvent, TransportEvent, TransportFlags};
use clack_host::events::{EventFlags, EventHeader};
use clack_host::prelude::*;
use clack_host::utils::{BeatTime, SecondsTime};

use crate::allocations::calls_of;
use crate::bundle;

/// What the plugin asked for.
#[derive(Default)]
pub struct Shared {
    restarts: AtomicU32,
}

impl<'a> SharedHandler<'a> for Shared {
    fn request_restart(&self) {
        self.restarts.fetch_add(1, SeqCst);
    }
    fn request_process(&self) {}
    fn request_callback(&self) {}
}

impl HostParamsImplShared for Shared {
    fn request_flush(&self) {}
}

/// The host's main thread.
pub struct Main;

impl<'a> MainThreadHandler<'a> for Main {}

impl HostLatencyImpl for Main {
    fn changed(&self) {}
}

impl HostParamsImplMainThread for Main {
    fn rescan(&self, _: ParamRescanFlags) {}
    fn clear(&self, _: ClapId, _: ParamClearFlags) {}
}

/// The host's types.
pub struct Host;

impl HostHandlers for Host {
    type Shared<'a> = Shared;
    type MainThread<'a> = Main;
    type AudioProcessor<'a> = ();

    fn declare_extensions(builder: &mut HostExtensions<Self>, _: &Self::Shared<'_>) {
        builder.register::<HostLatency>().register::<HostParams>();
    }
}

/// From samples that are played to samples of the timeline.
pub type Timeline = dyn Fn(usize) -> i64 + Sync;

/// One instance in the host.
pub struct Clap {
    instance: PluginInstance<Host>,
    processor: Option<StoppedPluginAudioProcessor<Host>>,
    offline: bool,
    sample_rate_hz: u32,
    /// Where on the timeline each sample of what is played lies; without it there is no transport.
    pub position: Option<Box<Timeline>>,
    /// How long each block took so far.
    pub times: Vec<Duration>,
    /// How often the plugin allocated or freed in them; seen where it is linked in, not loaded.
    pub allocations: usize,
}

/// The library, opened.
pub fn entry() -> PluginEntry {
    // SAFETY: our own library, which does nothing when it is loaded.
    unsafe { PluginEntry::load(bundle::library()) }.expect("the library is a CLAP")
}

/// The same, linked in and not loaded: then the plugin allocates where this program watches.
pub fn linked_entry() -> PluginEntry {
    // SAFETY: our own entry, which is a CLAP's.
    unsafe { PluginEntry::load_from_raw(&plugin::guard::clap_entry, c"") }.expect("an entry")
}

impl Clap {
    /// A new instance.
    pub fn new(entry: &PluginEntry) -> Self {
        let info = HostInfo::new("Luthier's tests", "Luthier", "", "1").expect("a host");
        let factory = entry.get_plugin_factory().expect("a factory");
        let id = factory
            .plugin_descriptors()
            .next()
            .and_then(|plugin| plugin.id())
            .expect("a plugin")
            .to_owned();
        let instance =
            PluginInstance::<Host>::new(|_| Shared::default(), |_| Main, entry, &id, &info)
                .expect("an instance");
        Self {
            instance,
            processor: None,
            offline: false,
            sample_rate_hz: 0,
            position: None,
            times: Vec::new(),
            allocations: 0,
        }
    }

    /// Chooses the layout of so many channels; stereo is the first.
    pub fn set_channels(&mut self, channels: usize) {
        let handle = self.instance.plugin_handle();
        let layouts: PluginAudioPortsConfig = handle.get_extension().expect("layouts");
        let mut buffer = AudioPortsConfigBuffer::new();
        let layout = layouts.get(&handle, 2 - channels as u32, &mut buffer).expect("a layout").id;
        layouts.select(&handle, layout).expect("selected");
    }

    /// Renders offline or in real time from the next activation on.
    pub fn set_offline(&mut self, offline: bool) {
        self.offline = offline;
        let handle = self.instance.plugin_handle();
        let render: PluginRender = handle.get_extension().expect("render");
        let mode = if offline { RenderMode::Offline } else { RenderMode::Realtime };
        render.set(&handle, mode).expect("set");
    }

    /// Activates and returns the latency in samples.
    pub fn activate(&mut self, sample_rate_hz: u32, max_block: usize) -> usize {
        self.sample_rate_hz = sample_rate_hz;
        let configuration = PluginAudioConfiguration {
            sample_rate: f64::from(sample_rate_hz),
            min_frames_count: 1,
            max_frames_count: max_block as u32,
        };
        self.processor = Some(self.instance.activate(|_, _| (), configuration).expect("activated"));
        self.latency()
    }

    /// The latency that the plugin reports.
    pub fn latency(&mut self) -> usize {
        let handle = self.instance.plugin_handle();
        let latency: PluginLatency = handle.get_extension().expect("latency");
        latency.get(&handle) as usize
    }

    /// How often the plugin has asked to be restarted.
    pub fn restarts(&self) -> u32 {
        self.instance.access_shared_handler(|shared| shared.restarts.load(SeqCst))
    }

    /// Deactivates.
    pub fn deactivate(&mut self) {
        self.instance.deactivate(self.processor.take().expect("active"));
    }

    /// The id of a parameter.
    pub fn param(&mut self, name: &str) -> ClapId {
        let handle = self.instance.plugin_handle();
        let params: PluginParams = handle.get_extension().expect("params");
        for index in 0..params.count(&handle) {
            let mut buffer = ParamInfoBuffer::new();
            let info = params.get_info(&handle, index, &mut buffer).expect("a parameter");
            if info.name == name.as_bytes() {
                return info.id;
            }
        }
        panic!("no parameter {name}");
    }

    /// A parameter's value as the host counts it: steps for a stepped one, else 0 to 1.
    pub fn value(&mut self, name: &str) -> f64 {
        let id = self.param(name);
        let handle = self.instance.plugin_handle();
        let params: PluginParams = handle.get_extension().expect("params");
        params.get_value(&handle, id).expect("a value")
    }

    /// Plays `input` (channels x samples) and `sidechain` (the same or empty) in blocks; parameters
    /// are set with the first block.
    pub fn play(
        &mut self,
        input: &[Vec<f32>],
        sidechain: &[Vec<f32>],
        mut next_block: impl FnMut(usize) -> usize + Send,
        values: &[(ClapId, f64)],
    ) -> Vec<Vec<f32>> {
        self.perform(input, sidechain, |start| {
            (next_block(start), if start == 0 { values.to_vec() } else { Vec::new() })
        })
    }

    /// Plays `input` (channels x samples) and `sidechain` (the same or empty) in blocks; `next`
    /// says for every start how long the block is and what is set with it.
    pub fn perform(
        &mut self,
        input: &[Vec<f32>],
        sidechain: &[Vec<f32>],
        mut next: impl FnMut(usize) -> (usize, Vec<(ClapId, f64)>) + Send,
    ) -> Vec<Vec<f32>> {
        let (stopped, offline) = (self.processor.take().expect("active"), self.offline);
        let (position, sample_rate_hz) = (self.position.as_deref(), self.sample_rate_hz);
        // The audio thread is another one.
        let (stopped, output, times, allocations) = std::thread::scope(|scope| {
            let play = move || {
                let mut processor = stopped.start_processing().expect("started");
                let mut output = vec![Vec::new(); input.len()];
                let len = input[0].len();
                let (mut start, mut times, mut allocations) = (0, Vec::new(), 0);
                while start < len {
                    let (block, values) = next(start);
                    let block = start..len.min(start + block.max(1));
                    start = block.end;
                    let transport = position.map(|at| rolling(at(block.start), sample_rate_hz));
                    let block = Block {
                        input,
                        sidechain,
                        range: block,
                        values: &values,
                        transport,
                        offline,
                    };
                    let (time, calls) = block.play(&mut processor, &mut output);
                    times.push(time);
                    allocations += calls;
                }
                (processor.stop_processing(), output, times, allocations)
            };
            scope.spawn(play).join().expect("played")
        });
        self.processor = Some(stopped);
        self.times.extend(times);
        self.allocations += allocations;
        output
    }

    /// The state as a project would keep it.
    pub fn save(&mut self) -> Vec<u8> {
        let handle = self.instance.plugin_handle();
        let state: PluginState = handle.get_extension().expect("state");
        let mut bytes = Vec::new();
        state.save(&handle, &mut bytes).expect("saved");
        bytes
    }

    /// Whether the plugin takes a state.
    pub fn load(&mut self, bytes: &[u8]) -> bool {
        let handle = self.instance.plugin_handle();
        let state: PluginState = handle.get_extension().expect("state");
        let mut bytes = bytes;
        state.load(&handle, &mut bytes).is_ok()
    }
}

impl Drop for Clap {
    fn drop(&mut self) {
        if self.processor.is_some() {
            self.deactivate();
        }
    }
}

/// A transport that rolls, at a sample of the timeline.
fn rolling(position: i64, sample_rate_hz: u32) -> TransportEvent {
    let nowhere = SecondsTime::default();
    TransportEvent {
        header: EventHeader::new_core(0, EventFlags::empty()),
        flags: TransportFlags::IS_PLAYING | TransportFlags::HAS_SECONDS_TIMELINE,
        song_pos_beats: BeatTime::default(),
        song_pos_seconds: SecondsTime::from_float(position as f64 / f64::from(sample_rate_hz)),
        tempo: 0.0,
        tempo_inc: 0.0,
        loop_start_beats: BeatTime::default(),
        loop_end_beats: BeatTime::default(),
        loop_start_seconds: nowhere,
        loop_end_seconds: nowhere,
        bar_start: BeatTime::default(),
        bar_number: 0,
        time_signature_numerator: 0,
        time_signature_denominator: 0,
    }
}

/// What the plugin is handed at once.
struct Block<'a> {
    input: &'a [Vec<f32>],
    sidechain: &'a [Vec<f32>],
    range: Range<usize>,
    values: &'a [(ClapId, f64)],
    transport: Option<TransportEvent>,
    offline: bool,
}

impl Block<'_> {
    /// Appends what comes out; returns how long it took, and how often the plugin allocated or
    /// freed.
    ///
    /// Where RTSan is linked in (README), whatever may block ends the program here, unless the
    /// plugin renders offline: then it may wait.
    fn play(
        &self,
        processor: &mut StartedPluginAudioProcessor<Host>,
        output: &mut [Vec<f32>],
    ) -> (Duration, usize) {
        let cut = |channels: &[Vec<f32>]| -> Vec<Vec<f32>> {
            channels.iter().map(|channel| channel[self.range.clone()].to_vec()).collect()
        };
        let (mut main, mut side) = (cut(self.input), cut(self.sidechain));
        let mut out = vec![vec![f32::NAN; self.range.len()]; self.input.len()];
        let mut events = EventBuffer::new();
        for (id, value) in self.values {
            events.push(&ParamValueEvent::new(0, *id, Pckn::match_all(), *value));
        }
        let (events_in, mut nothing) = (InputEvents::from_buffer(&events), EventBuffer::new());
        let mut events_out = OutputEvents::from_buffer(&mut nothing);
        let (mut ports_in, mut ports_out) =
            (AudioPorts::with_capacity(4, 2), AudioPorts::with_capacity(2, 1));
        let port = |channels| AudioPortBuffer {
            latency: 0,
            channels: AudioPortBufferType::f32_input_only(
                <[Vec<f32>]>::iter_mut(channels).map(InputChannel::variable),
            ),
        };
        let side = if side.is_empty() { None } else { Some(&mut side[..]) };
        let audio_in = ports_in.with_input_buffers(
            std::iter::once(&mut main[..]).chain(side).map(port).collect::<Vec<_>>(),
        );
        let mut audio_out = ports_out.with_output_buffers([AudioPortBuffer {
            latency: 0,
            channels: AudioPortBufferType::f32_output_only(out.iter_mut().map(Vec::as_mut_slice)),
        }]);
        let (steady, transport) = (Some(self.range.start as u64), self.transport.as_ref());
        let started = Instant::now();
        let (processed, allocations) = calls_of(|| {
            let _watched = (!self.offline).then(RealTime::enter);
            processor.process(
                &audio_in,
                &mut audio_out,
                &events_in,
                &mut events_out,
                steady,
                transport,
            )
        });
        let time = started.elapsed();
        processed.expect("processed");
        for (all, block) in output.iter_mut().zip(out) {
            all.extend(block);
        }
        (time, allocations)
    }
}

/// While it lives, RTSan watches this thread.
struct RealTime;

impl RealTime {
    fn enter() -> Self {
        rtsan_standalone::realtime_enter();
        Self
    }
}

impl Drop for RealTime {
    fn drop(&mut self) {
        rtsan_standalone::realtime_exit();
    }
}
