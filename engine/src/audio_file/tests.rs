use std::path::PathBuf;

use super::*;

const FRAMES: usize = 5003;

/// A file written with libsndfile by tests/golden/audio_files.py.
fn golden(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tests/golden/audio_files").join(name)
}

/// Golden files with the left channel alone.
const MONO: [&str; 12] = [
    "mono.wav",
    "mono.mp3",
    "mono.ogg",
    "i16.aiff",
    "sowt.aifc",
    "f32.aifc",
    "i16.caf",
    "i24.rf64",
    "i16.w64",
    "i16.rifx",
    "aac.m4a",
    "alac.m4a",
];

/// The tone in the golden files.
fn tone() -> [Vec<f32>; 2] {
    let sine = |amplitude: f64, hz: f64| {
        (0..FRAMES)
            .map(|n| (amplitude * (std::f64::consts::TAU * hz * n as f64 / 22_050.0).sin()) as f32)
            .collect()
    };
    [sine(0.5, 440.0), sine(0.25, 660.0)]
}

fn farthest(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(x, y)| (x - y).abs()).fold(0.0, f32::max)
}

fn refusal(path: impl AsRef<Path>) -> String {
    let sentence = decode(path).expect_err("refused").to_string();
    assert!(!sentence.contains('\n') && !sentence.is_empty());
    sentence
}

/// Noise from a linear congruential generator, full scale.
fn noise(count: usize, seed: u64) -> Vec<f32> {
    let mut state = seed;
    let mut next = || {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((state >> 33) as f32 / (1u64 << 30) as f32) - 1.0
    };
    (0..count).map(|_| next()).collect()
}

#[test]
fn files_of_other_encoders_decode_to_the_tone_at_its_exact_length() {
    let tone = tone();
    // A misalignment by one sample is an error of 0.063. Lossy formats are coded within 0.05.
    let tolerances = [
        ("u8.wav", 1.0 / 120.0),
        ("i16.wav", 1.0 / 32_000.0),
        ("i24.wav", 1e-6),
        ("i32.wav", 1e-6),
        ("f32.wav", 1e-7),
        ("f64.wav", 1e-7),
        ("mono.wav", 1.0 / 32_000.0),
        ("i16.flac", 1.0 / 32_000.0),
        ("i24.flac", 1e-6),
        ("stereo.mp3", 0.05),
        ("mono.mp3", 0.05),
        ("stereo.ogg", 0.05),
        ("mono.ogg", 0.05),
        ("i16.aiff", 1.0 / 32_000.0),
        ("sowt.aifc", 1.0 / 32_000.0),
        ("f32.aifc", 1e-7),
        ("i16.caf", 1.0 / 32_000.0),
        ("i24.rf64", 1e-6),
        ("i16.w64", 1.0 / 32_000.0),
        ("i16.rifx", 1.0 / 32_000.0),
        // AAC starts with a larger error. A misalignment is still larger in the mean.
        ("aac.m4a", 0.1),
        ("alac.m4a", 1.0 / 32_000.0),
    ];
    for (name, tolerance) in tolerances {
        let audio = decode(golden(name)).unwrap_or_else(|e| panic!("{e}"));
        assert_eq!((audio.sample_rate_hz, audio.frames()), (22_050, FRAMES), "{name}");
        let channels = if MONO.contains(&name) { 1 } else { 2 };
        assert_eq!(audio.channels.len(), channels, "{name}");
        for (channel, expected) in audio.channels.iter().zip(&tone) {
            let worst = farthest(channel, expected);
            assert!(worst < tolerance, "{name}: off by {worst}");
            let sum: f32 = channel.iter().zip(expected).map(|(a, b)| (a - b).powi(2)).sum();
            let rms = (sum / FRAMES as f32).sqrt();
            assert!(rms < 0.02, "{name}: off by {rms} on average");
        }
    }
}

