//! Reads a CLAP host's state stream, checks it and passes it on as a stream in memory.

use std::ffi::c_void;
use std::ptr;

use clap_sys::stream::clap_istream;

use super::state::{MAX_STATE_BYTES, is_ours};

/// Size of one read from the host.
const CHUNK_BYTES: usize = 1 << 16;
/// Size of the state's length, which nice-plug writes before the state.
const LENGTH_BYTES: usize = 8;

/// Reads a state of the plugin, with its length in front. Returns `None` for other contents.
///
/// # Safety
/// `stream` is null or a stream.
pub unsafe fn read(stream: *const clap_istream) -> Option<Vec<u8>> {
    // SAFETY: the caller's promise.
    let read = unsafe { stream.as_ref() }?.read?;
    let mut state = Vec::new();
    let mut chunk = vec![0u8; CHUNK_BYTES];
    loop {
        // SAFETY: the chunk has room for `CHUNK_BYTES`.
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

/// Calls `work` with a stream that contains `state`.
pub fn with_stream<R>(state: Vec<u8>, work: impl FnOnce(*const clap_istream) -> R) -> R {
    let mut memory = MemoryStream { content: state, position: 0 };
    let stream = clap_istream { ctx: ptr::from_mut(&mut memory).cast(), read: Some(read_memory) };
    work(&stream)
}

struct MemoryStream {
    content: Vec<u8>,
    position: usize,
}

unsafe extern "C" fn read_memory(
    stream: *const clap_istream,
    buffer: *mut c_void,
    size: u64,
) -> i64 {
    // SAFETY: `stream` was created by `with_stream`, and its context has no other reference.
    let memory = unsafe { &mut *(*stream).ctx.cast::<MemoryStream>() };
    let count =
        (memory.content.len() - memory.position).min(usize::try_from(size).unwrap_or(usize::MAX));
    // SAFETY: nice-plug's buffer has room for `size` bytes, and `count` bytes of ours are left.
    unsafe {
        ptr::copy_nonoverlapping(memory.content.as_ptr().add(memory.position), buffer.cast(), count)
    };
    memory.position += count;
    count as i64
}
