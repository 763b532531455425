//! Textures: patterns that fill a passage with notes, from one voice to two hands.

use rand::Rng;
use rand::seq::IndexedRandom;
use rand_chacha::ChaCha8Rng;

use super::harmony::Harmony;

/// A note before the performance.
#[derive(Clone, Copy, Debug)]
pub struct WrittenNote {
    /// Onset, in beats.
    pub beat: f32,
    /// Length, in beats.
    pub beats: f32,
    /// MIDI key.
    pub key: i32,
    /// Accent relative to other notes, in velocity steps.
    pub accent: f32,
}

/// Harmony, range and length of a passage.
pub struct Passage<'a> {
    /// Key and chords.
    pub harmony: &'a Harmony,
    /// Lowest key.
    pub low: i32,
    /// Highest key.
    pub high: i32,
    /// Length, in beats.
    pub beats: f32,
    /// Beats of a bar.
    pub bar: f32,
}

impl Passage<'_> {
    /// The same passage with another key range.
    fn between(&self, low: i32, high: i32) -> Passage<'_> {
        Passage { harmony: self.harmony, low, high, ..*self }
    }

    /// Each bar's index, start and length in beats.
    fn bars(&self) -> impl Iterator<Item = (usize, f32, f32)> {
        let count = (self.beats / self.bar).ceil() as usize;
        (0..count).map(|b| {
            let start = b as f32 * self.bar;
            (b, start, self.bar.min(self.beats - start))
        })
    }
}

/// A function that fills a passage with notes.
pub type Texture = fn(&Passage, &mut ChaCha8Rng) -> Vec<WrittenNote>;

/// All textures with their weights in the draw.
const TEXTURES: [(Texture, f64); 10] = [
    (scale, 1.0),
    (arpeggio, 1.6),
    (chords, 1.5),
    (melody, 2.0),
    (two_hands, 2.6),
    (two_voices, 1.0),
    (long_tones, 1.0),
    (repeated, 0.6),
    (scattered, 1.2),
    (dense, 0.9),
];

/// The textures of a study, in order.
pub const STUDY: [Texture; 4] = [melody, arpeggio, chords, scale];

/// Fills the passage with a random texture.
pub fn draw(passage: &Passage, rng: &mut ChaCha8Rng) -> Vec<WrittenNote> {
    let (texture, _) = TEXTURES.choose_weighted(rng, |t| t.1).expect("weights");
    texture(passage, rng)
}

fn note(beat: f32, beats: f32, key: i32, accent: f32) -> WrittenNote {
    WrittenNote { beat, beats, key, accent }
}

/// A scale up and down, sometimes in thirds, sixths or octaves, or in broken steps.
fn scale(passage: &Passage, rng: &mut ChaCha8Rng) -> Vec<WrittenNote> {
    let keys = passage.harmony.scale_keys(passage.low, passage.high);
    let value = *[0.25, 0.25, 0.5, 1.0 / 3.0, 1.0].choose(rng).expect("values");
    let doubling = *[0, 0, 0, 2, 5, 7].choose(rng).expect("doublings");
    let stride = *[1, 1, 1, 2].choose(rng).expect("strides");
    let last = keys.len() as i32 - 1;
    let (mut at, mut step) =
        (rng.random_range(0..=last), if rng.random_bool(0.5) { stride } else { -stride });
    let mut notes = Vec::new();
    for i in 0..(passage.beats / value) as usize {
        let accent = if i % 4 == 0 { 6.0 } else { 0.0 };
        notes.push(note(i as f32 * value, value, keys[at as usize], accent));
        if doubling > 0 && at + doubling <= last {
            notes.push(note(i as f32 * value, value, keys[(at + doubling) as usize], accent - 4.0));
        }
        if !(0..=last).contains(&(at + step)) || rng.random_bool(0.06) {
            step = -step;
        }
        at = (at + step).clamp(0, last);
    }
    notes
}

