//! The content-guided vocoder: the content's own STFT, at the host's rate, with the mel gain.
//!
//! ```
//! use engine::config::MelConfig;
//! use engine::image::MelImage;
//! use engine::vocoder::guided::{DEFAULT_ITERATIONS, GuidedVocoder, VocoderRequest};
//!
//! let tone: Vec<f32> = (0..22_050).map(|n| 0.1 * (n as f32 * 0.06).sin()).collect();
//! let image = MelImage::filled(128, 24, 0.5);
//! let request = VocoderRequest {
//!     channels: &[&tone],
//!     origin: 0,
//!     first_frame_position_samples: 0.0,
//!     gain: 1.0,
//!     content: &image,
//!     target: &image,
//!     iterations: DEFAULT_ITERATIONS,
//! };
//! let mut out = Vec::new();
//! GuidedVocoder::new(44_100, &MelConfig::default()).render(&request, &mut out);
//! // Equal images leave the content unchanged.
//! assert!(out[0].iter().zip(&tone).all(|(a, b)| (a - b).abs() < 1e-3));
//! ```

use super::gain::{GainLaw, Images};
use super::griffin_lim::{GriffinLim, MOMENTUM};
use crate::config::MelConfig;
use crate::dsp::stft::{Complex32, Stft};
use crate::image::MelImage;

/// Griffin-Lim iterations after the gain, at fixed magnitudes; see
/// `docs/decisions/001-content-guided-vocoder.md`.
pub const DEFAULT_ITERATIONS: usize = 8;

/// Frames overlap fourfold, as the model's do by default.
const FRAMES_PER_WINDOW: usize = 4;

/// One window to synthesise.
#[derive(Clone, Copy)]
pub struct VocoderRequest<'a> {
    /// The content at the host's rate, one slice of equal length per channel: the window and
    /// margins around it.
    ///
    /// Outside them the content counts as silence. The first and last [`GuidedVocoder::n_fft`]
    /// samples of the output therefore differ from those of a longer span.
    pub channels: &'a [&'a [f32]],
    /// Host sample since reset at which `channels` begin. STFT frames are at multiples of the hop
    /// since reset, so that overlapping windows share them.
    pub origin: i64,
    /// Host sample since reset, with fraction, of the centre of the images' frame 0.
    pub first_frame_position_samples: f64,
    /// Linear gain at which the images were analysed (from [`crate::dsp::level::Level`]). The
    /// output has the level of `channels`.
    pub gain: f32,
    /// The content's mel image.
    pub content: &'a MelImage,
    /// The target's mel image, of the same size.
    pub target: &'a MelImage,
    /// Griffin-Lim iterations, by default [`DEFAULT_ITERATIONS`]. 0 applies the gain only.
    pub iterations: usize,
}

/// The vocoder of one host rate, with its scratch memory.
///
/// The output is a pure function of the request: no state is kept between windows.
pub struct GuidedVocoder {
    stft: Stft,
    law: GainLaw,
    /// Host samples between two frames of the images.
    image_hop_samples: f64,
    /// One per channel.
    refine: Vec<GriffinLim>,
    /// `[channel][frame][bin]`.
    spectra: Vec<Vec<Complex32>>,
    /// Power of one frame, mean over channels.
    power: Vec<f32>,
    /// Linear gain of one frame.
    gain: Vec<f32>,
}

impl GuidedVocoder {
    /// Plans the vocoder for a host rate.
    pub fn new(host_rate_hz: u32, mel: &MelConfig) -> Self {
        let n_fft = host_n_fft(host_rate_hz, mel);
        let stft = Stft::new(n_fft, n_fft / FRAMES_PER_WINDOW);
        Self {
            law: GainLaw::new(host_rate_hz, n_fft, mel),
            image_hop_samples: mel.hop_length as f64 * f64::from(host_rate_hz)
                / f64::from(mel.sample_rate_hz),
            refine: Vec::new(),
            spectra: Vec::new(),
            power: vec![0.0; stft.bins()],
            gain: vec![0.0; stft.bins()],
            stft,
        }
    }

    /// Samples of an STFT frame at the host's rate. The output within this distance of the span's
    /// ends depends on samples outside the span. With iterations the distance is a multiple of it,
    /// with decreasing influence.
    pub fn n_fft(&self) -> usize {
        self.stft.n_fft()
    }

