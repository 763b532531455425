//! Similarity of the pitch classes of two recordings.

use engine::audio_file::Audio;
use engine::dsp::stft::Stft;

/// Frequency range. Below A1 bins are wider than semitones; the upper end is that of a piano.
const RANGE_HZ: std::ops::Range<f32> = 55.0..4400.0;
/// Minimum window length.
const WINDOW_S: f32 = 0.15;
/// Frames with a lower power than this, relative to the loudest frame, are pauses.
const PAUSE: f32 = 1e-4;

/// Cosine similarity of the chromas (12 pitch classes), averaged over the frames in which both
/// recordings sound; 0 to 1.
///
/// Chroma after Bartsch and Wakefield 2005: magnitudes of an STFT, summed over octaves.
pub fn chroma_cosine(a: &Audio, b: &Audio) -> f64 {
    let (a, b) = (chroma(a), chroma(b));
    let sounding = a.iter().zip(&b).filter_map(|(a, b)| a.as_ref().zip(b.as_ref()));
    let cosines = sounding.map(|(a, b)| f64::from(dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()));
    let (sum, count) = cosines.fold((0.0, 0u32), |(sum, count), c| (sum + c, count + 1));
    sum / f64::from(count.max(1))
}

fn dot(a: &[f32; 12], b: &[f32; 12]) -> f32 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// The chroma of every frame; `None` for pauses.
fn chroma(audio: &Audio) -> Vec<Option<[f32; 12]>> {
    let rate_hz = audio.sample_rate_hz as f32;
    let n_fft = ((WINDOW_S * rate_hz) as usize).next_power_of_two();
    let class = |bin: usize| {
        let hz = bin as f32 * rate_hz / n_fft as f32;
        RANGE_HZ
            .contains(&hz)
            .then(|| (12.0 * (hz / 440.0).log2()).round().rem_euclid(12.0) as usize)
    };
    let classes: Vec<Option<usize>> = (0..=n_fft / 2).map(class).collect();
    let (mut stft, mut spectrum) = (Stft::new(n_fft, n_fft / 4), Vec::new());
    let mono = audio.mono();
    stft.forward(&mono, 1 + mono.len() / (n_fft / 4), 0, &mut spectrum);
    let mut frames = vec![([0.0; 12], 0.0); spectrum.len() / classes.len()];
    for ((chroma, power), spectrum) in frames.iter_mut().zip(spectrum.chunks_exact(classes.len())) {
        for (class, x) in classes.iter().zip(spectrum) {
            if let Some(class) = class {
                chroma[*class] += x.norm();
                *power += x.norm_sqr();
            }
        }
    }
    let loudest = frames.iter().map(|f| f.1).fold(0.0, f32::max);
    frames.into_iter().map(|(chroma, power)| (power > PAUSE * loudest).then_some(chroma)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tones(keys: &[i32]) -> Audio {
        let hz = |key: i32| 440.0 * ((key - 69) as f32 / 12.0).exp2();
        let sample = |i| {
            let sine =
                |key: &i32| 0.1 * (std::f32::consts::TAU * hz(*key) * i as f32 / 22_050.0).sin();
            keys.iter().map(sine).sum()
        };
        Audio { sample_rate_hz: 22_050, channels: vec![(0..22_050).map(sample).collect()] }
    }

    #[test]
    fn octaves_are_similar_and_tritones_are_not() {
        assert!(chroma_cosine(&tones(&[60, 64]), &tones(&[72, 76])) > 0.95);
        assert!(chroma_cosine(&tones(&[60]), &tones(&[66])) < 0.2);
        assert_eq!(chroma_cosine(&tones(&[]), &tones(&[60])), 0.0);
    }
}
