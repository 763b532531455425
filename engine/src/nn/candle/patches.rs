//! The f32 convolution on the CPU: a matrix of patches, and one matrix product per group of images.

use rayon::prelude::*;

use super::ConvKernel;
use crate::nn::backend::ConvSpec;
use crate::nn::kernels::{ConvShape, Matrix, matmul};

/// Rows of the patch matrix per task: enough to amortise packing the weights. At the lowest
/// resolution of a small batch (24 images of 4 x 4), there is still more than one task.
const ROWS_PER_TASK: usize = 256;

/// Number of partial weight gradients. It is fixed, so that their sum does not depend on the number
/// of threads.
const GRADIENT_PARTS: usize = 4;

/// Computes convolutions and their gradients in f32.
#[derive(Clone, Copy, Debug)]
pub struct F32Conv;

impl ConvKernel for F32Conv {
    fn forward(&self, shape: ConvShape, x: &[f32], weight: &[f32], bias: &[f32]) -> Vec<f32> {
        Patches::new(shape, x.len() / shape.input_len()).forward(x, weight, bias)
    }

    fn input_gradient(&self, shape: ConvShape, dy: &[f32], weight: &[f32]) -> Vec<f32> {
        Patches::new(shape, dy.len() / shape.output_len()).input_gradient(dy, weight)
    }

    fn weight_gradient(&self, shape: ConvShape, x: &[f32], dy: &[f32]) -> (Vec<f32>, Vec<f32>) {
        Patches::new(shape, x.len() / shape.input_len()).weight_gradient(x, dy)
    }
}

/// The patches of a batch.
struct Patches {
    batch: usize,
    shape: ConvShape,
}

/// The images of one task.
struct Group<'a> {
    x: &'a [f32],
    images: usize,
}

impl Patches {
    fn new(shape: ConvShape, batch: usize) -> Self {
        Self { batch, shape }
    }

    fn spec(&self) -> ConvSpec {
        self.shape.spec
    }

    fn images_per_task(&self) -> usize {
        ROWS_PER_TASK.div_ceil(self.shape.positions()).min(self.batch.max(1))
    }

    fn image_len(&self) -> usize {
        self.shape.input_len()
    }

    /// The patch matrix of a group, shape `(images * positions, patch)`. A pointwise convolution
    /// uses the input itself, others `scratch`.
    fn patches<'a>(&self, group: &Group<'a>, scratch: &'a mut Vec<f32>) -> &'a [f32] {
        if self.shape.spec.is_pointwise() {
            return group.x;
        }
        let len = self.shape.positions() * self.shape.patch();
        scratch.resize(group.images * len, 0.0);
        for (image, columns) in
            group.x.chunks_exact(self.image_len()).zip(scratch.chunks_exact_mut(len))
        {
            self.shape.im2col(image, columns);
        }
        scratch
    }

    fn forward(&self, x: &[f32], weight: &[f32], bias: &[f32]) -> Vec<f32> {
        let (positions, c_out, patch) =
            (self.shape.positions(), self.spec().c_out, self.shape.patch());
        let mut y = vec![0.0; self.batch * positions * c_out];
        let weight = Matrix::transposed(weight, patch);
        let n = self.images_per_task();
        y.par_chunks_mut(n * positions * c_out)
            .zip(x.par_chunks(n * self.image_len()))
            .for_each_init(Vec::new, |scratch, (y, x)| {
                let group = Group { x, images: x.len() / self.image_len() };
                let columns = self.patches(&group, scratch);
                y.chunks_exact_mut(c_out).for_each(|row| row.copy_from_slice(bias));
                let m = group.images * positions;
                matmul([m, c_out, patch], Matrix::rows(columns, patch), weight, y, c_out, true);
            });
        y
    }

    /// Gradient of the input `(batch, H, W, c_in)`.
    fn input_gradient(&self, dy: &[f32], weight: &[f32]) -> Vec<f32> {
        let (positions, c_out, patch) =
            (self.shape.positions(), self.spec().c_out, self.shape.patch());
        let mut dx = vec![0.0; self.batch * self.image_len()];
        let weight = Matrix::rows(weight, patch);
        let n = self.images_per_task();
        dx.par_chunks_mut(n * self.image_len())
            .zip(dy.par_chunks(n * positions * c_out))
            .for_each_init(Vec::new, |scratch: &mut Vec<f32>, (dx, dy)| {
                let rows = dy.len() / c_out;
                let dy = Matrix::rows(dy, c_out);
                if self.shape.spec.is_pointwise() {
                    return matmul([rows, patch, c_out], dy, weight, dx, patch, false);
                }
                scratch.resize(rows * patch, 0.0);
                matmul([rows, patch, c_out], dy, weight, scratch, patch, false);
                for (image, columns) in dx
                    .chunks_exact_mut(self.image_len())
                    .zip(scratch.chunks_exact(positions * patch))
                {
                    self.shape.col2im(columns, image);
                }
            });
        dx
    }

    /// Gradients of the weight `[c_out, k, k, c_in]` and of the bias `[c_out]`.
    fn weight_gradient(&self, x: &[f32], dy: &[f32]) -> (Vec<f32>, Vec<f32>) {
        let (positions, c_out, patch) =
            (self.shape.positions(), self.spec().c_out, self.shape.patch());
        let part = self.batch.div_ceil(GRADIENT_PARTS);
        let parts: Vec<_> = x
            .par_chunks(part * self.image_len())
            .zip(dy.par_chunks(part * positions * c_out))
            .map(|(x, dy)| {
                let (mut dw, mut db, mut scratch) =
                    (vec![0.0; c_out * patch], vec![0.0; c_out], Vec::new());
                let n = self.images_per_task();
                for (x, dy) in x.chunks(n * self.image_len()).zip(dy.chunks(n * positions * c_out))
                {
                    let group = Group { x, images: x.len() / self.image_len() };
                    let columns = Matrix::rows(self.patches(&group, &mut scratch), patch);
                    let k = dy.len() / c_out;
                    matmul(
                        [c_out, patch, k],
                        Matrix::transposed(dy, c_out),
                        columns,
                        &mut dw,
                        patch,
                        true,
                    );
                    dy.chunks_exact(c_out).for_each(|row| add(&mut db, row));
                }
                (dw, db)
            })
            .collect();
        let mut parts = parts.into_iter();
        let (mut dw, mut db) =
            parts.next().unwrap_or_else(|| (vec![0.0; c_out * patch], vec![0.0; c_out]));
        for (w, b) in parts {
            add(&mut dw, &w);
            add(&mut db, &b);
        }
        (dw, db)
    }
}

fn add(to: &mut [f32], from: &[f32]) {
    to.iter_mut().zip(from).for_each(|(a, b)| *a += b);
}
