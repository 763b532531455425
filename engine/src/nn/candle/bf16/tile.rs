//! The kernel: a piece of a product that fits the registers.

use super::Bf16;

/// Columns of a tile: two registers of 16 sums.
pub const WIDTH: usize = 32;
/// Rows of a tile: with [`WIDTH`] sixteen registers of sums, enough to hide an addition's latency.
pub const HEIGHT: usize = 8;

/// Where a stretch of the summed dimension lies: in values of the left operand from a row's start, in pairs of the right one.
#[derive(Clone, Copy, Debug)]
pub struct Run {
    pub left: usize,
    pub right: usize,
}

/// What the tiles of a product have in common: a left operand of rows, and a right one whose columns lie side by side, the values of two of
/// its rows in each. The sum goes over all pairs of all runs.
#[derive(Clone, Copy)]
pub struct Product<'a> {
    left: &'a [u16],
    right: &'a [u32],
    runs: &'a [Run],
    /// Pairs of a run.
    pairs: usize,
    /// From one pair of a column to the next.
    step: usize,
    /// How far the runs reach from a row's start.
    left_reach: usize,
    /// How far from a tile's first column.
    right_reach: usize,
}

/// What a tile's sums begin with.
#[derive(Clone, Copy)]
pub enum Start<'a> {
    Zero,
    /// The same for every row, one value a column.
    Row(&'a [f32]),
    /// What is there.
    Result,
}

/// One tile.
pub struct Tile<'a> {
    /// Where its rows start in the left operand, [`HEIGHT`] at most.
    pub rows: &'a [usize],
    /// Where its first column starts in the right one.
    pub column: usize,
    /// How many columns it has, [`WIDTH`] at most.
    pub columns: usize,
    pub start: Start<'a>,
}

impl<'a> Product<'a> {
    /// Of two operands, along `runs` of so many pairs.
    pub fn new(
        _: Bf16,
        left: &'a [u16],
        (right, step): (&'a [u32], usize),
        runs: &'a [Run],
        pairs: usize,
    ) -> Self {
        let furthest = |of: fn(&Run) -> usize| runs.iter().map(of).max().unwrap_or(0);
        let left_reach = furthest(|run| run.left) + 2 * pairs;
        let right_reach = furthest(|run| run.right) + pairs.saturating_sub(1) * step + WIDTH;
        Self { left, right, runs, pairs, step, left_reach, right_reach }
    }

    /// Computes a tile; its rows' results lie at `places` of `out`.
    pub fn multiply(&self, tile: &Tile<'_>, out: &mut [f32], places: &[usize]) {
        let last = *tile.rows.iter().max().expect("a tile has rows");
        assert!(last + self.left_reach <= self.left.len(), "the left operand is too short");
        assert!(tile.column + self.right_reach <= self.right.len(), "the right operand is too short");
        assert!(tile.rows.len() <= HEIGHT && tile.rows.len() == places.len() && tile.columns <= WIDTH);
        assert!(places.iter().all(|at| at + tile.columns <= out.len()), "the result does not fit");
        assert!(!matches!(tile.start, Start::Row(row) if row.len() < tile.columns));
        // A tile with fewer rows computes its last one again, and does not store it.
        let at = |row: usize| row.min(tile.rows.len() - 1);
        let starts: [usize; HEIGHT] = std::array::from_fn(|row| tile.rows[at(row)]);
        let places: [usize; HEIGHT] = std::array::from_fn(|row| places[at(row)]);
        // SAFETY: the asserts keep every touched value inside its slice, and only a machine with the instructions has a `Bf16`.
        unsafe { self.kernel(tile, starts, out.as_mut_ptr(), places) }
    }

    #[cfg(not(target_arch = "x86_64"))]
    unsafe fn kernel(&self, tile: &Tile<'_>, _: [usize; HEIGHT], _: *mut f32, _: [usize; HEIGHT]) {
        let Self { runs, pairs, step, .. } = self;
        unreachable!(
            "no machine of this kind has a `Bf16`: {} columns of {runs:?} {pairs} {step}",
            tile.columns
        )
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx512f,avx512bf16")]
    unsafe fn kernel(
        &self,
        tile: &Tile<'_>,
        starts: [usize; HEIGHT],
        out: *mut f32,
        places: [usize; HEIGHT],
    ) {
        use std::arch::x86_64::*;
        let halves = [0, 1].map(|half| {
            let columns = tile.columns.saturating_sub(half * WIDTH / 2).min(WIDTH / 2);
            ((1u32 << columns) - 1) as __mmask16
        });
        // SAFETY: as promised by the caller; the masks keep loads and stores within the tile's columns.
        unsafe {
            let at = |row: usize, half: usize| out.wrapping_add(places[row] + half * WIDTH / 2);
            let mut sums = [[_mm512_setzero_ps(); 2]; HEIGHT];
            for (row, sums) in sums.iter_mut().enumerate() {
                *sums = [0, 1].map(|half| match tile.start {
                    Start::Zero => _mm512_setzero_ps(),
                    Start::Row(values) => {
                        _mm512_maskz_loadu_ps(halves[half], values.as_ptr().wrapping_add(half * WIDTH / 2))
                    }
                    Start::Result => _mm512_maskz_loadu_ps(halves[half], at(row, half)),
                });
            }
            let rows = starts.map(|start| self.left.as_ptr().add(start));
            let columns = self.right.as_ptr().add(tile.column);
            for run in self.runs {
                let rows = rows.map(|row| row.add(run.left).cast::<i32>());
                let mut panel = columns.add(run.right);
                for i in 0..self.pairs {
                    let right =
                        [0, 1].map(|half| as_bf16(_mm512_loadu_si512(panel.add(half * WIDTH / 2).cast())));
                    for (row, sums) in rows.iter().zip(&mut sums) {
                        let left = as_bf16(_mm512_set1_epi32(row.add(i).read_unaligned()));
                        *sums = [0, 1].map(|half| _mm512_dpbf16_ps(sums[half], left, right[half]));
                    }
                    panel = panel.wrapping_add(self.step);
                }
            }
            for (row, sums) in sums.iter().enumerate().take(tile.rows.len()) {
                [0, 1]
                    .into_iter()
                    .for_each(|half| _mm512_mask_storeu_ps(at(row, half), halves[half], sums[half]));
            }
        }
    }
}

/// The same bits.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bf16")]
fn as_bf16(bits: std::arch::x86_64::__m512i) -> std::arch::x86_64::__m512bh {
    // SAFETY: both are 512 bits, and every bit pattern is a value of both.
    unsafe { std::mem::transmute(bits) }
}
