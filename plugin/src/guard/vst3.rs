//! The VST3 component: the calls that are checked before nice-plug's wrapper receives them.
//! [`super::vst3_forward`] has all other calls.

use std::mem::{ManuallyDrop, zeroed};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

use nice_plug::prelude::Vst3Plugin;
use nice_plug::wrapper::vst3::Wrapper;
use parking_lot::Mutex;
use vst3::Steinberg::Vst::ChannelContext::IInfoListener;
use vst3::Steinberg::Vst::*;
use vst3::Steinberg::*;
use vst3::{Class, ComPtr, ComRef};

use super::channels::{Bus, Channels, StandInBuffers};
use super::edits::Edits;
use super::host_link::HostLink;
use super::{MAX_BLOCK_SAMPLES, MAX_CHANNELS, transport, vst3_state};

/// The host has not set the sidechain's arrangement.
const UNSET: SpeakerArrangement = SpeakerArrangement::MAX;

/// One instance: nice-plug's wrapper with checks in front of it.
pub struct Guard<P: Vst3Plugin> {
    pub(super) inner: ManuallyDrop<Wrapper<P>>,
    /// Channels of main input, of main output and of nice-plug's sidechain, 1 or 2.
    channels: AtomicU32,
    /// The host's arrangement of the sidechain.
    sidechain: AtomicU64,
    /// Largest block that nice-plug was set up for, in samples.
    max_block: AtomicU32,
    active: AtomicBool,
    /// Whether the host has set up an offline render.
    offline: AtomicBool,
    edits: Edits,
    /// The host's interface for requests.
    handler: Mutex<Option<ComPtr<IComponentHandler>>>,
    host_link: Option<Arc<HostLink>>,
    /// The audio thread only tries the lock, so that it never waits for a setup.
    scratch: Mutex<StandInBuffers>,
}

impl<P: Vst3Plugin> Class for Guard<P> {
    type Interfaces = (
        IComponent,
        IEditController,
        IAudioProcessor,
        IMidiMapping,
        INoteExpressionController,
        IProcessContextRequirements,
        IUnitInfo,
        IInfoListener,
    );
}

impl<P: Vst3Plugin> Drop for Guard<P> {
    fn drop(&mut self) {
        // If nice-plug's background thread has ended with tasks in its queue, its handle panics
        // here, inside the host's `release`.
        let dropped = catch_unwind(AssertUnwindSafe(|| {
            // SAFETY: only this line drops it, and it is not used afterwards.
            unsafe { ManuallyDrop::drop(&mut self.inner) }
        }));
        // Dropping the panic's message could panic again.
        std::mem::forget(dropped);
    }
}

impl<P: Vst3Plugin> Guard<P> {
    /// A component with a plugin of its own.
    pub fn new() -> Self {
        Self {
            inner: ManuallyDrop::new(Wrapper::new()),
            host_link: HostLink::take(),
            channels: AtomicU32::new(MAX_CHANNELS as u32),
            sidechain: AtomicU64::new(UNSET),
            max_block: AtomicU32::new(MAX_BLOCK_SAMPLES),
            active: AtomicBool::new(false),
            offline: AtomicBool::new(false),
            edits: Edits::default(),
            handler: Mutex::default(),
            scratch: Mutex::default(),
        }
    }

    /// # Safety
    /// The host's call, with arguments as the interface requires.
    pub(super) unsafe fn set_active(&self, state: TBool) -> tresult {
        // SAFETY: the host's own call, unchanged.
        let result = unsafe { self.inner.setActive(state) };
        self.active.store(state != 0 && result == kResultOk, Ordering::SeqCst);
        result
    }

