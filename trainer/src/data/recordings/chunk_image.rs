//! Converts a chunk of a recording to an 8-bit log-mel image.

use std::f64::consts::TAU;
use std::sync::Arc;

use engine::config::MelConfig;
use engine::dsp::level::Level;
use engine::dsp::mel::{MelFilterbank, MelFrontEnd, grayscale_chunk_max};
use realfft::num_complex::Complex64;
use realfft::{RealFftPlanner, RealToComplex};
use serde::{Deserialize, Serialize};

/// Level of the brightest pixel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Reference {
    /// The image's range at the level of the real-time stream. Models for real-time use need this.
    #[default]
    StreamLevel,
    /// 80 dB below the chunk's own maximum, as in the student report. Pixels are equal to those of
    /// librosa and PIL.
    ChunkMax,
}

/// Computes the images of a recording's chunks, in order.
pub struct ChunkImager {
    chunk_samples: usize,
    frames: usize,
    mel: MelConfig,
    kind: Kind,
}

enum Kind {
    StreamLevel(Box<MelFrontEnd>),
    ChunkMax(PreciseMel),
}

impl ChunkImager {
    /// For chunks of `chunk_samples` samples. An image has the first `frames` frames of a chunk.
    pub fn new(reference: Reference, mel: &MelConfig, chunk_samples: usize, frames: usize) -> Self {
        let kind = match reference {
            Reference::StreamLevel => Kind::StreamLevel(Box::new(MelFrontEnd::new(mel))),
            Reference::ChunkMax => Kind::ChunkMax(PreciseMel::new(mel)),
        };
        Self { chunk_samples, frames, mel: mel.clone(), kind }
    }

    /// Calls `each(index, bytes)` with the image of every chunk of a recording. The last chunk is
    /// padded with silence. `bytes` are `n_mels` rows of `frames` bytes, the lowest band first.
    ///
    /// # Errors
    /// The first error of `each`.
    pub fn images<E>(
        &mut self,
        recording: &[f32],
        mut each: impl FnMut(usize, Vec<u8>) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut level = Level::new(self.mel.sample_rate_hz);
        let mut pushed = 0;
        for (index, start) in (0..recording.len()).step_by(self.chunk_samples).enumerate() {
            let bytes = match &mut self.kind {
                Kind::StreamLevel(front_end) => {
                    // The real-time stream also measures a window to its end before its gain.
                    let end = (start + self.frames * self.mel.hop_length).min(recording.len());
                    level.push(&[&recording[pushed..end]]);
                    pushed = end;
                    let image =
                        front_end.image(&[recording], start as isize, self.frames, level.gain());
                    image.data.iter().map(|v| (v * 255.0).round() as u8).collect()
                }
                Kind::ChunkMax(mel) => {
                    let end = (start + self.chunk_samples).min(recording.len());
                    let mut chunk = recording[start..end].to_vec();
                    chunk.resize(self.chunk_samples, 0.0);
                    // The maximum is over the whole chunk, with the frames that are cut off.
                    let whole = 1 + self.chunk_samples / self.mel.hop_length;
                    let gray = grayscale_chunk_max(&mel.power(&chunk, whole));
                    gray.chunks_exact(whole).flat_map(|row| &row[..self.frames]).copied().collect()
                }
            };
            each(index, bytes)?;
        }
        Ok(())
    }
}

/// librosa's mel power. Window and transform are in double precision, as in librosa.
///
/// The engine's transform has single precision. Near the floor of the image its rounding would
/// change some pixels by one grey value.
struct PreciseMel {
    hop_length: usize,
    window: Vec<f64>,
    transform: Arc<dyn RealToComplex<f64>>,
    /// First bin of each band, and the weights of it and the bins above.
    bands: Vec<(usize, Vec<f64>)>,
}

impl PreciseMel {
    fn new(mel: &MelConfig) -> Self {
        let n = mel.n_fft;
        Self {
            hop_length: mel.hop_length,
            // Periodic, as in librosa.
            window: (0..n).map(|i| 0.5 - 0.5 * (TAU * i as f64 / n as f64).cos()).collect(),
            transform: RealFftPlanner::new().plan_fft_forward(n),
            bands: bands(&MelFilterbank::new(mel.sample_rate_hz as f32, n, mel.n_mels)),
        }
    }

    /// `librosa.feature.melspectrogram(y=chunk)` of the first `frames` frames, as
    /// `[mel * frames + frame]`.
    fn power(&self, chunk: &[f32], frames: usize) -> Vec<f64> {
        let half = self.window.len() / 2;
        let mut padded = vec![0.0; half];
        padded.extend(chunk.iter().map(|v| f64::from(*v)));
        padded.resize(chunk.len() + 2 * half, 0.0);
        let (mut spectrum, mut out) =
            (vec![Complex64::default(); half + 1], vec![0.0; self.bands.len() * frames]);
        for frame in 0..frames {
            let samples = &padded[frame * self.hop_length..][..self.window.len()];
            let mut windowed: Vec<f64> =
                samples.iter().zip(&self.window).map(|(x, w)| x * w).collect();
            self.transform
                .process(&mut windowed, &mut spectrum)
                .expect("buffers of the plan's sizes");
            for (mel, (first_bin, weights)) in self.bands.iter().enumerate() {
                let bins = &spectrum[*first_bin..][..weights.len()];
                out[mel * frames + frame] =
                    weights.iter().zip(bins).map(|(w, x)| w * x.norm_sqr()).sum();
            }
        }
        out
    }
}

/// The bands of a filterbank in double precision, without leading and trailing zeros.
fn bands(filterbank: &MelFilterbank) -> Vec<(usize, Vec<f64>)> {
    let dense = filterbank.weights();
    let band = |row: &[f32]| {
        let first_bin = row.iter().position(|w| *w > 0.0).unwrap_or(0);
        (
            first_bin,
            row[first_bin..].iter().take_while(|w| **w > 0.0).map(|w| f64::from(*w)).collect(),
        )
    };
    dense.chunks_exact(filterbank.bins()).map(band).collect()
}
