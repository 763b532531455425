//! The optimiser, clipping and plateau rule, compared with torch. The numbers are from
//! `tests/golden/optim.py`.

use std::collections::BTreeMap;

use candle_core::{Device, Tensor, Var};
use serde::Deserialize;
use trainer::optim::{self, Optimizer, OptimizerConfig, Parameters, Plateau, PlateauConfig};

type Values = BTreeMap<String, Vec<f32>>;

#[derive(Deserialize)]
struct Golden {
    shapes: BTreeMap<String, Vec<usize>>,
    start: Values,
    steps: Vec<Step>,
    end: Values,
    plateau: PlateauRun,
}

#[derive(Deserialize)]
struct Step {
    lr: f64,
    norm: f64,
    gradients: Values,
}

#[derive(Deserialize)]
struct PlateauRun {
    lr: f64,
    metrics: Vec<f64>,
    rates: Vec<f64>,
}

fn golden() -> Golden {
    serde_json::from_str(include_str!("../golden/optim.json")).expect("golden numbers")
}

/// A scalar that has the gradients `gradients` with respect to every variable.
fn loss_with_gradients(parameters: &Parameters, gradients: &Values) -> Tensor {
    let terms = parameters.iter().map(|(name, var)| {
        let gradient = Tensor::from_slice(&gradients[name], var.shape(), &Device::Cpu).unwrap();
        var.as_tensor().mul(&gradient).unwrap().sum_all().unwrap()
    });
    terms.reduce(|a, b| a.add(&b).unwrap()).unwrap()
}

#[test]
fn adamw_with_clipping_and_matrix_decay_matches_torch() {
    let golden = golden();
    let variable = |(name, values): (&String, &Vec<f32>)| {
        let var = Var::from_slice(values, golden.shapes[name].clone(), &Device::Cpu).unwrap();
        (name.clone(), var)
    };
    let parameters = optim::sorted(golden.start.iter().map(variable).collect()).unwrap();
    let config = OptimizerConfig { weight_decay: 0.05, ..OptimizerConfig::default() };
    let mut optimiser = Optimizer::new(&parameters, config).unwrap();
    for step in &golden.steps {
        let gradients = loss_with_gradients(&parameters, &step.gradients).backward().unwrap();
        let report = optimiser.step(&gradients, step.lr).unwrap();
        assert!((report.gradient_norm - step.norm).abs() < 1e-5 * step.norm, "norm");
    }
    for (name, var) in &parameters {
        let values = var.flatten_all().unwrap().to_vec1::<f32>().unwrap();
        for (ours, torchs) in values.iter().zip(&golden.end[name]) {
            assert!((ours - torchs).abs() < 2e-6, "{name}: {ours}, torch {torchs}");
        }
    }
}

#[test]
fn the_plateau_rule_matches_torch() {
    let run = golden().plateau;
    let mut plateau = Plateau::new(run.lr);
    for (i, (metric, rate)) in run.metrics.iter().zip(&run.rates).enumerate() {
        plateau.observe(&PlateauConfig::default(), *metric);
        assert!(
            (plateau.learning_rate() - rate).abs() < 1e-15,
            "validation {i}: {}, torch {rate}",
            plateau.learning_rate()
        );
    }
    assert_eq!(run.rates.last(), Some(&1e-6), "the golden run reaches the minimum rate");
}

#[test]
fn a_gradient_that_is_not_finite_is_not_applied() {
    let var = Var::new(&[1.0f32, 2.0], &Device::Cpu).unwrap();
    let parameters = vec![("w".to_string(), var.clone())];
    let mut optimiser = Optimizer::new(&parameters, OptimizerConfig::default()).unwrap();
    let loss = (var.as_tensor() * f64::NAN).unwrap().sum_all().unwrap();
    let report = optimiser.step(&loss.backward().unwrap(), 0.1).unwrap();
    assert!(!report.applied);
    assert_eq!(optimiser.steps(), 0);
    assert_eq!(var.to_vec1::<f32>().unwrap(), [1.0, 2.0]);
}
