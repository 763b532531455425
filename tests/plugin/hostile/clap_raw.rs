//! A minimal host without any checks, which calls the plugin exactly as a test requires.

use std::ffi::{CStr, c_char, c_void};
use std::ptr::{null, null_mut};

use clap_sys::audio_buffer::clap_audio_buffer;
use clap_sys::entry::clap_plugin_entry;
use clap_sys::events::{
    CLAP_CORE_EVENT_SPACE_ID, CLAP_EVENT_PARAM_VALUE, CLAP_EVENT_TRANSPORT, clap_event_header,
    clap_event_param_value, clap_input_events,
};
use clap_sys::ext::params::{CLAP_EXT_PARAMS, clap_param_info, clap_plugin_params};
use clap_sys::ext::state::{CLAP_EXT_STATE, clap_plugin_state};
use clap_sys::factory::plugin_factory::{CLAP_PLUGIN_FACTORY_ID, clap_plugin_factory};
use clap_sys::host::clap_host;
use clap_sys::plugin::clap_plugin;
use clap_sys::process::{clap_process, clap_process_status};
use clap_sys::stream::{clap_istream, clap_ostream};
use clap_sys::version::CLAP_VERSION;
use libloading::Library;

use tests::bundle;

/// Length of the buffers, which is the longest block.
pub const CAPACITY: usize = 40_000;
/// Length of a normal block.
pub const BLOCK: u32 = 512;

unsafe extern "C" fn no_extension(_: *const clap_host, _: *const c_char) -> *const c_void {
    null()
}

unsafe extern "C" fn no_request(_: *const clap_host) {}

/// A host without extensions.
pub fn host() -> clap_host {
    clap_host {
        clap_version: CLAP_VERSION,
        host_data: null_mut(),
        name: c"Luthier's tests".as_ptr(),
        vendor: c"".as_ptr(),
        url: c"".as_ptr(),
        version: c"1".as_ptr(),
        get_extension: Some(no_extension),
        request_restart: Some(no_request),
        request_process: Some(no_request),
        request_callback: Some(no_request),
    }
}

/// The library's entry.
pub fn entry() -> &'static clap_plugin_entry {
    unsafe {
        let library: &'static Library =
            Box::leak(Box::new(Library::new(bundle::library()).expect("opened")));
        let entry = *library.get::<*const clap_plugin_entry>(b"clap_entry").expect("an entry");
        assert!((*entry).init.expect("init")(c"/".as_ptr()));
        &*entry
    }
}

/// The plugin factory.
pub fn factory() -> &'static clap_plugin_factory {
    unsafe {
        let factory = entry().get_factory.expect("get_factory")(CLAP_PLUGIN_FACTORY_ID.as_ptr());
        &*factory.cast::<clap_plugin_factory>()
    }
}

/// A port of a block.
#[derive(Clone)]
pub struct RawPort {
    pub count: u32,
    pub channels: Option<Vec<*mut f32>>,
}

/// One instance with audio buffers.
pub struct Plug {
    pub plugin: *const clap_plugin,
    pub buffers: Vec<Vec<f32>>,
    _host: Box<clap_host>,
}

/// Calls a function of the plugin.
macro_rules! call {
    ($plug:expr, $function:ident $(, $argument:expr)*) => {
        ((*$plug.plugin).$function.expect("a function"))($plug.plugin $(, $argument)*)
    };
}
pub(super) use call;

impl Plug {
    /// A created instance that is not initialised.
    pub fn raw() -> Self {
        let host = Box::new(host());
        unsafe {
            let factory = factory();
            let descriptor = factory.get_plugin_descriptor.expect("descriptors")(factory, 0);
            let plugin = factory.create_plugin.expect("create")(factory, &*host, (*descriptor).id);
            assert!(!plugin.is_null());
            Self { plugin, buffers: vec![vec![0.1; CAPACITY]; 6], _host: host }
        }
    }

    /// An initialised instance.
    pub fn new() -> Self {
        let plug = Self::raw();
        assert!(unsafe { call!(plug, init) });
        plug
    }

    /// An active instance.
    pub fn started() -> Self {
        let plug = Self::new();
        assert!(plug.activate(48_000.0, BLOCK));
        plug
    }

    pub fn activate(&self, rate_hz: f64, block: u32) -> bool {
        unsafe { call!(self, activate, rate_hz, 1, block) && call!(self, start_processing) }
    }

    pub fn deactivate(&self) {
        unsafe {
            call!(self, stop_processing);
            call!(self, deactivate);
        }
    }

    /// Deactivates and destroys the instance.
    pub fn end(self) {
        self.deactivate();
        unsafe { call!(self, destroy) };
    }

    /// An extension.
    pub fn extension<T>(&self, id: &CStr) -> &T {
        unsafe { &*call!(self, get_extension, id.as_ptr()).cast::<T>() }
    }

    pub fn params(&self) -> &clap_plugin_params {
        self.extension(CLAP_EXT_PARAMS)
    }

    pub fn state(&self) -> &clap_plugin_state {
        self.extension(CLAP_EXT_STATE)
    }

    /// The ids of all parameters.
    pub fn ids(&self) -> Vec<u32> {
        let params = self.params();
        let id = |index| unsafe {
            let mut info: clap_param_info = std::mem::zeroed();
            assert!(params.get_info.expect("info")(self.plugin, index, &mut info));
            info.id
        };
        (0..unsafe { params.count.expect("count")(self.plugin) }).map(id).collect()
    }

