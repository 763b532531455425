//! Textures: ways to fill some beats with notes, from one line to two hands.

use rand::Rng;
use rand::seq::IndexedRandom;
use rand_chacha::ChaCha8Rng;

use super::harmony::Harmony;

/// A note on paper, before somebody plays it.
#[derive(Clone, Copy, Debug)]
pub struct Sketch {
    /// When, in beats.
    pub beat: f32,
    /// How long, in beats.
    pub beats: f32,
    /// MIDI key.
    pub key: i32,
    /// Loudness against its neighbours, in velocity steps.
    pub accent: f32,
}

/// What a texture may use.
pub struct Ground<'a> {
    /// Key and chords.
    pub harmony: &'a Harmony,
    /// Lowest key.
    pub low: i32,
    /// Highest key.
    pub high: i32,
    /// How many beats to fill.
    pub beats: f32,
    /// Beats a bar.
    pub bar: f32,
}

impl Ground<'_> {
    /// The same ground with other keys.
    fn between(&self, low: i32, high: i32) -> Ground<'_> {
        Ground { harmony: self.harmony, low, high, ..*self }
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

/// A way to fill a ground with notes.
pub type Texture = fn(&Ground, &mut ChaCha8Rng) -> Vec<Sketch>;

/// Every texture with its weight in the draw.
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

/// What a study goes through.
pub const STUDY: [Texture; 4] = [melody, arpeggio, chords, scale];

/// Fills the ground with a texture of chance.
pub fn draw(ground: &Ground, rng: &mut ChaCha8Rng) -> Vec<Sketch> {
    let (texture, _) = TEXTURES.choose_weighted(rng, |t| t.1).expect("weights");
    texture(ground, rng)
}

fn note(beat: f32, beats: f32, key: i32, accent: f32) -> Sketch {
    Sketch { beat, beats, key, accent }
}

