//! A minimal host without any checks, which calls the plugin exactly as a test requires.

use std::ffi::c_void;
use std::ptr::null_mut;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;

use libloading::{Library, Symbol};
use vst3::Steinberg::Vst::*;
use vst3::Steinberg::*;
use vst3::{ComPtr, ComWrapper, Interface};

use super::vst3_com::Handler;
use tests::bundle;

/// Length of the buffers, which is the longest block.
pub const CAPACITY: usize = 40_000;
/// Length of a normal block.
pub const BLOCK: i32 = 512;

/// Channel pointers of a bus: the announced count, and the array, if any.
#[derive(Clone)]
pub struct RawBus {
    pub count: i32,
    pub channels: Option<Vec<*mut f32>>,
}

/// The library and its factory.
pub struct Module {
    pub factory: ComPtr<IPluginFactory>,
    _library: &'static Library,
}

impl Module {
    /// Opens the library like a host.
    pub fn open() -> Self {
        unsafe {
            let library: &'static Library =
                Box::leak(Box::new(Library::new(bundle::library()).expect("opened")));
            let enter: Symbol<unsafe extern "C" fn(*mut c_void) -> bool> =
                library.get(b"ModuleEntry").expect("an entry");
            assert!(enter(std::ptr::dangling_mut()));
            let get: Symbol<unsafe extern "system" fn() -> *mut c_void> =
                library.get(b"GetPluginFactory").expect("a factory");
            let factory = ComPtr::from_raw(get().cast::<IPluginFactory>()).expect("a factory");
            Self { factory, _library: library }
        }
    }

    /// The class id of the plugin.
    pub fn class(&self) -> TUID {
        unsafe {
            let mut info: PClassInfo = std::mem::zeroed();
            assert_eq!(self.factory.getClassInfo(0, &mut info), kResultOk);
            info.cid
        }
    }
}

/// One instance with audio buffers.
pub struct Plug {
    pub component: ComPtr<IComponent>,
    pub processor: ComPtr<IAudioProcessor>,
    pub controller: ComPtr<IEditController>,
    pub buffers: Vec<Vec<f32>>,
    /// Number of restart requests.
    pub restarts: Arc<AtomicU32>,
}

impl Plug {
    /// A created instance that is not initialised.
    pub fn raw(module: &Module) -> Self {
        unsafe {
            let (class, interface) = (module.class(), IComponent::IID);
            let mut object = null_mut();
            let created = module.factory.createInstance(
                class.as_ptr(),
                interface.as_ptr().cast(),
                &mut object,
            );
            assert_eq!(created, kResultOk);
            let component = ComPtr::from_raw(object.cast::<IComponent>()).expect("a component");
            let processor = component.cast().expect("a processor");
            let controller = component.cast().expect("a controller");
            Self {
                component,
                processor,
                controller,
                buffers: vec![vec![0.1; CAPACITY]; 6],
                restarts: Arc::default(),
            }
        }
    }

    /// An initialised instance with a component handler.
    pub fn new(module: &Module) -> Self {
        let plug = Self::raw(module);
        unsafe {
            assert_eq!(plug.component.initialize(null_mut()), kResultOk);
            let handler = ComWrapper::new(Handler(Arc::clone(&plug.restarts)))
                .to_com_ptr::<IComponentHandler>()
                .expect("a handler");
            plug.controller.setComponentHandler(handler.as_ptr());
        }
        plug
    }

    /// An active instance with all buses enabled.
    pub fn started(module: &Module) -> Self {
        let plug = Self::new(module);
        plug.set_up(0, 48_000.0, BLOCK);
        unsafe {
            for bus in 0..2 {
                plug.component.activateBus(0, 0, bus, 1);
            }
            plug.component.activateBus(0, 1, 0, 1);
        }
        plug.activate();
        plug
    }

    pub fn set_up(&self, mode: i32, rate_hz: f64, block: i32) -> tresult {
        let mut setup = ProcessSetup {
            processMode: mode,
            symbolicSampleSize: 0,
            maxSamplesPerBlock: block,
            sampleRate: rate_hz,
        };
        unsafe { self.processor.setupProcessing(&mut setup) }
    }

    pub fn activate(&self) {
        unsafe {
            self.component.setActive(1);
            self.processor.setProcessing(1);
        }
    }

    pub fn deactivate(&self) {
        unsafe {
            self.processor.setProcessing(0);
            self.component.setActive(0);
        }
    }

    /// Deactivates and destroys the instance.
    pub fn end(self) {
        self.deactivate();
        unsafe { self.component.terminate() };
    }

    /// Two of the buffers as a bus.
    pub fn bus(&mut self, first: usize) -> RawBus {
        let channels =
            self.buffers[first..first + 2].iter_mut().map(|buffer| buffer.as_mut_ptr()).collect();
        RawBus { count: 2, channels: Some(channels) }
    }

    /// Processes one block.
    pub fn process(
        &self,
        len: i32,
        inputs: Vec<RawBus>,
        outputs: Vec<RawBus>,
        changes: *mut IParameterChanges,
    ) -> tresult {
        self.process_in(0, len, inputs, outputs, changes)
    }

    /// Processes one block with its own process mode.
    pub fn process_in(
        &self,
        mode: i32,
        len: i32,
        mut inputs: Vec<RawBus>,
        mut outputs: Vec<RawBus>,
        changes: *mut IParameterChanges,
    ) -> tresult {
        let mut inputs = audio_buses(&mut inputs);
        let mut outputs = audio_buses(&mut outputs);
        unsafe {
            let mut data: ProcessData = std::mem::zeroed();
            (data.processMode, data.numSamples) = (mode, len);
            (data.numInputs, data.numOutputs) = (inputs.len() as i32, outputs.len() as i32);
            data.inputs = if inputs.is_empty() { null_mut() } else { inputs.as_mut_ptr() };
            data.outputs = if outputs.is_empty() { null_mut() } else { outputs.as_mut_ptr() };
            data.inputParameterChanges = changes;
            self.processor.process(&mut data)
        }
    }

    /// Processes some normal blocks.
    pub fn play(&mut self) {
        for _ in 0..200 {
            let (main, side, out) = (self.bus(0), self.bus(2), self.bus(4));
            assert_eq!(self.process(BLOCK, vec![main, side], vec![out], null_mut()), kResultOk);
        }
        assert!(self.buffers[4][..BLOCK as usize].iter().all(|x| x.is_finite()));
    }

    /// The id of the parameter with this index.
    pub fn param(&self, index: i32) -> ParamID {
        unsafe {
            let mut info: ParameterInfo = std::mem::zeroed();
            assert_eq!(self.controller.getParameterInfo(index, &mut info), kResultOk);
            info.id
        }
    }
}

fn audio_buses(buses: &mut [RawBus]) -> Vec<AudioBusBuffers> {
    let bus = |raw: &mut RawBus| unsafe {
        let mut bus: AudioBusBuffers = std::mem::zeroed();
        bus.numChannels = raw.count;
        bus.__field0.channelBuffers32 = raw.channels.as_mut().map_or(null_mut(), Vec::as_mut_ptr);
        bus
    };
    buses.iter_mut().map(bus).collect()
}
