//! The CLAP plugin: our own plugin structure in front of nice-plug's. It replaces the calls that
//! need a check. All others find nice-plug through `plugin_data`, which both structures share.

use std::ffi::{CStr, c_char, c_void};
use std::mem::zeroed;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

use clap_sys::audio_buffer::clap_audio_buffer;
use clap_sys::events::{clap_input_events, clap_output_events};
use clap_sys::ext::audio_ports::{
    CLAP_EXT_AUDIO_PORTS, clap_audio_port_info, clap_plugin_audio_ports,
};
use clap_sys::ext::params::{CLAP_EXT_PARAMS, clap_param_info, clap_plugin_params};
use clap_sys::ext::render::{
    CLAP_EXT_RENDER, CLAP_RENDER_OFFLINE, clap_plugin_render, clap_plugin_render_mode,
};
use clap_sys::ext::state::{CLAP_EXT_STATE, clap_plugin_state};
use clap_sys::host::clap_host;
use clap_sys::id::clap_id;
use clap_sys::plugin::clap_plugin;
use clap_sys::process::{
    CLAP_PROCESS_CONTINUE, CLAP_PROCESS_ERROR, clap_process, clap_process_status,
};
use nice_plug::wrapper::clap::Wrapper;
use parking_lot::Mutex;

use super::channels::{Bus, Channels, StandInBuffers};
use super::clap_events::{InputEvents, complete_out};
use super::host_link::HostLink;
use super::{MAX_BLOCK_SAMPLES, MAX_CHANNELS, clap_state, transport};
use crate::Luthier;

/// One instance. The plugin structure is the first field, so that a pointer to it is also a pointer
/// to the guard.
#[repr(C)]
pub struct Guard {
    plugin: clap_plugin,
    /// nice-plug's plugin structure, inside the wrapper that `plugin_data` points to.
    inner: *const clap_plugin,
    params: clap_plugin_params,
    state: clap_plugin_state,
    render: clap_plugin_render,
    host_link: Option<Arc<HostLink>>,
    /// Channels of main input, sidechain and main output, 1 or 2.
    channels: AtomicU32,
    /// Largest block that nice-plug was activated for, in samples.
    max_block: AtomicU32,
    /// The bits of the sample rate as `f64`.
    rate_hz: AtomicU64,
    active: AtomicBool,
    /// The audio thread only tries the lock, so that it never waits for an activation.
    scratch: Mutex<StandInBuffers>,
}

/// Whether a host has all functions that nice-plug calls.
///
/// # Safety
/// `host` is null or a host's structure.
unsafe fn is_complete(host: *const clap_host) -> bool {
    // SAFETY: the caller's promise.
    unsafe { host.as_ref() }.is_some_and(|host| {
        host.get_extension.is_some()
            && host.request_restart.is_some()
            && host.request_process.is_some()
            && host.request_callback.is_some()
    })
}

/// A new plugin for `host`; null if the host is not one.
///
/// # Safety
/// `host` is null, or a host's structure that outlives the plugin.
pub unsafe fn create(host: *const clap_host) -> *const clap_plugin {
    // SAFETY: the caller's promise.
    if !unsafe { is_complete(host) } {
        return ptr::null();
    }
    // SAFETY: a complete host. `destroy` drops the wrapper.
    let wrapper = unsafe { Arc::into_raw(Wrapper::<Luthier>::new(host)) };
    let host_link = HostLink::take();
    // SAFETY: the new structure lives as long as the wrapper, and is never modified.
    let inner = unsafe { (*wrapper).clap_plugin.as_ptr() }.cast_const();
    // SAFETY: as above.
    let theirs = unsafe { *inner };
    let plugin = clap_plugin {
        destroy: Some(destroy),
        activate: Some(activate),
        deactivate: Some(deactivate),
        start_processing: Some(start_processing),
        process: Some(process),
        get_extension: Some(get_extension),
        ..theirs
    };
    let guard = Box::new(Guard {
        plugin,
        inner,
        params: clap_plugin_params {
            count: None,
            get_info: None,
            get_value: None,
            value_to_text: None,
            text_to_value: None,
            flush: None,
        },
        state: clap_plugin_state { save: None, load: Some(load_state) },
        render: clap_plugin_render { has_hard_realtime_requirement: None, set: None },
        host_link,
        channels: AtomicU32::new(MAX_CHANNELS as u32),
        max_block: AtomicU32::new(MAX_BLOCK_SAMPLES),
        rate_hz: AtomicU64::new(0),
        active: AtomicBool::new(false),
        scratch: Mutex::default(),
    });
    let guard = Box::into_raw(guard);
    // SAFETY: the guard has no other reference yet.
    unsafe { (*guard).adopt_extensions() };
    guard.cast()
}

