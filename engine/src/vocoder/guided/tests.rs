//! Properties of the guided vocoder at every host rate.

use super::*;
use crate::dsp::mel::MelFrontEnd;

/// The level gain of the images. Higher levels would clip at the top of their range.
const GAIN: f32 = 0.7;

const RATES_HZ: [u32; 5] = [22_050, 44_100, 48_000, 88_200, 96_000];

/// `seconds` of decaying harmonic notes at `rate_hz` with a soft noise floor, `[left, right]`.
fn part(rate_hz: u32, seconds: f32) -> Vec<Vec<f32>> {
    let rate = rate_hz as f32;
    let mut noise = 1u32;
    let sample = |i: usize| {
        let note = (i as f32 / (0.4 * rate)) as usize;
        let since = i as f32 / rate - 0.4 * note as f32;
        let hz = 196.0 * 2f32.powf((note * 5 % 17) as f32 / 12.0);
        let partial = |k: f32| (std::f32::consts::TAU * hz * k * since).sin() / (k * k);
        let tone = (1..=8).map(|k| partial(k as f32)).sum::<f32>() * (-3.0 * since).exp();
        noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (0.2 * tone, 1e-3 * (noise as f32 / u32::MAX as f32 - 0.5))
    };
    let (tones, noises): (Vec<f32>, Vec<f32>) = (0..(seconds * rate) as usize).map(sample).unzip();
    [0.8, 0.5].map(|pan| tones.iter().zip(&noises).map(|(t, n)| t * pan + n).collect()).to_vec()
}

/// The image of a part, synthesised at the model's rate rather than resampled.
fn image(mel: &MelConfig, seconds: f32, frames: usize) -> MelImage {
    let channels = part(mel.sample_rate_hz, seconds);
    MelFrontEnd::new(mel).image(&slices(&channels), 0, frames, GAIN)
}

fn slices(channels: &[Vec<f32>]) -> Vec<&[f32]> {
    channels.iter().map(|c| c.as_slice()).collect()
}

fn request<'a>(
    channels: &'a [&'a [f32]],
    content: &'a MelImage,
    target: &'a MelImage,
) -> VocoderRequest<'a> {
    VocoderRequest {
        channels,
        origin: 0,
        first_frame_position_samples: 0.0,
        gain: GAIN,
        content,
        target,
        iterations: 0,
    }
}

fn render(rate_hz: u32, request: &VocoderRequest) -> Vec<Vec<f32>> {
    let mut out = Vec::new();
    GuidedVocoder::new(rate_hz, &MelConfig::default()).render(request, &mut out);
    out
}

fn energy(x: &[f32]) -> f64 {
    x.iter().map(|&x| f64::from(x) * f64::from(x)).sum()
}

/// Energy of the difference relative to the energy of `b`, in dB.
fn difference_db(a: &[f32], b: &[f32]) -> f64 {
    let error: Vec<f32> = a.iter().zip(b).map(|(a, b)| a - b).collect();
    10.0 * (energy(&error) / energy(b)).log10()
}

/// The image with non-silent values raised by `db(band)`.
fn louder(image: &MelImage, mel: &MelConfig, db: impl Fn(usize) -> f32) -> MelImage {
    let mut out = image.clone();
    for (i, value) in out.data.iter_mut().enumerate().filter(|(_, v)| **v > 0.0) {
        *value = (*value + db(i / image.frames) / mel.range_db).clamp(0.0, 1.0);
    }
    out
}

#[test]
fn the_content_as_target_returns_the_content() {
    let mel = MelConfig::default();
    let same = image(&mel, 2.0, 80);
    for rate_hz in RATES_HZ {
        let channels = part(rate_hz, 1.5);
        for (out, channel) in
            render(rate_hz, &request(&slices(&channels), &same, &same)).iter().zip(&channels)
        {
            let db = difference_db(out, channel);
            assert!(db < -60.0, "{rate_hz} Hz: {db:.1} dB");
        }
    }
}

#[test]
fn a_louder_target_raises_the_level_equally() {
    let mel = MelConfig::default();
    let content = image(&mel, 2.0, 80);
    for (rate_hz, db) in RATES_HZ.into_iter().zip([6.0, -12.0, 6.0, -6.0, 3.0]) {
        let target = louder(&content, &mel, |_| db);
        let channels = part(rate_hz, 1.5);
        let out = render(
            rate_hz,
            &VocoderRequest { iterations: 8, ..request(&slices(&channels), &content, &target) },
        );
        let rise_db = 10.0 * (energy(&out[0]) / energy(&channels[0])).log10();
        assert!((rise_db - f64::from(db)).abs() < 0.5, "{rate_hz} Hz: {rise_db:.2} for {db} dB");
    }
}

