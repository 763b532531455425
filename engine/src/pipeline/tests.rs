use std::f64::consts::TAU;
use std::sync::{Arc, Mutex};

use super::*;
use crate::config::{MelConfig, WindowConfig};
use crate::models::model::{Conditioning, LatentDims};
use crate::settings::{Settings, VocoderKind};
use crate::stream::{OfflineStream, render, sample};
use crate::style::StyleTokens;

/// One call of the denoiser.
#[derive(Clone, Debug, PartialEq)]
struct Call {
    conditionings: usize,
    timestep: usize,
    noisy: Vec<f32>,
}

/// A model with a closed form. The latent contains the image in blocks, without loss. Decoding adds
/// `lift` to the brightness. The denoiser predicts the content as the clean latent.
struct Analytic {
    config: ModelConfig,
    lift: f32,
    calls: Arc<Mutex<Vec<Call>>>,
}

impl Analytic {
    fn new(lift: f32) -> Self {
        let mut config = ModelConfig::default();
        config.mel = MelConfig { n_mels: 64, ..config.mel };
        config.window = WindowConfig { frames: 32, hop_frames: 16, overlap_frames: 16 };
        config.autoencoder.latent_channels = 64;
        Self { config, lift, calls: Arc::default() }
    }

    /// The index of pixel `(mel, frame)` in the latent.
    fn place(dims: LatentDims, mel: usize, frame: usize) -> usize {
        ((mel / 8) * dims[1] + frame / 8) * 64 + (mel % 8) * 8 + frame % 8
    }
}

impl TransferModel for Analytic {
    fn config(&self) -> &ModelConfig {
        &self.config
    }

    fn style_tokens(&mut self, _: &[MelImage]) -> Result<StyleTokens> {
        Ok(style())
    }

    fn encode(&mut self, image: &MelImage) -> Result<Vec<f32>> {
        let dims = [image.n_mels / 8, image.frames / 8, 64];
        let mut latent = vec![0.0; image.data.len()];
        for mel in 0..image.n_mels {
            for frame in 0..image.frames {
                latent[Self::place(dims, mel, frame)] = image.value(mel, frame);
            }
        }
        Ok(latent)
    }

    fn decode(&mut self, latent: &[f32], dims: LatentDims) -> Result<MelImage> {
        let mut image = MelImage::filled(dims[0] * 8, dims[1] * 8, 0.0);
        for mel in 0..image.n_mels {
            for frame in 0..image.frames {
                let value = latent[Self::place(dims, mel, frame)];
                let lifted = if value > 0.0 { value + self.lift } else { value };
                image.data[mel * image.frames + frame] = lifted.clamp(0.0, 1.0);
            }
        }
        Ok(image)
    }

    fn denoise(
        &mut self,
        noisy: &[f32],
        _: LatentDims,
        timestep: usize,
        conditionings: &[Conditioning],
    ) -> Result<Vec<Vec<f32>>> {
        let call = Call { conditionings: conditionings.len(), timestep, noisy: noisy.to_vec() };
        self.calls.lock().expect("calls").push(call);
        // v = sqrt(a) eps - sqrt(1 - a) x0 with eps = (x_t - sqrt(a) x0) / sqrt(1 - a).
        let schedule = crate::diffusion::schedule::NoiseSchedule::new(&self.config.diffusion)?;
        let (signal, share) = schedule.signal_and_noise(timestep);
        let predict = |conditioning: &Conditioning| {
            let content = conditioning.content.expect("the content is never dropped");
            let pairs = noisy.iter().zip(content);
            pairs.map(|(&x, &c)| ((signal * f64::from(x) - f64::from(c)) / share) as f32).collect()
        };
        Ok(conditionings.iter().map(predict).collect())
    }
}

fn style() -> StyleTokens {
    StyleTokens { dim: 1, tokens: vec![0.0], pooled: vec![0.0], ..StyleTokens::default() }
}

