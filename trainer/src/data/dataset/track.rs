//! All images of one performance or recording.

/// Mean byte below which an image is silent.
const SILENT_MEAN: f32 = 4.0;
/// Brightest byte below which an image is silent (a noise floor has a mean, but no partials).
const SILENT_PEAK: u8 = 115;

/// Images of equal size, in order.
pub(in crate::data) struct Track {
    /// `chunks * n_mels * frames`.
    bytes: Vec<u8>,
    /// Whether each image has sound in it.
    sounding: Vec<bool>,
}

impl Track {
    /// Splits `bytes` into `chunks` images of equal size.
    pub fn new(bytes: Vec<u8>, chunks: usize) -> Self {
        let size = bytes.len() / chunks;
        let sounds = |image: &[u8]| {
            let mean = image.iter().map(|b| f32::from(*b)).sum::<f32>() / size as f32;
            // A constant image is silence that was scaled to its own maximum.
            let varies = image.iter().any(|b| *b != image[0]);
            varies && mean >= SILENT_MEAN && image.iter().any(|b| *b >= SILENT_PEAK)
        };
        let sounding = bytes.chunks_exact(size).map(sounds).collect();
        Self { bytes, sounding }
    }

    /// One image.
    pub fn image(&self, chunk: usize) -> &[u8] {
        let size = self.bytes.len() / self.sounding.len();
        &self.bytes[chunk * size..][..size]
    }

    /// Whether an image has sound in it.
    pub fn sounds(&self, chunk: usize) -> bool {
        self.sounding[chunk]
    }

    /// The bytes of all images.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}
