//! Why `candle_nn` supplies losses only: its normalisations and its fast softmax return no gradient,
//! and its initialisers cannot be seeded on the CPU (`docs/decisions/052-candle-nn.md`).

use candle_core::{D, Device, Result, Tensor, Var};
use candle_nn::Init;

/// Whether the gradient of `f` at a vector of three values is missing or zero.
fn has_no_gradient(f: impl Fn(&Tensor) -> Result<Tensor>) -> bool {
    let x = Var::new(&[[0.5f32, -1.0, 2.0]], &Device::Cpu).unwrap();
    let weights = Tensor::new(&[[1.0f32, 2.0, -3.0]], &Device::Cpu).unwrap();
    let y = f(x.as_tensor()).unwrap().mul(&weights).unwrap().sum_all().unwrap();
    y.backward().unwrap().get(&x).is_none_or(|gradient| {
        gradient.abs().unwrap().sum_all().unwrap().to_scalar::<f32>().unwrap() == 0.0
    })
}

#[test]
#[expect(clippy::disallowed_methods, reason = "shows why they are disallowed")]
fn the_forbidden_operations_cut_gradients() {
    let ones = Tensor::ones(3, candle_core::DType::F32, &Device::Cpu).unwrap();
    let zeros = ones.zeros_like().unwrap();
    assert!(has_no_gradient(candle_nn::ops::softmax_last_dim));
    assert!(has_no_gradient(|x| candle_nn::ops::layer_norm(x, &ones, &zeros, 1e-5)));
    assert!(has_no_gradient(|x| candle_nn::ops::rms_norm(x, &ones, 1e-5)));
    assert!(!has_no_gradient(|x| candle_nn::ops::log_softmax(x, D::Minus1)), "a control");
}

#[test]
fn initialisers_cannot_be_seeded() {
    let draw = || {
        let init = Init::Uniform { lo: -1.0, up: 1.0 };
        init.var((4, 4), candle_core::DType::F32, &Device::Cpu).unwrap().flatten_all().unwrap()
    };
    assert!(Device::Cpu.set_seed(7).is_err());
    assert_ne!(draw().to_vec1::<f32>().unwrap(), draw().to_vec1::<f32>().unwrap());
}
