//! Finds a seamless loop in a recorded tone, so that it lasts while its key is held.
//!
//! The loop ends where the tone is most similar to the loop's start. The level inside of the loop
//! is equalised, and its last 0.1 s is crossfaded with the samples before its start.

use std::ops::Range;

use super::writer::PAST_LOOP;

/// Minimum length of the steady part of a tone.
pub const SHORTEST_S: f32 = 0.5;
/// Start of the loop, after the attack.
const ATTACK_S: f32 = 0.35;
/// Maximum length of a sample.
const LONGEST_S: f32 = 4.0;
/// Length of the crossfade.
const FADE_S: f32 = 0.1;
/// Range of the search for the best end, before the latest end: two periods of the lowest tones.
const SEARCH_S: f32 = 0.06;
/// Length of a block for the comparison of levels.
const BLOCK_S: f32 = 0.05;
/// Blocks below this share of the loudest one (-30 dB) do not belong to the tone.
const SILENT: f32 = 0.03;
/// The steady part ends at a block below this share of the median level (-10 dB). A block that is
/// louder by the same factor belongs to the attack.
const STOPPED: f32 = 0.3;
/// Duration of the release before the level falls below [`STOPPED`].
const RELEASE_S: f32 = 0.25;

/// A sound with an optional loop.
pub struct Sustained {
    /// Its samples.
    pub samples: Vec<f32>,
    /// First sample of the loop and the one after its last; `None` without a loop.
    pub loops: Option<[u32; 2]>,
}

/// A tone with a loop. `None` if less than [`SHORTEST_S`] of it is steady.
pub fn sustained(tone: &[f32], rate_hz: u32) -> Option<Sustained> {
    let samples = |seconds: f32| (seconds * rate_hz as f32) as usize;
    let (start, latest, fade) = (samples(ATTACK_S), steady_end(tone, rate_hz), samples(FADE_S));
    if latest < start + samples(SHORTEST_S) {
        return None;
    }
    let lead = &tone[start - fade..start];
    let lead_rms = rms(lead);
    let similarity = |end: usize| {
        let tail = &tone[end - fade..end];
        let product: f32 = lead.iter().zip(tail).map(|(a, b)| a * b).sum();
        product / (lead_rms * rms(tail) * fade as f32).max(f32::MIN_POSITIVE)
    };
    let ends = latest - samples(SEARCH_S)..=latest;
    let (end, similarity) = ends
        .map(|end| (end, similarity(end)))
        .max_by(|a, b| a.1.total_cmp(&b.1))
        .expect("a range of ends");
    let mut looped = tone[..end].to_vec();
    level(&mut looped, start..end, lead_rms / rms(&tone[end - fade..end]).max(f32::MIN_POSITIVE));
    for (i, (value, before)) in looped[end - fade..].iter_mut().zip(lead).enumerate() {
        let share = (i + 1) as f32 / fade as f32;
        let rest = 1.0 - share;
        // Equal parts add in amplitude, unrelated parts in power.
        let power = (rest * rest + share * share + 2.0 * similarity.max(0.0) * rest * share).sqrt();
        *value = (rest * *value + share * before) / power;
    }
    looped.extend_from_within(start..start + PAST_LOOP);
    Some(Sustained { samples: looped, loops: Some([start as u32, end as u32]) })
}

/// Where the player is still at it, or the sound is long enough.
fn steady_end(tone: &[f32], rate_hz: u32) -> usize {
    let block = ((BLOCK_S * rate_hz as f32) as usize).max(1);
    let tone = &tone[..tone.len().min((LONGEST_S * rate_hz as f32) as usize)];
    let levels: Vec<f32> = tone.chunks_exact(block).map(rms).collect();
    let attack = (ATTACK_S / BLOCK_S) as usize;
    let Some(steady) = levels.get(attack..) else { return 0 };
    let loudest = levels.iter().fold(0.0, |a: f32, b| a.max(*b));
    let mut sounding: Vec<f32> =
        steady.iter().copied().filter(|level| *level > SILENT * loudest).collect();
    sounding.sort_by(f32::total_cmp);
    let Some(&middle) = sounding.get(sounding.len() / 2) else { return 0 };
    let as_loud = |level: &&f32| **level > STOPPED * middle && STOPPED * **level < middle;
    let lasts = steady.iter().take_while(as_loud).count();
    let release = if lasts < steady.len() { (RELEASE_S / BLOCK_S) as usize } else { 0 };
    (attack + lasts.saturating_sub(release)) * block
}