impl Guard {
    /// The guard of a plugin that [`create`] returned.
    ///
    /// # Safety
    /// `plugin` is null or one of ours that has not been destroyed.
    unsafe fn from_plugin<'a>(plugin: *const clap_plugin) -> Option<&'a Self> {
        // SAFETY: a guard begins with its plugin.
        unsafe { plugin.cast::<Self>().as_ref() }
    }

    /// nice-plug's functions.
    fn theirs(&self) -> &clap_plugin {
        // SAFETY: lives in the wrapper, which lives until `destroy`.
        unsafe { &*self.inner }
    }

    /// One of nice-plug's extensions.
    fn their_extension<T>(&self, id: &CStr) -> Option<&T> {
        let get = self.theirs().get_extension?;
        // SAFETY: nice-plug returns null or the extension of that name, which lives in the wrapper.
        unsafe { get(self.inner, id.as_ptr()).cast::<T>().as_ref() }
    }

    /// Copies nice-plug's extensions and replaces the functions that need a check.
    fn adopt_extensions(&mut self) {
        if let Some(&params) = self.their_extension::<clap_plugin_params>(CLAP_EXT_PARAMS) {
            self.params = clap_plugin_params {
                get_info: Some(param_info),
                value_to_text: Some(value_to_text),
                flush: Some(flush),
                ..params
            };
        }
        if let Some(&state) = self.their_extension::<clap_plugin_state>(CLAP_EXT_STATE) {
            self.state.save = state.save;
        }
        if let Some(&render) = self.their_extension::<clap_plugin_render>(CLAP_EXT_RENDER) {
            self.render = clap_plugin_render { set: Some(set_render), ..render };
        }
    }

    /// Reads the number of channels of nice-plug's current layout.
    fn take_layout(&self) {
        let Some(ports) = self.their_extension::<clap_plugin_audio_ports>(CLAP_EXT_AUDIO_PORTS)
        else {
            return;
        };
        // SAFETY: numbers, characters and pointers, for which zeros are valid.
        let mut info: clap_audio_port_info = unsafe { zeroed() };
        // SAFETY: every layout has a first output port.
        if ports.get.is_some_and(|get| unsafe { get(self.inner, 0, false, &mut info) }) {
            self.channels.store(info.channel_count.clamp(1, MAX_CHANNELS as u32), Ordering::SeqCst);
        }
    }

    /// # Safety
    /// `block` is a host's block of at least one sample; the plugin is active.
    unsafe fn process_pieces(
        &self,
        block: &clap_process,
        scratch: &mut StandInBuffers,
    ) -> clap_process_status {
        let Some(process) = self.theirs().process else { return CLAP_PROCESS_ERROR };
        // SAFETY: the port arrays are null or have as many entries as their counts.
        let (inputs, output) = unsafe {
            let input = |index| bus(block.audio_inputs, block.audio_inputs_count, index);
            ([input(0), input(1)], bus(block.audio_outputs, block.audio_outputs_count, 0))
        };
        let (width, most) =
            (self.channels.load(Ordering::SeqCst), self.max_block.load(Ordering::SeqCst));
        let rate_hz = f64::from_bits(self.rate_hz.load(Ordering::SeqCst));
        let mut status = CLAP_PROCESS_CONTINUE;
        for start in (0..block.frames_count).step_by(most as usize) {
            // SAFETY: `start` is inside the block, the piece is short enough, and the scratch is
            // prepared.
            let mut channels =
                unsafe { Channels::complete(inputs, output, start as usize, scratch) };
            let len = (block.frames_count - start).min(most);
            // SAFETY: the same port and piece.
            unsafe { channels.fit_sidechain(inputs[1], width as usize, len as usize, scratch) };
            let [main, side] = &mut channels.inputs;
            let ports_in = [port(main, width), port(side, width)];
            let mut ports_out = [port(&mut channels.output, width)];
            let mut piece = clap_process {
                frames_count: len,
                audio_inputs: ports_in.as_ptr(),
                audio_inputs_count: 2,
                audio_outputs: ports_out.as_mut_ptr(),
                audio_outputs_count: 1,
                ..*block
            };
            let at;
            if start > 0 {
                // SAFETY: null or a transport.
                at = unsafe { block.transport.as_ref() }
                    .map(|at| transport::later(at, start, rate_hz));
                // Events belong to the first piece.
                (piece.in_events, piece.out_events) = (ptr::null(), ptr::null());
                piece.transport = at.as_ref().map_or(ptr::null(), ptr::from_ref);
                let has_time = piece.steady_time >= 0;
                piece.steady_time =
                    piece.steady_time.saturating_add(if has_time { start.into() } else { 0 });
            }
            // SAFETY: every port has all its channels, each as long as the piece.
            status = unsafe { process(self.inner, &piece) };
            if status == CLAP_PROCESS_ERROR {
                break;
            }
        }
        if !block.audio_outputs.is_null() && block.audio_outputs_count > 0 {
            // SAFETY: there is at least one output port. The output is never marked as constant.
            unsafe { (*block.audio_outputs).constant_mask = 0 };
        }
        status
    }
}

