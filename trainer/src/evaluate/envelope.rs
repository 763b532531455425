//! Baseline: a match equaliser, which has one gain per frequency from the mean spectra of two
//! recordings.

use engine::audio_file::Audio;
use engine::dsp::filterbank::MelFilterbank;
use engine::dsp::stft::{Complex32, Stft};

const N_FFT: usize = 4096;
const HOP: usize = N_FFT / 4;
/// Bands of the equaliser, as many as in the model's images.
const BANDS: usize = 128;
/// Maximum gain or attenuation of a band.
const MAX_GAIN_DB: f32 = 40.0;
/// Keeps the level of silence finite (-100 dB).
const SILENCE: f32 = 1e-10;

/// The content, filtered to the mean spectrum of the style.
pub fn match_envelope(content: &Audio, style: &Audio) -> Audio {
    let rate_hz = content.sample_rate_hz as f32;
    let bank = MelFilterbank::with_range(rate_hz, N_FFT, BANDS, 0.0, rate_hz / 2.0);
    let mut stft = Stft::new(N_FFT, HOP);
    let (content_db, target_db) =
        (bands_db(content, &bank, &mut stft), bands_db(style, &bank, &mut stft));
    let gain_db: Vec<f32> = content_db
        .iter()
        .zip(target_db)
        .map(|(content, target)| (target - content).clamp(-MAX_GAIN_DB, MAX_GAIN_DB))
        .collect();
    let bin_gain = |position: f32| {
        let lower = (position as usize).min(BANDS - 2);
        let db = gain_db[lower] + (gain_db[lower + 1] - gain_db[lower]) * (position - lower as f32);
        10f32.powf(db / 20.0)
    };
    let gains: Vec<f32> = bank.bin_positions().into_iter().map(bin_gain).collect();
    let channels =
        content.channels.iter().map(|channel| filtered(channel, &gains, &mut stft)).collect();
    Audio { sample_rate_hz: content.sample_rate_hz, channels }
}

/// The mean power of every band in dB, over time and channels.
fn bands_db(audio: &Audio, bank: &MelFilterbank, stft: &mut Stft) -> Vec<f32> {
    let mut power = vec![0.0f32; stft.bins()];
    for channel in &audio.channels {
        let share = 1.0 / (frames(channel) * audio.channels.len()) as f32;
        for spectrum in spectra(channel, stft).chunks_exact(power.len()) {
            power.iter_mut().zip(spectrum).for_each(|(p, x)| *p += x.norm_sqr() * share);
        }
    }
    let mut bands = vec![0.0; BANDS];
    bank.apply(&power, |band, p| bands[band] = 10.0 * p.max(SILENCE).log10());
    bands
}

fn filtered(channel: &[f32], gains: &[f32], stft: &mut Stft) -> Vec<f32> {
    let mut spectrum = spectra(channel, stft);
    for frame in spectrum.chunks_exact_mut(gains.len()) {
        frame.iter_mut().zip(gains).for_each(|(x, g)| *x *= *g);
    }
    let mut out = Vec::new();
    stft.inverse(&mut spectrum, 0, channel.len(), &mut out);
    out
}

fn spectra(channel: &[f32], stft: &mut Stft) -> Vec<Complex32> {
    let mut spectrum = Vec::new();
    stft.forward(channel, frames(channel), 0, &mut spectrum);
    spectrum
}

fn frames(channel: &[f32]) -> usize {
    1 + channel.len() / HOP
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluate::distance::level_db;

    fn tone(hz: f32, amplitude: f32) -> Audio {
        let sample = |i| amplitude * (std::f32::consts::TAU * hz * i as f32 / 44_100.0).sin();
        Audio { sample_rate_hz: 44_100, channels: vec![(0..44_100).map(sample).collect()] }
    }

    #[test]
    fn a_tone_has_the_level_of_the_style() {
        let out = match_envelope(&tone(1000.0, 0.1), &tone(1000.0, 0.02));
        let expected_db = level_db(&tone(1000.0, 0.02).channels, 0.5, 44_100);
        assert!((level_db(&out.channels, 0.5, 44_100) - expected_db).abs() < 0.3);
        assert_eq!(out.frames(), 44_100);
    }
}
