//! A CLAP host that follows the specification.

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

use crate::allocations::count_calls;
use crate::bundle;

/// Requests of the plugin.
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

/// Converts the index of an input sample to a sample of the timeline.
pub type Timeline = dyn Fn(usize) -> i64 + Sync;

/// One instance in the host.
pub struct Clap {
    instance: PluginInstance<Host>,
    processor: Option<StoppedPluginAudioProcessor<Host>>,
    offline: bool,
    sample_rate_hz: u32,
    /// Timeline position of each input sample. Without it the host passes no transport.
    pub position: Option<Box<Timeline>>,
    /// Duration of each process call so far.
    pub times: Vec<Duration>,
    /// Allocations and deallocations in the process calls. They are counted only for
    /// [`linked_entry`].
    pub allocations: usize,
}

/// The entry of the loaded library.
pub fn entry() -> PluginEntry {
    // SAFETY: our own library, which runs no code when it is loaded.
    unsafe { PluginEntry::load(bundle::library()) }.expect("the library is a CLAP")
}

/// The entry of the plugin that is linked into this program. Its allocations use this program's
/// allocator.
pub fn linked_entry() -> PluginEntry {
    // SAFETY: our own entry, which is a valid CLAP entry.
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

    /// Selects the layout with `channels` channels. The first layout is stereo.
    pub fn set_channels(&mut self, channels: usize) {
        let handle = self.instance.plugin_handle();
        let layouts: PluginAudioPortsConfig = handle.get_extension().expect("layouts");
        let mut buffer = AudioPortsConfigBuffer::new();
        let layout = layouts.get(&handle, 2 - channels as u32, &mut buffer).expect("a layout").id;
        layouts.select(&handle, layout).expect("selected");
    }

    /// Sets the render mode for the next activations.
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

    /// Number of restart requests.
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

    /// A parameter's value in CLAP units: steps for a stepped parameter, otherwise 0 to 1.
    pub fn value(&mut self, name: &str) -> f64 {
        let id = self.param(name);
        let handle = self.instance.plugin_handle();
        let params: PluginParams = handle.get_extension().expect("params");
        params.get_value(&handle, id).expect("a value")
    }

    /// Processes `input` (channels x samples) and `sidechain` (the same or empty) in blocks.
    /// `values` are set with the first block.
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

    /// Processes `input` (channels x samples) and `sidechain` (the same or empty) in blocks. `next`
    /// returns the length of the block at a start, and the values to set with it.
    pub fn perform(
        &mut self,
        input: &[Vec<f32>],
        sidechain: &[Vec<f32>],
        mut next: impl FnMut(usize) -> (usize, Vec<(ClapId, f64)>) + Send,
    ) -> Vec<Vec<f32>> {
        let (stopped, offline) = (self.processor.take().expect("active"), self.offline);
        let (position, sample_rate_hz) = (self.position.as_deref(), self.sample_rate_hz);
        // The audio thread is not this thread.
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
                    let transport = position.map(|at| playing_at(at(block.start), sample_rate_hz));
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

    /// The state as a project saves it.
    pub fn save(&mut self) -> Vec<u8> {
        let handle = self.instance.plugin_handle();
        let state: PluginState = handle.get_extension().expect("state");
        let mut bytes = Vec::new();
        state.save(&handle, &mut bytes).expect("saved");
        bytes
    }

    /// Loads a state. Returns whether the plugin accepted it.
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

/// A transport that plays at a sample of the timeline.
fn playing_at(position: i64, sample_rate_hz: u32) -> TransportEvent {
    let zero = SecondsTime::default();
    TransportEvent {
        header: EventHeader::new_core(0, EventFlags::empty()),
        flags: TransportFlags::IS_PLAYING | TransportFlags::HAS_SECONDS_TIMELINE,
        song_pos_beats: BeatTime::default(),
        song_pos_seconds: SecondsTime::from_float(position as f64 / f64::from(sample_rate_hz)),
        tempo: 0.0,
        tempo_inc: 0.0,
        loop_start_beats: BeatTime::default(),
        loop_end_beats: BeatTime::default(),
        loop_start_seconds: zero,
        loop_end_seconds: zero,
        bar_start: BeatTime::default(),
        bar_number: 0,
        time_signature_numerator: 0,
        time_signature_denominator: 0,
    }
}

/// Arguments of one process call.
struct Block<'a> {
    input: &'a [Vec<f32>],
    sidechain: &'a [Vec<f32>],
    range: Range<usize>,
    values: &'a [(ClapId, f64)],
    transport: Option<TransportEvent>,
    offline: bool,
}

impl Block<'_> {
    /// Processes the block and appends the output. Returns the duration and the number of
    /// allocations and deallocations.
    ///
    /// If RTSan is linked in (docs/validation.md), a blocking call ends the program here. Offline
    /// rendering may block, so it is not checked.
    fn play(
        &self,
        processor: &mut StartedPluginAudioProcessor<Host>,
        output: &mut [Vec<f32>],
    ) -> (Duration, usize) {
        let slice = |channels: &[Vec<f32>]| -> Vec<Vec<f32>> {
            channels.iter().map(|channel| channel[self.range.clone()].to_vec()).collect()
        };
        let (mut main, mut side) = (slice(self.input), slice(self.sidechain));
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
        let (processed, allocations) = count_calls(|| {
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

/// RTSan checks this thread during its lifetime.
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
