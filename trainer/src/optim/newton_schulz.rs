//! The Newton-Schulz iteration, which orthogonalises a matrix for [`Muon`](super::muon).
//!
//! With Jordan's coefficients, five rounds move all singular values into the range 0.7 to 1.2.

use candle_core::{Result, Tensor};
use engine::nn::kernels::{Matrix, matmul};
use training_kernels::{Bf16, Part, product};

/// Coefficients of `a x + b x^3 + c x^5`.
const COEFFICIENTS: [f64; 3] = [3.4445, -4.7750, 2.0315];
/// Rounds of the iteration.
const ROUNDS: usize = 5;
/// Root mean square of AdamW's updates, in learning rates.
const UPDATE_RMS: f64 = 0.2;
/// Avoids a division by zero for a zero gradient.
const SMALLEST_NORM: f64 = 1e-12;

/// Rows of a symmetric product that are computed together. Fewer rows compute less above the
/// diagonal, more rows make the matrix product faster.
const SYMMETRIC_ROWS: usize = 64;

/// Columns of a block in [`mirror`].
const MIRRORED: usize = 16;

/// The update of a weight `(c_out, ..)` for its momentum, divided by the learning rate, with tensor
/// operations.
///
/// # Errors
/// If a tensor operation fails.
pub fn update(momentum: &Tensor) -> Result<Tensor> {
    let matrix = momentum.flatten_from(1)?;
    let (rows, columns) = matrix.dims2()?;
    let tall = rows > columns;
    let matrix = if tall { matrix.t()?.contiguous()? } else { matrix };
    // The norm stays on the device, because a GPU would wait for a transfer.
    let norm = matrix.sqr()?.sum_all()?.sqrt()?.affine(1.0, SMALLEST_NORM)?;
    let orthogonal = by_rounds(&matrix.broadcast_div(&norm)?)?;
    let orthogonal = if tall { orthogonal.t()?.contiguous()? } else { orthogonal };
    (orthogonal * size(rows, columns))?.reshape(momentum.shape())
}

/// The same in host memory, `momentum (rows, columns)`, on one thread.
///
/// Every round is a polynomial of the Gram matrix of the short side. So the long side is multiplied
/// only twice in total, in bf16 if `bf16` is set. The Gram matrix of a rounded momentum is still
/// positive semidefinite. The polynomial is rounded once, after the last round. The rounds
/// themselves need the precision of f32: with TF32, errors of small singular values would grow from
/// round to round.
pub fn update_on_host(
    momentum: &[f32],
    rows: usize,
    columns: usize,
    bf16: Option<Bf16>,
) -> Vec<f32> {
    let squares =
        momentum.chunks(1024).map(|block| f64::from(block.iter().map(|v| v * v).sum::<f32>()));
    let scale = 1.0 / (squares.sum::<f64>().sqrt() + SMALLEST_NORM);
    let (by_row, by_column) =
        (Matrix::rows(momentum, columns), Matrix::transposed(momentum, columns));
    let short = rows.min(columns);
    let mut gram = match rows <= columns {
        true => symmetric(short, columns, by_row, by_column, bf16),
        false => symmetric(short, rows, by_column, by_row, bf16),
    };
    gram.iter_mut().for_each(|v| *v *= (scale * scale) as f32);
    let mut polynomial = polynomial_of(gram, short);
    polynomial.iter_mut().for_each(|v| *v *= (scale * size(rows, columns)) as f32);
    let (mut out, polynomial) = (vec![0.0; momentum.len()], Matrix::rows(&polynomial, short));
    let (left, right) = if rows <= columns { (polynomial, by_row) } else { (by_row, polynomial) };
    match bf16 {
        Some(bf16) => product(bf16, [rows, columns, short], left, right, &mut out, Part::Whole),
        None => matmul([rows, columns, short], left, right, &mut out, columns, false),
    }
    out
}

/// The product of the polynomials of all rounds, from the Gram matrix of the first.
fn polynomial_of(mut gram: Vec<f32>, n: usize) -> Vec<f32> {
    let [a, b, c] = COEFFICIENTS.map(|v| v as f32);
    let times =
        |x: &[f32], y: &[f32]| symmetric(n, n, Matrix::rows(x, n), Matrix::rows(y, n), None);
    let mut product: Option<Vec<f32>> = None;
    for round in 0..ROUNDS {
        let mut polynomial = times(&gram, &gram);
        polynomial
            .iter_mut()
            .zip(&gram)
            .for_each(|(square, gram)| *square = b * gram + c * *square);
        polynomial.iter_mut().step_by(n + 1).for_each(|diagonal| *diagonal += a);
        if round + 1 < ROUNDS {
            gram = times(&times(&polynomial, &gram), &polynomial);
        }
        product = Some(match product {
            Some(product) => times(&polynomial, &product),
            None => polynomial,
        });
    }
    product.unwrap_or_default()
}