/// Broken chords in one pattern, with or without pedal.
fn arpeggio(passage: &Passage, rng: &mut ChaCha8Rng) -> Vec<WrittenNote> {
    let value = *[0.25, 0.5, 1.0 / 3.0, 0.5].choose(rng).expect("values");
    let span = rng.random_range(10..=24).min(passage.high - passage.low);
    let low = rng.random_range(passage.low..=passage.high - span);
    let (pedal, shape) = (rng.random_bool(0.5), rng.random_range(0..4));
    let mut notes = Vec::new();
    for (bar, start, length) in passage.bars() {
        let keys = passage.harmony.chord_keys(bar, low, low + span);
        let turn = (2 * keys.len()).saturating_sub(2).max(1);
        for i in 0..(length / value) as usize {
            let index = match shape {
                0 => i % keys.len(),
                1 => keys.len() - 1 - i % keys.len(),
                2 => (i % turn).min(turn - i % turn) % keys.len(),
                _ => rng.random_range(0..keys.len()),
            };
            let beats = if pedal { length - i as f32 * value } else { value };
            notes.push(note(
                start + i as f32 * value,
                beats,
                keys[index],
                if i == 0 { 8.0 } else { 0.0 },
            ));
        }
    }
    notes
}

/// Onsets and lengths inside a bar, in beats.
const RHYTHMS: [&[f32]; 9] = [
    &[4.0],
    &[2.0, 2.0],
    &[1.0, 1.0, 1.0, 1.0],
    &[1.5, 1.5, 1.0],
    &[3.0, 1.0],
    &[1.0, 0.5, 0.5, 2.0],
    &[0.5, 0.5, 1.0, 0.5, 0.5, 1.0],
    &[0.75, 0.25, 1.0, 0.75, 0.25, 1.0],
    &[0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5],
];

/// Notes of a random rhythm in `length` beats: `(start, beats)`.
fn rhythm(rng: &mut ChaCha8Rng, length: f32) -> Vec<(f32, f32)> {
    let steps = RHYTHMS.choose(rng).expect("rhythms");
    let mut at = 0.0;
    let mut fitted = Vec::new();
    for &beats in steps.iter().cycle() {
        if at >= length - 1e-3 {
            return fitted;
        }
        fitted.push((at, beats.min(length - at)));
        at += beats;
    }
    fitted
}

/// Two to five adjacent notes of a chord at a random position.
fn voicing(keys: &[i32], rng: &mut ChaCha8Rng) -> Vec<i32> {
    let count = rng.random_range(2..=5).min(keys.len());
    let first = rng.random_range(0..=keys.len() - count);
    keys[first..first + count].to_vec()
}

/// Block chords, sometimes rolled.
fn chords(passage: &Passage, rng: &mut ChaCha8Rng) -> Vec<WrittenNote> {
    let rolled = if rng.random_bool(0.25) { 0.06 } else { 0.0 };
    let mut notes = Vec::new();
    for (bar, start, length) in passage.bars() {
        let keys = passage.harmony.chord_keys(bar, passage.low, passage.high);
        let mut hand = voicing(&keys, rng);
        for (at, beats) in rhythm(rng, length) {
            if rng.random_bool(0.3) {
                hand = voicing(&keys, rng);
            }
            for (i, &key) in hand.iter().enumerate() {
                let late = rolled * i as f32;
                let top = if i + 1 == hand.len() { 5.0 } else { 0.0 };
                notes.push(note(start + at + late, beats - late, key, top));
            }
        }
    }
    notes
}

/// A melody in steps of the scale, with chord notes on the beat, occasional leaps and rests.
fn melody(passage: &Passage, rng: &mut ChaCha8Rng) -> Vec<WrittenNote> {
    let keys = passage.harmony.scale_keys(passage.low, passage.high);
    let last = keys.len() as i32 - 1;
    let mut at = rng.random_range(0..=last);
    let rest = rng.random_range(0.0..0.25);
    let mut notes = Vec::new();
    for (bar, start, length) in passage.bars() {
        let chord = passage.harmony.chord_keys(bar, passage.low, passage.high);
        for (place, beats) in rhythm(rng, length) {
            if rng.random_bool(rest) {
                continue;
            }
            let leap = if rng.random_bool(0.2) { 5 } else { 2 };
            at = (at + rng.random_range(-leap..=leap)).clamp(0, last);
            let mut key = keys[at as usize];
            if place == 0.0 {
                key = *chord.iter().min_by_key(|c| (*c - key).abs()).unwrap_or(&key);
            }
            notes.push(note(start + place, beats, key, if place == 0.0 { 6.0 } else { 0.0 }));
        }
    }
    notes
}

