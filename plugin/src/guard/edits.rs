//! Parameters that a VST3 host has set, and no block has brought yet.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use parking_lot::Mutex;

use super::reach::Reach;

struct Edit {
    hash: u32,
    normalized: f64,
    /// Blocks that had been processed.
    block: u64,
}

/// The last edit of every parameter. While blocks go by they come with the blocks, and what is here is outdated.
#[derive(Default)]
pub struct Edits {
    blocks: AtomicU64,
    edits: Mutex<Vec<Edit>>,
}

impl Edits {
    /// A block has brought what was set before it. For the audio thread.
    pub fn block_processed(&self) {
        self.blocks.fetch_add(1, Relaxed);
    }

    /// The host has set a parameter.
    pub fn set(&self, hash: u32, normalized: f64) {
        let mut edits = self.edits.lock();
        edits.retain(|edit| edit.hash != hash);
        edits.push(Edit { hash, normalized, block: self.blocks.load(Relaxed) });
    }

    /// What the host has set a parameter to since the last block.
    pub fn get(&self, hash: u32) -> Option<f64> {
        let block = self.blocks.load(Relaxed);
        let edits = self.edits.lock();
        edits.iter().find(|edit| edit.hash == hash && edit.block == block).map(|edit| edit.normalized)
    }

    /// Gives the instance what no block has brought.
    pub fn settle(&self, reach: &Reach) {
        let block = self.blocks.load(Relaxed);
        let mut edits = self.edits.lock();
        edits
            .drain(..)
            .filter(|edit| edit.block == block)
            .for_each(|edit| reach.set(edit.hash, edit.normalized as f32));
    }

    /// Another state counts.
    pub fn forget(&self) {
        self.edits.lock().clear();
    }
}