    /// Accepts main buses of the same width, 1 or 2. The guard converts the sidechain to that
    /// width.
    ///
    /// # Safety
    /// The host's call. The arrays are null or have as many entries as their counts.
    pub(super) unsafe fn set_bus_arrangements(
        &self,
        inputs: *mut SpeakerArrangement,
        num_inputs: int32,
        outputs: *mut SpeakerArrangement,
        num_outputs: int32,
    ) -> tresult {
        if inputs.is_null() || outputs.is_null() || num_inputs != 2 || num_outputs != 1 {
            return kResultFalse;
        }
        // SAFETY: two entries and one, as just checked.
        let (main, sidechain, out) = unsafe { (*inputs, *inputs.add(1), *outputs) };
        let width = main.count_ones();
        let fits = (1..=MAX_CHANNELS as u32).contains(&width) && out.count_ones() == width;
        if !fits || sidechain.count_ones() > MAX_CHANNELS as u32 {
            return kResultFalse;
        }
        // SAFETY: arrays of our own, with as many entries as their counts.
        let result = unsafe {
            self.inner.setBusArrangements(
                [main; 2].as_mut_ptr(),
                num_inputs,
                [out].as_mut_ptr(),
                num_outputs,
            )
        };
        if result == kResultOk {
            self.channels.store(width, Ordering::SeqCst);
            self.sidechain.store(sidechain, Ordering::SeqCst);
        }
        result
    }

    /// # Safety
    /// The host's call, with arguments as the interface requires.
    pub(super) unsafe fn bus_arrangement(
        &self,
        direction: BusDirection,
        index: int32,
        arrangement: *mut SpeakerArrangement,
    ) -> tresult {
        if arrangement.is_null() {
            return kInvalidArgument;
        }
        // SAFETY: the host's call, with room for the result.
        let result = unsafe { self.inner.getBusArrangement(direction, index, arrangement) };
        let sidechain = self.sidechain.load(Ordering::SeqCst);
        if result == kResultOk
            && sidechain != UNSET
            && direction == BusDirections_::kInput as BusDirection
            && index == 1
        {
            // SAFETY: not null.
            unsafe { *arrangement = sidechain };
        }
        result
    }

    /// # Safety
    /// The host's call, with arguments as the interface requires.
    pub(super) unsafe fn set_up_processing(&self, setup: *mut ProcessSetup) -> tresult {
        if setup.is_null() {
            return kInvalidArgument;
        }
        // SAFETY: not null, so it is a setup.
        let mut setup = unsafe { *setup };
        let single = setup.symbolicSampleSize == SymbolicSampleSizes_::kSample32 as int32;
        if !(single && setup.sampleRate.is_finite() && setup.sampleRate >= 1.0) {
            return kResultFalse;
        }
        self.offline.store(is_offline(setup.processMode), Ordering::SeqCst);
        self.tell_mode(setup.processMode);
        setup.maxSamplesPerBlock = setup.maxSamplesPerBlock.clamp(1, MAX_BLOCK_SAMPLES as int32);
        self.max_block.store(setup.maxSamplesPerBlock as u32, Ordering::SeqCst);
        self.scratch.lock().prepare();
        // nice-plug stores the configuration before it reads the new process mode, so the second
        // call stores the new mode. SAFETY: a valid setup of our own.
        unsafe {
            self.inner.setupProcessing(&mut setup);
            self.inner.setupProcessing(&mut setup)
        }
    }

    /// Passes the process mode to the instance. Some hosts set up in real time and signal an
    /// offline render only with its blocks.
    fn tell_mode(&self, mode: int32) {
        if let Some(host_link) = &self.host_link {
            host_link.set_offline(is_offline(mode) || self.offline.load(Ordering::SeqCst));
        }
    }

    /// # Safety
    /// The host's call. Its arrays are null or as long as their counts.
    pub(super) unsafe fn process_checked(&self, data: *mut ProcessData) -> tresult {
        if data.is_null() {
            return kInvalidArgument;
        }
        // SAFETY: not null, so it is the host's block.
        let data = unsafe { &mut *data };
        if data.numSamples <= 0 {
            // The block contains only parameter changes, and its buses may be invalid.
            let mut flush = without_buses(data, 0);
            // SAFETY: a block of our own without samples.
            let result = unsafe { self.inner.process(&mut flush) };
            self.edits.block_processed();
            return result;
        }
        let Some(mut scratch) = self.scratch.try_lock() else { return kResultFalse };
        let single = data.symbolicSampleSize == SymbolicSampleSizes_::kSample32 as int32;
        if !single || !self.active.load(Ordering::SeqCst) || !scratch.is_prepared() {
            return kResultFalse;
        }
        self.tell_mode(data.processMode);
        // SAFETY: the host's promise about its buses.
        let result = unsafe { self.process_pieces(data, &mut scratch) };
        self.edits.block_processed();
        result
    }

