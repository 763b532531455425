//! A VST3 host's state stream, read with care and handed on as one of our own.

use std::cell::RefCell;
use std::ffi::c_void;
use std::ptr;

use vst3::Steinberg::IBStream_::IStreamSeekMode_;
use vst3::Steinberg::*;
use vst3::{Class, ComPtr, ComRef, ComWrapper};

use super::state::{MAX_STATE_BYTES, is_ours};

/// How much is asked of a host at once.
const CHUNK_BYTES: usize = 1 << 16;

/// A state of ours from a host's stream, from its present position to its end; `None` for anything
/// else.
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
        // SAFETY: the chunk has room for as many bytes as are asked for. Some hosts answer a good
        // read with an error: only the count tells.
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

/// A stream that holds `state`.
pub fn stream(state: Vec<u8>) -> ComPtr<IBStream> {
    let memory = Memory { content: state, position: RefCell::new(0) };
    ComWrapper::new(memory).to_com_ptr().expect("Memory is an IBStream")
}

struct Memory {
    content: Vec<u8>,
    position: RefCell<usize>,
}

impl Class for Memory {
    type Interfaces = (IBStream,);
}

impl IBStreamTrait for Memory {
    unsafe fn read(&self, buffer: *mut c_void, len: int32, read: *mut int32) -> tresult {
        let mut position = self.position.borrow_mut();
        let count = (self.content.len() - *position).min(len.max(0) as usize);
        // SAFETY: nice-plug's buffer has room for `len` bytes, and `count` are left of ours.
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
            // SAFETY: not null, so nice-plug wants to know.
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
