//! Noise between the partials of a recording.

use engine::audio_file::Audio;
use engine::dsp::stft::Stft;

/// Shortest duration of an STFT frame: a Hann window then resolves partials from about 50 Hz apart.
const FRAME_SECONDS: f64 = 0.09;
/// The measured range of frequencies, in Hz.
const RANGE_HZ: (f64, f64) = (100.0, 8000.0);
/// The noise at a bin is measured over this distance on both sides, so that there is a gap between
/// partials.
const NEAR_HZ: f64 = 300.0;
/// Quantile of the power near a bin that is the noise's. Partials fill a smaller part of the bins.
const QUANTILE: f64 = 0.25;
/// Frames more than this below the loudest one are left out.
const DEPTH_DB: f64 = 40.0;

/// Power of the noise between the partials, relative to the power of the partials, in dB. NaN for
/// silence and for less than one frame.
///
/// In every frame the noise's power density at a bin is estimated from the 25 % quantile of the
/// power within 300 Hz. The powers of a frame's noise bins have an exponential distribution, so
/// its mean is the quantile divided by `-ln(0.75)`. All that exceeds it counts as partials. Onsets
/// count as noise, so compare recordings of the same notes.
pub fn noise_to_partials_db(audio: &Audio) -> f64 {
    let rate_hz = f64::from(audio.sample_rate_hz);
    let n_fft = ((rate_hz * FRAME_SECONDS) as usize).next_power_of_two();
    let bin_hz = rate_hz / n_fft as f64;
    let bins = (RANGE_HZ.0 / bin_hz) as usize..((RANGE_HZ.1 / bin_hz) as usize).min(n_fft / 2);
    let near = (NEAR_HZ / bin_hz).round() as usize;
    let (mut stft, mut spectrum) = (Stft::new(n_fft, n_fft / 2), Vec::new());
    let signal = audio.mono();
    // Only complete frames: a cut in a frame would count as noise.
    let frames = (2 * signal.len() / n_fft).saturating_sub(1);
    stft.forward(&signal, frames, n_fft as isize / 2, &mut spectrum);
    let powers = spectrum.chunks_exact(stft.bins()).map(|frame| -> Vec<f64> {
        frame[bins.clone()].iter().map(|z| f64::from(z.norm_sqr())).collect()
    });
    let frames: Vec<(f64, f64)> = powers.map(|power| noise_and_total(&power, near)).collect();
    let loudest = frames.iter().map(|frame| frame.1).fold(0.0, f64::max);
    let audible = frames.iter().filter(|frame| frame.1 > loudest * 10f64.powf(-DEPTH_DB / 10.0));
    let (noise, total) = audible.fold((0.0, 0.0), |sum, frame| (sum.0 + frame.0, sum.1 + frame.1));
    10.0 * (noise / (total - noise).max(total * 1e-9)).log10()
}

/// Power of a frame's noise and of the whole frame.
fn noise_and_total(power: &[f64], near: usize) -> (f64, f64) {
    let mut sorted = Vec::new();
    let noise = (0..power.len()).map(|bin| {
        sorted.clear();
        sorted
            .extend_from_slice(&power[bin.saturating_sub(near)..(bin + near + 1).min(power.len())]);
        let at = (sorted.len() as f64 * QUANTILE) as usize;
        let quantile = *sorted.select_nth_unstable_by(at, f64::total_cmp).1;
        quantile / -(1.0 - QUANTILE).ln()
    });
    (noise.sum(), power.iter().sum())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Partials of 220 Hz and white noise, at this power ratio within the measured range.
    fn tone_with_noise(noise_db: f64) -> Audio {
        let mut state = 1u32;
        let mut noise = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            f64::from(state >> 8) / f64::from(1 << 24) - 0.5
        };
        let samples = (0..88_200).map(|n| {
            let t = n as f64 / 44_100.0;
            let partials: f64 = (1..=20)
                .map(|k| {
                    (std::f64::consts::TAU * 220.0 * f64::from(k) * t + f64::from(k * k)).sin()
                })
                .sum();
            // Powers: 10 and, of the 7.9 kHz of 22.05 kHz that are measured, 1 / 12.
            let share: f64 = 7.9 / 22.05 / 12.0;
            partials + noise() * (10.0 / share).sqrt() * 10f64.powf(noise_db / 20.0)
        });
        Audio {
            sample_rate_hz: 44_100,
            channels: vec![samples.map(|x| (x * 0.01) as f32).collect()],
        }
    }

    #[test]
    fn the_ratio_of_noise_and_partials_is_measured() {
        for expected_db in [-35.0, -25.0, -15.0] {
            let db = noise_to_partials_db(&tone_with_noise(expected_db));
            assert!((db - expected_db).abs() < 2.5, "{db} {expected_db}");
        }
    }

    #[test]
    fn silence_has_no_ratio() {
        let silence = Audio { sample_rate_hz: 44_100, channels: vec![vec![0.0; 44_100]] };
        assert!(noise_to_partials_db(&silence).is_nan());
    }
}
