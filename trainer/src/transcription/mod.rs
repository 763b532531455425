//! Which notes are in a recording, and are they the score's?
//!
//! ```text
//! audio -> BasicPitch (windows, ONNX network) -> Posteriors -> NoteCreation -> notes -> agreement with a score
//! ```
//!
//! The transcriber is Spotify's Basic Pitch (`trainer/models/basic-pitch`); the figures are
//! `mir_eval`'s. All of it gives what the Python packages give
//! (`tests/reference/transcription.rs`).

pub mod agreement;
pub mod basic_pitch;
pub mod note_creation;
pub mod posteriors;

use crate::data::score;

/// What is cut off later than this after its onset cannot be asked for: the transcriber does not
/// take it for a note.
pub const SHORTEST_NOTE_S: f32 = 0.2;

/// A note that a score asks for or a transcriber heard.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Note {
    /// When it starts, in seconds.
    pub onset_s: f64,
    /// When it ends, in seconds.
    pub offset_s: f64,
    /// MIDI pitch, which may lie between keys; 69 is 440 Hz.
    pub pitch: f64,
}

impl From<&score::Note> for Note {
    fn from(note: &score::Note) -> Self {
        Self {
            onset_s: f64::from(note.onset_s),
            offset_s: f64::from(note.end_s()),
            pitch: f64::from(note.key),
        }
    }
}
