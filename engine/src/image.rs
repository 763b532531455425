//! The log-mel image, the input and output of the networks.
//!
//! ```
//! use engine::image::MelImage;
//!
//! let image = MelImage { n_mels: 2, frames: 3, data: vec![0.0, 0.1, 0.2, 0.5, 0.6, 0.7] };
//! assert_eq!(image.value(1, 0), 0.5);
//! assert_eq!(image.columns(1, 2).data, [0.1, 0.2, 0.6, 0.7]);
//! ```

/// A log-mel spectrogram mapped to `[0, 1]` by [`crate::config::MelConfig`].
///
/// Layout: row-major `data[mel * frames + frame]`. Mel 0 is the lowest band. In [`crate::nn`] it is
/// `(H = n_mels, W = frames, C = 1)`.
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
    /// An image with one value everywhere; 0 is silence.
    pub fn filled(n_mels: usize, frames: usize, value: f32) -> Self {
        Self { n_mels, frames, data: vec![value; n_mels * frames] }
    }

    /// The value of one band in one frame.
    pub fn value(&self, mel: usize, frame: usize) -> f32 {
        self.data[mel * self.frames + frame]
    }

    /// A copy of the frames `[start, start + frames)`.
    ///
    /// # Panics
    /// If the range exceeds the image.
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