/// Three notes, each decaying.
fn melody(rate_hz: u32, seconds: f64) -> Vec<f32> {
    let note = |t: f64| {
        let (i, age) = ((t / 0.4) as usize, t % 0.4);
        let hz = [220.0, 330.0, 277.2][i % 3];
        let partials = (1..6).map(|k| (TAU * hz * f64::from(k) * age).sin() / f64::from(k));
        0.2 * partials.sum::<f64>() * (-4.0 * age).exp()
    };
    (0..(seconds * f64::from(rate_hz)) as usize)
        .map(|n| note(n as f64 / f64::from(rate_hz)) as f32)
        .collect()
}

fn run(model: Analytic, rate_hz: u32, signal: &[Vec<f32>], settings: &Settings) -> Vec<Vec<f32>> {
    let pipeline =
        Pipeline::new(Box::new(model), rate_hz, signal.len(), style()).expect("a pipeline");
    let grid = pipeline.grid().clone();
    let (out, report) =
        render(grid, signal, Box::new(pipeline), settings, &mut |_| ()).expect("rendered");
    assert_eq!(report.first_error, None);
    assert!(report.stats.wet > 0 && report.stats.late + report.stats.failed == 0);
    assert!(report.timings.stage(Stage::Vocode) > std::time::Duration::ZERO);
    out
}

fn power(signal: &[f32]) -> f32 {
    signal.iter().map(|x| x * x).sum::<f32>() / signal.len() as f32
}

fn error_db(found: &[f32], expected: &[f32]) -> f32 {
    let error: Vec<f32> = found.iter().zip(expected).map(|(a, b)| a - b).collect();
    10.0 * (power(&error) / power(expected)).log10()
}

/// An identity model must return the input through all stages (resampler, level, diffusion,
/// vocoder, crossfades). This detects any error of position or level.
#[test]
fn an_identity_model_returns_the_input() {
    for rate in [22_050, 44_100, 48_000] {
        let signal = vec![melody(rate, 3.0), melody(rate, 3.0).iter().map(|x| -0.5 * x).collect()];
        let out = run(Analytic::new(0.0), rate, &signal, &Settings::default());
        for (out, signal) in out.iter().zip(&signal) {
            assert_eq!(out.len(), signal.len());
            let error = error_db(out, signal);
            assert!(error < -30.0, "{rate} Hz: {error} dB");
        }
    }
}

/// The brightness of the wet image sets the output's level, at any level gain.
#[test]
fn a_lift_of_the_image_is_a_lift_of_the_level() {
    let quiet: Vec<f32> = melody(44_100, 4.0).iter().map(|x| 0.05 * x).collect();
    let model = Analytic::new(-6.0 / 80.0);
    let out = run(
        model,
        44_100,
        std::slice::from_ref(&quiet),
        &Settings { dynamics: 0.0, ..Settings::default() },
    );
    let change_db = 10.0 * (power(&out[0]) / power(&quiet)).log10();
    assert!((-7.0..-5.0).contains(&change_db), "{change_db}");
}

/// With the dynamics of the input, a lift of the image is limited.
#[test]
fn the_level_of_the_output_follows_the_input() {
    let signal = melody(44_100, 4.0);
    for lift_db in [-30.0, 20.0] {
        let model = Analytic::new(lift_db / 80.0);
        let out = run(model, 44_100, std::slice::from_ref(&signal), &Settings::default());
        let change_db = 10.0 * (power(&out[0]) / power(&signal)).log10();
        assert!(change_db.abs() < 5.5, "{lift_db}: {change_db}");
    }
}

