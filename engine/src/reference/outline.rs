//! The peaks of a recording over time, for a picture of its waveform.

/// Most columns, an even number.
const COLUMNS_MAX: usize = 512;
/// Samples of the first columns.
const FIRST_SAMPLES: usize = 256;

/// The peaks of a recording in columns of equal duration. When there are too many columns, pairs
/// are merged.
#[derive(Clone, Debug, PartialEq)]
pub struct Outline {
    /// Largest absolute samples, at most 512.
    pub peaks: Vec<f32>,
    column_samples: usize,
    /// Samples in the last column.
    filled: usize,
}

impl Default for Outline {
    fn default() -> Self {
        Self { peaks: Vec::new(), column_samples: FIRST_SAMPLES, filled: FIRST_SAMPLES }
    }
}

impl Outline {
    /// Appends samples, channels of equal length.
    pub(super) fn push(&mut self, channels: &[Vec<f32>]) {
        let len = channels.first().map_or(0, Vec::len);
        let mut start = 0;
        while start < len {
            if self.filled == self.column_samples {
                self.begin_column();
            }
            let stop = len.min(start + self.column_samples - self.filled);
            let samples = channels.iter().flat_map(|channel| &channel[start..stop]);
            let peak = samples.fold(0.0, |peak: f32, x| peak.max(x.abs()));
            if let Some(last) = self.peaks.last_mut() {
                *last = last.max(peak);
            }
            self.filled += stop - start;
            start = stop;
        }
    }

    fn begin_column(&mut self) {
        if self.peaks.len() == COLUMNS_MAX {
            self.peaks = self.peaks.chunks(2).map(|pair| pair[0].max(pair[1])).collect();
            self.column_samples *= 2;
        }
        self.peaks.push(0.0);
        self.filled = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_has_the_peaks_of_any_length_in_few_columns() {
        let mut outline = Outline::default();
        let channel: Vec<f32> =
            (0..1_000_000).map(|i| if i < 500_000 { 0.1 } else { -0.5 }).collect();
        channel.chunks(777).for_each(|block| outline.push(&[block.to_vec()]));
        let peaks = &outline.peaks;
        assert!((256..=512).contains(&peaks.len()), "{}", peaks.len());
        let quiet = peaks.iter().filter(|peak| **peak < 0.2).count();
        assert!(quiet.abs_diff(peaks.len() / 2) <= 2 && peaks[0] == 0.1);
        let mut whole = Outline::default();
        whole.push(&[channel]);
        assert_eq!(whole, outline);
    }
}
