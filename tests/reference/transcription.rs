//! Transcription and note F1, compared with Basic Pitch's package and mir_eval
//! (`golden/transcription.py`).

use std::path::Path;

use safetensors::SafeTensors;
use trainer::transcription::Note;
use trainer::transcription::agreement::{Agreement, agreement};
use trainer::transcription::basic_pitch::BasicPitch;
use trainer::transcription::note_creation::{FrameNote, NoteCreation, frame_time_s};
use trainer::transcription::posteriors::Posteriors;

/// The runtimes differ only by rounding.
const POSTERIOR_TOLERANCE: f32 = 1e-3;

fn golden() -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden/transcription.safetensors");
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The values of a golden tensor, each from `N` bytes.
fn values<const N: usize, T>(file: &SafeTensors, name: &str, convert: fn([u8; N]) -> T) -> Vec<T> {
    let tensor = file.tensor(name).unwrap_or_else(|error| panic!("{name}: {error}"));
    tensor.data().chunks_exact(N).map(|b| convert(b.try_into().expect("N bytes"))).collect()
}

fn posteriors(file: &SafeTensors, name: &str) -> Vec<f32> {
    values(file, name, u16::from_le_bytes).into_iter().map(|v| f32::from(v) / 65535.0).collect()
}

fn frame_notes(file: &SafeTensors, name: &str) -> Vec<FrameNote> {
    let numbers = values(file, name, i32::from_le_bytes);
    let note = |n: &[i32]| FrameNote { start: n[0] as usize, end: n[1] as usize, key: n[2] as u8 };
    numbers.chunks_exact(3).map(note).collect()
}

#[test]
fn posteriors_match_the_package() {
    let data = golden();
    let file = SafeTensors::deserialize(&data).expect("golden file");
    let signal: Vec<f32> = values(&file, "signal", i16::from_le_bytes)
        .into_iter()
        .map(|s| f32::from(s) / 32768.0)
        .collect();
    let got = BasicPitch::new().expect("a network").posteriors(&signal).expect("posteriors");
    for (name, got) in [("note", &got.notes), ("onset", &got.onsets)] {
        let expected = posteriors(&file, name);
        assert_eq!(got.len(), expected.len(), "{name}");
        let worst = got.iter().zip(&expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(worst < POSTERIOR_TOLERANCE, "{name}: off by {worst}");
    }
    let notes = NoteCreation::default().frame_notes(&got);
    assert_eq!(notes, frame_notes(&file, "notes_melodia_True"), "from our own posteriors");
}

#[test]
fn notes_and_their_times_match_the_package() {
    let data = golden();
    let file = SafeTensors::deserialize(&data).expect("golden file");
    let posteriors =
        Posteriors { notes: posteriors(&file, "note"), onsets: posteriors(&file, "onset") };
    for (melodia_trick, name) in [(false, "notes_melodia_False"), (true, "notes_melodia_True")] {
        let creation = NoteCreation { melodia_trick, ..NoteCreation::default() };
        assert_eq!(creation.frame_notes(&posteriors), frame_notes(&file, name), "{name}");
    }
    for (frame, expected_s) in
        values(&file, "frame_time", f64::from_le_bytes).into_iter().enumerate()
    {
        let time_s = frame_time_s(frame);
        assert!(
            (time_s - expected_s).abs() < 1e-9,
            "frame {frame}: {time_s} s, expected {expected_s} s"
        );
    }
}

#[test]
fn agreement_matches_mir_eval() {
    let data = golden();
    let file = SafeTensors::deserialize(&data).expect("golden file");
    for name in ["clip", "crowd"] {
        let notes = |what: &str| -> Vec<Note> {
            let numbers = values(&file, &format!("{name}.{what}"), f64::from_le_bytes);
            let note = |n: &[f64]| Note { onset_s: n[0], offset_s: n[1], pitch: n[2] };
            numbers.chunks_exact(3).map(note).collect()
        };
        let counts = values(&file, &format!("{name}.counts"), i32::from_le_bytes);
        let [score, transcribed, matched] = [0, 1, 2].map(|i| counts[i] as usize);
        assert_eq!(
            agreement(&notes("score"), &notes("heard")),
            Agreement { score, transcribed, matched },
            "{name}"
        );
    }
}
