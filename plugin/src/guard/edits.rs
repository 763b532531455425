//! Parameters that a VST3 host has set, and no block has brought yet.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use parking_lot::Mutex;

struct Edit {
    hash: u32,
    normalized: f64,
    /// What the instance had when it was set.
    over: f64,
    /// Blocks that had been processed.
    block: u64,
}

/// The last edit of every parameter. While blocks go by they come with the blocks, and what is here
/// is outdated; so it is where somebody has set the instance's own value since, in our window.
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

    /// The host has set a parameter whose value in the instance is `present`.
    pub fn set(&self, hash: u32, normalized: f64, present: f64) {
        let mut edits = self.edits.lock();
        edits.retain(|edit| edit.hash != hash);
        edits.push(Edit { hash, normalized, over: present, block: self.blocks.load(Relaxed) });
    }

    /// What the host has set a parameter to since the last block, where the instance's value is
    /// still what it was.
    pub fn get(&self, hash: u32, present: f64) -> Option<f64> {
        let block = self.blocks.load(Relaxed);
        let edits = self.edits.lock();
        let waits = |edit: &&Edit| edit.hash == hash && edit.block == block && edit.over == present;
        edits.iter().find(waits).map(|edit| edit.normalized)
    }

    /// Takes what no block has brought: what `get` would give, of every parameter.
    pub fn take(&self, present: impl Fn(u32) -> f64) -> Vec<(u32, f64)> {
        let block = self.blocks.load(Relaxed);
        let mut edits = self.edits.lock();
        let waiting =
            edits.drain(..).filter(|edit| edit.block == block && edit.over == present(edit.hash));
        waiting.map(|edit| (edit.hash, edit.normalized)).collect()
    }

    /// Another state counts.
    pub fn forget(&self) {
        self.edits.lock().clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIX: u32 = 7;

    #[test]
    fn an_edit_waits_for_a_block() {
        let edits = Edits::default();
        edits.set(MIX, 0.25, 1.0);
        edits.set(MIX, 0.5, 1.0);
        assert_eq!(edits.get(MIX, 1.0), Some(0.5));
        assert_eq!(edits.take(|_| 1.0), [(MIX, 0.5)]);
        assert_eq!(edits.get(MIX, 1.0), None, "taken");
        edits.set(MIX, 0.5, 1.0);
        edits.block_processed();
        assert_eq!(edits.get(MIX, 1.0), None);
        assert_eq!(edits.take(|_| 1.0), []);
    }

    #[test]
    fn what_was_set_in_the_instance_since_is_newer() {
        let edits = Edits::default();
        edits.set(MIX, 0.5, 1.0);
        assert_eq!(edits.get(MIX, 0.75), None);
        assert_eq!(edits.take(|_| 0.75), []);
    }
}
