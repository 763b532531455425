use super::*;
use crate::config::{DiffusionConfig, ScheduleKind};
use crate::diffusion::forward::ForwardDiffusion;
use crate::diffusion::noise::gaussian;

fn process(schedule: ScheduleKind, prediction: Prediction) -> ForwardDiffusion {
    ForwardDiffusion::new(&DiffusionConfig { schedule, prediction, train_timesteps: 1000 }).unwrap()
}

fn sampler(process: &ForwardDiffusion, steps: usize) -> DdimSampler {
    DdimSampler::new(process.schedule(), process.prediction(), steps).unwrap()
}

/// A denoiser with a fixed answer: its prediction at any `x_t` implies the clean latent `x0`.
fn oracle(process: &ForwardDiffusion, x0: &[f32]) -> impl FnMut(&[f32], usize) -> Result<Vec<f32>> {
    let (process, x0) = (process.clone(), x0.to_vec());
    move |x_t, t| {
        let (signal, share) = process.schedule().signal_and_noise(t);
        let noise: Vec<f32> = x_t
            .iter()
            .zip(&x0)
            .map(|(&x, &x0)| ((f64::from(x) - signal * f64::from(x0)) / share) as f32)
            .collect();
        let mut target = vec![0.0; x0.len()];
        process.target(&x0, &noise, t, &mut target);
        Ok(target)
    }
}

#[test]
fn an_exact_denoiser_leads_to_its_clean_latent() {
    let x0 = gaussian(5, 0, 8, 4);
    for (schedule, prediction, allowed) in [
        (ScheduleKind::CosineZeroSnr, Prediction::V, 1e-5),
        (ScheduleKind::Linear, Prediction::V, 1e-5),
        // The first step divides by sqrt(alpha_bar) = 0.006.
        (ScheduleKind::Linear, Prediction::Epsilon, 1e-4),
    ] {
        let process = process(schedule, prediction);
        for steps in [1, 2, 7, 61, 1000] {
            let mut latent = gaussian(6, 0, 8, 4);
            let mut denoise = oracle(&process, &x0);
            sampler(&process, steps).sample(&mut latent, &mut denoise, None).unwrap();
            let worst = latent.iter().zip(&x0).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            assert!(worst < allowed, "{schedule:?} {prediction:?}, {steps} steps: {worst}");
        }
    }
}

#[test]
fn one_step_at_zero_snr_is_the_negated_prediction() {
    let process = process(ScheduleKind::CosineZeroSnr, Prediction::V);
    let mut latent = vec![3.0, -2.0];
    let mut denoise = |_: &[f32], t: usize| {
        assert_eq!(t, 999);
        Ok(vec![0.25, -0.75])
    };
    sampler(&process, 1).sample(&mut latent, &mut denoise, None).unwrap();
    assert_eq!(latent, [-0.25, 0.75]);
}

#[test]
fn timesteps_are_trailing_and_strictly_decreasing() {
    let process = process(ScheduleKind::CosineZeroSnr, Prediction::V);
    for steps in 1..=1000 {
        let sampler = sampler(&process, steps);
        let timesteps = sampler.timesteps();
        assert_eq!((timesteps.len(), timesteps[0]), (steps, 999));
        assert!(timesteps.windows(2).all(|pair| pair[1] < pair[0]), "{steps} steps: {timesteps:?}");
    }
    assert_eq!(sampler(&process, 4).timesteps(), [999, 749, 499, 249]);
}

/// The timesteps of a strength.
fn timesteps(process: &ForwardDiffusion, steps: usize, strength: f32) -> Vec<usize> {
    let (schedule, prediction) = (process.schedule(), process.prediction());
    let sampler = DdimSampler::from_strength(schedule, prediction, steps, strength).unwrap();
    sampler.timesteps().to_vec()
}

#[test]
fn strength_selects_the_first_timestep_and_the_number_of_steps() {
    let process = process(ScheduleKind::CosineZeroSnr, Prediction::V);
    let all = timesteps(&process, 10, 1.0);
    assert_eq!(all, sampler(&process, 10).timesteps());
    for (strength, first) in [(0.7, 3), (0.5, 5), (0.1, 9)] {
        assert_eq!(
            timesteps(&process, 10, strength),
            all[first..],
            "strength {strength}: steps of the whole"
        );
    }
    assert_eq!(timesteps(&process, 10, 0.34), [339, 226, 112]);
    assert_eq!(timesteps(&process, 2, 0.8), [799, 399]);
    for (strength, only) in [(1.0, 999), (0.9, 899), (0.25, 249), (0.01, 9), (1e-6, 0)] {
        assert_eq!(timesteps(&process, 1, strength), [only], "one step of strength {strength}");
    }
    for none in [0.0, -1.0, f32::NAN] {
        assert!(timesteps(&process, 10, none).is_empty());
    }
    for strength in (1..2000).map(|i| i as f32 / 2000.0) {
        let most = timesteps(&process, 1000, strength);
        assert!(most.windows(2).all(|pair| pair[1] < pair[0]), "strength {strength}: {most:?}");
    }
}

#[test]
fn strength_0_keeps_the_latent_and_others_start_at_their_timestep() {
    let process = process(ScheduleKind::CosineZeroSnr, Prediction::V);
    let sampler = |strength| {
        DdimSampler::from_strength(process.schedule(), process.prediction(), 10, strength).unwrap()
    };
    let content = gaussian(1, 0, 4, 4);
    let mut latent = content.clone();
    let mut never = |_: &[f32], _: usize| -> Result<Vec<f32>> { unreachable!() };
    sampler(0.0).sample(&mut latent, &mut never, None).unwrap();
    assert_eq!(latent, content);

    let mut requested = Vec::new();
    let mut denoise = |x: &[f32], t: usize| {
        requested.push(t);
        Ok(vec![0.0; x.len()])
    };
    sampler(0.3).sample(&mut latent, &mut denoise, None).unwrap();
    assert_eq!(requested, [299, 199, 99]);
}

