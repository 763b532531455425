//! Muon (Jordan et al. 2024, kellerjordan.github.io/posts/muon): momentum of a matrix, made orthogonal.
//!
//! A gradient's few large singular values move a matrix in few directions; with all of them brought to one, it moves in all. The
//! iteration is Newton and Schulz's with Jordan's coefficients: five rounds bring singular values to .7 to 1.2. Its size is scaled to that of
//! AdamW's updates (Liu et al. 2025, arXiv 2502.16982), so that one learning rate and one decay serve both.

use candle_core::{Result, Tensor};

/// Coefficients of `a x + b x^3 + c x^5`.
const COEFFICIENTS: [f64; 3] = [3.4445, -4.7750, 2.0315];
/// Rounds of the iteration.
const ROUNDS: usize = 5;
/// Root mean square of AdamW's updates, in learning rates.
const UPDATE_RMS: f64 = 0.2;
/// Keeps a gradient of zeros finite.
const SMALLEST_NORM: f64 = 1e-12;

/// The update of a weight `(c_out, ..)` for its momentum, in learning rates.
pub fn update(momentum: &Tensor) -> Result<Tensor> {
    let matrix = momentum.flatten_from(1)?;
    let (rows, columns) = matrix.dims2()?;
    let tall = rows > columns;
    let matrix = if tall { matrix.t()?.contiguous()? } else { matrix };
    // No number leaves the device: a GPU would wait for it.
    let norm = matrix.sqr()?.sum_all()?.sqrt()?.affine(1.0, SMALLEST_NORM)?;
    let unit = matrix.broadcast_div(&norm)?;
    let orthogonal = if unit.device().is_cpu() { by_gram(&unit)? } else { by_rounds(&unit)? };
    let orthogonal = if tall { orthogonal.t()?.contiguous()? } else { orthogonal };
    (orthogonal * (UPDATE_RMS * (rows.max(columns) as f64).sqrt()))?.reshape(momentum.shape())
}

/// The iteration as it is written: every round multiplies the long side twice, and sees what the round before left.
fn by_rounds(x: &Tensor) -> Result<Tensor> {
    let [a, b, c] = COEFFICIENTS;
    let mut x = x.clone();
    for _ in 0..ROUNDS {
        let gram = x.matmul(&x.t()?)?;
        let polynomial = ((&gram * b)? + (gram.matmul(&gram)? * c)?)?;
        x = ((&x * a)? + polynomial.matmul(&x)?)?;
    }
    Ok(x)
}

/// The same from the Gram matrix `x x^T`, of which every round is a polynomial: the long side is multiplied twice in all. It needs the
/// precision of f32: with TF32's three digits, which a GPU may take, errors of small directions grow from round to round.
fn by_gram(x: &Tensor) -> Result<Tensor> {
    let [a, b, c] = COEFFICIENTS;
    let mut gram = x.matmul(&x.t()?)?;
    let identity = Tensor::eye(gram.dim(0)?, gram.dtype(), gram.device())?;
    let mut product = identity.clone();
    for round in 0..ROUNDS {
        let square = gram.matmul(&gram)?;
        let polynomial = (((&identity * a)? + (&gram * b)?)? + (square * c)?)?;
        product = if round == 0 { polynomial.clone() } else { polynomial.matmul(&product)? };
        if round + 1 < ROUNDS {
            gram = polynomial.matmul(&gram)?.matmul(&polynomial)?;
        }
    }
    product.matmul(x)
}

#[cfg(test)]
mod tests {
    use candle_core::Device;

    use super::*;

    fn pseudo(dims: &[usize]) -> Tensor {
        let count = dims.iter().product::<usize>();
        let values: Vec<f32> = (0..count).map(|i| ((i * i % 977) as f32 * 0.37).sin()).collect();
        Tensor::from_vec(values, dims, &Device::Cpu).unwrap()
    }

    /// Singular values by nalgebra's own decomposition.
    fn singular_values(weight: &Tensor) -> Vec<f32> {
        let matrix = weight.flatten_from(1).unwrap();
        let (rows, columns) = matrix.dims2().unwrap();
        let values = matrix.flatten_all().unwrap().to_vec1::<f32>().unwrap();
        nalgebra::DMatrix::from_row_slice(rows, columns, &values).singular_values().iter().copied().collect()
    }

    #[test]
    fn every_direction_moves_as_far_and_none_is_turned() {
        for dims in [vec![24, 40], vec![40, 24], vec![16, 4, 3, 3]] {
            let momentum = pseudo(&dims);
            let update = update(&momentum).unwrap();
            assert_eq!(update.dims(), dims);
            let longest = dims[0].max(dims[1..].iter().product());
            let unit = (UPDATE_RMS * (longest as f64).sqrt()) as f32;
            let (before, after) = (singular_values(&momentum), singular_values(&update));
            let near = |v: &f32| (0.6..1.3).contains(&(v / unit));
            let told = before.iter().filter(|v| **v > 0.01 * before[0]).count();
            assert!(
                told * 2 > before.len() && after[..told].iter().all(near),
                "{dims:?}: {before:?} to {after:?}"
            );
            // The same singular vectors: what was largest along itself stays positive there.
            let along = (update * &momentum).unwrap().sum_all().unwrap().to_scalar::<f32>().unwrap();
            let nuclear: f32 = before.iter().sum();
            assert!((along / (unit * nuclear) - 1.0).abs() < 0.3, "{along}");
        }
    }

    #[test]
    fn both_ways_of_the_iteration_are_one() {
        let matrix = (pseudo(&[24, 60]) * 0.02).unwrap();
        let (rounds, gram) = (by_rounds(&matrix).unwrap(), by_gram(&matrix).unwrap());
        let difference =
            (rounds - gram).unwrap().abs().unwrap().max_all().unwrap().to_scalar::<f32>().unwrap();
        assert!(difference < 1e-4, "{difference}");
    }

    #[test]
    fn a_gradient_of_zeros_moves_nothing() {
        let zeros = pseudo(&[8, 8]).zeros_like().unwrap();
        assert!(
            update(&zeros)
                .unwrap()
                .flatten_all()
                .unwrap()
                .to_vec1::<f32>()
                .unwrap()
                .iter()
                .all(|v| *v == 0.0)
        );
    }
}
