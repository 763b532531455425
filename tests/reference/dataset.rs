//! `trainer build-dataset`, compared with the reports' pipeline of librosa and PIL
//! (`golden/dataset.py`).

use std::path::Path;

use engine::audio_file::{Audio, SampleFormat, encode};
use safetensors::SafeTensors;
use trainer::data::dataset::{ImageRef, ImageSet};
use trainer::data::recordings::build::{self, Args};
use trainer::data::recordings::chunk_image::Reference;
use trainer::data::recordings::dataset::RecordingDataset;

const PIXELS: usize = 128 * 128;

fn golden(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden").join(name);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Builds the dataset of one recording. `place` writes the recording to a folder.
fn built(place: impl FnOnce(&Path)) -> RecordingDataset {
    let folder = tempfile::tempdir().expect("a folder");
    let (recordings, out) = (folder.path().join("recordings"), folder.path().join("dataset"));
    std::fs::create_dir_all(recordings.join("harp")).expect("a folder");
    place(&recordings.join("harp"));
    let reference = Reference::ChunkMax;
    build::run(&Args {
        folder: recordings,
        out: out.clone(),
        reference,
        minutes: 30.0,
        pairs: 1,
        seed: 1,
    })
    .unwrap_or_else(|error| panic!("{error}"));
    RecordingDataset::open(&out).unwrap_or_else(|error| panic!("{error}"))
}

/// The absolute difference of every pixel from the golden image.
fn differences(dataset: &RecordingDataset, expected: &[u8]) -> Vec<u8> {
    let chunks = dataset.description.recordings[0].chunks;
    assert_eq!(chunks * PIXELS, expected.len(), "{chunks} images");
    let image = |chunk| dataset.image(ImageRef { chunk, ..ImageRef::default() });
    let found = (0..chunks).flat_map(|chunk| image(chunk).iter());
    found.zip(expected).map(|(a, b)| a.abs_diff(*b)).collect()
}

#[test]
fn wav_images_match_librosa_and_pil_to_the_pixel() {
    let bytes = golden("dataset.safetensors");
    let file = SafeTensors::deserialize(&bytes).expect("a safetensors file");
    let tensor = |name: &str| file.tensor(name).expect("a golden tensor").data().to_vec();
    let samples: Vec<f32> = tensor("samples")
        .as_chunks::<2>()
        .0
        .iter()
        .map(|b| f32::from(i16::from_le_bytes(*b)) / 32768.0)
        .collect();
    let dataset = built(|folder| {
        let audio = Audio { sample_rate_hz: 22_050, channels: vec![samples.clone()] };
        encode(folder.join("plucks.wav"), &audio, SampleFormat::Int24).expect("a WAV file");
    });
    let recording = &dataset.description.recordings[0];
    let trim: Vec<i32> =
        tensor("trim").as_chunks::<4>().0.iter().map(|b| i32::from_le_bytes(*b)).collect();
    assert_eq!(
        recording.sounding_samples.map(|n| n as i32).as_slice(),
        trim,
        "librosa.effects.trim"
    );
    assert_eq!(recording.chunks, 3);
    let differ =
        |name: &str| differences(&dataset, &tensor(name)).iter().filter(|d| **d > 0).count();
    assert_eq!(differ("images"), 0, "pixels that differ");
    // In single precision librosa rounds about one in tens of thousands of pixels to the other
    // byte.
    assert!(differ("images.float32") <= 3, "{} pixels differ", differ("images.float32"));
}

#[test]
fn mp3_images_match_librosa_to_one_level() {
    let bytes = golden("dataset.safetensors");
    let file = SafeTensors::deserialize(&bytes).expect("a safetensors file");
    let dataset = built(|folder| {
        std::fs::write(folder.join("plucks.mp3"), golden("dataset.mp3")).expect("an MP3 file")
    });
    let differences =
        differences(&dataset, file.tensor("mp3.images").expect("a golden tensor").data());
    let far = differences.iter().filter(|d| **d > 1).count();
    assert!(
        far * 1000 <= differences.len(),
        "{far} of {} pixels are more than one level differences",
        differences.len()
    );
}
