//! Wraps every call: no panic leaves the library, and every error becomes a message.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

use engine::Result;
use engine::library::abi::{FAILED, OK, Room, StatusCode};

/// Runs `work` and writes its error, or the text of its panic, to `message`.
///
/// # Safety
/// `message` must be valid, and no other code may access it.
pub unsafe fn report(message: Room<u8>, work: impl FnOnce() -> Result<()>) -> StatusCode {
    // Unwind safe: a stream invalidates its stored style before it computes, so that partial
    // results are not used again.
    let reason = match catch_unwind(AssertUnwindSafe(work)) {
        Ok(Ok(())) => return OK,
        Ok(Err(error)) => error.reason(),
        Err(panic) => panic_text(&*panic),
    };
    // SAFETY: as the caller promises.
    write(unsafe { message.slice() }, &reason);
    FAILED
}

/// Drops a value and ignores panics of its destructor.
pub fn release<T>(value: T) {
    let _ = catch_unwind(AssertUnwindSafe(|| drop(value)));
}

fn panic_text(panic: &(dyn Any + Send)) -> String {
    let text = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or(panic.downcast_ref::<&str>().copied());
    text.unwrap_or("the library panicked").into()
}

/// Writes the first line, truncated at a character boundary. candle's errors can include a
/// backtrace.
fn write(room: &mut [u8], reason: &str) {
    let line = reason.lines().next().unwrap_or_default();
    let end =
        (0..=line.len().min(room.len())).rev().find(|end| line.is_char_boundary(*end)).unwrap_or(0);
    room.fill(0);
    room[..end].copy_from_slice(&line.as_bytes()[..end]);
}

#[cfg(test)]
mod tests {
    use engine::Error;

    use super::*;

    fn message(len: usize, work: impl FnOnce() -> Result<()>) -> (StatusCode, String) {
        let mut room = vec![b'x'; len];
        // SAFETY: the room is owned by this function.
        let status = unsafe { report(Room::from_slice(&mut room), work) };
        let text = room.split(|byte| *byte == 0).next().unwrap_or_default().to_vec();
        (status, String::from_utf8(text).expect("UTF-8"))
    }

    #[test]
    fn failures_and_panics_are_messages() {
        assert_eq!(message(9, || Ok(())).0, OK);
        let failed = || Err(Error::Compute("out of memory\n  0: candle_core::error".into()));
        assert_eq!(message(40, failed), (FAILED, "out of memory".into()));
        let number = std::hint::black_box(3);
        assert_eq!(message(40, || panic!("no kernel {number}")), (FAILED, "no kernel 3".into()));
        assert_eq!(
            message(40, || std::panic::panic_any(3)),
            (FAILED, "the library panicked".into())
        );
    }

    #[test]
    fn a_message_is_truncated_at_a_character_boundary() {
        assert_eq!(message(4, || Err(Error::Compute("größer".into()))).1, "grö");
        assert_eq!(message(3, || Err(Error::Compute("größer".into()))).1, "gr");
        assert_eq!(message(0, || Err(Error::Compute("größer".into()))), (FAILED, String::new()));
    }
}