#[test]
fn unusable_files_are_rejected_in_one_sentence() {
    assert!(refusal(golden("nowhere.wav")).contains("no such file"));
    assert!(refusal(golden("quad.wav")).contains("found 4 channels"));
    assert!(refusal(golden("nan.wav")).contains("NaN"));
    assert!(refusal(golden("empty.wav")).contains("found a file without samples"));
    assert!(refusal(golden("")).contains("found a folder"));
    let folder = tempfile::tempdir().expect("a folder");
    let text = folder.path().join("text.wav");
    std::fs::write(&text, "these are words, not samples").expect("written");
    assert!(
        refusal(&text).contains("expected a WAV, AIFF, CAF, FLAC, MP3, M4A, Ogg Vorbis or Opus")
    );
    std::fs::write(&text, "").expect("written");
    assert!(refusal(&text).contains("found an empty file"));
    encode(&text, &Audio { sample_rate_hz: 4_000, channels: vec![vec![0.5]] }, SampleFormat::Int24)
        .expect("written");
    assert!(refusal(&text).contains("found 4000 Hz"));
}

#[test]
fn integers_are_preserved_bit_for_bit_at_any_length() {
    let folder = tempfile::tempdir().expect("a folder");
    for (frames, channels, rate_hz) in [
        (1, 1, 8_000),
        (2, 2, 44_100),
        (15, 2, 48_000),
        (63, 1, 11_025),
        (4095, 2, 44_100),
        (4096, 2, 96_000),
        (4097, 1, 176_400),
        (12_345, 2, 192_000),
    ] {
        // 24 bits store multiples of 2^-23. A quiet tail exercises the predictors.
        let channels: Vec<Vec<f32>> = (0..channels)
            .map(|c| {
                let samples = noise(frames, 7 + c);
                let decay = |n: usize| if n > frames / 2 { 1e-4 } else { 1.0 };
                let quantised = samples
                    .iter()
                    .enumerate()
                    .map(|(n, x)| (x * decay(n) * 8_388_607.0).round() / 8_388_608.0);
                quantised.collect()
            })
            .collect();
        let audio = Audio { sample_rate_hz: rate_hz, channels };
        for name in ["a.flac", "a.wav"] {
            let path = folder.path().join(name);
            encode(&path, &audio, SampleFormat::Int24).expect("written");
            assert!(
                decode(&path).expect("read") == audio,
                "{name} of {frames} frames at {rate_hz} Hz"
            );
        }
    }
}

#[test]
fn floats_are_preserved_bit_for_bit_even_above_full_scale() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("a.WAV");
    let channels = vec![noise(1000, 1).iter().map(|x| x * 3.0).collect(), noise(1000, 2)];
    let audio = Audio { sample_rate_hz: 44_100, channels };
    encode(&path, &audio, SampleFormat::Float32).expect("written");
    assert!(decode(&path).expect("read") == audio);
}

#[test]
fn sixteen_bits_are_rounded() {
    let folder = tempfile::tempdir().expect("a folder");
    for name in ["a.wav", "a.flac"] {
        let path = folder.path().join(name);
        let samples = vec![0.0, 0.25, -1.0, 1.4 / 32_768.0, -1.6 / 32_768.0];
        let audio = Audio { sample_rate_hz: 44_100, channels: vec![samples] };
        encode(&path, &audio, SampleFormat::Int16).expect("written");
        let expected = [0.0, 0.25, -1.0, 1.0 / 32_768.0, -2.0 / 32_768.0];
        assert_eq!(decode(&path).expect("read").channels[0], expected, "{name}");
    }
}

/// Python's `wave`, sox and old players read nothing but this.
#[test]
fn the_header_of_a_wav_file_is_plain_and_chunks_are_padded() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("a.wav");
    for (format, tag) in
        [(SampleFormat::Int16, 1), (SampleFormat::Int24, 1), (SampleFormat::Float32, 3)]
    {
        let audio = Audio { sample_rate_hz: 44_100, channels: vec![vec![0.5; 3]] };
        encode(&path, &audio, format).expect("written");
        let bytes = std::fs::read(&path).expect("read");
        let at = bytes.windows(4).position(|id| id == b"fmt ").expect("a format");
        assert_eq!(bytes[at + 4..at + 10], [16, 0, 0, 0, tag, 0]);
        let size = u32::from_le_bytes(bytes[4..8].try_into().expect("four"));
        assert!(bytes.len().is_multiple_of(2) && size as usize == bytes.len() - 8, "{format:?}");
    }
}

