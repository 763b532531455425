//! Judges the audio.
