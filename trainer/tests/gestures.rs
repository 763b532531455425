//! Pitch and level of gestures, measured in the audio of instruments.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustysynth::{SoundFont, Synthesizer, SynthesizerSettings};
use trainer::data::score::gesture::{Contour, Gesture, Motion};
use trainer::data::score::{Note, Score, instruments};
use trainer::data::soundfont::synth::{SYNTH_RATE_HZ, SoundBank, SynthVoice};
use trainer::data::soundfont::toy as toy_soundfont;

const VIOLIN: u8 = 40;
const PIANO: u8 = 0;
/// Frequency of key 69.
const A4_HZ: f64 = 440.0;

fn soundfont(folder: &Path) -> PathBuf {
    let path = folder.join("toy.sf2");
    toy_soundfont::write(&path).unwrap();
    path
}

fn player(folder: &Path) -> SynthVoice {
    SoundBank::open(&soundfont(folder)).unwrap().voice().unwrap()
}

/// The note A4 for 3 s.
fn held(gestures: &[Gesture]) -> Score {
    let note = Note { onset_s: 0.0, duration_s: 3.0, key: 69, velocity: 100 };
    Score::new(vec![note], 3.0).with_gestures(gestures.to_vec())
}

fn gesture(onset_s: f32, duration_s: f32, motion: Motion) -> Gesture {
    Gesture { onset_s, duration_s, motion }
}

fn contour(from: f32, to: f32, slide_s: f32, return_s: f32) -> Contour {
    Contour { from, to, slide_s, return_s }
}

fn left(player: &mut SynthVoice, score: &Score, program: u8) -> Vec<f32> {
    player.play(score, program, 0.0, (score.length_s * SYNTH_RATE_HZ as f32) as usize).left
}

/// Pitch around a time in cents from A4. It is the lag of two periods at which 17 ms of signal
/// correlate best with the later signal, independent of its level.
fn cents(audio: &[f32], at_s: f64) -> f64 {
    const SPAN: usize = 750;
    let period = f64::from(SYNTH_RATE_HZ) / A4_HZ;
    let start = (at_s * f64::from(SYNTH_RATE_HZ) - SPAN as f64 / 2.0 - period) as usize;
    let likeness = |lag: f64| -> f64 {
        let (mut product, mut power) = (0.0, 0.0);
        for n in start..start + SPAN {
            let (whole, part) = ((n as f64 + lag) as usize, (n as f64 + lag).fract() as f32);
            let later = f64::from(audio[whole] * (1.0 - part) + audio[whole + 1] * part);
            product += f64::from(audio[n]) * later;
            power += later * later;
        }
        product / power.sqrt()
    };
    let lag = |cents: &f64| 2.0 * period / 2f64.powf(cents / 1200.0);
    let candidates = (-560..=560).map(|step| f64::from(step) * 0.5);
    candidates.max_by(|a, b| likeness(lag(a)).total_cmp(&likeness(lag(b)))).unwrap()
}

/// RMS level of 20 ms around a time, in dB.
fn level_db(audio: &[f32], at_s: f32) -> f32 {
    let (middle, half) = ((at_s * SYNTH_RATE_HZ as f32) as usize, SYNTH_RATE_HZ as usize / 100);
    let span = &audio[middle - half..middle + half];
    10.0 * (span.iter().map(|v| v * v).sum::<f32>() / span.len() as f32 + 1e-20).log10()
}

#[test]
fn a_bend_is_heard_in_cents_and_comes_back() {
    let folder = tempfile::tempdir().unwrap();
    let mut player = player(folder.path());
    for bent_cents in [100.0, 200.0, -150.0] {
        let bend = gesture(0.3, 0.6, Motion::Bend(contour(0.0, bent_cents, 0.1, 0.2)));
        for program in [VIOLIN, PIANO] {
            let audio = left(&mut player, &held(&[bend]), program);
            let course =
                [(0.2, 0.0), (0.35, 0.5), (0.5, 1.0), (0.65, 1.0), (0.8, 0.5), (0.95, 0.0)];
            for (at_s, share) in course {
                let (found, expected) = (cents(&audio, at_s), share * f64::from(bent_cents));
                assert!(
                    (found - expected).abs() < 4.0,
                    "{found} instead of {expected} cents at {at_s} s"
                );
            }
        }
    }
}

#[test]
fn a_vibrato_has_its_rate_and_depth() {
    let folder = tempfile::tempdir().unwrap();
    let mut player = player(folder.path());
    for (rate_hz, depth_cents) in [(4.0, 60.0), (5.5, 30.0), (7.0, 12.0)] {
        let vibrato = Motion::Vibrato { rate_hz, depth_cents, fade_in_s: 0.5 };
        let audio = left(&mut player, &held(&[gesture(0.2, 2.6, vibrato)]), VIOLIN);
        let course: Vec<f64> =
            (0..200).map(|i| cents(&audio, 0.75 + 0.01 * f64::from(i))).collect();
        let highest = course.iter().fold(f64::MIN, |a, b| a.max(*b));
        let lowest = course.iter().fold(f64::MAX, |a, b| a.min(*b));
        let depth = (highest - lowest) / 2.0;
        assert!(
            (depth / f64::from(depth_cents) - 1.0).abs() < 0.1,
            "{depth} of {depth_cents} cents"
        );
        assert!(
            (highest + lowest).abs() < 4.0,
            "about the note itself: {lowest} to {highest} cents"
        );
        let crossings: Vec<usize> =
            (1..course.len()).filter(|&i| course[i - 1] < 0.0 && course[i] >= 0.0).collect();
        let turns = (crossings.len() - 1) as f64;
        let rate = turns / (0.01 * (crossings[crossings.len() - 1] - crossings[0]) as f64);
        assert!((rate - f64::from(rate_hz)).abs() < 0.1, "{rate} of {rate_hz} Hz");
        let early =
            (0..20).map(|i| cents(&audio, 0.22 + 0.005 * f64::from(i)).abs()).fold(0.0, f64::max);
        assert!(early < 0.35 * depth, "{early} cents while the depth still grows to {depth}");
    }
}