#[test]
fn prefix_columns_are_clean_at_every_call_and_in_the_result() {
    let (height, width, channels, columns) = (4, 6, 3, 2);
    let clean = gaussian(9, 0, height, columns * channels);
    let prefix = Prefix::columns(&clean, columns, [height, width, channels]).unwrap();
    let row_is_clean = |latent: &[f32], row: usize| {
        latent[row * width * channels..][..columns * channels]
            == clean[row * columns * channels..][..columns * channels]
    };
    let process = process(ScheduleKind::CosineZeroSnr, Prediction::V);
    for (strength, steps) in [(1.0, 5), (0.0, 0)] {
        let mut latent = gaussian(8, 0, height, width * channels);
        let free = latent.clone();
        let mut calls = 0;
        let mut denoise = |x: &[f32], _: usize| {
            assert!((0..height).all(|row| row_is_clean(x, row)));
            calls += 1;
            Ok(x.iter().map(|x| 0.3 * x + 0.1).collect())
        };
        let (schedule, prediction) = (process.schedule(), process.prediction());
        DdimSampler::from_strength(schedule, prediction, 5, strength)
            .unwrap()
            .sample(&mut latent, &mut denoise, Some(&prefix))
            .unwrap();
        assert_eq!(calls, steps);
        assert!((0..height).all(|row| row_is_clean(&latent, row)));
        let untouched = latent.iter().zip(&free).filter(|(a, b)| a == b).count();
        assert_eq!(untouched, if steps == 0 { height * (width - columns) * channels } else { 0 });
    }
    assert_eq!(prefix.fixed.iter().filter(|&&fixed| fixed).count(), clean.len());
}

/// A prefix must not change the free columns. This denoiser has no context, so the other values
/// must be equal with and without the prefix.
#[test]
fn a_prefix_changes_only_its_own_columns() {
    let process = process(ScheduleKind::CosineZeroSnr, Prediction::V);
    let sampler = sampler(&process, 4);
    let mut denoise =
        |x: &[f32], t: usize| Ok(x.iter().map(|x| 0.5 * x - 1e-4 * t as f32).collect());
    let (mut with, mut without) = (vec![0.5, -0.5, 1.0], vec![0.5, -0.5, 1.0]);
    let prefix = Prefix::columns(&[7.0], 1, [1, 3, 1]).unwrap();
    sampler.sample(&mut with, &mut denoise, Some(&prefix)).unwrap();
    sampler.sample(&mut without, &mut denoise, None).unwrap();
    assert_eq!((with[0], with[1], with[2]), (7.0, without[1], without[2]));
}

/// The exact denoiser of independent Gaussian data is linear: the samples have the deviation of the
/// data.
#[test]
fn the_deviation_of_gaussian_data_is_preserved() {
    let process = process(ScheduleKind::CosineZeroSnr, Prediction::V);
    let (deviation, count) = (0.6f64, 4096);
    let mut latent = gaussian(1, 0, 64, 64);
    let mut denoise = |x: &[f32], t: usize| {
        let (signal, share) = process.schedule().signal_and_noise(t);
        // E[v | x_t] for x0 ~ N(0, deviation^2).
        let power = (signal * deviation).powi(2) + share * share;
        let slope = signal * share * (1.0 - deviation * deviation) / power;
        Ok(x.iter().map(|&x| (slope * f64::from(x)) as f32).collect())
    };
    sampler(&process, 200).sample(&mut latent, &mut denoise, None).unwrap();
    let spread = (latent.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>() / count as f64).sqrt();
    assert!((spread - deviation).abs() < 0.03, "{spread}");
}

#[test]
fn cancellation_and_wrong_sizes_end_the_sampling() {
    let process = process(ScheduleKind::CosineZeroSnr, Prediction::V);
    let sampler = sampler(&process, 4);
    let mut calls = 0;
    let mut denoise = |x: &[f32], _: usize| {
        calls += 1;
        if calls == 2 { Err(Error::Cancelled) } else { Ok(x.to_vec()) }
    };
    let outcome = sampler.sample(&mut [1.0; 4], &mut denoise, None);
    assert!(matches!(outcome, Err(Error::Cancelled)));
    assert_eq!(calls, 2);
    let outcome = sampler.sample(&mut [1.0; 4], &mut |_, _| Ok(vec![0.0; 3]), None);
    assert!(matches!(outcome, Err(Error::Compute(_))));
    let prefix = Prefix::columns(&[0.0], 1, [1, 1, 1]).unwrap();
    assert!(sampler.sample(&mut [1.0; 4], &mut |x, _| Ok(x.to_vec()), Some(&prefix)).is_err());
}

#[test]
fn errors_name_the_invalid_setting() {
    let schedule = process(ScheduleKind::CosineZeroSnr, Prediction::V).schedule().clone();
    let refused = |prediction, steps, name: &str| {
        let error = DdimSampler::new(&schedule, prediction, steps).unwrap_err().to_string();
        assert!(error.contains(name), "{error}");
    };
    refused(Prediction::V, 0, "steps");
    refused(Prediction::V, 1001, "steps");
    refused(Prediction::Epsilon, 4, "diffusion.prediction");
    assert!(Prefix::columns(&[0.0; 6], 3, [2, 2, 1]).is_err());
    assert!(Prefix::columns(&[0.0; 6], 1, [2, 2, 1]).is_err());
}
