//! `trainer synthesise`: writes a soundfont of random synthetic instruments.
//!
//! Recorded soundfonts have only one or two sounds for each instrument. A model for unseen sounds
//! needs more variety. Here every program is additive synthesis with random parameters: spectral
//! slope, resonances, attack, decay, vibrato, number of players and noise. Struck and plucked
//! programs decay, the others sustain, as in General MIDI. In all other respects the sounds do not
//! resemble the instrument of the program.

use std::f32::consts::TAU;
use std::path::PathBuf;

use engine::Result;
use rand::Rng;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

use super::writer::{
    self, Envelope, PAST_LOOP, Preset, SMALLEST_PEAK, Zone, fade_out, nearest_keys, peak, quantised,
};
use crate::data::decibels::amplitude;
use crate::data::random;
use crate::data::score::instruments;

/// Sample rate.
const RATE_HZ: u32 = 22_050;
/// A partial ends at this share of its initial amplitude.
const INAUDIBLE: f32 = 1e-5;
/// Highest frequency of a partial.
const HIGHEST_HZ: f32 = 10_000.0;
/// Root keys of the lowest and the highest zone, and the step between zones.
const ROOTS: std::ops::RangeInclusive<u8> = 22..=106;
const ROOT_STEP: u8 = 4;
/// Length of a decaying sound.
const DECAYING_S: f32 = 3.0;
/// Start of the loop of a sustaining sound. Loops last 1 s, so that every whole number of Hz fits.
const LOOP_START_S: f32 = 0.6;
/// Longest time constant of an attack, which must end before the loop starts.
const LONGEST_ATTACK_S: f32 = 0.12;

/// Writes a soundfont of random synthetic instruments.
///
/// It has one instrument for every General MIDI program that `render` uses.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Path of the SF2 file.
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
    /// Seed of the instruments.
    #[arg(long, default_value_t = 1, value_name = "SEED")]
    pub seed: u64,
}

/// Creates the instruments and writes them.
///
/// # Errors
/// If the file cannot be written.
pub fn run(args: &Args) -> Result<()> {
    let presets = presets(args.seed, &instruments::programs());
    writer::write(&args.out, &format!("Luthier synthetic {}", args.seed), &presets)?;
    println!("{}: {} instruments", args.out.display(), presets.len());
    Ok(())
}

/// The instruments of a seed for some programs.
pub fn presets(seed: u64, programs: &[u8]) -> Vec<Preset> {
    programs.par_iter().map(|program| Instrument::draw(seed, *program).preset()).collect()
}

/// A resonance of the body: a Gaussian over the logarithm of frequency.
struct Resonance {
    octave: f32,
    width_octaves: f32,
    gain_db: f32,
}

/// The parameters of one instrument.
struct Instrument {
    seed: u64,
    program: u8,
    /// Partial n has `n^-slope` of the first one's amplitude, before resonances.
    slope: f32,
    /// Level of even partials relative to odd ones.
    even_db: f32,
    body: Vec<Resonance>,
    /// Time constant of the first partial's attack.
    attack_s: f32,
    /// Relative delay of the attack, and relative increase of the decay, from partial to partial.
    spread: f32,
    /// Time constant of the first partial's decay at key 60; `None` if it sustains.
    decay_s: Option<f32>,
    /// Octaves of pitch that halve the decay time.
    decay_octaves: f32,
    /// Partial n has `n^stretch sqrt(1 + stiffness n^2)` times the first one's frequency.
    stretch: f32,
    stiffness: f32,
    /// Number of players. Sustaining ones differ by about 1 Hz.
    players: usize,
    vibrato: Option<Vibrato>,
    /// Level of the noise of breath, bow or stroke relative to the tone.
    noise_db: f32,
}

/// Periodic change of pitch.
struct Vibrato {
    hz: f32,
    /// Maximum deviation, as a share of the pitch.
    depth: f32,
}

