//! VGGish, compared with torchvggish: front end, convolutions, files. The numbers are from
//! `tests/golden/vggish.py`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use candle_core::{Device, Tensor, Var};
use engine::audio_file;
use engine::checkpoint::{Checkpoint, Kind, Precision};
use engine::config::MelConfig;
use engine::dsp::mel::MelFrontEnd;
use engine::inference_model::InferenceModel;
use engine::nn::candle::{Candle, ParamStore};
use safetensors::{Dtype, SafeTensors};
use tests::vggish::{checkpoint, draw, weight};
use tests::workspace;
use trainer::vggish::convert::{self, Args};
use trainer::vggish::pth::Pth;
use trainer::vggish::{BANDS, FRAMES, FromOurMel, FrontEnd, RATE_HZ, Vggish};
use trainer::weights::fill;

/// Largest difference of a log-mel value.
const FRONT_END_TOLERANCE: f32 = 1e-4;
/// Largest difference of a feature or a gradient, relative to the largest value.
const TOLERANCE: f32 = 1e-4;

fn golden(name: &str) -> PathBuf {
    workspace("tests/golden").join(name)
}

/// The golden tensors by name.
fn arrays() -> BTreeMap<String, Vec<f32>> {
    let bytes = std::fs::read(golden("vggish.safetensors")).expect("golden file");
    let file = SafeTensors::deserialize(&bytes).expect("tensors");
    let array = |(name, view): (String, safetensors::tensor::TensorView<'_>)| {
        let data = match view.dtype() {
            Dtype::I16 => view
                .data()
                .as_chunks()
                .0
                .iter()
                .map(|&b| f32::from(i16::from_le_bytes(b)) / 32768.0)
                .collect(),
            _ => view.data().as_chunks().0.iter().map(|&b| f32::from_le_bytes(b)).collect(),
        };
        (name, data)
    };
    file.tensors().into_iter().map(array).collect()
}

fn largest(values: impl Iterator<Item = f32>) -> f32 {
    values.fold(0.0, |most: f32, v| if most.is_nan() || v.abs() <= most { most } else { v.abs() })
}

fn assert_near(name: &str, ours: &[f32], theirs: &[f32], tolerance: f32) {
    assert_eq!(ours.len(), theirs.len(), "{name}: values");
    let difference = largest(ours.iter().zip(theirs).map(|(a, b)| a - b));
    println!("{name}: {difference:.1e}");
    assert!(difference <= tolerance, "{name}: {difference:e} from torchvggish");
}

fn data(x: &Tensor) -> Vec<f32> {
    x.flatten_all().and_then(|x| x.to_vec1()).expect("data")
}

#[test]
fn the_front_end_matches_torchvggish() {
    let golden = arrays();
    let examples = FrontEnd::default().examples(&golden["samples"]);
    assert_near("examples", &examples, &golden["examples"], FRONT_END_TOLERANCE);
}

#[test]
fn features_and_their_gradient_match_torchvggish() {
    let golden = arrays();
    let mut weights = ParamStore::frozen(&Device::Cpu);
    fill(&mut weights, &checkpoint().tensors);
    let network = Vggish::load(&mut weights).expect("network");
    let first = golden["examples"][..FRAMES * BANDS].to_vec();
    let example = Var::from_vec(first, (1, FRAMES, BANDS, 1), &Device::Cpu).expect("example");
    let features = network.features(&mut Candle::new(Device::Cpu), &example).expect("features");
    let mut probed = Tensor::zeros((), candle_core::DType::F32, &Device::Cpu).expect("zero");
    for (i, feature) in features.iter().enumerate() {
        let theirs = &golden[&format!("features.{i}")];
        let scale = largest(theirs.iter().copied());
        assert_near(
            &format!("features.{i}, largest {scale}"),
            &data(feature),
            theirs,
            TOLERANCE * scale,
        );
        let probe = draw(&format!("probe.{i}"), feature.elem_count(), 1.0);
        let probe = Tensor::from_vec(probe, feature.shape(), &Device::Cpu).expect("probe");
        probed =
            probed.add(&feature.mul(&probe).and_then(|x| x.sum_all()).expect("sum")).expect("sum");
    }
    let gradients = probed.backward().expect("backward");
    let theirs = &golden["gradient"];
    let tolerance = TOLERANCE * largest(theirs.iter().copied());
    assert_near("gradient", &data(gradients.get(&example).expect("a gradient")), theirs, tolerance);
}

/// Correlation and mean absolute difference of the conversion and the true front end, and the
/// standard deviation of the true values.
fn compare_front_ends(file: &str) -> (f64, f64, f64) {
    let mono = audio_file::decode(workspace(file)).expect("audio").mono();
    let rate_hz = audio_file::decode(workspace(file)).expect("audio").sample_rate_hz;
    let power = mono.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>() / mono.len() as f64;
    // The level of the training images.
    let gain = (0.01 / power).sqrt() as f32;
    let signal: Vec<f32> = mono.iter().map(|x| x * gain).collect();
    let resample =
        |to_hz| engine::dsp::resample::resampled(&signal, rate_hz, to_hz).expect("resampled");
    let config = MelConfig::default();
    let ours = resample(config.sample_rate_hz);
    let frames = 1 + ours.len() / config.hop_length;
    let image = MelFrontEnd::new(&config).image(&[&ours], 0, frames, 1.0);
    let image =
        Tensor::from_vec(image.data, (1, config.n_mels, frames, 1), &Device::Cpu).expect("image");
    let mapped = data(
        &FromOurMel::new(&config, &Device::Cpu).and_then(|map| map.log_mel(&image)).expect("map"),
    );
    let truth = FrontEnd::default().log_mel(&resample(RATE_HZ));
    let pairs: Vec<(f64, f64)> =
        mapped.iter().zip(&truth).map(|(a, b)| (f64::from(*a), f64::from(*b))).collect();
    assert!(
        pairs.len() + 8 * BANDS > truth.len(),
        "less than one of our frames is missing at the end"
    );
    let n = pairs.len() as f64;
    let mean = |value: fn(&(f64, f64)) -> f64| pairs.iter().map(value).sum::<f64>() / n;
    let (mean_a, mean_b) = (mean(|p| p.0), mean(|p| p.1));
    let covariance = mean(|p| p.0 * p.1) - mean_a * mean_b;
    let deviation_a = (mean(|p| p.0 * p.0) - mean_a * mean_a).sqrt();
    let deviation_b = (mean(|p| p.1 * p.1) - mean_b * mean_b).sqrt();
    (covariance / (deviation_a * deviation_b), mean(|p| (p.0 - p.1).abs()), deviation_b)
}

