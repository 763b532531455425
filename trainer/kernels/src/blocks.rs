//! Operands of a product and its division into blocks. A [`kernel`](super::kernel) keeps the sums
//! of a block in registers.

/// Maximum number of columns of a block.
pub const WIDTH: usize = 32;

/// A contiguous part of the summed dimension.
#[derive(Clone, Copy, Debug)]
pub struct Run {
    /// Offset in the left operand from the start of a row, in values.
    pub left: usize,
    /// Offset in the right operand, in pairs.
    pub right: usize,
}

/// The operands of a product.
///
/// The left operand has rows of bf16 values. The right operand has adjacent columns of pairs: each
/// pair contains the values of two rows. A sum contains all pairs of all runs.
pub struct Product<'a> {
    pub(super) left: &'a [u16],
    pub(super) right: &'a [u32],
    pub(super) runs: &'a [Run],
    /// Pairs in a run.
    pub(super) pairs: usize,
    /// Distance between the consecutive pairs of a column, in pairs.
    pub(super) step: usize,
    /// End of the last run from the start of a row, in values.
    left_reach: usize,
    /// End of the last run from the first column of a block, in pairs.
    right_reach: usize,
}

/// Initial values of the sums.
#[derive(Clone, Copy)]
pub enum Start<'a> {
    /// Zeros.
    Zero,
    /// The same values for every row, one per column of the result.
    Row(&'a [f32]),
    /// The values in the output.
    Result,
}

/// Adjacent columns of a product.
#[derive(Clone, Copy, Debug)]
pub struct Block {
    /// Offset of the first column in the right operand, in pairs.
    pub column: usize,
    /// Number of columns, at most [`WIDTH`].
    pub columns: usize,
    /// Offset of the results from the row's place in the output.
    pub offset: usize,
}

/// Rows of the left operand and the places of their results.
#[derive(Clone, Copy)]
pub struct RowBlocks<'a> {
    /// Start of each row in the left operand.
    pub starts: &'a [usize],
    /// Start of each row's results in the output.
    pub places: &'a [usize],
}

impl<'a> RowBlocks<'a> {
    /// Groups of at most `count` rows.
    pub(super) fn chunks(self, count: usize) -> impl Iterator<Item = RowBlocks<'a>> {
        let chunks = self.starts.chunks(count).zip(self.places.chunks(count));
        chunks.map(|(starts, places)| RowBlocks { starts, places })
    }
}

impl<'a> Product<'a> {
    /// A product of two operands along `runs` of `pairs` pairs each. `step` is the distance between
    /// the consecutive pairs of a column.
    pub fn new(
        left: &'a [u16],
        (right, step): (&'a [u32], usize),
        runs: &'a [Run],
        pairs: usize,
    ) -> Self {
        let furthest = |offset: fn(&Run) -> usize| runs.iter().map(offset).max().unwrap_or(0);
        let left_reach = furthest(|run| run.left) + 2 * pairs;
        let right_reach = furthest(|run| run.right) + pairs.saturating_sub(1) * step + WIDTH;
        Self { left, right, runs, pairs, step, left_reach, right_reach }
    }

    /// Checks that `blocks` of `rows` are inside the operands, and their results inside `out`
    /// values.
    ///
    /// # Panics
    /// If they are not.
    pub(super) fn check(
        &self,
        rows: RowBlocks<'_>,
        blocks: &[Block],
        start: Start<'_>,
        out: usize,
    ) {
        let furthest = |values: &[usize]| values.iter().max().copied().unwrap_or(0);
        let (last, place) = (furthest(rows.starts), furthest(rows.places));
        assert!(rows.starts.len() == rows.places.len());
        assert!(last + self.left_reach <= self.left.len(), "the left operand is too short");
        for block in blocks {
            assert!(
                block.column + self.right_reach <= self.right.len(),
                "the right operand is too short"
            );
            assert!(block.columns <= WIDTH);
            assert!(place + block.offset + block.columns <= out, "the result does not fit");
            assert!(!matches!(start, Start::Row(row) if row.len() < block.offset + block.columns));
        }
    }
}