impl Instrument {
    fn draw(seed: u64, program: u8) -> Self {
        let rng = &mut random::stream(seed, "synthetic instrument", u64::from(program));
        let decays = instruments::decays(program);
        let log = |rng: &mut ChaCha8Rng, low: f32, high: f32| low * (high / low).powf(rng.random());
        let resonance = |rng: &mut ChaCha8Rng| Resonance {
            octave: log(rng, 150.0, 7000.0).log2(),
            width_octaves: log(rng, 0.15, 1.5),
            gain_db: rng.random_range(-14.0..18.0),
        };
        Self {
            seed,
            program,
            slope: rng.random_range(0.2..2.4),
            even_db: if rng.random_bool(0.25) {
                rng.random_range(-35.0..-8.0)
            } else {
                rng.random_range(-4.0..4.0)
            },
            body: (0..rng.random_range(3..9)).map(|_| resonance(rng)).collect(),
            attack_s: if decays { log(rng, 5e-4, 6e-3) } else { log(rng, 4e-3, 0.12) },
            spread: log(rng, 0.02, 0.6),
            decay_s: decays.then(|| log(rng, 0.12, 2.5)),
            decay_octaves: rng.random_range(1.0..4.0),
            stretch: if decays && rng.random_bool(0.2) { rng.random_range(1.1..1.8) } else { 1.0 },
            stiffness: if decays { log(rng, 1e-6, 1e-3) } else { 0.0 },
            players: if rng.random_bool(0.35) { rng.random_range(2..4) } else { 1 },
            vibrato: (!decays && rng.random_bool(0.6)).then(|| Vibrato {
                hz: rng.random_range(4.0f32..7.0).round(),
                depth: log(rng, 1e-3, 0.015),
            }),
            noise_db: if decays {
                rng.random_range(-45.0..-12.0)
            } else {
                rng.random_range(-60.0..-20.0)
            },
        }
    }

    fn preset(&self) -> Preset {
        let roots: Vec<u8> = ROOTS.step_by(usize::from(ROOT_STEP)).collect();
        let zones = roots
            .iter()
            .zip(nearest_keys(&roots))
            .map(|(root, keys)| self.zone(*root, keys))
            .collect();
        Preset { name: format!("synthetic {}", self.program), programs: vec![self.program], zones }
    }

    fn zone(&self, root: u8, keys: [u8; 2]) -> Zone {
        let hz = 440.0 * ((f32::from(root) - 69.0) / 12.0).exp2();
        let rng = &mut random::stream(
            self.seed,
            "synthetic zone",
            u64::from(self.program) * 128 + u64::from(root),
        );
        let loop_start = (LOOP_START_S * RATE_HZ as f32) as u32;
        let (mut sound, played_hz, loops) = match self.decay_s {
            Some(decay_s) => (self.decaying(hz, decay_s, rng), hz, None),
            None => (
                self.sustaining(hz.round(), rng),
                hz.round(),
                Some([loop_start, loop_start + RATE_HZ]),
            ),
        };
        if loops.is_some() {
            sound.extend_from_within(loop_start as usize..loop_start as usize + PAST_LOOP);
        }
        Zone {
            keys,
            samples: quantised(&sound, peak(&sound)),
            rate_hz: RATE_HZ,
            root_key: root,
            tune_cents: (1200.0 * (hz / played_hz).log2()).round() as i16,
            loops,
            envelope: Envelope::AS_RECORDED,
        }
    }

    /// Amplitude of partial `n` at a frequency.
    fn amplitude(&self, n: usize, hz: f32) -> f32 {
        let bell =
            |r: &Resonance| r.gain_db * (-((hz.log2() - r.octave) / r.width_octaves).powi(2)).exp();
        let body_db: f32 = self.body.iter().map(bell).sum();
        let even_db = if n.is_multiple_of(2) { self.even_db } else { 0.0 };
        (n as f32).powf(-self.slope) * amplitude(body_db + even_db)
    }

