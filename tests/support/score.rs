//! The notes of a Standard MIDI File, in seconds.

use std::path::Path;

use anyhow::{Context, Result};
use midly::{MetaMessage, MidiMessage, Smf, Timing, TrackEventKind};

/// A note of a score.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Note {
    /// Onset in seconds.
    pub onset_s: f64,
    /// Release in seconds.
    pub release_s: f64,
    /// MIDI number; 69 is 440 Hz.
    pub pitch: u8,
}

/// Frequency in equal temperament with a' = 440 Hz.
pub fn pitch_hz(pitch: f64) -> f64 {
    440.0 * ((pitch - 69.0) / 12.0).exp2()
}

/// Reads the notes of all tracks, sorted by onset.
///
/// # Errors
/// If the file is not a Standard MIDI File in beats.
pub fn read(path: &Path) -> Result<Vec<Note>> {
    let bytes = std::fs::read(path).with_context(|| path.display().to_string())?;
    let smf = Smf::parse(&bytes).with_context(|| path.display().to_string())?;
    let Timing::Metrical(ticks) = smf.header.timing else {
        anyhow::bail!("{}: not in beats", path.display())
    };
    let mut events: Vec<(u64, TrackEventKind)> = Vec::new();
    for track in &smf.tracks {
        let mut tick = 0;
        for event in track {
            tick += u64::from(event.delta.as_int());
            events.push((tick, event.kind));
        }
    }
    events.sort_by_key(|(tick, _)| *tick);
    let mut notes = collect(&events, f64::from(ticks.as_int()));
    notes.sort_by(|a, b| a.onset_s.total_cmp(&b.onset_s).then(a.pitch.cmp(&b.pitch)));
    Ok(notes)
}

fn collect(events: &[(u64, TrackEventKind)], ticks_per_beat: f64) -> Vec<Note> {
    let (mut seconds, mut last_tick, mut seconds_per_beat) = (0.0, 0, 0.5);
    let mut active: Vec<(u8, u8, f64)> = Vec::new();
    let mut notes = Vec::new();
    for &(tick, kind) in events {
        seconds += (tick - last_tick) as f64 / ticks_per_beat * seconds_per_beat;
        last_tick = tick;
        match kind {
            TrackEventKind::Meta(MetaMessage::Tempo(us)) => {
                seconds_per_beat = f64::from(us.as_int()) * 1e-6
            }
            TrackEventKind::Midi { channel, message } => {
                let (key, on) = match message {
                    MidiMessage::NoteOn { key, vel } => (key.as_int(), vel.as_int() > 0),
                    MidiMessage::NoteOff { key, .. } => (key.as_int(), false),
                    _ => continue,
                };
                let voice = (channel.as_int(), key);
                if let Some(index) = active.iter().position(|&(c, k, _)| (c, k) == voice) {
                    let (_, pitch, onset_s) = active.remove(index);
                    notes.push(Note { onset_s, release_s: seconds, pitch });
                }
                if on {
                    active.push((voice.0, voice.1, seconds));
                }
            }
            _ => {}
        }
    }
    notes
}
