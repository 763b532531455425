//! Can it be heard where two windows are joined?

use std::ops::Range;

use engine::audio_file::Audio;
use engine::dsp::stft::{Complex32, Stft};

const N_FFT: usize = 1024;
const HOP: usize = N_FFT / 4;

/// Spectral flux at the joins (host samples) over the median flux of the whole recording; 1 is like
/// everywhere.
///
/// The flux of a frame is what its magnitudes rise by, all bins together (Dixon 2006). Music rises
/// at joins too when a note begins there: compare with the true target at the same places. 0
/// without joins or sound.
pub fn seam_flux(audio: &Audio, joins: &[Range<u64>]) -> f64 {
    let flux = flux(&audio.mono());
    let frame = |sample: u64| (sample as usize / HOP).min(flux.len());
    let at_joins: Vec<f64> =
        joins.iter().flat_map(|join| &flux[frame(join.start)..frame(join.end)]).copied().collect();
    let mut sorted = flux.clone();
    sorted.sort_by(f64::total_cmp);
    let median = sorted.get(sorted.len() / 2).copied().unwrap_or(0.0);
    if at_joins.is_empty() || median <= 0.0 {
        return 0.0;
    }
    at_joins.iter().sum::<f64>() / at_joins.len() as f64 / median
}

fn flux(signal: &[f32]) -> Vec<f64> {
    let (mut stft, mut spectrum) = (Stft::new(N_FFT, HOP), Vec::new());
    stft.forward(signal, 1 + signal.len() / HOP, 0, &mut spectrum);
    let frames: Vec<_> = spectrum.chunks_exact(stft.bins()).collect();
    let rise = |pair: &[&[Complex32]]| {
        let rises = pair[1].iter().zip(pair[0]).map(|(after, before)| after.norm() - before.norm());
        rises.map(|rise| f64::from(rise.max(0.0))).sum()
    };
    frames.windows(2).map(rise).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_click_at_the_join_is_told_from_smooth_sound() {
        let mut state = 1u32;
        let mut noise = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / (1 << 24) as f32 - 0.5
        };
        let smooth = Audio {
            sample_rate_hz: 44_100,
            channels: vec![(0..88_200).map(|_| 0.01 * noise()).collect()],
        };
        let mut clicked = smooth.clone();
        clicked.channels[0][44_100] += 1.0;
        let joins = vec![std::ops::Range { start: 43_000, end: 45_000 }];
        assert!((0.7..1.4).contains(&seam_flux(&smooth, &joins)), "{}", seam_flux(&smooth, &joins));
        assert!(seam_flux(&clicked, &joins) > 2.0, "{}", seam_flux(&clicked, &joins));
        assert_eq!(seam_flux(&smooth, &[]), 0.0);
    }
}
