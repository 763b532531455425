//! The COM objects that a VST3 host passes to a plugin.

use std::cell::{Cell, RefCell};
use std::ffi::c_void;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};

use vst3::Steinberg::Vst::*;
use vst3::Steinberg::*;
use vst3::{Class, ComPtr, ComWrapper};

/// Accepts the plugin's edits and counts its restart requests.
pub struct Handler(pub Arc<AtomicU32>);

impl Class for Handler {
    type Interfaces = (IComponentHandler,);
}

impl IComponentHandlerTrait for Handler {
    unsafe fn beginEdit(&self, _: ParamID) -> tresult {
        kResultOk
    }
    unsafe fn performEdit(&self, _: ParamID, _: ParamValue) -> tresult {
        kResultOk
    }
    unsafe fn endEdit(&self, _: ParamID) -> tresult {
        kResultOk
    }
    unsafe fn restartComponent(&self, _: int32) -> tresult {
        self.0.fetch_add(1, SeqCst);
        kResultOk
    }
}

/// The changes of one parameter in a block.
pub struct Queue {
    id: ParamID,
    points: Vec<(int32, ParamValue)>,
}

impl Class for Queue {
    type Interfaces = (IParamValueQueue,);
}

impl IParamValueQueueTrait for Queue {
    unsafe fn getParameterId(&self) -> ParamID {
        self.id
    }
    unsafe fn getPointCount(&self) -> int32 {
        self.points.len() as int32
    }
    unsafe fn getPoint(&self, index: int32, offset: *mut int32, value: *mut ParamValue) -> tresult {
        match usize::try_from(index).ok().and_then(|index| self.points.get(index)) {
            Some(&(at, to)) => {
                unsafe { (*offset, *value) = (at, to) };
                kResultOk
            }
            None => kResultFalse,
        }
    }
    unsafe fn addPoint(&self, _: int32, _: ParamValue, _: *mut int32) -> tresult {
        kResultFalse
    }
}

/// All changes in a block.
pub struct Changes {
    queues: Vec<ComPtr<IParamValueQueue>>,
}

impl Class for Changes {
    type Interfaces = (IParameterChanges,);
}

impl IParameterChangesTrait for Changes {
    unsafe fn getParameterCount(&self) -> int32 {
        self.queues.len() as int32
    }
    unsafe fn getParameterData(&self, index: int32) -> *mut IParamValueQueue {
        let queue = usize::try_from(index).ok().and_then(|index| self.queues.get(index));
        queue.map_or(std::ptr::null_mut(), ComPtr::as_ptr)
    }
    unsafe fn addParameterData(&self, _: *const ParamID, _: *mut int32) -> *mut IParamValueQueue {
        std::ptr::null_mut()
    }
}

/// Changes of one parameter.
pub fn changes(id: ParamID, points: Vec<(int32, ParamValue)>) -> ComPtr<IParameterChanges> {
    let queue = ComWrapper::new(Queue { id, points }).to_com_ptr().expect("a queue");
    ComWrapper::new(Changes { queues: vec![queue] }).to_com_ptr().expect("changes")
}

/// A state in memory. `claims` overrides the number of bytes that `read` reports.
pub struct Stream {
    pub bytes: RefCell<Vec<u8>>,
    pub position: Cell<usize>,
    pub claims: Option<int32>,
}

impl Stream {
    /// A stream at the start of `bytes`.
    pub fn new(bytes: Vec<u8>, claims: Option<int32>) -> ComWrapper<Self> {
        ComWrapper::new(Self { bytes: RefCell::new(bytes), position: Cell::new(0), claims })
    }
}

impl Class for Stream {
    type Interfaces = (IBStream,);
}

impl IBStreamTrait for Stream {
    unsafe fn read(&self, buffer: *mut c_void, len: int32, read: *mut int32) -> tresult {
        let bytes = self.bytes.borrow();
        let count = (bytes.len() - self.position.get()).min(len.max(0) as usize);
        unsafe {
            std::ptr::copy_nonoverlapping(
                bytes.as_ptr().add(self.position.get()),
                buffer.cast(),
                count,
            );
            if !read.is_null() {
                *read = self.claims.unwrap_or(count as int32);
            }
        }
        self.position.set(self.position.get() + count);
        kResultOk
    }
    unsafe fn write(&self, buffer: *mut c_void, len: int32, written: *mut int32) -> tresult {
        let more = unsafe { std::slice::from_raw_parts(buffer.cast::<u8>(), len as usize) };
        self.bytes.borrow_mut().extend_from_slice(more);
        if !written.is_null() {
            unsafe { *written = len };
        }
        kResultOk
    }
    unsafe fn seek(&self, offset: int64, mode: int32, result: *mut int64) -> tresult {
        let len = self.bytes.borrow().len() as int64;
        let from = [0, self.position.get() as int64, len][mode.clamp(0, 2) as usize];
        self.position.set((from + offset).clamp(0, len) as usize);
        if !result.is_null() {
            unsafe { *result = self.position.get() as int64 };
        }
        kResultOk
    }
    unsafe fn tell(&self, position: *mut int64) -> tresult {
        unsafe { *position = self.position.get() as int64 };
        kResultOk
    }
}