unsafe extern "C" fn destroy(plugin: *const clap_plugin) {
    if plugin.is_null() {
        return;
    }
    // SAFETY: created by `create`, and this is the host's last call.
    let guard = unsafe { Box::from_raw(plugin.cast_mut().cast::<Guard>()) };
    // Unlike nice-plug's `destroy`, this does not crash the host if nice-plug's background thread
    // has ended with tasks in its queue.
    let dropped = catch_unwind(AssertUnwindSafe(|| {
        // SAFETY: `plugin_data` is the wrapper that `create` released.
        drop(unsafe {
            Arc::from_raw(guard.plugin.plugin_data.cast_const().cast::<Wrapper<Luthier>>())
        });
    }));
    // Dropping the panic's message could panic again.
    std::mem::forget(dropped);
}

unsafe extern "C" fn activate(
    plugin: *const clap_plugin,
    rate_hz: f64,
    min: u32,
    max: u32,
) -> bool {
    // SAFETY: the host's call on our plugin.
    let Some(guard) = (unsafe { Guard::from_plugin(plugin) }) else { return false };
    let Some(activate) = guard.theirs().activate else { return false };
    if !(rate_hz.is_finite() && rate_hz >= 1.0) {
        return false;
    }
    guard.take_layout();
    guard.scratch.lock().prepare();
    let max = max.clamp(1, MAX_BLOCK_SAMPLES);
    guard.max_block.store(max, Ordering::SeqCst);
    guard.rate_hz.store(rate_hz.to_bits(), Ordering::SeqCst);
    // SAFETY: the host's call, in bounds.
    let active = unsafe { activate(guard.inner, rate_hz, min.clamp(1, max), max) };
    guard.active.store(active, Ordering::SeqCst);
    active
}

unsafe extern "C" fn deactivate(plugin: *const clap_plugin) {
    // SAFETY: the host's call on our plugin.
    let Some(guard) = (unsafe { Guard::from_plugin(plugin) }) else { return };
    if guard.active.swap(false, Ordering::SeqCst)
        && let Some(deactivate) = guard.theirs().deactivate
    {
        // SAFETY: the plugin is active.
        unsafe { deactivate(guard.inner) };
    }
}

/// Called on the audio thread before the first block.
unsafe extern "C" fn start_processing(plugin: *const clap_plugin) -> bool {
    // A thread's first use of a loaded library's thread-local storage allocates. nice-plug reads
    // the thread's id at the first parameter event, and `process` must not allocate.
    std::hint::black_box(std::thread::current().id());
    // SAFETY: the host's call on our plugin.
    let Some(guard) = (unsafe { Guard::from_plugin(plugin) }) else { return false };
    let Some(start_processing) = guard.theirs().start_processing else { return false };
    // SAFETY: the host's call.
    unsafe { start_processing(guard.inner) }
}

unsafe extern "C" fn process(
    plugin: *const clap_plugin,
    block: *const clap_process,
) -> clap_process_status {
    // SAFETY: the host's call on our plugin, with a block or null.
    let (Some(guard), Some(block)) = (unsafe { (Guard::from_plugin(plugin), block.as_ref()) })
    else {
        return CLAP_PROCESS_ERROR;
    };
    if block.frames_count == 0 {
        // SAFETY: null or event lists.
        unsafe { flush(plugin, block.in_events, block.out_events) };
        return CLAP_PROCESS_CONTINUE;
    }
    // SAFETY: null or event lists, which outlive the call.
    let (events, out_events) =
        unsafe { (InputEvents::new(block.in_events), complete_out(block.out_events)) };
    let block = clap_process { in_events: events.list(), out_events, ..*block };
    let Some(mut scratch) = guard.scratch.try_lock() else { return CLAP_PROCESS_ERROR };
    if !guard.active.load(Ordering::SeqCst) || !scratch.is_prepared() {
        return CLAP_PROCESS_ERROR;
    }
    // SAFETY: the host's promise about its ports; the plugin is active.
    unsafe { guard.process_pieces(&block, &mut scratch) }
}