#[test]
fn a_swell_is_heard_in_decibels() {
    let folder = tempfile::tempdir().unwrap();
    let mut player = player(folder.path());
    let plain = left(&mut player, &held(&[]), VIOLIN);
    let swell = gesture(0.5, 2.0, Motion::Swell(contour(-18.0, -3.0, 1.0, 0.5)));
    let swelling = left(&mut player, &held(&[swell]), VIOLIN);
    for (at_s, expected) in
        [(0.3, 0.0), (0.53, -18.0), (1.0, -10.5), (1.75, -3.0), (2.25, -1.5), (2.7, 0.0)]
    {
        let found = level_db(&swelling, at_s) - level_db(&plain, at_s);
        assert!((found - expected).abs() < 0.4, "{found} instead of {expected} dB at {at_s} s");
    }
}

#[test]
fn a_damping_silences_what_rings_and_nothing_after_it() {
    let folder = tempfile::tempdir().unwrap();
    let mut player = player(folder.path());
    let note = |onset_s, key| Note { onset_s, duration_s: 2.0, key, velocity: 100 };
    let score = Score::new(vec![note(0.0, 60), note(0.2, 67), note(1.0, 72)], 3.0);
    let damped = score.clone().with_gestures(vec![gesture(0.5, 0.04, Motion::Damping)]);
    for name in instruments::DEFAULT_INSTRUMENTS {
        let program = instruments::by_name(name).unwrap().programs[0];
        let audio = left(&mut player, &damped, program);
        assert!(level_db(&audio, 0.45) > -50.0, "{name} sounds before the hand comes down");
        let silence =
            (0.545 * SYNTH_RATE_HZ as f32) as usize..(0.99 * SYNTH_RATE_HZ as f32) as usize;
        assert!(audio[silence].iter().all(|v| *v == 0.0), "{name} is silent after it");
        let alone = left(&mut player, &Score::new(vec![note(1.0, 72)], 3.0), program);
        let apart_db = level_db(&audio, 1.3) - level_db(&alone, 1.3);
        assert!(apart_db.abs() < 0.01, "{name}'s next note is {apart_db} dB off");
    }
}

#[test]
fn two_instruments_bend_at_the_same_time() {
    let folder = tempfile::tempdir().unwrap();
    let mut player = player(folder.path());
    let vibrato = Motion::Vibrato { rate_hz: 5.0, depth_cents: 50.0, fade_in_s: 0.1 };
    let bend = Motion::Bend(contour(-150.0, 100.0, 0.2, 0.1));
    let score = held(&[gesture(0.1, 0.5, bend), gesture(0.5, 0.6, vibrato)]);
    let [violin, piano] = [VIOLIN, PIANO].map(|program| left(&mut player, &score, program));
    for step in 0..87 {
        let at_s = 0.13 + 0.01 * f64::from(step);
        let (violin, piano) = (cents(&violin, at_s), cents(&piano, at_s));
        assert!((violin - piano).abs() < 6.0, "{violin} and {piano} cents at {at_s} s");
    }
}

#[test]
fn a_score_without_gestures_is_what_a_plain_sequencer_plays() {
    let folder = tempfile::tempdir().unwrap();
    let mut player = player(folder.path());
    // The first score ends during its gestures. They must not affect the next score.
    let sung = Motion::Vibrato { rate_hz: 5.0, depth_cents: 50.0, fade_in_s: 0.0 };
    let soft = Motion::Swell(contour(-20.0, -20.0, 0.0, 0.0));
    let up = Motion::Bend(contour(200.0, 200.0, 0.0, 0.0));
    let before = held(&[sung, soft, up].map(|motion| gesture(0.0, 3.0, motion)));
    player.play(&before, VIOLIN, -20.0, SYNTH_RATE_HZ as usize);
    let score = held(&[]);
    let samples = 4 * SYNTH_RATE_HZ as usize;
    let played = player.play(&score, PIANO, 0.0, samples);

    let mut file = std::fs::File::open(soundfont(folder.path())).unwrap();
    let font = Arc::new(SoundFont::new(&mut file).unwrap());
    let mut settings = SynthesizerSettings::new(SYNTH_RATE_HZ as i32);
    settings.enable_reverb_and_chorus = false;
    let mut synthesizer = Synthesizer::new(&font, &settings).unwrap();
    synthesizer.process_midi_message(0, 0xC0, i32::from(PIANO), 0);
    synthesizer.note_on(0, 69, 100);
    let (mut left, mut right) = (vec![0.0; samples], vec![0.0; samples]);
    let up = (3.0 * SYNTH_RATE_HZ as f32 / 64.0).round() as usize * 64;
    synthesizer.render(&mut left[..up], &mut right[..up]);
    synthesizer.note_off(0, 69);
    synthesizer.render(&mut left[up..], &mut right[up..]);
    assert!(played.left == left && played.right == right);
}
