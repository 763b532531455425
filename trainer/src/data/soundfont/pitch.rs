//! Pitch detection with YIN: A. de Cheveigné and H. Kawahara, *YIN, a fundamental frequency
//! estimator for speech and music*, JASA 111(4), 2002, steps 2 to 5.

/// Lowest detected pitch, just below the piano's lowest key.
const LOWEST_HZ: f32 = 26.0;
/// Highest detected pitch.
const HIGHEST_HZ: f32 = 4500.0;
/// Length of the window of the difference function.
const WINDOW_S: f32 = 0.1;
/// Start of the first window, after the attack.
const FROM_S: f32 = 0.08;
/// Time between the starts of two windows.
const HOP_S: f32 = 0.1;
/// The period is the first lag with a normalised difference below this (step 4). The paper uses
/// 0.1, which misses more notes with noise.
const THRESHOLD: f32 = 0.15;
/// Number of windows. Most of them must agree.
const WINDOWS: usize = 3;
/// Maximum difference of windows that agree, in semitones.
const AGREE: f32 = 0.2;

/// Pitch of a note as a fractional MIDI key (69 is 440 Hz). `None` if the note is too short or its
/// pitch is not clear.
pub fn key(note: &[f32], rate_hz: u32) -> Option<f32> {
    let samples = |seconds: f32| (seconds * rate_hz as f32) as usize;
    let periods = (0..WINDOWS)
        .filter_map(|i| period(note.get(samples(FROM_S + i as f32 * HOP_S)..)?, rate_hz));
    let mut keys: Vec<f32> =
        periods.map(|p| 69.0 + 12.0 * (rate_hz as f32 / p / 440.0).log2()).collect();
    keys.sort_by(f32::total_cmp);
    keys.windows(WINDOWS / 2 + 1)
        .find(|some| some[WINDOWS / 2] - some[0] < AGREE)
        .map(|some| some[0])
}

/// Period at the start of a sound, in samples.
fn period(sound: &[f32], rate_hz: u32) -> Option<f32> {
    let window = (WINDOW_S * rate_hz as f32) as usize;
    let [shortest, longest] = [HIGHEST_HZ, LOWEST_HZ].map(|hz| (rate_hz as f32 / hz) as usize);
    let sound = sound.get(..window + longest + 1)?;
    let difference = |lag: usize| -> f32 {
        sound[..window].iter().zip(&sound[lag..]).map(|(a, b)| (a - b) * (a - b)).sum()
    };
    let differences: Vec<f32> = (0..=longest).map(difference).collect();
    let mut sum = 0.0;
    let normalised = |(lag, d): (usize, &f32)| {
        sum += d;
        if sum > 0.0 { d * lag as f32 / sum } else { 1.0 }
    };
    let normalised: Vec<f32> = differences.iter().enumerate().map(normalised).collect();
    let clear = (shortest..longest).find(|&lag| normalised[lag] < THRESHOLD)?;
    let lag = (clear..longest).find(|&lag| normalised[lag] <= normalised[lag + 1])?;
    let [before, at, after] = [lag - 1, lag, lag + 1].map(|lag| differences[lag]);
    let bend = before - 2.0 * at + after;
    Some(lag as f32 + if bend > 0.0 { 0.5 * (before - after) / bend } else { 0.0 })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::f32::consts::TAU;

    /// One second of decaying harmonics. The first is weaker than the second.
    fn note(hz: f32, rate_hz: u32) -> Vec<f32> {
        let sample = |i: usize| {
            let t = i as f32 / rate_hz as f32;
            let partial = |n: usize| [0.5, 1.0, 0.6, 0.3][n - 1] * (TAU * hz * n as f32 * t).sin();
            0.2 * (-1.5 * t).exp() * (1..5).map(partial).sum::<f32>()
        };
        (0..rate_hz as usize).map(sample).collect()
    }

    #[test]
    fn a_synthetic_note_has_its_pitch() {
        for rate_hz in [22_050, 44_100, 48_000] {
            for expected in [24.0, 40.1, 57.0, 69.4, 84.0, 96.9] {
                let found =
                    key(&note(440.0 * ((expected - 69.0) / 12.0f32).exp2(), rate_hz), rate_hz)
                        .unwrap();
                assert!((found - expected).abs() < 0.05, "{expected} at {rate_hz} Hz: {found}");
            }
        }
    }

    #[test]
    fn a_sound_without_clear_pitch_has_none() {
        let mut state = 1u32;
        let noise = (0..44_100).map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            state as f32 / u32::MAX as f32 - 0.5
        });
        assert_eq!(key(&noise.collect::<Vec<_>>(), 44_100), None);
        assert_eq!(key(&note(440.0, 44_100)[..6000], 44_100), None, "too short");
        assert_eq!(key(&[0.0; 44_100], 44_100), None);
        assert_eq!(key(&[], 44_100), None);
    }
}
