//! Griffin-Lim and the inverse of the mel spectrogram, compared with librosa (`golden/vocoder.py`).

use std::path::Path;

use engine::config::MelConfig;
use engine::dsp::mel::{MelFilterbank, power_to_db};
use engine::dsp::stft::{Complex32, Stft};
use engine::image::MelImage;
use engine::vocoder::griffin_lim::from_phases;
use engine::vocoder::mel_inverse::mel_to_magnitude;
use safetensors::SafeTensors;

const N_FFT: usize = 512;
const HOP: usize = 128;
const SAMPLES: usize = 8000;

fn golden() -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden/vocoder.safetensors");
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn floats(file: &SafeTensors, name: &str) -> Vec<f32> {
    let tensor = file.tensor(name).unwrap_or_else(|error| panic!("{name}: {error}"));
    tensor
        .data()
        .chunks_exact(4)
        .map(|b| f32::from_le_bytes(b.try_into().expect("4 bytes")))
        .collect()
}

fn signal(file: &SafeTensors) -> Vec<f32> {
    let tensor = file.tensor("signal").expect("signal");
    let samples = tensor.data().chunks_exact(2).map(|b| i16::from_le_bytes([b[0], b[1]]));
    samples.map(|s| f32::from(s) / 32768.0).collect()
}

/// The signal's magnitudes, multiplied by a linear tilt from 2 to 0.1 over the bins.
fn tilted_magnitude(signal: &[f32], stft: &mut Stft) -> Vec<f32> {
    let (bins, mut spectrum) = (stft.bins(), Vec::new());
    stft.forward(signal, 1 + SAMPLES / HOP, 0, &mut spectrum);
    let tilt = |bin: usize| 2.0 - 1.9 * bin as f32 / (bins - 1) as f32;
    spectrum.iter().enumerate().map(|(i, z)| z.norm() * tilt(i % bins)).collect()
}

/// RMS of the difference, divided by the RMS of the expected signal.
fn relative_error(got: &[f32], expected: &[f32]) -> f32 {
    let energy = |x: f32| x * x;
    let error: f32 = got.iter().zip(expected).map(|(a, b)| energy(a - b)).sum();
    (error / expected.iter().copied().map(energy).sum::<f32>()).sqrt()
}

#[test]
fn griffin_lim_matches_librosa() {
    let data = golden();
    let file = SafeTensors::deserialize(&data).expect("golden file");
    let mut stft = Stft::new(N_FFT, HOP);
    let magnitude = tilted_magnitude(&signal(&file), &mut stft);
    let zero_phase = vec![Complex32::new(1.0, 0.0); magnitude.len()];
    // The phase of a bin near zero depends on the last digit, and eight iterations amplify that.
    for (iterations, momentum, limit) in
        [(0, 0.99, 1e-5), (1, 0.99, 1e-3), (8, 0.0, 1e-2), (8, 0.99, 1e-2)]
    {
        let momentum_name = if momentum == 0.0 { "0.0" } else { "0.99" };
        let expected = floats(&file, &format!("griffin_lim_{iterations}_{momentum_name}"));
        let got = from_phases(&magnitude, &zero_phase, &mut stft, iterations, momentum, SAMPLES);
        let error = relative_error(&got, &expected);
        assert!(error < limit, "{iterations} iterations, momentum {momentum}: {error:e}");
    }
}

#[test]
fn the_inverse_mel_is_closer_in_decibels_than_librosas() {
    let data = golden();
    let file = SafeTensors::deserialize(&data).expect("golden file");
    let config = MelConfig { top_db: 40.0, range_db: 100.0, ..MelConfig::default() };
    let mel = floats(&file, "mel_power");
    let frames = mel.len() / 128;
    let image = mel.iter().map(|&p| config.from_db(power_to_db(p, 1e-10))).collect();
    let magnitude = mel_to_magnitude(&MelImage { n_mels: 128, frames, data: image }, &config);
    let mut ours = vec![0.0; mel.len()];
    let bank = MelFilterbank::new(22_050.0, 2048, 128);
    for (t, frame) in magnitude.chunks_exact(1025).enumerate() {
        let power: Vec<f32> = frame.iter().map(|x| x * x).collect();
        bank.apply(&power, |m, p| ours[m * frames + t] = p);
    }
    let loudest = mel.iter().copied().fold(0.0, f32::max);
    let error_db = |got: &[f32]| {
        let loud = got.iter().zip(&mel).filter(|(_, m)| **m > loudest * 1e-6);
        let errors: Vec<f32> =
            loud.map(|(g, m)| power_to_db(*g, 1e-10) - power_to_db(*m, 1e-10)).collect();
        (errors.iter().map(|e| e * e).sum::<f32>() / errors.len() as f32).sqrt()
    };
    let (ours_db, librosas_db) =
        (error_db(&ours), error_db(&floats(&file, "mel_power_of_librosas_inverse")));
    assert!(
        ours_db < librosas_db && ours_db < 0.5,
        "ours {ours_db} dB, librosa's {librosas_db} dB"
    );
}