#[test]
fn silence_is_audio() {
    let folder = tempfile::tempdir().expect("a folder");
    let audio = Audio { sample_rate_hz: 44_100, channels: vec![vec![0.0; 9000]; 2] };
    for name in ["a.wav", "a.flac"] {
        let path = folder.path().join(name);
        encode(&path, &audio, SampleFormat::Int24).expect("written");
        assert_eq!(decode(&path).expect("read"), audio);
    }
}

#[test]
fn integers_clip_at_full_scale_and_count_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("a.wav");
    let mut writer = Writer::create(&path, 44_100, 1, SampleFormat::Int24).expect("created");
    writer.push(&[&[1.5, -2.0, 0.5, -1.0, 1.0]]).expect("pushed");
    assert_eq!(writer.clipped_samples(), 3);
    writer.finish().expect("finished");
    let most = 8_388_607.0 / 8_388_608.0;
    assert_eq!(decode(&path).expect("read").channels[0], [most, -1.0, 0.5, -1.0, most]);
}

#[test]
fn block_sizes_do_not_change_the_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let samples = noise(20_000, 3);
    for name in ["a.wav", "a.flac"] {
        let mut files = Vec::new();
        for block in [1, 997, 4096, 20_000] {
            let path = folder.path().join(name);
            let mut writer =
                Writer::create(&path, 48_000, 2, SampleFormat::Int24).expect("created");
            samples.chunks(block).for_each(|chunk| writer.push(&[chunk, chunk]).expect("pushed"));
            writer.finish().expect("finished");
            files.push(std::fs::read(&path).expect("read"));
        }
        assert!(files.windows(2).all(|pair| pair[0] == pair[1]), "{name}");
    }
}

#[test]
fn unfinished_files_leave_nothing_behind() {
    let folder = tempfile::tempdir().expect("a folder");
    let names = || std::fs::read_dir(folder.path()).expect("listed").count();
    for name in ["a.wav", "a.flac"] {
        let mut writer = Writer::create(folder.path().join(name), 44_100, 1, SampleFormat::Int24)
            .expect("created");
        writer.push(&[&noise(10_000, 4)]).expect("pushed");
        assert_eq!(names(), 1);
        drop(writer);
        assert_eq!(names(), 0, "{name}");
    }
    let audio = Audio { sample_rate_hz: 44_100, channels: vec![vec![0.0, f32::NAN]] };
    let refused = |name: &str, format| {
        let sentence =
            encode(folder.path().join(name), &audio, format).expect_err("refused").to_string();
        assert_eq!(names(), 0, "{name}");
        sentence
    };
    assert!(refused("a.wav", SampleFormat::Int24).contains("NaN"));
    assert!(refused("a.flac", SampleFormat::Float32).contains("cannot store float"));
    assert!(refused("a.mp3", SampleFormat::Int24).contains(".wav or .flac"));
    assert!(refused("nowhere/a.wav", SampleFormat::Int24).contains("no such file or folder"));
    assert!(refused("", SampleFormat::Int24).contains(".wav or .flac"));
}

/// Every golden file, truncated or with changed bytes: decoding returns audio or an error, and
/// never panics.
#[test]
fn damaged_files_never_panic() {
    let folder = tempfile::tempdir().expect("a folder");
    let damaged = folder.path().join("damaged");
    let mut refused = 0;
    for name in ["i16.wav", "f32.wav", "adpcm.wav", "i24.flac", "stereo.mp3", "stereo.ogg"] {
        let whole = std::fs::read(golden(name)).expect("read");
        for round in 0..60_u64 {
            let dice = noise(64, round * 31 + 5);
            let pick =
                |i: usize, limit: usize| ((dice[i] + 1.0) * 0.5 * (limit - 1) as f32) as usize;
            let mut bytes = whole.clone();
            match round % 3 {
                0 => bytes.truncate(pick(0, whole.len())),
                // Headers hold the lengths and counts.
                1 => (0..4).for_each(|i| bytes[pick(i, 128)] = pick(i + 8, 256) as u8),
                _ => (0..16).for_each(|i| bytes[pick(i, whole.len())] ^= 1 << pick(i + 16, 8)),
            }
            std::fs::write(&damaged, &bytes).expect("written");
            if let Err(error) = decode(&damaged) {
                assert!(!error.to_string().contains('\n'));
                refused += 1;
            }
        }
    }
    assert!(refused > 100, "only {refused} of 360 were refused");
}
