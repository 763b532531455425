//! Reads and writes MIDI files. Only notes are converted, without pitch bends, controllers and
//! gestures.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use engine::{Error, Result, whole_file};
use midly::num::{u4, u7, u15, u24, u28};
use midly::{Format, Header, MetaMessage, MidiMessage, Smf, Timing, TrackEvent, TrackEventKind};

use super::{Note, Score};

/// The General MIDI percussion channel, counted from 0.
const PERCUSSION_CHANNEL: u8 = 9;
/// Default tempo, in microseconds per beat (120 beats per minute).
const DEFAULT_TEMPO_US: u32 = 500_000;

/// All `.mid` and `.midi` files below a folder, sorted by path.
///
/// # Errors
/// If a folder cannot be read.
pub fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).map_err(|e| Error::file(&folder, e))? {
            let path = entry.map_err(|e| Error::file(&folder, e))?.path();
            let extension = path.extension().map(|e| e.to_string_lossy().to_lowercase());
            if path.is_dir() {
                folders.push(path);
            } else if matches!(extension.as_deref(), Some("mid" | "midi")) {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}

/// Reads the notes of all tracks and channels except percussion.
///
/// # Errors
/// If the file cannot be read, is not a MIDI file, or has no such note.
pub fn read(path: &Path) -> Result<Score> {
    let bytes = std::fs::read(path).map_err(|e| Error::file(path, e))?;
    from_bytes(path, &bytes)
}

/// As [`read`], from the file's bytes. Errors name `path`.
///
/// # Errors
/// As [`read`].
pub fn from_bytes(path: &Path, bytes: &[u8]) -> Result<Score> {
    parse(bytes).map_err(|reason| Error::file(path, reason))
}

/// Parses the bytes of a MIDI file.
fn parse(bytes: &[u8]) -> std::result::Result<Score, String> {
    let smf = Smf::parse(bytes).map_err(|e| format!("expected a MIDI file, found {e}"))?;
    let clock = Clock::new(&smf);
    let mut notes = Vec::new();
    for track in &smf.tracks {
        append_notes(track, &clock, &mut notes);
    }
    if notes.is_empty() {
        return Err("expected notes, found none outside the percussion channel".into());
    }
    let length_s = notes.iter().map(Note::end_s).fold(0.0, f32::max);
    Ok(Score::new(notes, length_s))
}

/// Appends the notes of one track. A note without note-off is removed.
fn append_notes(track: &[TrackEvent], clock: &Clock, notes: &mut Vec<Note>) {
    let mut tick = 0u64;
    let mut held: HashMap<(u8, u8), (u64, u8)> = HashMap::new();
    for event in track {
        tick += u64::from(event.delta.as_int());
        let TrackEventKind::Midi { channel, message } = event.kind else { continue };
        let channel = channel.as_int();
        let (key, velocity) = match message {
            _ if channel == PERCUSSION_CHANNEL => continue,
            MidiMessage::NoteOn { key, vel } => (key.as_int(), vel.as_int()),
            MidiMessage::NoteOff { key, .. } => (key.as_int(), 0),
            _ => continue,
        };
        if let Some((start, velocity)) = held.remove(&(channel, key)) {
            let onset_s = clock.seconds(start);
            let duration_s = clock.seconds(tick) - onset_s;
            if duration_s > 0.0 {
                notes.push(Note {
                    onset_s: onset_s as f32,
                    duration_s: duration_s as f32,
                    key,
                    velocity,
                });
            }
        }
        if velocity > 0 {
            held.insert((channel, key), (tick, velocity));
        }
    }
}

/// Converts ticks to seconds with the file's tempo map.
struct Clock {
    /// `(tick, seconds at that tick, seconds per tick from there)`, ascending.
    spans: Vec<(u64, f64, f64)>,
}

impl Clock {
    fn new(smf: &Smf) -> Self {
        let ticks_a_beat = match smf.header.timing {
            Timing::Metrical(ticks) => f64::from(ticks.as_int().max(1)),
            Timing::Timecode(fps, subframe) => {
                let tick_s = 1.0 / (f64::from(fps.as_f32()) * f64::from(subframe.max(1)));
                return Self { spans: vec![(0, 0.0, tick_s)] };
            }
        };
        let mut tempi = vec![(0u64, DEFAULT_TEMPO_US)];
        for track in &smf.tracks {
            let mut tick = 0u64;
            for event in track {
                tick += u64::from(event.delta.as_int());
                if let TrackEventKind::Meta(MetaMessage::Tempo(tempo)) = event.kind {
                    tempi.push((tick, tempo.as_int().max(1)));
                }
            }
        }
        tempi.sort_by_key(|t| t.0);
        let mut spans: Vec<(u64, f64, f64)> = Vec::with_capacity(tempi.len());
        for (tick, tempo_us) in tempi {
            let start_s = spans
                .last()
                .map_or(0.0, |(from, at_s, tick_s)| at_s + (tick - from) as f64 * tick_s);
            spans.push((tick, start_s, f64::from(tempo_us) * 1e-6 / ticks_a_beat));
        }
        Self { spans }
    }

    fn seconds(&self, tick: u64) -> f64 {
        let index = self.spans.partition_point(|s| s.0 <= tick) - 1;
        let (from, at_s, tick_s) = self.spans[index];
        at_s + (tick - from) as f64 * tick_s
    }
}

/// Transposes a score by the number of semitones that moves most notes into `low..=high`, and moves
/// the remaining notes by octaves.
pub fn fit_range(score: &Score, low: u8, high: u8) -> Score {
    let outside = |shift: i32| {
        let keys = score.notes.iter().map(|n| i32::from(n.key) + shift);
        keys.filter(|k| !(i32::from(low)..=i32::from(high)).contains(k)).count()
    };
    let shift = (-36..=36).min_by_key(|&shift: &i32| (outside(shift), shift.abs())).unwrap_or(0);
    let fold = |key: u8| {
        let mut key = i32::from(key) + shift;
        while key < i32::from(low) {
            key += 12;
        }
        while key > i32::from(high) {
            key -= 12;
        }
        key.clamp(i32::from(low), i32::from(high)) as u8
    };
    Score::new(
        score.notes.iter().map(|n| Note { key: fold(n.key), ..*n }).collect(),
        score.length_s,
    )
}

/// Writes a score as a MIDI file of one track (480 ticks per beat, 120 beats per minute, channel 1).
///
/// # Errors
/// If the file cannot be written.
pub fn write(path: &Path, score: &Score) -> Result<()> {
    const TICKS_A_SECOND: f32 = 960.0;
    let tick = |s: f32| (s.max(0.0) * TICKS_A_SECOND).round() as u32;
    let mut events: Vec<(u32, u8, u8)> = Vec::new();
    for note in &score.notes {
        events.push((tick(note.onset_s), note.key, note.velocity));
        events.push((tick(note.end_s()), note.key, 0));
    }
    events.sort(); // puts a note-off (velocity 0) before the next note-on of its key
    let mut smf = Smf::new(Header::new(Format::SingleTrack, Timing::Metrical(u15::new(480))));
    let tempo = TrackEventKind::Meta(MetaMessage::Tempo(u24::new(DEFAULT_TEMPO_US)));
    let mut track = vec![TrackEvent { delta: u28::new(0), kind: tempo }];
    let mut now = 0;
    for (at, key, velocity) in events {
        let message = MidiMessage::NoteOn { key: u7::new(key), vel: u7::new(velocity) };
        track.push(TrackEvent {
            delta: u28::new(at - now),
            kind: TrackEventKind::Midi { channel: u4::new(0), message },
        });
        now = at;
    }
    let end = TrackEventKind::Meta(MetaMessage::EndOfTrack);
    track.push(TrackEvent { delta: u28::new(0), kind: end });
    smf.tracks.push(track);
    let mut bytes = Vec::new();
    smf.write_std(&mut bytes).map_err(|e| Error::file(path, e))?;
    whole_file::write(path, bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_written_score_reads_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.mid");
        let note = |onset_s, duration_s, key, velocity| Note { onset_s, duration_s, key, velocity };
        let score = Score::new(
            vec![note(0.5, 0.25, 60, 80), note(0.5, 1.0, 64, 90), note(0.75, 0.5, 60, 1)],
            1.5,
        );
        write(&path, &score).unwrap();
        let back = read(&files(folder.path()).unwrap()[0]).unwrap();
        assert_eq!(back.notes.len(), 3);
        for (a, b) in score.notes.iter().zip(&back.notes) {
            assert_eq!((a.key, a.velocity), (b.key, b.velocity));
            assert!(
                (a.onset_s - b.onset_s).abs() < 1e-3 && (a.duration_s - b.duration_s).abs() < 2e-3
            );
        }
    }

    #[test]
    fn tempo_changes_apply_and_percussion_is_ignored() {
        let midi = |delta, channel, key, vel| TrackEvent {
            delta: u28::new(delta),
            kind: TrackEventKind::Midi {
                channel: u4::new(channel),
                message: MidiMessage::NoteOn { key: u7::new(key), vel: u7::new(vel) },
            },
        };
        let tempo = |delta, us| TrackEvent {
            delta: u28::new(delta),
            kind: TrackEventKind::Meta(MetaMessage::Tempo(u24::new(us))),
        };
        let mut smf = Smf::new(Header::new(Format::Parallel, Timing::Metrical(u15::new(100))));
        smf.tracks.push(vec![tempo(0, 1_000_000), tempo(100, 250_000)]);
        smf.tracks.push(vec![
            midi(0, 9, 36, 100),
            midi(50, 0, 60, 70),
            midi(150, 0, 60, 0),
            midi(0, 9, 36, 0),
        ]);
        let mut bytes = Vec::new();
        smf.write_std(&mut bytes).unwrap();
        let score = parse(&bytes).unwrap();
        assert_eq!(score.notes.len(), 1);
        // From tick 50 (1 s per beat) to tick 200: half a beat of 1 s and one beat of 0.25 s.
        assert!((score.notes[0].onset_s - 0.5).abs() < 1e-6);
        assert!((score.notes[0].duration_s - 0.75).abs() < 1e-6, "{:?}", score.notes[0]);
    }

    #[test]
    fn a_file_that_is_not_midi_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.mid");
        std::fs::write(&path, b"RIFF of something else").unwrap();
        let sentence = read(&path).unwrap_err().to_string();
        assert!(sentence.contains("expected a MIDI file"), "{sentence}");
    }

    #[test]
    fn notes_outside_the_range_are_moved_inside() {
        let note = |key| Note { onset_s: f32::from(key), duration_s: 0.5, key, velocity: 80 };
        let score = Score::new((20..110).step_by(7).map(note).collect(), 200.0);
        let (low, high) = fit_range(&score, 55, 88).key_range().unwrap();
        assert!(low >= 55 && high <= 88);
    }
}
