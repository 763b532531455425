use super::*;
use crate::audio_file::{SampleFormat, encode};

const RATE_HZ: u32 = 22_050;

/// Gaussian noise with this level in dBFS.
fn hiss(seconds: f64, level_db: f32) -> Vec<f32> {
    let mut state = 1_u64;
    let mut uniform = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 40) as f32 / (1_u64 << 24) as f32 - 0.5
    };
    let scale = 10f32.powf(level_db / 20.0);
    // The sum of twelve uniform numbers has a variance of 1.
    (0..samples(seconds)).map(|_| scale * (0..12).map(|_| uniform()).sum::<f32>()).collect()
}

/// Decaying notes with two partials and a peak in dBFS.
fn music(seconds: f64, peak_db: f32) -> Vec<f32> {
    let peak = 10f32.powf(peak_db / 20.0);
    let sample = |i: usize| {
        let (note, time) = (i / 11_025, i as f32 / RATE_HZ as f32);
        let hz = 220.0 * 2f32.powf((note * 5 % 12) as f32 / 12.0);
        let decay = (-((i % 11_025) as f32) / 11_025.0).exp();
        let partial = |k: f32| (std::f32::consts::TAU * k * hz * time).sin();
        peak * decay * (0.7 * partial(1.0) + 0.3 * partial(2.0))
    };
    (0..samples(seconds)).map(sample).collect()
}

/// Bursts of noise with silent pauses, or single samples.
fn strokes(seconds: f64, decay_samples: f32) -> Vec<f32> {
    let stroke = |(i, x): (usize, &f32)| 5.0 * x * (-((i % 8000) as f32) / decay_samples).exp();
    hiss(seconds, -20.0).iter().enumerate().map(stroke).collect()
}

fn samples(seconds: f64) -> usize {
    (seconds * f64::from(RATE_HZ)) as usize
}

fn audio(parts: &[Vec<f32>]) -> Audio {
    Audio { sample_rate_hz: RATE_HZ, channels: vec![parts.concat()] }
}

fn reference(parts: &[Vec<f32>]) -> Reference {
    Reference::from_audio(&audio(parts)).expect("a reference")
}

/// Start and end of a reference without gaps.
fn range(parts: &[Vec<f32>]) -> (f64, f64) {
    let reference = reference(parts);
    assert_eq!(reference.ranges.len(), 1, "{:?}", reference.ranges);
    (reference.ranges[0].start, reference.ranges[0].end)
}

fn level_db(audio: &Audio) -> f32 {
    let mono = audio.mono();
    10.0 * (mono.iter().map(|x| x * x).sum::<f32>() / mono.len() as f32).log10()
}

#[test]
fn music_after_hiss_is_chosen() {
    for level_db in [-66.0, -54.0, -30.0] {
        let (start, end) = range(&[hiss(20.0, level_db), music(12.3, -6.0)]);
        assert!((19.6..20.4).contains(&start) && end - start > 11.8, "{start} {end}");
    }
}

#[test]
fn music_after_clicks_is_chosen() {
    let mut click = vec![0.0; samples(6.0)];
    click[samples(0.5)] = 1.0;
    let blip = |i: usize| if i % 11_025 < 440 { (0.3 * i as f32).sin() } else { 0.0 };
    let count_in: Vec<f32> = (0..samples(6.0)).map(blip).collect();
    for lead in [click, count_in, strokes(6.0, 200.0)] {
        let (start, end) = range(&[lead, music(12.3, -12.0)]);
        assert!((5.7..6.4).contains(&start) && end - start > 11.8, "{start} {end}");
    }
}

#[test]
fn music_before_silence_and_hum_is_chosen() {
    for tail in [vec![0.0; samples(60.0)], hiss(60.0, -50.0)] {
        let (start, end) = range(&[music(9.1, -6.0), tail]);
        assert!(start < 0.1 && (8.5..9.3).contains(&end), "{start} {end}");
    }
    let hum = (0..samples(60.0)).map(|i| 0.002 * (0.014 * i as f32).sin()).collect();
    let (start, end) = range(&[hum, music(9.1, -6.0)]);
    assert!((59.6..60.4).contains(&start) && end > 68.5, "{start} {end}");
}