/// The makeup gain is proportional to the strength. The content itself is never amplified.
#[test]
fn the_makeup_gain_amplifies_the_models_output() {
    let signal = vec![melody(22_050, 2.0)];
    for (vocoder, strength) in [
        (VocoderKind::Guided, 1.0),
        (VocoderKind::Guided, 0.5),
        (VocoderKind::Guided, 0.0),
        (VocoderKind::GriffinLim, 1.0),
    ] {
        let settings = Settings { strength, vocoder, dynamics: 0.0, ..Settings::default() };
        let output = |makeup_db: f32| {
            let mut model = Analytic::new(0.0);
            model.config.makeup_db = makeup_db;
            run(model, 22_050, &signal, &settings)
        };
        let raised_db = 10.0 * (power(&output(6.0)[0]) / power(&output(0.0)[0])).log10();
        assert!(
            (raised_db - 6.0 * strength).abs() < 0.05,
            "{vocoder:?}, strength {strength}: {raised_db} dB"
        );
    }
}

#[test]
fn silence_stays_silent_and_calls_no_network() {
    let model = Analytic::new(0.3);
    let calls = Arc::clone(&model.calls);
    let out = run(model, 44_100, &[vec![0.0; 100_000]], &Settings::default());
    assert!(out[0].iter().all(|&x| x == 0.0));
    assert!(calls.lock().expect("calls").is_empty());
}

#[test]
fn steps_guidance_and_strength_reach_the_denoiser() {
    let signal = vec![melody(22_050, 1.5)];
    let calls_with = |settings: &Settings| {
        let model = Analytic::new(0.0);
        let calls = Arc::clone(&model.calls);
        run(model, 22_050, &signal, settings);
        calls.lock().expect("calls").clone()
    };
    let calls = calls_with(&Settings { steps: 4, ..Settings::default() });
    assert_eq!(
        calls.iter().take(4).map(|call| call.timestep).collect::<Vec<_>>(),
        [999, 749, 499, 249]
    );
    assert!(calls.iter().all(|call| call.conditionings == 1));
    let calls = calls_with(&Settings {
        steps: 4,
        guidance_scale: 2.0,
        strength: 0.5,
        ..Settings::default()
    });
    assert_eq!(calls.iter().take(3).map(|call| call.timestep).collect::<Vec<_>>(), [499, 249, 499]);
    assert!(calls.iter().all(|call| call.conditionings == 2));
    assert!(calls_with(&Settings { strength: 0.0, ..Settings::default() }).is_empty());
}

/// Overlapping windows start from the same noise in their common columns. The seed and the
/// temperature determine it.
#[test]
fn noise_depends_on_the_position_in_the_stream() {
    let signal = vec![melody(22_050, 1.5)];
    // The render cancels windows past the end, which may have started.
    let grid = grid(&Analytic::new(0.0).config, 22_050).expect("a grid");
    let audible = (0..).take_while(|&k| grid.segment(k).start < signal[0].len() as u64).count();
    let first_noisy = |settings: &Settings| {
        let model = Analytic::new(0.0);
        let calls = Arc::clone(&model.calls);
        run(model, 22_050, &signal, settings);
        let calls = calls.lock().expect("calls");
        let first = calls.iter().filter(|call| call.timestep == 999).map(|call| call.noisy.clone());
        first.take(audible).collect::<Vec<_>>()
    };
    let settings = Settings { steps: 1, temperature: 1.0, ..Settings::default() };
    let windows = first_noisy(&settings);
    let (width, channels) = (4, 64);
    assert_eq!(windows, first_noisy(&settings));
    assert_ne!(windows[0], first_noisy(&Settings { seed: 1, ..settings.clone() })[0]);
    let cold = first_noisy(&Settings { temperature: 0.0, ..settings.clone() });
    assert!(cold[0].iter().all(|&x| x == 0.0));
    // Columns 2 and 3 of a window are columns 0 and 1 of the next one.
    for row in 0..8 {
        let at = row * width * channels;
        let later = at + 2 * channels;
        assert_eq!(windows[0][later..later + 2 * channels], windows[1][at..later]);
    }
}

