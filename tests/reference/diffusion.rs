//! Diffusion, compared with diffusers' `DDIMScheduler`, and noise, compared with scipy. The numbers
//! are from `tests/golden/diffusion.py`.

use engine::config::{DiffusionConfig, Prediction, ScheduleKind};
use engine::diffusion::ddim::DdimSampler;
use engine::diffusion::forward::ForwardDiffusion;
use engine::diffusion::noise;
use engine::diffusion::schedule::NoiseSchedule;
use safetensors::SafeTensors;

const LATENT: usize = 24;

struct Golden {
    bytes: Vec<u8>,
}

impl Golden {
    fn open() -> Self {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/golden/diffusion.safetensors");
        Self { bytes: std::fs::read(path).expect("the golden file is committed") }
    }

    fn names(&self, prefix: &str) -> Vec<String> {
        let file = SafeTensors::deserialize(&self.bytes).expect("safetensors");
        file.names().into_iter().filter(|name| name.starts_with(prefix)).map(String::from).collect()
    }

    /// Little-endian elements of `N` bytes each.
    fn elements<const N: usize, T>(&self, name: &str, convert: fn([u8; N]) -> T) -> Vec<T> {
        let file = SafeTensors::deserialize(&self.bytes).expect("safetensors");
        let tensor = file.tensor(name).unwrap_or_else(|_| panic!("no tensor {name}"));
        assert_eq!(tensor.dtype().bitsize(), 8 * N, "{name}");
        tensor.data().as_chunks::<N>().0.iter().map(|&bytes| convert(bytes)).collect()
    }

    fn f32s(&self, name: &str) -> Vec<f32> {
        self.elements(name, f32::from_le_bytes)
    }

    fn f64s(&self, name: &str) -> Vec<f64> {
        self.elements(name, f64::from_le_bytes)
    }

    fn timesteps(&self, name: &str) -> Vec<usize> {
        self.elements(name, i32::from_le_bytes).into_iter().map(|t| t as usize).collect()
    }
}

fn schedule(name: &str, train_timesteps: usize) -> NoiseSchedule {
    match name {
        "linear" => NoiseSchedule::linear(train_timesteps),
        "linear-zero-snr" => NoiseSchedule::linear(train_timesteps).rescaled_to_zero_terminal_snr(),
        "cosine" => NoiseSchedule::cosine(train_timesteps),
        "cosine-zero-snr" => NoiseSchedule::cosine(train_timesteps).rescaled_to_zero_terminal_snr(),
        other => panic!("no schedule {other}"),
    }
}