unsafe extern "C" fn get_extension(plugin: *const clap_plugin, id: *const c_char) -> *const c_void {
    // SAFETY: the host's call on our plugin.
    let Some(guard) = (unsafe { Guard::from_plugin(plugin) }) else { return ptr::null() };
    let Some(get) = guard.theirs().get_extension else { return ptr::null() };
    if id.is_null() {
        return ptr::null();
    }
    // SAFETY: a string, as the interface requires.
    let name = unsafe { CStr::from_ptr(id) };
    if name == CLAP_EXT_PARAMS {
        return ptr::from_ref(&guard.params).cast();
    }
    if name == CLAP_EXT_STATE {
        return ptr::from_ref(&guard.state).cast();
    }
    if name == CLAP_EXT_RENDER {
        return ptr::from_ref(&guard.render).cast();
    }
    // SAFETY: the host's own call, unchanged.
    unsafe { get(guard.inner, id) }
}

/// Sets the mode at once. nice-plug sets it at the restart that it requests, but not every host
/// restarts the plugin before it renders.
unsafe extern "C" fn set_render(plugin: *const clap_plugin, mode: clap_plugin_render_mode) -> bool {
    // SAFETY: the host's call on our plugin.
    let Some(guard) = (unsafe { Guard::from_plugin(plugin) }) else { return false };
    if let Some(host_link) = &guard.host_link {
        host_link.set_offline(mode == CLAP_RENDER_OFFLINE);
    }
    let render = guard.their_extension::<clap_plugin_render>(CLAP_EXT_RENDER);
    // SAFETY: nice-plug's function on nice-plug's plugin.
    render.and_then(|render| render.set).is_some_and(|set| unsafe { set(guard.inner, mode) })
}

unsafe extern "C" fn param_info(
    plugin: *const clap_plugin,
    index: u32,
    info: *mut clap_param_info,
) -> bool {
    // SAFETY: the host's call on our plugin.
    let Some(guard) = (unsafe { Guard::from_plugin(plugin) }) else { return false };
    let Some(params) = guard.their_extension::<clap_plugin_params>(CLAP_EXT_PARAMS) else {
        return false;
    };
    let (Some(count), Some(get_info)) = (params.count, params.get_info) else { return false };
    // SAFETY: nice-plug's functions on nice-plug's plugin, with an index in range.
    unsafe { index < count(guard.inner) && get_info(guard.inner, index, info) }
}

unsafe extern "C" fn value_to_text(
    plugin: *const clap_plugin,
    id: clap_id,
    value: f64,
    text: *mut c_char,
    capacity: u32,
) -> bool {
    // SAFETY: the host's call on our plugin.
    let Some(guard) = (unsafe { Guard::from_plugin(plugin) }) else { return false };
    let Some(params) = guard.their_extension::<clap_plugin_params>(CLAP_EXT_PARAMS) else {
        return false;
    };
    let Some(to_text) = params.value_to_text else { return false };
    // SAFETY: there is room for at least the terminating null.
    capacity > 0 && !text.is_null() && unsafe { to_text(guard.inner, id, value, text, capacity) }
}

unsafe extern "C" fn flush(
    plugin: *const clap_plugin,
    events_in: *const clap_input_events,
    events_out: *const clap_output_events,
) {
    // SAFETY: the host's call on our plugin.
    let Some(guard) = (unsafe { Guard::from_plugin(plugin) }) else { return };
    let params = guard.their_extension::<clap_plugin_params>(CLAP_EXT_PARAMS);
    if let Some(flush) = params.and_then(|params| params.flush) {
        // SAFETY: null or event lists; incomplete ones become null.
        unsafe { flush(guard.inner, InputEvents::new(events_in).list(), complete_out(events_out)) };
    }
}

unsafe extern "C" fn load_state(
    plugin: *const clap_plugin,
    stream: *const clap_sys::stream::clap_istream,
) -> bool {
    // SAFETY: the host's call on our plugin, with a stream or null.
    let (Some(guard), Some(state)) =
        (unsafe { (Guard::from_plugin(plugin), clap_state::read(stream)) })
    else {
        return false;
    };
    let extension = guard.their_extension::<clap_plugin_state>(CLAP_EXT_STATE);
    let Some(load) = extension.and_then(|extension| extension.load) else { return false };
    clap_state::with_stream(state, |stream| {
        // SAFETY: a stream of our own, with a state that the plugin wrote.
        unsafe { load(guard.inner, stream) }
    })
}

/// A host's port.
///
/// # Safety
/// If `ports` is not null, it has `count` entries.
unsafe fn bus(ports: *const clap_audio_buffer, count: u32, index: u32) -> Bus {
    if ports.is_null() || index >= count {
        return Bus::NONE;
    }
    // SAFETY: the array has more than `index` entries.
    let port = unsafe { &*ports.add(index as usize) };
    Bus { channels: port.data32, count: port.channel_count as usize }
}

fn port(channels: &mut [*mut f32; MAX_CHANNELS], width: u32) -> clap_audio_buffer {
    clap_audio_buffer {
        data32: channels.as_mut_ptr(),
        data64: ptr::null_mut(),
        channel_count: width,
        latency: 0,
        constant_mask: 0,
    }
}