/// A product `a (n, k) b (k, n)` that is symmetric, such as that of two polynomials of a matrix. Only
/// the blocks up to the diagonal are computed, the others are copied.
fn symmetric(n: usize, k: usize, a: Matrix<'_>, b: Matrix<'_>, bf16: Option<Bf16>) -> Vec<f32> {
    let mut out = vec![0.0; n * n];
    match bf16 {
        Some(bf16) => product(bf16, [n, n, k], a, b, &mut out, Part::Lower),
        None => {
            for first in (0..n).step_by(SYMMETRIC_ROWS) {
                let rows = SYMMETRIC_ROWS.min(n - first);
                let a = Matrix { data: &a.data[first * a.row_stride..], ..a };
                matmul([rows, first + rows, k], a, b, &mut out[first * n..], n, false);
            }
        }
    }
    mirror(&mut out, n);
    out
}

/// Copies the part below the diagonal to above it, block by block for the sake of the cache.
fn mirror(square: &mut [f32], n: usize) {
    for first in (0..n).step_by(MIRRORED) {
        for row in first..n {
            for column in first..row.min(first + MIRRORED) {
                square[column * n + row] = square[row * n + column];
            }
        }
    }
}

/// Factor that scales an orthogonal matrix to the size of AdamW's updates.
fn size(rows: usize, columns: usize) -> f64 {
    UPDATE_RMS * (rows.max(columns) as f64).sqrt()
}

/// The iteration in its original form. Every round multiplies the long side twice.
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

#[cfg(test)]
mod tests {
    use candle_core::Device;

    use super::*;

    fn pseudo(dims: &[usize]) -> Tensor {
        let count = dims.iter().product::<usize>();
        let values: Vec<f32> = (0..count).map(|i| ((i * i % 977) as f32 * 0.37).sin()).collect();
        Tensor::from_vec(values, dims, &Device::Cpu).unwrap()
    }

    fn on_host(momentum: &Tensor) -> Tensor {
        let (rows, columns) = momentum.flatten_from(1).unwrap().dims2().unwrap();
        let values = momentum.flatten_all().unwrap().to_vec1::<f32>().unwrap();
        Tensor::from_vec(
            update_on_host(&values, rows, columns, None),
            momentum.shape(),
            &Device::Cpu,
        )
        .unwrap()
    }

    /// Singular values, from nalgebra.
    fn singular_values(weight: &Tensor) -> Vec<f32> {
        let matrix = weight.flatten_from(1).unwrap();
        let (rows, columns) = matrix.dims2().unwrap();
        let values = matrix.flatten_all().unwrap().to_vec1::<f32>().unwrap();
        nalgebra::DMatrix::from_row_slice(rows, columns, &values)
            .singular_values()
            .iter()
            .copied()
            .collect()
    }

    #[test]
    fn all_singular_values_become_equal_and_their_directions_stay() {
        for dims in [vec![24, 40], vec![40, 24], vec![16, 4, 3, 3]] {
            let momentum = pseudo(&dims);
            let update = on_host(&momentum);
            let longest = dims[0].max(dims[1..].iter().product());
            let unit = (UPDATE_RMS * (longest as f64).sqrt()) as f32;
            let (before, after) = (singular_values(&momentum), singular_values(&update));
            let near = |v: &f32| (0.6..1.3).contains(&(v / unit));
            let large = before.iter().filter(|v| **v > 0.01 * before[0]).count();
            assert!(
                large * 2 > before.len() && after[..large].iter().all(near),
                "{dims:?}: {before:?} to {after:?}"
            );
            // With equal singular vectors, the inner product is the nuclear norm.
            let along =
                (update * &momentum).unwrap().sum_all().unwrap().to_scalar::<f32>().unwrap();
            let nuclear: f32 = before.iter().sum();
            assert!((along / (unit * nuclear) - 1.0).abs() < 0.3, "{along}");
        }
    }

    #[test]
    fn both_implementations_of_the_iteration_agree() {
        for dims in [vec![24, 60], vec![90, 70], vec![130, 4, 3, 3], vec![70, 150]] {
            let momentum = pseudo(&dims);
            let difference = (update(&momentum).unwrap() - on_host(&momentum)).unwrap();
            let worst = difference.abs().unwrap().max_all().unwrap().to_scalar::<f32>().unwrap();
            assert!(worst < 1e-3, "{dims:?}: {worst}");
        }
    }

    #[test]
    fn products_of_rounded_values_change_an_update_by_little() {
        let Some(bf16) = Bf16::detect() else {
            return println!("skipped: this CPU has no bf16 products");
        };
        for (rows, columns) in [(64, 600), (130, 130), (300, 70)] {
            let momentum =
                pseudo(&[rows, columns]).flatten_all().unwrap().to_vec1::<f32>().unwrap();
            let [exact, rounded] =
                [None, Some(bf16)].map(|bf16| update_on_host(&momentum, rows, columns, bf16));
            let square = |values: &[f32]| values.iter().map(|v| v * v).sum::<f32>();
            let error: Vec<f32> = exact.iter().zip(&rounded).map(|(a, b)| a - b).collect();
            let share = (square(&error) / square(&exact)).sqrt();
            assert!(share > 0.0 && share < 0.05, "{rows}x{columns}: {share}");
        }
    }

    #[test]
    fn a_zero_gradient_has_a_zero_update() {
        let zeros = pseudo(&[8, 8]).zeros_like().unwrap();
        for update in [update(&zeros).unwrap(), on_host(&zeros)] {
            assert!(
                update.flatten_all().unwrap().to_vec1::<f32>().unwrap().iter().all(|v| *v == 0.0)
            );
        }
    }
}
