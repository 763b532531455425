//! The log-mel image: what the networks see of sound.

/// A log-mel spectrogram mapped to `[0, 1]` by [`crate::config::MelConfig`].
///
/// Layout: row-major `data[mel * frames + frame]`, mel 0 is the lowest band; the same as
/// `(H = n_mels, W = frames, C = 1)` in [`crate::nn`].
#[derive(Clone, Debug, PartialEq)]
pub struct MelImage {
    /// Mel bands (rows).
    pub n_mels: usize,
    /// STFT frames (columns).
    pub frames: usize,
    /// `n_mels * frames` values in `[0, 1]`.
    pub data: Vec<f32>,
}

impl MelImage {
    /// An image of one value (0 is the floor: silence).
    pub fn filled(n_mels: usize, frames: usize, value: f32) -> Self {
        Self { n_mels, frames, data: vec![value; n_mels * frames] }
    }

    /// The value of one band in one frame.
    pub fn value(&self, mel: usize, frame: usize) -> f32 {
        self.data[mel * self.frames + frame]
    }

    /// The frames `[start, start + frames)` as an image of their own.
    ///
    /// # Panics
    /// If the range is not inside the image.
    pub fn columns(&self, start: usize, frames: usize) -> Self {
        assert!(start + frames <= self.frames, "columns {start}+{frames} of {}", self.frames);
        let data = self
            .data
            .chunks_exact(self.frames)
            .flat_map(|row| &row[start..start + frames])
            .copied()
            .collect();
        Self { n_mels: self.n_mels, frames, data }
    }
}