fn worst(ours: &[f32], theirs: &[f32]) -> f32 {
    assert_eq!(ours.len(), theirs.len());
    ours.iter().zip(theirs).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

#[test]
fn alphas_cumprod_match_diffusers() {
    let golden = Golden::open();
    let names = golden.names("alphas_cumprod.");
    assert_eq!(names.len(), 8);
    for name in names {
        let parts: Vec<&str> = name.split('.').collect();
        let ours = schedule(parts[1], parts[2].parse().unwrap()).alphas_cumprod;
        let theirs = golden.f32s(&name);
        assert_eq!(ours.len(), theirs.len(), "{name}");
        let worst =
            ours.iter().zip(theirs).map(|(a, b)| (a - f64::from(b)).abs()).fold(0.0, f64::max);
        assert!(worst <= 1e-6, "{name}: {worst}");
    }
    // The config's names select these schedules.
    for (kind, name) in
        [(ScheduleKind::Linear, "linear"), (ScheduleKind::CosineZeroSnr, "cosine-zero-snr")]
    {
        let config =
            DiffusionConfig { schedule: kind, prediction: Prediction::V, train_timesteps: 1000 };
        assert_eq!(NoiseSchedule::new(&config).unwrap(), schedule(name, 1000));
    }
}

#[test]
fn trailing_timesteps_match_diffusers() {
    let golden = Golden::open();
    let names = golden.names("timesteps.");
    assert!(names.len() > 100);
    for name in names {
        let parts: Vec<usize> = name.split('.').skip(1).map(|part| part.parse().unwrap()).collect();
        let sampler =
            DdimSampler::new(&schedule("linear", parts[0]), Prediction::V, parts[1]).unwrap();
        assert_eq!(sampler.timesteps(), golden.timesteps(&name), "{name}");
    }
}

#[test]
fn noisy_latents_and_velocities_match_diffusers() {
    let golden = Golden::open();
    let (clean, start) = (golden.f32s("clean"), golden.f32s("start"));
    let mut out = vec![0.0; LATENT];
    for (kind, name) in
        [(ScheduleKind::Linear, "linear"), (ScheduleKind::CosineZeroSnr, "cosine-zero-snr")]
    {
        let config =
            DiffusionConfig { schedule: kind, prediction: Prediction::V, train_timesteps: 1000 };
        let process = ForwardDiffusion::new(&config).unwrap();
        let q_sample = golden.f32s(&format!("forward.q_sample.{name}"));
        let velocity = golden.f32s(&format!("forward.v.{name}"));
        for (row, t) in golden.timesteps("forward.timesteps").into_iter().enumerate() {
            // diffusers computes `1 - alpha_bar` in f32. Near alpha_bar = 1 its root has only four
            // correct digits.
            let allowed = if t < 2 { 1e-4 } else { 4e-6 };
            let row = row * LATENT..(row + 1) * LATENT;
            process.q_sample(&clean, &start, t, &mut out);
            assert!(
                worst(&out, &q_sample[row.clone()]) <= allowed,
                "q_sample, {name}, timestep {t}"
            );
            process.target(&clean, &start, t, &mut out);
            assert!(worst(&out, &velocity[row]) <= allowed, "velocity, {name}, timestep {t}");
        }
    }
}

/// The artificial network of the generator.
fn denoiser(prediction: Prediction, x: &[f32], t: usize) -> Vec<f32> {
    let phase = std::f64::consts::FRAC_PI_2 * (t + 1) as f64 / 1000.0;
    let (slope, offset) = match prediction {
        Prediction::Epsilon => (phase.sin(), 0.01),
        Prediction::V => (0.3 * (2.0 * phase).sin(), 0.5),
    };
    let place = |i: usize| (offset * (0.7 * i as f64).sin()) as f32;
    x.iter().enumerate().map(|(i, x)| slope as f32 * x + place(i)).collect()
}

#[test]
fn trajectories_match_diffusers_at_every_step() {
    let golden = Golden::open();
    let names = golden.names("trajectory.");
    assert_eq!(names.len(), 4 * 4);
    for name in names {
        // trajectory.<schedule>.<prediction>.<steps>
        let parts: Vec<&str> = name.split('.').collect();
        let prediction = if parts[2] == "epsilon" { Prediction::Epsilon } else { Prediction::V };
        let steps: usize = parts[3].parse().unwrap();
        let theirs = golden.f32s(&name);

        let mut seen = Vec::new();
        let mut latent = golden.f32s("start");
        let sampler = DdimSampler::new(&schedule(parts[1], 1000), prediction, steps).unwrap();
        let mut denoise = |x: &[f32], t: usize| {
            seen.extend_from_slice(x);
            Ok(denoiser(prediction, x, t))
        };
        sampler.sample(&mut latent, &mut denoise, None).unwrap();
        // From the second call, the network's input is the output of the previous step.
        seen.extend_from_slice(&latent);
        let worst = worst(&seen[LATENT..], &theirs);
        assert!(worst <= 1e-4, "{name}: {worst}");
    }
}

#[test]
fn normal_quantiles_match_scipy() {
    let golden = Golden::open();
    for (p, theirs) in golden.f64s("quantile.p").into_iter().zip(golden.f64s("quantile.x")) {
        let ours = noise::normal_quantile(p);
        assert!(
            (ours - theirs).abs() <= 1e-13 * theirs.abs().max(1.0),
            "p = {p}: {ours}, scipy {theirs}"
        );
    }
}

#[test]
fn keyed_noise_matches_its_definition() {
    let theirs = Golden::open().f64s("noise.2025.42");
    let ours = noise::gaussian(2025, 42, 16, 8);
    assert_eq!(ours.len(), theirs.len());
    for (ours, theirs) in ours.iter().zip(theirs) {
        assert!(
            (f64::from(*ours) - theirs).abs() <= 1e-6 * theirs.abs().max(1.0),
            "{ours} {theirs}"
        );
    }
}
