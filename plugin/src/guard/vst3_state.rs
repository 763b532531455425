//! Reads a VST3 host's state stream, checks it and passes it on as a stream in memory.

use std::cell::RefCell;
use std::ffi::c_void;
use std::ptr;

use vst3::Steinberg::IBStream_::IStreamSeekMode_;
use vst3::Steinberg::*;
use vst3::{Class, ComPtr, ComRef, ComWrapper};

use super::state::{MAX_STATE_BYTES, is_ours};

/// Size of one read from the host.
const CHUNK_BYTES: usize = 1 << 16;

/// Reads a state of the plugin, from the stream's position to its end. Returns `None` for other
/// contents.
///
/// # Safety
/// `stream` is null or a stream.
pub unsafe fn read(stream: *mut IBStream) -> Option<Vec<u8>> {
    // SAFETY: the caller's promise.
    let stream = unsafe { ComRef::from_raw(stream) }?;
    let mut state = Vec::new();
    let mut chunk = vec![0u8; CHUNK_BYTES];
    loop {
        let mut count = 0;
        // SAFETY: the chunk has room for `CHUNK_BYTES`. Some hosts return an error for a successful
        // read, so only the count is used.
        unsafe {
            stream.read(chunk.as_mut_ptr().cast::<c_void>(), CHUNK_BYTES as int32, &mut count)
        };
        let bytes = usize::try_from(count).ok().and_then(|count| chunk.get(..count))?;
        if bytes.is_empty() {
            return is_ours(&state).then_some(state);
        }
        state.extend_from_slice(bytes);
        if state.len() > MAX_STATE_BYTES {
            return None;
        }
    }
}

/// A stream that contains `state`.
pub fn stream(state: Vec<u8>) -> ComPtr<IBStream> {
    let memory = MemoryStream { content: state, position: RefCell::new(0) };
    ComWrapper::new(memory).to_com_ptr().expect("MemoryStream is an IBStream")
}

struct MemoryStream {
    content: Vec<u8>,
    position: RefCell<usize>,
}

impl Class for MemoryStream {
    type Interfaces = (IBStream,);
}

impl IBStreamTrait for MemoryStream {
    unsafe fn read(&self, buffer: *mut c_void, len: int32, read: *mut int32) -> tresult {
        let mut position = self.position.borrow_mut();
        let count = (self.content.len() - *position).min(len.max(0) as usize);
        // SAFETY: nice-plug's buffer has room for `len` bytes, and `count` bytes of ours are left.
        unsafe {
            ptr::copy_nonoverlapping(self.content.as_ptr().add(*position), buffer.cast(), count);
            if !read.is_null() {
                *read = count as int32;
            }
        }
        *position += count;
        kResultOk
    }

    unsafe fn write(&self, _: *mut c_void, _: int32, _: *mut int32) -> tresult {
        kResultFalse
    }

    unsafe fn seek(&self, offset: int64, mode: int32, result: *mut int64) -> tresult {
        let mut position = self.position.borrow_mut();
        // The constants' type differs between systems.
        let is = |constant: i64| i64::from(mode) == constant;
        let from = if is(IStreamSeekMode_::kIBSeekSet.into()) {
            0
        } else if is(IStreamSeekMode_::kIBSeekCur.into()) {
            *position as int64
        } else {
            self.content.len() as int64
        };
        *position = (from + offset).clamp(0, self.content.len() as int64) as usize;
        if !result.is_null() {
            // SAFETY: not null, so nice-plug's pointer.
            unsafe { *result = *position as int64 };
        }
        kResultOk
    }

    unsafe fn tell(&self, position: *mut int64) -> tresult {
        // SAFETY: nice-plug's pointer.
        unsafe { *position = *self.position.borrow() as int64 };
        kResultOk
    }
}
