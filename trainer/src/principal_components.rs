//! Principal components of image patches: initial weights and baseline of the autoencoder.

use anyhow::{Result, ensure};
use nalgebra::{DMatrix, SymmetricEigen};

/// An orthonormal basis of patches.
pub struct PrincipalComponents {
    /// Patch side in pixels.
    pub side: usize,
    /// Mean patch, `side * side`, row-major.
    pub mean: Vec<f32>,
    /// `count x (side * side)`, in order of falling variance.
    pub components: Vec<Vec<f32>>,
}

/// The patch of `side` x `side` pixels at block `(by, bx)` of an image with `width` columns.
fn patch(
    image: &[f32],
    width: usize,
    side: usize,
    by: usize,
    bx: usize,
) -> impl Iterator<Item = f32> + '_ {
    (0..side)
        .flat_map(move |y| image[(by * side + y) * width + bx * side..][..side].iter().copied())
}

fn blocks(
    image: &[f32],
    width: usize,
    side: usize,
) -> impl Iterator<Item = (usize, usize)> + use<> {
    let (rows, columns) = (image.len() / width / side, width / side);
    (0..rows).flat_map(move |y| (0..columns).map(move |x| (y, x)))
}

impl PrincipalComponents {
    /// Fits `count` components to all patches of `images` with `width` columns.
    ///
    /// # Errors
    /// If there are no images, or more components than pixels of a patch.
    pub fn fit(images: &[Vec<f32>], width: usize, side: usize, count: usize) -> Result<Self> {
        let size = side * side;
        ensure!(
            count <= size,
            "principal components: expected at most {size} of {side} x {side} pixels, found {count}"
        );
        ensure!(
            !images.is_empty(),
            "principal components: expected at least one image, found none"
        );
        let (mut sum, mut square, mut patches) =
            (vec![0f64; size], DMatrix::<f64>::zeros(size, size), 0usize);
        for image in images {
            let rows: Vec<f64> = blocks(image, width, side)
                .flat_map(|(y, x)| patch(image, width, side, y, x))
                .map(f64::from)
                .collect();
            let matrix = DMatrix::from_column_slice(size, rows.len() / size, &rows);
            matrix
                .column_iter()
                .for_each(|c| sum.iter_mut().zip(c.iter()).for_each(|(s, v)| *s += v));
            patches += matrix.ncols();
            square.gemm(1.0, &matrix, &matrix.transpose(), 1.0);
        }
        let mean: Vec<f64> = sum.iter().map(|s| s / patches as f64).collect();
        let covariance = DMatrix::from_fn(size, size, |i, j| {
            square[(i, j)] / patches as f64 - mean[i] * mean[j]
        });
        let eigen = SymmetricEigen::new(covariance);
        let mut order: Vec<usize> = (0..size).collect();
        order.sort_by(|&a, &b| eigen.eigenvalues[b].total_cmp(&eigen.eigenvalues[a]));
        let component =
            |&i: &usize| eigen.eigenvectors.column(i).iter().map(|v| *v as f32).collect();
        Ok(Self {
            side,
            mean: mean.iter().map(|v| *v as f32).collect(),
            components: order.iter().take(count).map(component).collect(),
        })
    }

    /// Mean squared error after projection of `images` onto the components and back.
    pub fn mse(&self, images: &[Vec<f32>], width: usize) -> f64 {
        let (mut error, mut pixels) = (0.0f64, 0usize);
        for image in images {
            for (by, bx) in blocks(image, width, self.side) {
                let centred: Vec<f32> = patch(image, width, self.side, by, bx)
                    .zip(&self.mean)
                    .map(|(v, m)| v - m)
                    .collect();
                let kept: f64 = self
                    .components
                    .iter()
                    .map(|c| {
                        c.iter().zip(&centred).map(|(a, b)| (a * b) as f64).sum::<f64>().powi(2)
                    })
                    .sum();
                error += centred.iter().map(|v| (*v as f64).powi(2)).sum::<f64>() - kept;
                pixels += centred.len();
            }
        }
        error / pixels as f64
    }

    /// Weight `[count, size]` and bias of the layer that projects a patch onto the components.
    pub fn analysis(&self) -> (Vec<f32>, Vec<f32>) {
        let bias = |c: &Vec<f32>| -c.iter().zip(&self.mean).map(|(a, b)| a * b).sum::<f32>();
        (self.components.concat(), self.components.iter().map(bias).collect())
    }

    /// Weight `[size, count]` and bias of the layer that reconstructs a patch.
    pub fn synthesis(&self) -> (Vec<f32>, Vec<f32>) {
        let size = self.side * self.side;
        (
            (0..size).flat_map(|p| self.components.iter().map(move |c| c[p])).collect(),
            self.mean.clone(),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patches_of_a_plane_are_reconstructed_from_two_components() {
        let image = |a: f32, b: f32| {
            (0..16 * 16)
                .map(|i| a * (i % 4) as f32 + b * (i / 16 % 4) as f32 + 0.5)
                .collect::<Vec<f32>>()
        };
        let images: Vec<_> =
            (0..9).map(|i| image((i % 3) as f32 / 3.0, (i / 3) as f32 / 5.0)).collect();
        let two = PrincipalComponents::fit(&images, 16, 4, 2).expect("fit");
        // A difference of two f32 energies of order 1.
        assert!(two.mse(&images, 16) < 1e-6);
        let one = PrincipalComponents::fit(&images, 16, 4, 1).expect("fit");
        assert!(one.mse(&images, 16) > 1e-4);
        let dot: f32 = two.components[0].iter().zip(&two.components[1]).map(|(a, b)| a * b).sum();
        assert!(dot.abs() < 1e-5);
    }
}