    /// Synthesises the target into `out`: for each channel of the request, as many samples.
    ///
    /// Silence stays silence. Finite input up to a magnitude of 1e4 has finite output. A stream
    /// bounds its samples ([`crate::stream::sample`]).
    ///
    /// # Panics
    /// If the channels differ in length or the images in size, or an image has no frames.
    pub fn render(&mut self, request: &VocoderRequest, out: &mut Vec<Vec<f32>>) {
        let len = request.channels.first().map_or(0, |c| c.len());
        assert!(request.channels.iter().all(|c| c.len() == len), "channels of equal length");
        let (content, target) = (request.content, request.target);
        assert_eq!(
            (content.n_mels, content.frames),
            (target.n_mels, target.frames),
            "images of equal size"
        );
        assert!(content.frames > 0, "images with frames");
        out.resize_with(request.channels.len(), Vec::new);
        let grid = FrameSpan::over(request.origin, len, self.stft.n_fft(), self.stft.hop_length());
        self.analyse(request.channels, &grid);
        self.shape(request, &grid);
        for (refine, spectrum) in self.refine.iter_mut().zip(&self.spectra) {
            refine.begin(spectrum);
        }
        for refine in &mut self.refine {
            for _ in 0..request.iterations {
                refine.step(&mut self.stft, grid.first_center, len, MOMENTUM);
            }
        }
        for (refine, out) in self.refine.iter_mut().zip(out) {
            refine.finish(&mut self.stft, grid.first_center, len, out);
        }
    }

    /// Computes the channels' spectra.
    fn analyse(&mut self, channels: &[&[f32]], grid: &FrameSpan) {
        self.spectra.resize_with(channels.len(), Vec::new);
        for (channel, spectrum) in channels.iter().zip(&mut self.spectra) {
            self.stft.forward(channel, grid.frames, grid.first_center, spectrum);
        }
    }

    /// Computes every channel's magnitudes with the common gain.
    fn shape(&mut self, request: &VocoderRequest, grid: &FrameSpan) {
        let images = Images::new(request.content, request.target);
        let (bins, analysis) = (self.stft.bins(), self.law.analysis(request.gain));
        self.refine.resize_with(self.spectra.len(), GriffinLim::default);
        self.refine.iter_mut().for_each(|refine| refine.magnitude.clear());
        for t in 0..grid.frames {
            let center = (grid.first_frame + t as i64) * self.stft.hop_length() as i64;
            let position =
                (center as f64 - request.first_frame_position_samples) / self.image_hop_samples;
            let frame = t * bins..(t + 1) * bins;
            mean_power(&mut self.power, self.spectra.iter().map(|s| &s[frame.clone()]), |z| {
                z.norm_sqr()
            });
            self.law.shape(&images, position, &self.power, analysis, &mut self.gain);
            for (refine, spectrum) in self.refine.iter_mut().zip(&self.spectra) {
                let shaped = spectrum[frame.clone()]
                    .iter()
                    .zip(&self.gain)
                    .map(|(x, g)| x.norm_sqr().sqrt() * g);
                refine.magnitude.extend(shaped);
            }
        }
    }
}

/// The mean of the channels' powers in one frame.
fn mean_power<'a, T: Copy + 'a>(
    out: &mut [f32],
    channels: impl ExactSizeIterator<Item = &'a [T]>,
    power: impl Fn(T) -> f32,
) {
    let share = 1.0 / channels.len().max(1) as f32;
    out.fill(0.0);
    for channel in channels {
        out.iter_mut().zip(channel).for_each(|(p, &x)| *p += power(x) * share);
    }
}

/// The frames that overlap a span.
struct FrameSpan {
    /// Index of the first frame since reset.
    first_frame: i64,
    /// Its centre, in samples of the span.
    first_center: isize,
    frames: usize,
}

impl FrameSpan {
    fn over(origin: i64, len: usize, n_fft: usize, hop: usize) -> Self {
        let (half, hop) = (n_fft as i64 / 2, hop as i64);
        let first_frame = (origin - half).div_euclid(hop) + 1;
        let last_frame = (origin + len as i64 + half - 1).div_euclid(hop);
        Self {
            first_frame,
            first_center: (first_frame * hop - origin) as isize,
            frames: (last_frame - first_frame + 1).max(0) as usize,
        }
    }
}

/// The host's FFT length: the model's duration, rounded to a power of two or three times one, which
/// are fast.
fn host_n_fft(host_rate_hz: u32, mel: &MelConfig) -> usize {
    let ideal = mel.n_fft as f64 * f64::from(host_rate_hz) / f64::from(mel.sample_rate_hz);
    let sizes = (5..17).flat_map(|k| [1usize << k, 3 << (k - 1)]);
    sizes
        .min_by(|a, b| ratio_error(*a, ideal).total_cmp(&ratio_error(*b, ideal)))
        .expect("a list of sizes")
}

/// Distance of a size from the ideal one, as a log ratio.
fn ratio_error(size: usize, ideal: f64) -> f64 {
    (size as f64 / ideal).ln().abs()
}

#[cfg(test)]
mod tests;
