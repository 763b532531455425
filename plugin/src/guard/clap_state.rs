//! A CLAP host's state stream, read with care and handed on as one of our own.

use std::ffi::c_void;
use std::ptr;

use clap_sys::stream::clap_istream;

use super::state::{MAX_STATE_BYTES, is_ours};

/// How much is asked of a host at once.
const CHUNK_BYTES: usize = 1 << 16;
/// nice-plug writes the state's length before it.
const LENGTH_BYTES: usize = 8;

/// A state of ours, with the length in front, from a host's stream; `None` for anything else.
///
/// # Safety
/// `stream` is null or a stream.
pub unsafe fn read(stream: *const clap_istream) -> Option<Vec<u8>> {
    // SAFETY: the caller's promise.
    let read = unsafe { stream.as_ref() }?.read?;
    let mut state = Vec::new();
    let mut chunk = vec![0u8; CHUNK_BYTES];
    loop {
        // SAFETY: the chunk has room for as many bytes as are asked for.
        let count =
            unsafe { read(stream, chunk.as_mut_ptr().cast::<c_void>(), CHUNK_BYTES as u64) };
        let bytes = usize::try_from(count).ok().and_then(|count| chunk.get(..count))?;
        state.extend_from_slice(bytes);
        if state.len() > MAX_STATE_BYTES {
            return None;
        }
        if bytes.is_empty() {
            break;
        }
    }
    let (length, rest) = state.split_first_chunk::<LENGTH_BYTES>()?;
    (u64::from_le_bytes(*length) == rest.len() as u64 && is_ours(rest)).then_some(state)
}

/// Lets `work` read `state` from a stream.
pub fn with_stream<R>(state: Vec<u8>, work: impl FnOnce(*const clap_istream) -> R) -> R {
    let mut memory = Memory { content: state, position: 0 };
    let stream = clap_istream { ctx: ptr::from_mut(&mut memory).cast(), read: Some(read_memory) };
    work(&stream)
}

struct Memory {
    content: Vec<u8>,
    position: usize,
}

unsafe extern "C" fn read_memory(
    stream: *const clap_istream,
    buffer: *mut c_void,
    size: u64,
) -> i64 {
    // SAFETY: the stream that `with_stream` made; nobody else has its memory.
    let memory = unsafe { &mut *(*stream).ctx.cast::<Memory>() };
    let count =
        (memory.content.len() - memory.position).min(usize::try_from(size).unwrap_or(usize::MAX));
    // SAFETY: nice-plug's buffer has room for `size` bytes, and `count` are left of ours.
    unsafe {
        ptr::copy_nonoverlapping(memory.content.as_ptr().add(memory.position), buffer.cast(), count)
    };
    memory.position += count;
    count as i64
}