#[test]
fn the_conversion_from_our_mel_is_close_on_recordings() {
    for file in ["demo/piano", "styles/piano", "styles/guitar", "styles/harp", "styles/violin"] {
        let (correlation, error, deviation) = compare_front_ends(&format!("presets/{file}.flac"));
        println!(
            "measured: VGGish from our mel, {file}: correlation {correlation:.3}, \
             error {error:.3}, standard deviation {deviation:.2}"
        );
        assert!(correlation > 0.94, "{file}: {correlation}");
        assert!(error < 0.5 && error < 0.3 * deviation, "{file}: {error} of {deviation}");
    }
}

/// A complete file in torch's old format: the committed start, and the weights in the order of its
/// storages.
fn old_format_file() -> Vec<u8> {
    let mut bytes = std::fs::read(golden("vggish_begin.pth")).expect("golden file");
    let file = std::fs::read(golden("vggish.safetensors")).expect("golden file");
    let (_, metadata) = SafeTensors::read_metadata(&file).expect("metadata");
    let order = &metadata.metadata().as_ref().expect("metadata")["storages"];
    let shapes: BTreeMap<String, Vec<usize>> = Vggish::parameters().into_iter().collect();
    for name in order.split(' ') {
        // The embedding layers have one number each.
        let cut = if name.ends_with("weight") { vec![1, 1] } else { vec![1] };
        let tensor = weight(name, shapes.get(name).unwrap_or(&cut));
        bytes.extend((tensor.data.len() as u64).to_le_bytes());
        tensor.data.iter().for_each(|value| bytes.extend(value.to_le_bytes()));
    }
    bytes
}

#[test]
fn a_converted_state_dict_is_a_feature_network_and_not_a_model() {
    let folder = tempfile::tempdir().expect("a folder");
    let (weights, out) =
        (folder.path().join("vggish.pth"), folder.path().join("vggish.safetensors"));
    std::fs::write(&weights, old_format_file()).expect("written");
    convert::run(&Args { weights, out: out.clone() }).expect("converted");
    let converted = Checkpoint::read(&out).expect("a checkpoint");
    assert_eq!(converted.kind, Kind::Vggish);
    assert!(converted.tensors == checkpoint().tensors, "every weight, bit for bit");
    let refused = InferenceModel::packed(&converted).err().expect("no model").to_string();
    assert!(refused.contains("expected `model`, found `vggish`"), "{refused}");
}

#[test]
fn the_zip_format_has_the_same_weights() {
    let file = Pth::open(&golden("vggish_narrow.pth")).expect("a state dict");
    for (name, shape) in [("features.3.weight", vec![3, 2, 3, 3]), ("features.13.bias", vec![6])] {
        assert_eq!(file.tensor(name, &shape).expect("a tensor"), weight(name, &shape), "{name}");
    }
}

#[test]
fn other_files_are_refused_with_a_message() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("vggish.pth");
    let refused = |bytes: &[u8]| {
        std::fs::write(&path, bytes).expect("written");
        let message = convert::checkpoint(&path).expect_err("refused").to_string();
        assert!(
            message.starts_with(&path.display().to_string()) && message.len() < 400,
            "{message}"
        );
        message
    };
    let narrow = refused(&std::fs::read(golden("vggish_narrow.pth")).expect("golden file"));
    assert!(
        narrow.contains("`features.0.weight`: expected shape [64, 1, 3, 3], found [2, 1, 3, 3]"),
        "{narrow}"
    );
    for wrong in [&b""[..], b"RIFF....WAVE", &checkpoint().to_bytes(Precision::F16).expect("bytes")]
    {
        assert!(
            refused(wrong)
                .contains("expected a state dict saved by torch (.pth), found another format")
        );
    }
    let complete = old_format_file();
    for length in [20, 200, 2000, complete.len() - 4] {
        assert!(
            refused(&complete[..length]).contains("expected a complete state dict"),
            "{length}"
        );
    }
    let without: Vec<u8> = replaced(&complete, b"features.8.bias", b"features.9.bias");
    assert!(refused(&without).contains("`features.8.bias`: expected shape [256], found none"));
    let integers = replaced(&complete, b"FloatStorage", b"IntStorage");
    assert!(refused(&integers).contains("IntStorage"));
    let missing = folder.path().join("none.pth");
    assert!(convert::checkpoint(&missing).expect_err("refused").to_string().contains("none.pth"));
}

fn replaced(bytes: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let position =
        bytes.windows(from.len()).position(|window| window == from).expect("once at least");
    [&bytes[..position], to, &bytes[position + from.len()..]].concat()
}