#[test]
fn a_tilt_is_applied_within_half_a_decibel() {
    let mel = MelConfig::default();
    let content = image(&mel, 2.0, 80);
    let tilt = |m: usize| (m as f32 - 50.0) * 0.15;
    let target = louder(&content, &mel, tilt);
    let channels = part(22_050, 1.8);
    let out = render(22_050, &request(&slices(&channels), &content, &target));
    let reached = MelFrontEnd::new(&mel).image(&slices(&out), 0, 70, GAIN);
    let loud = (0..128).flat_map(|m| (4..66).map(move |t| (m, t)));
    let errors: Vec<f32> = loud
        .filter(|&(m, t)| target.value(m, t) > 0.5 && target.value(m, t) < 1.0)
        .map(|(m, t)| (reached.value(m, t) - target.value(m, t)).abs() * mel.range_db)
        .collect();
    let mean_db = errors.iter().sum::<f32>() / errors.len() as f32;
    assert!(errors.len() > 300 && mean_db < 0.5, "{mean_db} dB over {} cells", errors.len());
}

#[test]
fn overlapping_windows_agree_where_they_overlap() {
    let mel = MelConfig::default();
    let (rate_hz, frames) = (48_000, 64);
    let whole = image(&mel, 4.0, 160);
    let changed = louder(&whole, &mel, |m| if m < 40 { -9.0 } else { 6.0 });
    let channels = part(rate_hz, 3.6);
    let window = |first_frame: usize, iterations: usize| {
        let position = first_frame as f64 * 512.0 * 48_000.0 / 22_050.0;
        let start = position as usize - 8192;
        let span: Vec<&[f32]> = channels.iter().map(|c| &c[start..start + 86_000]).collect();
        let (content, target) =
            (whole.columns(first_frame, frames), changed.columns(first_frame, frames));
        let out = render(
            rate_hz,
            &VocoderRequest {
                channels: &span,
                origin: start as i64,
                first_frame_position_samples: position,
                gain: GAIN,
                content: &content,
                target: &target,
                iterations,
            },
        );
        (start, out)
    };
    for (iterations, limit_db) in [(0, -100.0), (8, -40.0)] {
        let ((a, first), (b, second)) = (window(20, iterations), window(52, iterations));
        // From the second window's frame 2 to the first window's third frame from the end. Both
        // spans extend at least a quarter of a second further.
        let from = b + 8192 + 2 * 1115 + 2048;
        let to = a + 8192 + 61 * 1115 - 2048;
        let db = difference_db(&second[0][from - b..to - b], &first[0][from - a..to - a]);
        assert!(db < limit_db, "{iterations} iterations: {db:.1} dB over {} samples", to - from);
    }
}

#[test]
fn silence_stays_silence() {
    let (content, loud) = (MelImage::filled(128, 64, 0.0), MelImage::filled(128, 64, 0.8));
    for (rate_hz, iterations) in RATES_HZ.into_iter().zip([0, 8, 8, 0, 8]) {
        let silence = vec![0.0; rate_hz as usize];
        let out = render(
            rate_hz,
            &VocoderRequest { iterations, ..request(&[&silence], &content, &loud) },
        );
        assert!(out[0].iter().all(|&x| x == 0.0), "{rate_hz} Hz");
    }
    // A decoder's residue in place of silence does not amplify noise below the image's floor.
    let residue = MelImage::filled(128, 64, 0.01);
    let mut state = 1u32;
    let mut noise = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        2e-6 * (state as f32 / u32::MAX as f32 - 0.5)
    };
    let hiss: Vec<f32> = (0..44_100).map(|_| noise()).collect();
    let out = render(44_100, &request(&[&hiss], &content, &residue));
    assert!(
        energy(&out[0]) < energy(&hiss) * 1e4,
        "{:e} from {:e}",
        energy(&out[0]),
        energy(&hiss)
    );
}

#[test]
fn a_silent_target_is_silent() {
    let mel = MelConfig::default();
    let (content, channels) = (image(&mel, 2.0, 80), part(44_100, 1.5));
    let silence = MelImage::filled(128, 80, 0.0);
    let out = render(
        44_100,
        &VocoderRequest { iterations: 8, ..request(&slices(&channels), &content, &silence) },
    );
    // Without the end of the span, where the truncated content differs from the images.
    let measured = ..channels[0].len() - 4096;
    let fall_db = 10.0 * (energy(&out[0][measured]) / energy(&channels[0][measured])).log10();
    // The abrupt note changes contain low frequencies, whose cut is bounded.
    assert!(fall_db < -40.0, "{fall_db:.1} dB");
}

