//! STFT, inverse STFT and mel front end, compared with librosa (`golden/dsp.py`).

use std::path::Path;

use engine::config::MelConfig;
use engine::dsp::mel::{AMIN, MelFilterbank, MelFrontEnd, grayscale_chunk_max, power_to_db};
use engine::dsp::stft::{Complex32, Stft};
use safetensors::{Dtype, SafeTensors};

const SIGNALS: [&str; 3] = ["sweep", "noise", "plucks"];
/// STFT frames in the golden files.
const FRAMES_KEPT: [usize; 3] = [0, 1, 13];

fn read(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden").join(name);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Shape and values of a golden tensor, each from `N` bytes.
fn values<const N: usize, T>(
    file: &SafeTensors,
    name: &str,
    dtype: Dtype,
    convert: fn([u8; N]) -> T,
) -> (Vec<usize>, Vec<T>) {
    let tensor = file.tensor(name).unwrap_or_else(|error| panic!("{name}: {error}"));
    assert_eq!(tensor.dtype(), dtype, "{name}");
    let data =
        tensor.data().chunks_exact(N).map(|b| convert(b.try_into().expect("N bytes"))).collect();
    (tensor.shape().to_vec(), data)
}

fn floats(file: &SafeTensors, name: &str) -> Vec<f32> {
    values(file, name, Dtype::F32, f32::from_le_bytes).1
}

/// Pairs of real and imaginary parts.
fn complex(file: &SafeTensors, name: &str) -> Vec<Complex32> {
    floats(file, name).chunks_exact(2).map(|p| Complex32::new(p[0], p[1])).collect()
}

fn signal(file: &SafeTensors, name: &str) -> Vec<f32> {
    let (_, samples) = values(file, &format!("{name}.samples"), Dtype::I16, i16::from_le_bytes);
    samples.into_iter().map(|s| f32::from(s) / 32768.0).collect()
}

fn largest(values: impl IntoIterator<Item = f32>) -> f32 {
    values.into_iter().fold(0.0, |a, b| if b.is_nan() { b } else { f32::max(a, b) })
}

/// The configs of the golden files.
fn configs() -> [MelConfig; 2] {
    let small = MelConfig {
        sample_rate_hz: 16_000,
        n_fft: 1024,
        hop_length: 256,
        n_mels: 64,
        ..MelConfig::default()
    };
    [MelConfig::default(), small]
}

/// Runs a check on every signal of both files.
fn for_every_signal(check: impl Fn(&MelConfig, &SafeTensors, &str, &[f32])) {
    for config in configs() {
        let bytes = read(&format!("dsp_{}.safetensors", config.sample_rate_hz));
        let file = SafeTensors::deserialize(&bytes).expect("a safetensors file");
        SIGNALS.iter().for_each(|name| check(&config, &file, name, &signal(&file, name)));
    }
}

#[test]
fn filterbank_matches_librosa() {
    for config in configs() {
        let bytes = read(&format!("dsp_{}.safetensors", config.sample_rate_hz));
        let file = SafeTensors::deserialize(&bytes).expect("a safetensors file");
        let bank = MelFilterbank::new(config.sample_rate_hz as f32, config.n_fft, config.n_mels);
        let mut expected = vec![0.0; config.n_mels * (config.n_fft / 2 + 1)];
        let (_, index) = values(&file, "filterbank.index", Dtype::I32, i32::from_le_bytes);
        index
            .iter()
            .zip(floats(&file, "filterbank.weight"))
            .for_each(|(&i, w)| expected[i as usize] = w);
        let scale = largest(expected.iter().copied());
        let worst = largest(bank.weights().iter().zip(&expected).map(|(a, b)| (a - b).abs()));
        assert!(worst <= 1e-6 * scale, "{} Hz: off by {worst} of {scale}", config.sample_rate_hz);
    }
}

#[test]
fn stft_matches_librosa() {
    for_every_signal(|config, file, name, signal| {
        let mut stft = Stft::new(config.n_fft, config.hop_length);
        let mut spectrum = Vec::new();
        stft.forward(signal, 1 + signal.len() / config.hop_length, 0, &mut spectrum);
        let expected = complex(file, &format!("{name}.stft"));
        let scale = largest(expected.iter().map(|x| x.norm()));
        for (t, expected) in FRAMES_KEPT.into_iter().zip(expected.chunks_exact(stft.bins())) {
            let frame = &spectrum[t * stft.bins()..][..stft.bins()];
            let worst = largest(frame.iter().zip(expected).map(|(a, b)| (a - b).norm()));
            assert!(worst <= 1e-6 * scale, "{name} frame {t}: off by {worst} of {scale}");
        }
    });
}

#[test]
fn inverse_stft_matches_librosa() {
    let bytes = read("dsp_istft.safetensors");
    let file = SafeTensors::deserialize(&bytes).expect("a safetensors file");
    for hop_length in [64, 100] {
        let mut spectrum = complex(&file, &format!("istft_{hop_length}.spectrum"));
        let expected = floats(&file, &format!("istft_{hop_length}.signal"));
        let mut signal = Vec::new();
        Stft::new(256, hop_length).inverse(&mut spectrum, 0, expected.len(), &mut signal);
        let scale = largest(expected.iter().map(|x| x.abs()));
        let worst = largest(signal.iter().zip(&expected).map(|(a, b)| (a - b).abs()));
        assert!(
            signal.len() == expected.len() && worst <= 2e-6 * scale,
            "hop {hop_length}: {worst} of {scale}"
        );
    }
}

#[test]
fn mel_power_and_decibels_match_librosa() {
    for_every_signal(|config, file, name, signal| {
        let frames = 1 + signal.len() / config.hop_length;
        let power = MelFrontEnd::new(config).mel_power(&[signal], 0, frames, 1.0);
        let (shape, expected) =
            values(file, &format!("{name}.mel_power"), Dtype::F32, f32::from_le_bytes);
        assert_eq!(shape, [config.n_mels, frames], "{name}");
        let scale = largest(expected.iter().copied());
        let worst = largest(power.iter().zip(&expected).map(|(a, b)| (a - b).abs()));
        assert!(worst <= 1e-5 * scale, "{name}: mel power off by {worst} of {scale}");
        // Quiet bands count equally in decibels. Far below the loudest band (the image shows 80
        // dB), the error is the rounding of the f32 transform.
        let expected = floats(file, &format!("{name}.mel_db"));
        let loudest = power_to_db(scale, AMIN);
        for (&power, &db) in power.iter().zip(&expected) {
            let bound_db = if db > loudest - 100.0 { 0.01 } else { 0.1 };
            let found_db = power_to_db(power, AMIN);
            assert!((found_db - db).abs() <= bound_db, "{name}: {found_db} dB, not {db} dB");
        }
    });
}

#[test]
fn the_image_matches_librosas_decibels_on_the_configs_scale() {
    for_every_signal(|config, file, name, signal| {
        let frames = 1 + signal.len() / config.hop_length;
        // Half the amplitude with twice the gain results in an equal image.
        let half: Vec<f32> = signal.iter().map(|x| 0.5 * x).collect();
        let image = MelFrontEnd::new(config).image(&[&half], 0, frames, 2.0);
        let expected = floats(file, &format!("{name}.mel_db"));
        let map = |db: f32| ((db - config.top_db) / config.range_db + 1.0).clamp(0.0, 1.0);
        let worst = largest(image.data.iter().zip(&expected).map(|(v, &db)| (v - map(db)).abs()));
        assert!(worst <= 0.01 / config.range_db, "{name}: off by {worst}");
    });
}

#[test]
fn the_reports_gray_values_match_librosa() {
    for_every_signal(|config, file, name, signal| {
        let frames = 1 + signal.len() / config.hop_length;
        let gray =
            grayscale_chunk_max(&MelFrontEnd::new(config).mel_power(&[signal], 0, frames, 1.0));
        let (_, expected) = values(file, &format!("{name}.gray"), Dtype::U8, |[b]: [u8; 1]| b);
        // A few values near a byte boundary may be rounded to the other byte.
        let differences: Vec<u8> =
            gray.iter().zip(&expected).map(|(a, b)| a.abs_diff(*b)).collect();
        let different = differences.iter().filter(|&&d| d > 0).count();
        assert!(
            differences.iter().all(|&d| d <= 1) && different * 500 <= gray.len(),
            "{name}: {different} differ"
        );
    });
}
