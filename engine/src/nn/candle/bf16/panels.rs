//! The right operand of a product whose rows lie anywhere: weights, and the matrices of a plain product.

use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

use super::Bf16;
use super::pair;
use super::tile::WIDTH;

/// Pairs that are packed of all columns before the next ones: what they are written to stays in the first-level cache.
const BLOCK: usize = 16;

/// Panels of [`WIDTH`] columns, in which the values of two rows lie side by side. Zeros fill the last panel.
pub struct Panels {
    columns: usize,
    /// Pairs of rows.
    pairs: usize,
    data: Vec<u32>,
}

impl Panels {
    /// Row `k` of so many columns begins at `rows[k]` of `data` (a row of zeros where it is `None`), its values `step` apart. There is an even
    /// number of rows.
    pub fn of(_: Bf16, data: &[f32], rows: &[Option<usize>], columns: usize, step: usize) -> Self {
        let mut panels = Self::empty(rows.len() / 2, columns);
        let panel_len = panels.panel_len();
        let panels_of = panels.data.par_chunks_mut(panel_len).enumerate();
        panels_of.for_each(|(panel, out)| Pack::panel(panel, data, rows, columns, step, out));
        panels
    }

    /// The same, on one thread.
    pub fn on_one_thread(_: Bf16, data: &[f32], rows: &[Option<usize>], columns: usize, step: usize) -> Self {
        let mut panels = Self::empty(rows.len() / 2, columns);
        let panel_len = panels.panel_len();
        for (panel, out) in panels.data.chunks_mut(panel_len).enumerate() {
            Pack::panel(panel, data, rows, columns, step, out);
        }
        panels
    }

    fn empty(pairs: usize, columns: usize) -> Self {
        Self { columns, pairs, data: vec![0; columns.div_ceil(WIDTH) * pairs * WIDTH] }
    }

    fn panel_len(&self) -> usize {
        (self.pairs * WIDTH).max(1)
    }

    /// All panels, one after the other.
    pub fn data(&self) -> &[u32] {
        &self.data
    }

    /// Where each panel starts, the first of its columns and how many it has.
    pub fn each(&self) -> impl Iterator<Item = (usize, usize, usize)> {
        let (pairs, columns) = (self.pairs, self.columns);
        (0..columns.div_ceil(WIDTH))
            .map(move |panel| (panel * pairs * WIDTH, panel * WIDTH, WIDTH.min(columns - panel * WIDTH)))
    }
}

struct Pack<'a> {
    data: &'a [f32],
    rows: &'a [Option<usize>],
    step: usize,
    width: usize,
    out: &'a mut [u32],
}

impl<'a> Pack<'a> {
    /// Lays out the panel of this number.
    fn panel(
        number: usize,
        data: &'a [f32],
        rows: &'a [Option<usize>],
        columns: usize,
        step: usize,
        out: &'a mut [u32],
    ) {
        let first = number * WIDTH;
        let width = WIDTH.min(columns - first);
        Arch::new().dispatch(Self { data: &data[first * step..], rows, step, width, out });
    }
}

impl WithSimd for Pack<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Self { data, rows, step, width, out } = self;
        if step == 1 {
            let row =
                |start: Option<usize>| start.map_or(&[0.0; WIDTH][..width], |start| &data[start..][..width]);
            for (rows, out) in rows.chunks_exact(2).zip(out.chunks_exact_mut(WIDTH)) {
                let values = row(rows[0]).iter().zip(row(rows[1]));
                out.iter_mut().zip(values).for_each(|(out, (a, b))| *out = pair(*a, *b));
            }
            return;
        }
        for (rows, out) in rows.chunks(2 * BLOCK).zip(out.chunks_mut(BLOCK * WIDTH)) {
            for column in 0..width {
                let value = |start: Option<usize>| start.map_or(0.0, |start| data[start + column * step]);
                for (i, rows) in rows.chunks_exact(2).enumerate() {
                    out[i * WIDTH + column] = pair(value(rows[0]), value(rows[1]));
                }
            }
        }
    }
}
