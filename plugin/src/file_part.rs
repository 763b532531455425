//! The part of a recording from which the File style was computed, for the editor.

use engine::reference::Reference;
use serde::{Deserialize, Serialize};

/// Most columns and windows that are read.
const COLUMNS_MAX: usize = 512;
const RANGES_MAX: usize = 4;

/// The waveform of a recording and the windows of its style. The project stores it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FilePart {
    /// Length of the recording.
    pub seconds: f64,
    /// Start and end of each window in seconds.
    pub ranges: Vec<[f64; 2]>,
    /// Peaks in columns of equal duration; 255 is the largest of them.
    pub peaks: Vec<u8>,
}

impl FilePart {
    /// The part that a reference used.
    pub fn new(reference: &Reference) -> Self {
        let peaks = &reference.outline.peaks;
        let largest = peaks.iter().copied().fold(1e-9, f32::max);
        Self {
            seconds: reference.recording_seconds,
            ranges: reference.ranges.iter().map(|range| [range.start, range.end]).collect(),
            peaks: peaks.iter().map(|peak| (255.0 * peak / largest).round() as u8).collect(),
        }
    }

    /// The stored part, unless it is damaged.
    pub fn checked(self) -> Option<Self> {
        let inside =
            |range: &[f64; 2]| 0.0 <= range[0] && range[0] <= range[1] && range[1] <= self.seconds;
        let whole = self.seconds.is_finite()
            && self.seconds > 0.0
            && self.ranges.len() <= RANGES_MAX
            && self.ranges.iter().all(inside)
            && (1..=COLUMNS_MAX).contains(&self.peaks.len());
        whole.then_some(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_damaged_part_is_ignored() {
        let part = FilePart { seconds: 20.0, ranges: vec![[3.0, 15.0]], peaks: vec![9; 512] };
        assert_eq!(part.clone().checked(), Some(part.clone()));
        let damages: [fn(&mut FilePart); 5] = [
            |part| part.seconds = 0.0,
            |part| part.ranges[0] = [15.0, 3.0],
            |part| part.ranges[0] = [3.0, 21.0],
            |part| part.ranges = vec![[0.0, 1.0]; 5],
            |part| part.peaks.clear(),
        ];
        for damage in damages {
            let mut damaged = part.clone();
            damage(&mut damaged);
            assert_eq!(damaged.checked(), None);
        }
    }
}
