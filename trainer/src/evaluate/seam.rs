//! Roughness of the joins between windows.

use std::ops::Range;

use engine::audio_file::Audio;
use engine::dsp::stft::{Complex32, Stft};

const N_FFT: usize = 1024;
const HOP: usize = N_FFT / 4;

/// Mean spectral flux at the joins (host samples), divided by the median flux of the recording. 1
/// is like the rest of the recording; 0 is no joins or silence.
///
/// The flux of a frame is the sum of the increases of its magnitudes (Dixon 2006). A note onset at
/// a join increases it too, so compare with the true target at the same places.
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
    fn a_click_at_a_join_increases_the_flux() {
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