#[test]
fn griffin_lim_has_the_inputs_level_and_position() {
    for rate in [22_050, 48_000] {
        let mut signal = vec![0.0; rate as usize / 2];
        signal.extend(melody(rate, 2.0).iter().map(|x| 0.1 * x));
        let settings = Settings { vocoder: VocoderKind::GriffinLim, ..Settings::default() };
        let out = run(Analytic::new(0.0), rate, std::slice::from_ref(&signal), &settings);
        let change_db = 10.0 * (power(&out[0]) / power(&signal)).log10();
        assert!(change_db.abs() < 2.0, "{rate} Hz: {change_db} dB");
        let before = &out[0][..rate as usize * 2 / 5];
        assert!(power(before) < 1e-3 * power(&out[0]), "the pause stays a pause");
    }
}

/// A restart in the middle keeps the model's grid: after it, the output is that of an uninterrupted
/// stream.
#[test]
fn an_interruption_affects_only_the_windows_that_overlap_it() {
    struct Gap {
        inner: Pipeline,
        failed: Arc<Mutex<Vec<u64>>>,
    }
    impl WindowProcessor for Gap {
        fn process(
            &mut self,
            window: &WindowInput,
            out: &mut WindowOutput,
            cancel: &Cancel,
        ) -> Result<()> {
            if window.index == 3 {
                self.inner.reset();
                return Err(Error::Compute("lost".into()));
            }
            let result = self.inner.process(window, out, cancel);
            if result.is_err() {
                self.failed.lock().expect("failed").push(window.index);
            }
            result
        }
        fn skip(&mut self, window: &WindowInput) {
            self.inner.skip(window);
        }
        fn reset(&mut self) {
            self.inner.reset();
        }
    }
    let rate = 48_000;
    let signal = vec![melody(rate, 5.0)];
    let inner = Pipeline::new(Box::new(Analytic::new(0.0)), rate, 1, style()).expect("a pipeline");
    let (grid, failed) = (inner.grid().clone(), Arc::default());
    let gap = Gap { inner, failed: Arc::clone(&failed) };
    let (out, report) =
        render(grid, &signal, Box::new(gap), &Settings::default(), &mut |_| ()).expect("rendered");
    assert_eq!(*failed.lock().expect("failed"), [4, 5], "the windows that overlap the gap");
    assert_eq!(report.stats.failed, 3);
    assert!(error_db(&out[0], &signal[0]) < -30.0);
}

/// Other block sizes produce the same bits through all stages.
#[test]
fn the_output_does_not_depend_on_the_block_size() {
    let signal = melody(44_100, 2.0);
    let blocks = |size: usize| {
        let pipeline =
            Pipeline::new(Box::new(Analytic::new(0.1)), 44_100, 1, style()).expect("a pipeline");
        let grid = pipeline.grid().clone();
        let mut stream = OfflineStream::new(grid, 1, Box::new(pipeline), &Settings::default())
            .expect("a stream");
        let mut out = vec![Vec::new()];
        for block in signal.chunks(size) {
            stream.push(&[block], &mut out).expect("pushed");
        }
        stream.finish(&mut out).expect("finished");
        out
    };
    let expected = blocks(512);
    assert_eq!(expected[0].len(), signal.len());
    for size in [37, 4096, 1 << 20] {
        assert!(blocks(size) == expected, "blocks of {size}");
    }
}

/// The output is finite and bounded for any input sample, and the audio after it is processed.
#[test]
fn any_sample_produces_finite_output() {
    let clean = melody(44_100, 3.0);
    for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, f32::MAX, f32::MIN_POSITIVE / 4.0] {
        let mut signal = vec![clean.clone()];
        signal[0][5000] = bad;
        let out = run(Analytic::new(0.0), 44_100, &signal, &Settings::default());
        assert!(out[0].iter().all(|x| x.abs() <= sample::MAX_MAGNITUDE), "{bad}");
        let after = 88_200..;
        assert!(power(&out[0][after.clone()]) > 0.1 * power(&clean[after]), "{bad}");
    }
}