    /// # Safety
    /// `data` is a host's block of at least one sample; the component is set up and active.
    unsafe fn process_pieces(
        &self,
        data: &mut ProcessData,
        scratch: &mut StandInBuffers,
    ) -> tresult {
        let len = data.numSamples as usize;
        // SAFETY: the bus arrays are null or have as many entries as their counts.
        let (inputs, output) = unsafe {
            let input = |index| bus(data.inputs, data.numInputs, index);
            ([input(0), input(1)], bus(data.outputs, data.numOutputs, 0))
        };
        let width = self.channels.load(Ordering::SeqCst) as int32;
        let most = self.max_block.load(Ordering::SeqCst) as usize;
        let mut result = kResultOk;
        for start in (0..len).step_by(most) {
            let piece = (len - start).min(most);
            // SAFETY: `start` is inside the block, the piece is short enough, and the scratch is
            // prepared.
            let mut channels = unsafe { Channels::complete(inputs, output, start, scratch) };
            let mut block = without_buses(data, piece as int32);
            let mut at;
            if start > 0 {
                // SAFETY: null or a context.
                let context = unsafe { data.processContext.as_ref() };
                at = context.map(|context| transport::later_context(context, start));
                // Changes belong to the first piece.
                block.inputParameterChanges = ptr::null_mut();
                block.outputParameterChanges = ptr::null_mut();
                block.processContext = at.as_mut().map_or(ptr::null_mut(), ptr::from_mut);
            }
            // SAFETY: the same bus and piece.
            unsafe { channels.fit_sidechain(inputs[1], width as usize, piece, scratch) };
            let [main, side] = &mut channels.inputs;
            let mut buses_in = [audio_bus(main, width), audio_bus(side, width)];
            let mut buses_out = [audio_bus(&mut channels.output, width)];
            (block.numInputs, block.inputs) = (2, buses_in.as_mut_ptr());
            (block.numOutputs, block.outputs) = (1, buses_out.as_mut_ptr());
            // SAFETY: every bus has all its channels, each as long as the piece.
            result = unsafe { self.inner.process(&mut block) };
            if result != kResultOk {
                break;
            }
        }
        if !data.outputs.is_null() && data.numOutputs > 0 {
            // SAFETY: there is at least one output bus. The output is never marked as silent.
            unsafe { (*data.outputs).silenceFlags = 0 };
        }
        result
    }

    /// # Safety
    /// The host's call, with arguments as the interface requires.
    pub(super) unsafe fn set_component_state(&self, stream: *mut IBStream) -> tresult {
        // SAFETY: the host's stream.
        let Some(state) = (unsafe { vst3_state::read(stream) }) else { return kResultFalse };
        let stream = vst3_state::stream(state);
        self.edits.forget();
        // SAFETY: a stream of our own, with a state that the plugin wrote.
        let result = unsafe { IComponentTrait::setState(&*self.inner, stream.as_ptr()) };
        self.ask_for_restart();
        result
    }

    /// Requests a restart if latency mode or window length differ from the active ones. Must be
    /// called on the host's main thread.
    fn ask_for_restart(&self) {
        let handler = self.handler.lock().clone();
        if let (Some(handler), Some(host_link)) = (handler, &self.host_link)
            && host_link.restart_is_due()
        {
            // SAFETY: the host's own handler.
            unsafe { handler.restartComponent(RestartFlags_::kLatencyChanged as int32) };
        }
    }