    /// Partials with their own attack and decay, and the noise of the stroke.
    fn decaying(&self, hz: f32, decay_s: f32, rng: &mut ChaCha8Rng) -> Vec<f32> {
        let mut sound = vec![0.0; (DECAYING_S * RATE_HZ as f32) as usize];
        let decay_s = decay_s * (-(hz / 261.6).log2() / self.decay_octaves).exp2();
        for _ in 0..self.players {
            let detuned =
                hz * (rng.random_range(-4.0f32..4.0) * (self.players - 1) as f32 / 1200.0).exp2();
            for n in 1.. {
                let n_f = n as f32;
                let partial_hz =
                    detuned * n_f.powf(self.stretch) * (1.0 + self.stiffness * n_f * n_f).sqrt();
                if partial_hz > HIGHEST_HZ {
                    break;
                }
                let amplitude = self.amplitude(n, partial_hz) * rng.random_range(0.6..1.0);
                let decay = (-1.0 / (decay_s / (1.0 + self.spread * n_f) * RATE_HZ as f32)).exp();
                let swell = (-1.0 / (self.attack_s * RATE_HZ as f32)).exp();
                let start = rng.random_range(0.0..TAU);
                let (mut left, mut silent) = (amplitude, 1.0f32);
                for (i, value) in sound.iter_mut().enumerate() {
                    *value += left * (1.0 - silent) * (start + TAU * turns(partial_hz, i)).sin();
                    (left, silent) = (left * decay, silent * swell);
                    if left < INAUDIBLE * amplitude {
                        break;
                    }
                }
            }
        }
        let knock_s = 0.004 + 0.05 * rng.random::<f32>();
        let level = peak(&sound) * amplitude(self.noise_db);
        let noise = breath(sound.len(), rng);
        for (i, (value, noise)) in sound.iter_mut().zip(noise).enumerate() {
            *value += level * noise * (-(i as f32) / (knock_s * RATE_HZ as f32)).exp();
        }
        fade_out(&mut sound);
        sound
    }

    /// Harmonics of a whole number of Hz and noise with a period of 1 s, so that a loop of 1 s is
    /// seamless.
    fn sustaining(&self, hz: f32, rng: &mut ChaCha8Rng) -> Vec<f32> {
        let mut sound = vec![0.0; (LOOP_START_S * RATE_HZ as f32) as usize + RATE_HZ as usize];
        for player in 0..self.players {
            let player_hz = hz + [0.0, 1.0, -1.0][player % 3];
            let count = ((HIGHEST_HZ / player_hz) as usize).max(1);
            let harmonics: Vec<[f32; 2]> = (1..=count)
                .map(|n| {
                    let amplitude =
                        self.amplitude(n, n as f32 * player_hz) * rng.random_range(0.6..1.0);
                    [
                        amplitude,
                        (self.attack_s * (1.0 + self.spread * n as f32)).min(LONGEST_ATTACK_S),
                    ]
                })
                .collect();
            let swing = rng.random_range(0.0..TAU);
            let start = rng.random_range(0.0..TAU);
            for (i, value) in sound.iter_mut().enumerate() {
                let t = i as f32 / RATE_HZ as f32;
                let swung = self
                    .vibrato
                    .as_ref()
                    .map_or(0.0, |v| player_hz * v.depth / v.hz * (TAU * v.hz * t + swing).sin());
                let (sin, cos) = (TAU * turns(player_hz, i) + swung + start).sin_cos();
                let (mut re, mut im) = (1.0f32, 0.0f32);
                for [amplitude, attack_s] in &harmonics {
                    (re, im) = (re * cos - im * sin, re * sin + im * cos);
                    *value += amplitude * im * (1.0 - (-t / attack_s).exp());
                }
            }
        }
        let level = peak(&sound) * amplitude(self.noise_db);
        let noise = breath(RATE_HZ as usize, rng);
        for (i, value) in sound.iter_mut().enumerate() {
            let swell = 1.0 - (-(i as f32) / (self.attack_s * RATE_HZ as f32)).exp();
            *value += level * noise[i % noise.len()] * swell;
        }
        sound
    }
}

/// Phase of a partial at a sample, in turns from 0 to 1. It is computed in f64, because f32 would
/// lose precision over many turns.
fn turns(hz: f32, sample: usize) -> f32 {
    (f64::from(hz) * sample as f64 / f64::from(RATE_HZ)).fract() as f32
}