/// A melody with accompaniment: Alberti bass, bass and chords, held chords or a broken chord.
fn two_hands(passage: &Passage, rng: &mut ChaCha8Rng) -> Vec<WrittenNote> {
    let split = (passage.low + passage.high) / 2 + rng.random_range(-3..=3);
    let mut notes = melody(&passage.between(split, passage.high), rng);
    for note in &mut notes {
        note.accent += 10.0;
    }
    let left = passage.between(passage.low, split - 1);
    let kind = rng.random_range(0..4);
    for (bar, start, length) in left.bars() {
        let keys = left.harmony.chord_keys(bar, left.low, left.high);
        notes.extend(
            accompaniment(kind, &keys, length)
                .into_iter()
                .map(|n| WrittenNote { beat: start + n.beat, ..n }),
        );
    }
    notes
}

/// One bar of the left hand.
fn accompaniment(kind: usize, keys: &[i32], length: f32) -> Vec<WrittenNote> {
    let key = |i: usize| keys[i.min(keys.len() - 1)];
    let eighths = (length / 0.5) as usize;
    match kind {
        0 => (0..eighths)
            .map(|i| note(i as f32 * 0.5, 0.5, key([0, 2, 1, 2][i % 4]), -6.0))
            .collect(),
        1 => {
            let beat = |i: usize| {
                let chord: &[usize] = if i == 0 { &[0] } else { &[1, 2, 3] };
                chord
                    .iter()
                    .map(move |&k| note(i as f32, 1.0, key(k), if i == 0 { 2.0 } else { -8.0 }))
            };
            (0..length as usize).flat_map(beat).collect()
        }
        2 => (0..3).map(|k| note(0.0, length, key(k), -4.0)).collect(),
        _ => (0..eighths)
            .map(|i| note(i as f32 * 0.5, length - i as f32 * 0.5, key(i % 5), -6.0))
            .collect(),
    }
}

/// Two melodies, one above the other.
fn two_voices(passage: &Passage, rng: &mut ChaCha8Rng) -> Vec<WrittenNote> {
    let split = (passage.low + passage.high) / 2;
    let mut notes = melody(&passage.between(split, passage.high), rng);
    notes.extend(melody(&passage.between(passage.low, split - 1), rng));
    notes
}

/// One to three long notes at a time.
fn long_tones(passage: &Passage, rng: &mut ChaCha8Rng) -> Vec<WrittenNote> {
    let mut notes = Vec::new();
    let mut at = 0.0;
    for bar in 0.. {
        if at >= passage.beats {
            break;
        }
        let beats = rng.random_range(2.0..7.0f32).min(passage.beats - at);
        let keys = passage.harmony.chord_keys(bar, passage.low, passage.high);
        for _ in 0..rng.random_range(1..=3) {
            notes.push(note(at, beats, *keys.choose(rng).expect("a chord"), 0.0));
        }
        at += beats + if rng.random_bool(0.3) { 1.0 } else { 0.0 };
    }
    notes
}

/// Repeated notes, trills and tremolos.
fn repeated(passage: &Passage, rng: &mut ChaCha8Rng) -> Vec<WrittenNote> {
    let keys = passage.harmony.scale_keys(passage.low, passage.high);
    let value = *[0.25, 0.125, 0.5].choose(rng).expect("values");
    let mut notes = Vec::new();
    for (_, start, length) in passage.bars() {
        let first = rng.random_range(0..keys.len());
        let second = (first + rng.random_range(0..=3)).min(keys.len() - 1);
        for i in 0..(length / value) as usize {
            let key = keys[if i % 2 == 0 { first } else { second }];
            notes.push(note(start + i as f32 * value, value, key, if i == 0 { 8.0 } else { 0.0 }));
        }
    }
    notes
}

/// Single notes of random key, length and accent, without harmony.
fn scattered(passage: &Passage, rng: &mut ChaCha8Rng) -> Vec<WrittenNote> {
    let density = rng.random_range(0.4..2.5);
    let count = ((passage.beats * density) as usize).max(1);
    let mut draw = |_| {
        let beat = rng.random_range(0.0..passage.beats);
        let beats = rng.random_range(0.2..3.0);
        note(
            beat,
            beats,
            rng.random_range(passage.low..=passage.high),
            rng.random_range(-25.0..25.0),
        )
    };
    (0..count).map(&mut draw).collect()
}

/// Full chords with fast figures.
fn dense(passage: &Passage, rng: &mut ChaCha8Rng) -> Vec<WrittenNote> {
    let mut notes = chords(passage, rng);
    notes.extend(arpeggio(passage, rng));
    if rng.random_bool(0.5) {
        notes.extend(melody(passage, rng));
    }
    notes
}