#[test]
fn a_short_steady_recording_is_used_unchanged_from_its_first_sound() {
    let music = music(13.5, -6.0);
    let whole = reference(&[vec![0.0; 5000], music.clone()]);
    assert!(whole.is_beginning);
    let first = music.iter().position(|x| x.abs() > 1e-3).expect("sound");
    assert_eq!(whole.audio.channels[0], music[first..first + samples(12.0)]);
    let short = reference(&[music[first..samples(1.5)].to_vec()]);
    assert!(short.is_beginning && short.audio.channels[0] == music[first..samples(1.5)]);
}

#[test]
fn the_windows_of_a_long_recording_are_spread_and_in_order() {
    let long = reference(&[music(120.0, -6.0)]);
    assert_eq!(long.ranges.len(), 4);
    for (number, range) in long.ranges.iter().enumerate() {
        assert!((range.start - 30.0 * number as f64).abs() < 9.0, "{:?}", long.ranges);
        assert!((range.end - range.start - 2.97).abs() < 0.01, "{range:?}");
    }
    assert_eq!(long, reference(&[music(120.0, -6.0)]));
    assert_eq!(long.ranges_text().matches(" to ").count(), 4);
    for join in (1..4).map(|number| number * 65_536) {
        let around = &long.audio.channels[0][join - 2..join + 2];
        assert!(around.iter().all(|x| x.abs() < 1e-3), "a cut has fades: {around:?}");
    }
}

#[test]
fn a_quiet_recording_is_usable_and_amplified() {
    let quiet = reference(&[vec![0.0; 5000], music(12.0, -70.0)]);
    let found_db = level_db(&quiet.audio);
    assert!((-24.0..-19.0).contains(&found_db), "{found_db}");
    let loud = reference(&[music(12.0, -20.0)]);
    assert!(level_db(&loud.audio) < -25.0, "others keep their level");
}

#[test]
fn percussion_is_usable_but_noise_and_silence_are_not() {
    assert!(reference(&[strokes(8.0, 1500.0)]).is_beginning);
    let refused =
        |parts: &[Vec<f32>]| Reference::from_audio(&audio(parts)).expect_err("refused").to_string();
    let noise = refused(&[vec![0.0; 5000], hiss(8.1, -30.0), vec![0.0; 30_000]]);
    assert!(noise.contains("expected a pitched instrument, found only noise"), "{noise}");
    for silence in [vec![0.0; 100_000], vec![1e-5; 100_000], Vec::new()] {
        let silence = refused(&[silence]);
        assert!(silence.contains("expected an audible recording, found silence"), "{silence}");
    }
}

#[test]
fn a_file_has_the_reference_of_its_samples_whatever_its_blocks() {
    let folder = tempfile::tempdir().expect("a folder");
    let recording = audio(&[hiss(5.0, -50.0), music(20.0, -6.0)]);
    let (wav, flac) = (folder.path().join("a.wav"), folder.path().join("a.flac"));
    encode(&wav, &recording, SampleFormat::Float32).expect("written");
    encode(&flac, &recording, SampleFormat::Int24).expect("written");
    let read = |path| read(|| Reader::open(path), "a").expect("a reference");
    assert_eq!(read(&wav), Reference::from_audio(&recording).expect("a reference"));
    assert_eq!(read(&flac).ranges, read(&wav).ranges);
}

#[test]
fn the_user_can_choose_the_part() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("a.wav");
    let recording = audio(&[music(30.0, -6.0)]);
    encode(&path, &recording, SampleFormat::Float32).expect("written");
    let from = |seconds| {
        let open = || Reader::open(&path);
        let reference = read_from(open, "a.wav", seconds).expect("a reference");
        assert!(!reference.is_beginning && reference.recording_seconds == 30.0);
        (reference.ranges[0].clone(), reference.audio.channels[0].clone())
    };
    let (range, samples) = from(7.0);
    assert!(range.start == 7.0 && (range.end - 18.89).abs() < 0.01, "{range:?}");
    let original = &recording.channels[0][7 * RATE_HZ as usize..];
    assert_eq!(samples[1000..260_000], original[1000..260_000]);
    assert!((from(20.0).0.end - 28.92).abs() < 0.01, "three windows");
    let last = from(1e9).0;
    assert!((last.end - 30.0).abs() < 0.01 && last.end - last.start > 2.9, "{last:?}");
}

#[test]
fn errors_name_the_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("a.wav");
    encode(&path, &audio(&[hiss(3.0, -30.0)]), SampleFormat::Float32).expect("written");
    let error = read(|| Reader::open(&path), "a.wav").expect_err("refused").to_string();
    assert_eq!(error, "a.wav: expected a pitched instrument, found only noise");
}