/// Multiplies a part by a gain from 1 at its start to `gain` at its end, linear in decibels.
fn level(sound: &mut [f32], part: Range<usize>, gain: f32) {
    let len = part.len() as f32;
    sound[part].iter_mut().enumerate().for_each(|(i, value)| *value *= gain.powf(i as f32 / len));
}

fn rms(part: &[f32]) -> f32 {
    (part.iter().map(|v| v * v).sum::<f32>() / part.len().max(1) as f32).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::f32::consts::TAU;

    const RATE_HZ: u32 = 22_050;

    /// Harmonics with vibrato and attack that lose `loss_db` per second and are released after
    /// `seconds`, then three seconds of silence.
    fn bowed(hz: f32, seconds: f32, loss_db: f32) -> Vec<f32> {
        let sample = |i: usize| {
            let t = i as f32 / RATE_HZ as f32;
            let swing = 0.3 * (TAU * 5.3 * t).sin();
            let tone =
                (1..6).map(|n| ((n as f32) * (TAU * hz * t + swing)).sin() / n as f32).sum::<f32>();
            let level = (1.0 - (-t / 0.05).exp()) * 10.0f32.powf(-loss_db * t / 20.0);
            let release = if t < seconds { 1.0 } else { (-(t - seconds) / 0.1).exp() };
            0.2 * level * release * tone
        };
        let sounds = (0..((seconds + 0.5) * RATE_HZ as f32) as usize).map(sample);
        sounds.chain(vec![0.0; 3 * RATE_HZ as usize]).collect()
    }

    #[test]
    fn a_loop_closes_in_level_and_shape_and_ends_before_the_release() {
        for (hz, seconds, loss_db) in [(98.0, 3.0, 1.0), (440.0, 1.4, 6.0), (1318.5, 9.0, 0.0)] {
            let tone = bowed(hz, seconds, loss_db);
            let Sustained { samples, loops } = sustained(&tone, RATE_HZ).unwrap();
            let [start, end] = loops.unwrap().map(|at| at as usize);
            assert!(
                end as f32 <= seconds.min(LONGEST_S) * RATE_HZ as f32
                    && samples.len() == end + PAST_LOOP
            );
            // Two passes: the step at the seam is not larger than the steps inside.
            let twice = [&samples[start..end], &samples[start..end]].concat();
            let steps: Vec<f32> = twice.windows(2).map(|pair| (pair[1] - pair[0]).abs()).collect();
            let (seam, inside) = (
                steps[end - start - 1],
                steps[..end - start - 1].iter().fold(0.0, |a, &b| f32::max(a, b)),
            );
            assert!(seam <= inside, "{hz} Hz: {seam} {inside}");
            let levels: Vec<f32> = twice.chunks_exact(RATE_HZ as usize / 10).map(rms).collect();
            let (least, most) =
                levels.iter().fold((f32::MAX, 0.0), |(a, b), &v| (f32::min(a, v), f32::max(b, v)));
            assert!(most / least < 1.12, "{hz} Hz pulses: {levels:?}");
        }
    }

    #[test]
    fn a_short_or_silent_tone_has_no_loop() {
        for tone in [Vec::new(), vec![0.0; 50_000], bowed(440.0, 0.6, 0.0), bowed(440.0, 3.0, 60.0)]
        {
            assert!(sustained(&tone, RATE_HZ).is_none(), "{} samples", tone.len());
        }
    }
}