    /// Two of the buffers as a port.
    pub fn port(&mut self, first: usize) -> RawPort {
        let channels =
            self.buffers[first..first + 2].iter_mut().map(|buffer| buffer.as_mut_ptr()).collect();
        RawPort { count: 2, channels: Some(channels) }
    }

    /// Processes one block.
    pub fn process(
        &self,
        len: u32,
        mut inputs: Vec<RawPort>,
        mut outputs: Vec<RawPort>,
        events: *const clap_input_events,
    ) -> clap_process_status {
        let (inputs, mut outputs) = (audio_buffers(&mut inputs), audio_buffers(&mut outputs));
        let block = clap_process {
            steady_time: -1,
            frames_count: len,
            transport: null(),
            audio_inputs: if inputs.is_empty() { null() } else { inputs.as_ptr() },
            audio_outputs: if outputs.is_empty() { null_mut() } else { outputs.as_mut_ptr() },
            audio_inputs_count: inputs.len() as u32,
            audio_outputs_count: outputs.len() as u32,
            in_events: events,
            out_events: null(),
        };
        unsafe { call!(self, process, &block) }
    }

    /// Processes some normal blocks.
    pub fn play(&mut self) {
        for _ in 0..200 {
            let (main, side, out) = (self.port(0), self.port(2), self.port(4));
            assert_ne!(self.process(BLOCK, vec![main, side], vec![out], null()), 0);
        }
        assert!(self.buffers[4][..BLOCK as usize].iter().all(|x| x.is_finite()));
    }

    pub fn save(&self) -> Vec<u8> {
        unsafe extern "C" fn write(
            stream: *const clap_ostream,
            data: *const c_void,
            size: u64,
        ) -> i64 {
            unsafe {
                let bytes = std::slice::from_raw_parts(data.cast::<u8>(), size as usize);
                (*(*stream).ctx.cast::<Vec<u8>>()).extend_from_slice(bytes);
            }
            size as i64
        }
        let mut bytes: Vec<u8> = Vec::new();
        let stream = clap_ostream { ctx: (&raw mut bytes).cast(), write: Some(write) };
        assert!(unsafe { self.state().save.expect("save")(self.plugin, &stream) });
        bytes
    }

    /// Loads a state. `claims` overrides the byte count that the stream reports.
    pub fn load(&self, bytes: &[u8], claims: Option<i64>) -> bool {
        struct Source<'a>(&'a [u8], Option<i64>);
        unsafe extern "C" fn read(
            stream: *const clap_istream,
            buffer: *mut c_void,
            size: u64,
        ) -> i64 {
            unsafe {
                let source = &mut *(*stream).ctx.cast::<Source>();
                let count = source.0.len().min(size as usize);
                std::ptr::copy_nonoverlapping(source.0.as_ptr(), buffer.cast(), count);
                source.0 = &source.0[count..];
                source.1.unwrap_or(count as i64)
            }
        }
        let mut source = Source(bytes, claims);
        let stream = clap_istream { ctx: (&raw mut source).cast(), read: Some(read) };
        unsafe { self.state().load.expect("load")(self.plugin, &stream) }
    }
}

fn audio_buffers(ports: &mut [RawPort]) -> Vec<clap_audio_buffer> {
    let buffer = |port: &mut RawPort| clap_audio_buffer {
        data32: port.channels.as_mut().map_or(null_mut(), Vec::as_mut_ptr),
        data64: null_mut(),
        channel_count: port.count,
        latency: 0,
        constant_mask: u64::MAX,
    };
    ports.iter_mut().map(buffer).collect()
}

/// An event list with one parameter event.
pub struct Events {
    event: clap_event_param_value,
    list: clap_input_events,
}

impl Events {
    /// An event that sets a parameter at a sample.
    pub fn new(id: u32, value: f64, time: u32) -> Box<Self> {
        unsafe extern "C" fn size(_: *const clap_input_events) -> u32 {
            1
        }
        unsafe extern "C" fn get(
            list: *const clap_input_events,
            _: u32,
        ) -> *const clap_event_header {
            unsafe { (*list).ctx.cast_const().cast() }
        }
        let event = clap_event_param_value {
            header: clap_event_header {
                size: size_of::<clap_event_param_value>() as u32,
                time,
                space_id: CLAP_CORE_EVENT_SPACE_ID,
                type_: CLAP_EVENT_PARAM_VALUE,
                flags: 0,
            },
            param_id: id,
            cookie: null_mut(),
            note_id: -1,
            port_index: -1,
            channel: -1,
            key: -1,
            value,
        };
        let list = clap_input_events { ctx: null_mut(), size: Some(size), get: Some(get) };
        let mut events = Box::new(Self { event, list });
        events.list.ctx = (&raw mut events.event).cast();
        events
    }

    /// An event with the type of a transport change.
    pub fn transport(time: u32) -> Box<Self> {
        let mut events = Self::new(0, 0.0, time);
        events.event.header.type_ = CLAP_EVENT_TRANSPORT;
        events
    }

    pub fn list(&self) -> *const clap_input_events {
        &self.list
    }
}