/// Periodic noise with a random spectrum and a peak of 1.
fn breath(len: usize, rng: &mut ChaCha8Rng) -> Vec<f32> {
    let white: Vec<f32> = (0..len).map(|_| rng.random_range(-1.0..1.0)).collect();
    let (low, high) = (rng.random_range(0.02..0.9), rng.random_range(0.0..0.5));
    let (mut smooth, mut slow) = (0.0, 0.0);
    let mut filtered = vec![0.0; len];
    // In the second pass, the filters start in their state at the end of the noise.
    for (i, value) in white.iter().enumerate().chain(white.iter().enumerate()) {
        smooth += low * (value - smooth);
        slow += high * 0.1 * (smooth - slow);
        filtered[i] = smooth - slow;
    }
    let peak = peak(&filtered).max(SMALLEST_PEAK);
    filtered.iter().map(|v| v / peak).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::score::{Note, Score};
    use crate::data::soundfont::synth::{SYNTH_RATE_HZ, SoundBank};

    const PIANO: u8 = 0;
    const VIOLIN: u8 = 40;

    fn rms(samples: &[i16]) -> f32 {
        (samples.iter().map(|v| f32::from(*v).powi(2)).sum::<f32>() / samples.len() as f32).sqrt()
    }

    #[test]
    fn every_seed_has_its_own_instruments() {
        let samples = |seed| presets(seed, &[VIOLIN]).remove(0).zones.remove(9).samples;
        assert_eq!(samples(1), samples(1));
        assert_ne!(samples(1), samples(2));
    }

    #[test]
    fn sustaining_sounds_loop_without_a_seam_and_struck_ones_decay() {
        for seed in 1..6 {
            let zones = presets(seed, &[VIOLIN]).remove(0).zones;
            for zone in zones.iter().step_by(5) {
                let [start, end] = zone.loops.expect("a loop").map(|at| at as usize);
                let around = |at: usize| zone.samples[at - 8..at + 8].iter().map(|v| f32::from(*v));
                let apart =
                    around(start).zip(around(end)).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
                assert!(apart < 1000.0, "{apart}");
                let hz = 440.0 * ((f32::from(zone.root_key) - 69.0) / 12.0).exp2();
                let played_hz = hz.round() * (f32::from(zone.tune_cents) / 1200.0).exp2();
                assert!((1200.0 * (played_hz / hz).log2()).abs() < 0.6, "in tune");
            }
            let struck = presets(seed, &[PIANO]).remove(0).zones.remove(10);
            assert!(struck.loops.is_none());
            let before_fade = struck.samples.len() * 9 / 10;
            let (attack, end) =
                (&struck.samples[..2000], &struck.samples[before_fade - 2000..before_fade]);
            assert!(rms(end) < 0.7 * rms(attack), "{} {}", rms(end), rms(attack));
        }
    }

    #[test]
    fn a_synthesiser_plays_the_requested_key() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("synthetic.sf2");
        writer::write(&path, "synthetic", &presets(1, &[VIOLIN])).unwrap();
        let bank = SoundBank::open(&path).unwrap();
        for key in [48, 60, 77] {
            let score =
                Score::new(vec![Note { onset_s: 0.0, duration_s: 2.0, key, velocity: 90 }], 2.0);
            let sound = bank.voice().unwrap().play(&score, VIOLIN, 0.0, 2 * SYNTH_RATE_HZ as usize);
            let steady = &sound.left[SYNTH_RATE_HZ as usize..][..16_384];
            let period = SYNTH_RATE_HZ as f32 / (440.0 * ((f32::from(key) - 69.0) / 12.0).exp2());
            let correlation =
                |lag: usize| steady.iter().zip(&steady[lag..]).map(|(a, b)| a * b).sum::<f32>();
            let most = correlation(0);
            assert!(most > 0.0 && correlation(period.round() as usize) > 0.8 * most, "key {key}");
        }
    }
}
