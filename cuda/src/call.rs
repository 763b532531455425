//! What every call is wrapped in: no panic leaves the library, and every failure is a message.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

use engine::Result;
use engine::library::abi::{FAILED, OK, Room, StatusCode};

/// Does `work`; its failure, or the panic's text, becomes the message.
///
/// # Safety
/// There is room for the message, and nobody else uses it.
pub unsafe fn told(message: Room<u8>, work: impl FnOnce() -> Result<()>) -> StatusCode {
    // What `work` leaves half done is not used again: streams put down what they remember before
    // they compute.
    let reason = match catch_unwind(AssertUnwindSafe(work)) {
        Ok(Ok(())) => return OK,
        Ok(Err(error)) => error.reason(),
        Err(panic) => text_of(&*panic),
    };
    // SAFETY: as the caller promises.
    write(unsafe { message.slice() }, &reason);
    FAILED
}

/// Lets something go, whatever its destructors do.
pub fn let_go<T>(value: T) {
    let _ = catch_unwind(AssertUnwindSafe(|| drop(value)));
}

fn text_of(panic: &(dyn Any + Send)) -> String {
    let text = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or(panic.downcast_ref::<&str>().copied());
    text.unwrap_or("the library panicked").into()
}

/// The first line, cut between two characters: candle's errors carry a backtrace where one is asked
/// for.
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

    fn message_of(len: usize, work: impl FnOnce() -> Result<()>) -> (StatusCode, String) {
        let mut room = vec![b'x'; len];
        // SAFETY: the room is ours.
        let status = unsafe { told(Room::from_slice(&mut room), work) };
        let text = room.split(|byte| *byte == 0).next().unwrap_or_default().to_vec();
        (status, String::from_utf8(text).expect("UTF-8"))
    }

    #[test]
    fn failures_and_panics_are_messages() {
        assert_eq!(message_of(9, || Ok(())).0, OK);
        let failed = || Err(Error::Compute("out of memory\n  0: candle_core::error".into()));
        assert_eq!(message_of(40, failed), (FAILED, "out of memory".into()));
        let number = std::hint::black_box(3);
        assert_eq!(message_of(40, || panic!("no kernel {number}")), (FAILED, "no kernel 3".into()));
        assert_eq!(
            message_of(40, || std::panic::panic_any(3)),
            (FAILED, "the library panicked".into())
        );
    }

    #[test]
    fn a_message_is_cut_between_characters() {
        assert_eq!(message_of(4, || Err(Error::Compute("größer".into()))).1, "grö");
        assert_eq!(message_of(3, || Err(Error::Compute("größer".into()))).1, "gr");
        assert_eq!(message_of(0, || Err(Error::Compute("größer".into()))), (FAILED, String::new()));
    }
}
