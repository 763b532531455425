//! The measures of a whole recording in bounded memory.

use super::block::{BLOCKS_PER_WINDOW, Block};

/// Entries of [`Overview::default`]: 6.7 hours of single blocks, 1 MB.
const CAPACITY: usize = 1 << 16;

/// The blocks of a recording in order. When it is full, it merges neighbours in pairs, so that its
/// time resolution is halved.
#[derive(Clone, Debug)]
pub struct Overview {
    entries: Vec<Block>,
    capacity: usize,
    /// Blocks per entry, a power of two.
    blocks_per_entry: usize,
    /// Blocks of an incomplete entry, merged, and their number.
    pending: Option<Block>,
    pending_blocks: usize,
}

impl Default for Overview {
    fn default() -> Self {
        Self::with_capacity(CAPACITY)
    }
}

impl Overview {
    /// Stores at most `capacity` entries, an even number.
    fn with_capacity(capacity: usize) -> Self {
        let entries = Vec::new();
        Self { entries, capacity, blocks_per_entry: 1, pending: None, pending_blocks: 0 }
    }

    /// The complete entries.
    pub fn entries(&self) -> &[Block] {
        &self.entries
    }

    /// Blocks per entry.
    pub fn blocks_per_entry(&self) -> usize {
        self.blocks_per_entry
    }

    /// Entries per style window, at least 1.
    pub fn entries_per_window(&self) -> usize {
        BLOCKS_PER_WINDOW.div_ceil(self.blocks_per_entry)
    }

    /// Appends the next block.
    pub fn push(&mut self, block: Block) {
        let count = self.pending_blocks;
        self.pending = Some(self.pending.map_or(block, |pending| pending.merged(count, block)));
        self.pending_blocks += 1;
        if self.pending_blocks < self.blocks_per_entry {
            return;
        }
        self.entries.extend(self.pending.take());
        self.pending_blocks = 0;
        if self.entries.len() == self.capacity {
            self.entries = self.entries.chunks(2).map(|pair| pair[0].merged(1, pair[1])).collect();
            self.blocks_per_entry *= 2;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(power: f32) -> Block {
        Block { power, quiet_power: power, pitched: 1.0, filled: 1.0 }
    }

    #[test]
    fn its_size_does_not_grow_with_the_recording() {
        let mut overview = Overview::with_capacity(16);
        for number in 0..10_000 {
            overview.push(block(if number < 5000 { 1.0 } else { 0.5 }));
            assert!(overview.entries().len() < 16);
        }
        let entries = overview.entries();
        assert_eq!(overview.blocks_per_entry(), 1024);
        assert_eq!((entries[0].power, entries[entries.len() - 1].power), (1.0, 0.5));
        assert_eq!(overview.entries_per_window(), 1);
    }

    #[test]
    fn merged_blocks_have_the_mean_power_and_the_louder_ones_pitch() {
        let noise = Block { pitched: 0.0, ..block(0.1) };
        let merged = block(0.9).merged(1, noise);
        assert_eq!((merged.power, merged.pitched), (0.5, 0.9));
    }
}