    /// Drops the host's interface, because the host ends the component.
    pub(super) fn forget_handler(&self) {
        *self.handler.lock() = None;
    }

    /// # Safety
    /// `handler` is null or a handler.
    pub(super) unsafe fn set_handler(&self, handler: *mut IComponentHandler) -> tresult {
        // SAFETY: the caller's promise.
        *self.handler.lock() =
            unsafe { ComRef::from_raw(handler) }.map(|handler| handler.to_com_ptr());
        // SAFETY: the host's own call, unchanged.
        unsafe { self.inner.setComponentHandler(handler) }
    }

    /// # Safety
    /// The host's call, with arguments as the interface requires.
    pub(super) unsafe fn component_state(&self, stream: *mut IBStream) -> tresult {
        if let Some(host_link) = &self.host_link {
            // SAFETY: an id that the host has set.
            let waiting = self.edits.take(|id| unsafe { self.inner.getParamNormalized(id) });
            waiting.into_iter().for_each(|(id, value)| host_link.set(id, value as f32));
        }
        // SAFETY: the host's own call, unchanged.
        unsafe { IComponentTrait::getState(&*self.inner, stream) }
    }

    /// # Safety
    /// The host's call, with arguments as the interface requires.
    pub(super) unsafe fn parameter_info(&self, index: int32, info: *mut ParameterInfo) -> tresult {
        // SAFETY: no arguments.
        if index < 0 || index >= unsafe { self.inner.getParameterCount() } {
            return kInvalidArgument;
        }
        // SAFETY: the index is in range.
        unsafe { self.inner.getParameterInfo(index, info) }
    }

    /// # Safety
    /// The host's call, with arguments as the interface requires.
    pub(super) unsafe fn set_parameter(&self, id: ParamID, value: ParamValue) -> tresult {
        if !value.is_finite() {
            return kInvalidArgument;
        }
        let value = value.clamp(0.0, 1.0);
        if self.host_link.as_ref().is_some_and(|host_link| host_link.has(id)) {
            // SAFETY: one of our ids.
            self.edits.set(id, value, unsafe { self.inner.getParamNormalized(id) });
        }
        // SAFETY: the host's call, with a finite value.
        unsafe { self.inner.setParamNormalized(id, value) }
    }

    /// # Safety
    /// The host's call, with arguments as the interface requires.
    pub(super) unsafe fn parameter(&self, id: ParamID) -> ParamValue {
        // SAFETY: the host's own call, unchanged.
        let present = unsafe { self.inner.getParamNormalized(id) };
        self.edits.get(id, present).unwrap_or(present)
    }
}

fn is_offline(mode: int32) -> bool {
    mode == ProcessModes_::kOffline as int32
}

/// A block of `len` samples with the parameters and the context of `data`, without buses.
fn without_buses(data: &ProcessData, len: int32) -> ProcessData {
    ProcessData {
        numSamples: len,
        numInputs: 0,
        numOutputs: 0,
        inputs: ptr::null_mut(),
        outputs: ptr::null_mut(),
        ..*data
    }
}

/// A host's bus.
///
/// # Safety
/// If `buses` is not null, it has `count` entries.
unsafe fn bus(buses: *mut AudioBusBuffers, count: int32, index: int32) -> Bus {
    if buses.is_null() || index >= count {
        return Bus::NONE;
    }
    // SAFETY: the array has more than `index` entries, and blocks are of single precision.
    unsafe {
        let bus = &*buses.add(index as usize);
        Bus { channels: bus.__field0.channelBuffers32, count: bus.numChannels.max(0) as usize }
    }
}

fn audio_bus(channels: &mut [*mut f32; MAX_CHANNELS], width: int32) -> AudioBusBuffers {
    // SAFETY: only numbers and pointers, for which zeros are valid.
    let mut bus: AudioBusBuffers = unsafe { zeroed() };
    bus.numChannels = width;
    bus.__field0.channelBuffers32 = channels.as_mut_ptr();
    bus
}
