//! Transcription of recordings, and its agreement with a score.
//!
//! ```text
//! audio -> BasicPitch (windows, ONNX network) -> Posteriors -> NoteCreation -> notes
//! notes, score -> agreement
//! ```
//!
//! The transcriber is Spotify's Basic Pitch (`trainer/models/basic-pitch`); the measures are
//! `mir_eval`'s. Both return the same results as the Python packages
//! (`tests/reference/transcription.rs`).

pub mod agreement;
pub mod basic_pitch;
pub mod note_creation;
pub mod posteriors;

use crate::data::score;

/// Minimum length of a note at the end of a clip. The transcriber does not detect shorter notes.
pub const SHORTEST_NOTE_S: f32 = 0.2;

/// A note of a score or of a transcription.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Note {
    /// Onset in seconds.
    pub onset_s: f64,
    /// End in seconds.
    pub offset_s: f64,
    /// MIDI pitch, not necessarily an integer; 69 is 440 Hz.
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
