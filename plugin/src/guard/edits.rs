//! Parameter values that a VST3 host has set and no block has delivered yet.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use parking_lot::Mutex;

struct Edit {
    hash: u32,
    normalized: f64,
    /// The instance's value at the time of the edit.
    previous: f64,
    /// Number of processed blocks at the time of the edit.
    block: u64,
}

/// The last edit of every parameter. An edit is pending until the next block, which delivers it to
/// the instance. It is outdated if the editor has changed the instance's value since.
#[derive(Default)]
pub struct Edits {
    blocks: AtomicU64,
    edits: Mutex<Vec<Edit>>,
}

impl Edits {
    /// A block has delivered all earlier edits. For the audio thread.
    pub fn block_processed(&self) {
        self.blocks.fetch_add(1, Relaxed);
    }

    /// Records an edit of a parameter whose value in the instance is `present`. Values are 0 to 1.
    pub fn set(&self, hash: u32, normalized: f64, present: f64) {
        let mut edits = self.edits.lock();
        edits.retain(|edit| edit.hash != hash);
        edits.push(Edit { hash, normalized, previous: present, block: self.blocks.load(Relaxed) });
    }

    /// The pending edit of a parameter whose value in the instance is `present`, if there is one.
    pub fn get(&self, hash: u32, present: f64) -> Option<f64> {
        let block = self.blocks.load(Relaxed);
        let edits = self.edits.lock();
        let is_pending =
            |edit: &&Edit| edit.hash == hash && edit.block == block && edit.previous == present;
        edits.iter().find(is_pending).map(|edit| edit.normalized)
    }

    /// Removes all edits and returns the pending ones. `present` returns a parameter's value in the
    /// instance.
    pub fn take(&self, present: impl Fn(u32) -> f64) -> Vec<(u32, f64)> {
        let block = self.blocks.load(Relaxed);
        let mut edits = self.edits.lock();
        let pending = edits
            .drain(..)
            .filter(|edit| edit.block == block && edit.previous == present(edit.hash));
        pending.map(|edit| (edit.hash, edit.normalized)).collect()
    }

    /// Removes all edits, because a loaded state replaces them.
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
    fn a_later_change_in_the_instance_wins() {
        let edits = Edits::default();
        edits.set(MIX, 0.5, 1.0);
        assert_eq!(edits.get(MIX, 0.75), None);
        assert_eq!(edits.take(|_| 0.75), []);
    }
}