#[test]
fn the_boost_is_bounded() {
    let (content, target) = (MelImage::filled(128, 64, 0.0), MelImage::filled(128, 64, 1.0));
    let hum: Vec<f32> = (0..44_100).map(|i| 1e-7 * (i as f32 * 0.05).sin()).collect();
    let out = render(44_100, &request(&[&hum], &content, &target));
    let rise_db = 10.0 * (energy(&out[0]) / energy(&hum)).log10();
    assert!(rise_db < f64::from(super::super::gain::MAX_BOOST_DB) + 0.1, "{rise_db}");
}

/// The images have no data above the model's range. A boost of the top band must not make that
/// range the loudest.
#[test]
fn content_above_the_images_range_is_bounded_by_the_top_bands_target() {
    let mel = MelConfig::default();
    let (content, target) = (MelImage::filled(128, 64, 0.0), MelImage::filled(128, 64, 0.5));
    let high: Vec<f32> = (0..44_100).map(|i| if i % 2 == 0 { 0.5 } else { -0.5 }).collect();
    let out = render(44_100, &request(&[&high], &content, &target));
    let rise_db = 10.0 * (energy(&out[0]) / energy(&high)).log10();
    assert!(rise_db.abs() < 0.5, "loud: {rise_db}");

    // A soft signal follows the top band, within the bound of a quiet frame.
    let soft: Vec<f32> = high.iter().map(|x| x * 1e-5).collect();
    let out = render(44_100, &request(&[&soft], &content, &target));
    let rise_db = 10.0 * (energy(&out[0]) / energy(&soft)).log10();
    assert!((0.5..4.0).contains(&rise_db), "soft: {rise_db}");
    let level_db = 10.0 * (energy(&out[0]) / energy(&high)).log10();
    assert!(level_db < f64::from(mel.to_db(0.5)) / 2.0, "soft: {level_db}");
}

#[test]
fn the_stereo_image_is_kept() {
    let mel = MelConfig::default();
    let content = image(&mel, 2.0, 80);
    let target = louder(&content, &mel, |m| 6.0 * (m as f32 * 0.3).sin());
    let left = part(44_100, 1.5).remove(0);
    let (right, inverted): (Vec<f32>, Vec<f32>) = left.iter().map(|x| (x * 0.25, -x)).unzip();
    let out = render(
        44_100,
        &VocoderRequest {
            iterations: 8,
            ..request(&[&left, &right, &inverted], &content, &target)
        },
    );
    let scaled: Vec<f32> = out[0].iter().map(|x| x * 0.25).collect();
    let flipped: Vec<f32> = out[0].iter().map(|x| -x).collect();
    assert!(
        difference_db(&out[1], &scaled) < -80.0,
        "panned: {:.1} dB",
        difference_db(&out[1], &scaled)
    );
    assert!(
        difference_db(&out[2], &flipped) < -80.0,
        "inverted: {:.1} dB",
        difference_db(&out[2], &flipped)
    );
}

#[test]
fn any_image_has_finite_output() {
    let mut content = MelImage::filled(128, 16, 0.5);
    let mut target = MelImage::filled(128, 16, 0.9);
    content.data[100] = f32::NAN;
    target.data[200] = f32::NAN;
    target.data[300] = f32::INFINITY;
    for odd in [0.0, 1e4, -1e4, f32::MIN_POSITIVE / 4.0] {
        let mut channel = part(44_100, 0.3).remove(0);
        channel[5000] = odd;
        let out = render(
            44_100,
            &VocoderRequest { iterations: 8, ..request(&[&channel], &content, &target) },
        );
        assert!(out[0].iter().all(|x| x.is_finite()), "{odd}");
    }
}

#[test]
fn spans_of_any_length_and_position_are_complete() {
    let mel = MelConfig::default();
    let same = image(&mel, 2.0, 4);
    let mut vocoder = GuidedVocoder::new(44_100, &mel);
    let (signal, mut out) = (part(44_100, 0.4).remove(0), Vec::new());
    for (len, origin) in [(0, 0), (1, -7), (1000, 123_456_789_012), (4097, -100_000), (17_000, 3)] {
        let channels = [&signal[..len], &signal[..len]];
        vocoder.render(
            &VocoderRequest { origin, iterations: 2, ..request(&channels, &same, &same) },
            &mut out,
        );
        assert!(out.len() == 2 && out.iter().all(|c| c.len() == len), "{len} samples at {origin}");
    }
    vocoder.render(&request(&[], &same, &same), &mut out);
    assert!(out.is_empty());
}
