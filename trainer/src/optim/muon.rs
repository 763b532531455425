//! Muon (Jordan et al. 2024): momentum of a matrix, made orthogonal.
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
    let x = if tall { matrix.t()?.contiguous()? } else { matrix };
    let norm = x.sqr()?.sum_all()?.to_scalar::<f32>()?.sqrt();
    let x = (x / (f64::from(norm) + SMALLEST_NORM))?;
    let x = orthogonaliser(&x.matmul(&x.t()?)?)?.matmul(&x)?;
    let x = if tall { x.t()?.contiguous()? } else { x };
    (x * (UPDATE_RMS * (rows.max(columns) as f64).sqrt()))?.reshape(momentum.shape())
}

/// What brings a matrix near to an orthogonal one, from its Gram matrix `x x^T`: every round is a polynomial of it, so that the long side of the
/// matrix is multiplied twice and not ten times.
fn orthogonaliser(gram: &Tensor) -> Result<Tensor> {
    let [a, b, c] = COEFFICIENTS;
    let identity = Tensor::eye(gram.dim(0)?, gram.dtype(), gram.device())?;
    let (mut gram, mut product) = (gram.clone(), None::<Tensor>);
    for round in 0..ROUNDS {
        let square = gram.matmul(&gram)?;
        let polynomial = (((&identity * a)? + (&gram * b)?)? + (square * c)?)?;
        if round + 1 < ROUNDS {
            gram = polynomial.matmul(&gram)?.matmul(&polynomial)?;
        }
        product = Some(match product {
            Some(product) => polynomial.matmul(&product)?,
            None => polynomial,
        });
    }
    Ok(product.expect("there are rounds"))
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
