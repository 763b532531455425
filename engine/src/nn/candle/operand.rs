//! The right operand of several matrix products, in the precision that the executor multiplies in.

use super::bf16::{Bf16, Panels};
use crate::nn::kernels::{Matrix, matmul};

/// A matrix of `[rows, columns]`.
pub(super) enum Operand<'a> {
    F32(Matrix<'a>, [usize; 2]),
    Bf16(Panels),
}

impl<'a> Operand<'a> {
    /// Rounded and laid out once, where products are of bf16.
    pub fn new(matrix: Matrix<'a>, [rows, columns]: [usize; 2], bf16: Option<Bf16>) -> Self {
        match bf16 {
            Some(bf16) => Self::Bf16(Panels::of(bf16, matrix, rows, columns)),
            None => Self::F32(matrix, [rows, columns]),
        }
    }

    /// `out[m, columns] = left[m, rows] self` (added to `out` where `accumulate`), on one thread.
    pub fn multiplied(&self, left: Matrix, m: usize, out: &mut [f32], accumulate: bool) {
        match self {
            Self::F32(right, [k, n]) => matmul([m, *n, *k], left, *right, out, *n, accumulate),
            Self::Bf16(right) => right.multiplied(left, m, out, accumulate),
        }
    }
}
