//! The right operand of a product: packed weights, or a packed matrix. The rows of the source can
//! be anywhere.

use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

use super::blocks::{Block, WIDTH};
use super::memory::Aligned;
use super::{Bf16, pair};

/// Pairs that are packed of all columns before the next pairs, so that the written part stays in
/// the first-level cache.
const BLOCK: usize = 16;

/// Panels of [`WIDTH`] columns. Each pair contains the values of two rows. Zeros fill the last
/// panel.
pub struct WeightPanels {
    columns: usize,
    /// Pairs of rows.
    pairs: usize,
    data: Aligned,
}

impl WeightPanels {
    /// Packs rows of `columns` values on all threads.
    ///
    /// Row `k` starts at `rows[k]` of `data`, and its values are `step` apart. A row of zeros has
    /// `None`. The number of rows must be even.
    pub fn pack(
        _: Bf16,
        data: &[f32],
        rows: &[Option<usize>],
        columns: usize,
        step: usize,
    ) -> Self {
        let mut panels = Self::empty(rows.len() / 2, columns);
        let panel_len = panels.panel_len();
        let panels_of = panels.values().par_chunks_mut(panel_len).enumerate();
        panels_of.for_each(|(panel, out)| Pack::panel(panel, data, rows, columns, step, out));
        panels
    }

    /// Like [`pack`](Self::pack), on one thread.
    pub fn on_one_thread(
        _: Bf16,
        data: &[f32],
        rows: &[Option<usize>],
        columns: usize,
        step: usize,
    ) -> Self {
        let mut panels = Self::empty(rows.len() / 2, columns);
        let panel_len = panels.panel_len();
        for (panel, out) in panels.values().chunks_mut(panel_len).enumerate() {
            Pack::panel(panel, data, rows, columns, step, out);
        }
        panels
    }

    fn empty(pairs: usize, columns: usize) -> Self {
        Self { columns, pairs, data: Aligned::default() }
    }

    fn len(&self) -> usize {
        self.columns.div_ceil(WIDTH) * self.pairs * WIDTH
    }

    fn values(&mut self) -> &mut [u32] {
        let len = self.len();
        self.data.slice(len)
    }

    fn panel_len(&self) -> usize {
        (self.pairs * WIDTH).max(1)
    }

    /// All panels, in order.
    pub fn data(&self) -> &[u32] {
        self.data.first(self.len())
    }

    /// The blocks of all panels. Their results are adjacent.
    pub fn blocks(&self) -> Vec<Block> {
        let firsts = (0..self.columns).step_by(WIDTH);
        let block = |first: usize| Block {
            column: first * self.pairs,
            columns: WIDTH.min(self.columns - first),
            offset: first,
        };
        firsts.map(block).collect()
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
    /// Packs one panel.
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
            let row = |start: Option<usize>| {
                start.map_or(&[0.0; WIDTH][..width], |start| &data[start..][..width])
            };
            for (rows, out) in rows.chunks_exact(2).zip(out.chunks_exact_mut(WIDTH)) {
                let values = row(rows[0]).iter().zip(row(rows[1]));
                out.iter_mut().zip(values).for_each(|(out, (a, b))| *out = pair(*a, *b));
            }
            return;
        }
        for (rows, out) in rows.chunks(2 * BLOCK).zip(out.chunks_mut(BLOCK * WIDTH)) {
            for column in 0..width {
                let value =
                    |start: Option<usize>| start.map_or(0.0, |start| data[start + column * step]);
                for (i, rows) in rows.chunks_exact(2).enumerate() {
                    out[i * WIDTH + column] = pair(value(rows[0]), value(rows[1]));
                }
            }
        }
    }
}