/// Up and down the scale, sometimes in thirds, sixths or octaves, or in broken steps.
fn scale(ground: &Ground, rng: &mut ChaCha8Rng) -> Vec<Sketch> {
    let keys = ground.harmony.scale_keys(ground.low, ground.high);
    let value = *[0.25, 0.25, 0.5, 1.0 / 3.0, 1.0].choose(rng).expect("values");
    let doubling = *[0, 0, 0, 2, 5, 7].choose(rng).expect("doublings");
    let stride = *[1, 1, 1, 2].choose(rng).expect("strides");
    let last = keys.len() as i32 - 1;
    let (mut at, mut step) =
        (rng.random_range(0..=last), if rng.random_bool(0.5) { stride } else { -stride });
    let mut notes = Vec::new();
    for i in 0..(ground.beats / value) as usize {
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

/// Broken chords in one pattern a passage, dry or with the pedal held through the bar.
fn arpeggio(ground: &Ground, rng: &mut ChaCha8Rng) -> Vec<Sketch> {
    let value = *[0.25, 0.5, 1.0 / 3.0, 0.5].choose(rng).expect("values");
    let span = rng.random_range(10..=24).min(ground.high - ground.low);
    let low = rng.random_range(ground.low..=ground.high - span);
    let (pedal, shape) = (rng.random_bool(0.5), rng.random_range(0..4));
    let mut notes = Vec::new();
    for (bar, start, length) in ground.bars() {
        let keys = ground.harmony.chord_keys(bar, low, low + span);
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

/// Steps of a rhythm that fit into `length` beats: `(start, beats)`.
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

/// Two to five notes of a chord, close together, at a place of chance.
fn voicing(keys: &[i32], rng: &mut ChaCha8Rng) -> Vec<i32> {
    let count = rng.random_range(2..=5).min(keys.len());
    let first = rng.random_range(0..=keys.len() - count);
    keys[first..first + count].to_vec()
}

/// Block chords, some of them rolled.
fn chords(ground: &Ground, rng: &mut ChaCha8Rng) -> Vec<Sketch> {
    let rolled = if rng.random_bool(0.25) { 0.06 } else { 0.0 };
    let mut notes = Vec::new();
    for (bar, start, length) in ground.bars() {
        let keys = ground.harmony.chord_keys(bar, ground.low, ground.high);
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

/// A line that walks through the scale, lands on chord notes, leaps now and then and rests.
fn melody(ground: &Ground, rng: &mut ChaCha8Rng) -> Vec<Sketch> {
    let keys = ground.harmony.scale_keys(ground.low, ground.high);
    let last = keys.len() as i32 - 1;
    let mut at = rng.random_range(0..=last);
    let rest = rng.random_range(0.0..0.25);
    let mut notes = Vec::new();
    for (bar, start, length) in ground.bars() {
        let chord = ground.harmony.chord_keys(bar, ground.low, ground.high);
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

/// A melody over an accompaniment: alberti bass, bass and chords, held chords or a wide broken
/// chord.
fn two_hands(ground: &Ground, rng: &mut ChaCha8Rng) -> Vec<Sketch> {
    let split = (ground.low + ground.high) / 2 + rng.random_range(-3..=3);
    let mut notes = melody(&ground.between(split, ground.high), rng);
    for sketch in &mut notes {
        sketch.accent += 10.0;
    }
    let left = ground.between(ground.low, split - 1);
    let kind = rng.random_range(0..4);
    for (bar, start, length) in left.bars() {
        let keys = left.harmony.chord_keys(bar, left.low, left.high);
        notes.extend(
            accompaniment(kind, &keys, length)
                .into_iter()
                .map(|n| Sketch { beat: start + n.beat, ..n }),
        );
    }
    notes
}

/// One bar of the left hand.
fn accompaniment(kind: usize, keys: &[i32], length: f32) -> Vec<Sketch> {
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
fn two_voices(ground: &Ground, rng: &mut ChaCha8Rng) -> Vec<Sketch> {
    let split = (ground.low + ground.high) / 2;
    let mut notes = melody(&ground.between(split, ground.high), rng);
    notes.extend(melody(&ground.between(ground.low, split - 1), rng));
    notes
}

/// One to three notes held for a long time.
fn long_tones(ground: &Ground, rng: &mut ChaCha8Rng) -> Vec<Sketch> {
    let mut notes = Vec::new();
    let mut at = 0.0;
    for bar in 0.. {
        if at >= ground.beats {
            break;
        }
        let beats = rng.random_range(2.0..7.0f32).min(ground.beats - at);
        let keys = ground.harmony.chord_keys(bar, ground.low, ground.high);
        for _ in 0..rng.random_range(1..=3) {
            notes.push(note(at, beats, *keys.choose(rng).expect("a chord"), 0.0));
        }
        at += beats + if rng.random_bool(0.3) { 1.0 } else { 0.0 };
    }
    notes
}

/// Repeated notes, trills and tremoli.
fn repeated(ground: &Ground, rng: &mut ChaCha8Rng) -> Vec<Sketch> {
    let keys = ground.harmony.scale_keys(ground.low, ground.high);
    let value = *[0.25, 0.125, 0.5].choose(rng).expect("values");
    let mut notes = Vec::new();
    for (_, start, length) in ground.bars() {
        let first = rng.random_range(0..keys.len());
        let second = (first + rng.random_range(0..=3)).min(keys.len() - 1);
        for i in 0..(length / value) as usize {
            let key = keys[if i % 2 == 0 { first } else { second }];
            notes.push(note(start + i as f32 * value, value, key, if i == 0 { 8.0 } else { 0.0 }));
        }
    }
    notes
}

/// Single notes of any key, length and loudness, in no key at all.
fn scattered(ground: &Ground, rng: &mut ChaCha8Rng) -> Vec<Sketch> {
    let density = rng.random_range(0.4..2.5);
    let count = ((ground.beats * density) as usize).max(1);
    let mut draw = |_| {
        let beat = rng.random_range(0.0..ground.beats);
        let beats = rng.random_range(0.2..3.0);
        note(beat, beats, rng.random_range(ground.low..=ground.high), rng.random_range(-25.0..25.0))
    };
    (0..count).map(&mut draw).collect()
}

/// Full chords under fast figures.
fn dense(ground: &Ground, rng: &mut ChaCha8Rng) -> Vec<Sketch> {
    let mut notes = chords(ground, rng);
    notes.extend(arpeggio(ground, rng));
    if rng.random_bool(0.5) {
        notes.extend(melody(ground, rng));
    }
    notes
}
