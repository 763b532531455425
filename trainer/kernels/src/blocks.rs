//! A product, block by block: as many of its sums as a [`kernel`](super::kernel) keeps in
//! registers.

/// Columns of a block.
pub const WIDTH: usize = 32;

/// Where a stretch of the summed dimension lies: in values of the left operand from a row's start,
/// in pairs of the right one.
#[derive(Clone, Copy, Debug)]
pub struct Run {
    pub left: usize,
    pub right: usize,
}

/// What the blocks of a product have in common: a left operand of rows, and a right one whose
/// columns lie side by side, the values of two of its rows in each. The sum goes over all pairs of
/// all runs.
pub struct Product<'a> {
    pub(super) left: &'a [u16],
    pub(super) right: &'a [u32],
    pub(super) runs: &'a [Run],
    /// Pairs of a run.
    pub(super) pairs: usize,
    /// From one pair of a column to the next.
    pub(super) step: usize,
    /// How far the runs reach from a row's start.
    left_reach: usize,
    /// How far from a block's first column.
    right_reach: usize,
}

/// What sums begin with.
#[derive(Clone, Copy)]
pub enum Start<'a> {
    Zero,
    /// The same for every row, one value a column of the result.
    Row(&'a [f32]),
    /// What is there.
    Result,
}

/// Some columns.
#[derive(Clone, Copy, Debug)]
pub struct Block {
    /// Where the first one starts in the right operand.
    pub column: usize,
    /// How many there are, [`WIDTH`] at most.
    pub columns: usize,
    /// How far behind a row's place its results lie.
    pub offset: usize,
}

/// RowBlocks of the left operand and where their results go.
#[derive(Clone, Copy)]
pub struct RowBlocks<'a> {
    /// Where each starts.
    pub starts: &'a [usize],
    /// Where each one's results do.
    pub places: &'a [usize],
}

impl<'a> RowBlocks<'a> {
    /// So many at a time.
    pub(super) fn chunks(self, count: usize) -> impl Iterator<Item = RowBlocks<'a>> {
        let chunks = self.starts.chunks(count).zip(self.places.chunks(count));
        chunks.map(|(starts, places)| RowBlocks { starts, places })
    }
}

impl<'a> Product<'a> {
    /// Of two operands, along `runs` of so many pairs.
    pub fn new(
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

    /// Checks that `blocks` of `rows` lie inside the operands, and their results inside `out`
    /// values.
    ///
    /// # Panics
    /// If they do not.
    pub(super) fn check(
        &self,
        rows: RowBlocks<'_>,
        blocks: &[Block],
        start: Start<'_>,
        out: usize,
    ) {
        let furthest = |of: &[usize]| of.iter().max().copied().unwrap_or(0);
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
