//! The content-guided vocoder: the content's own STFT, at the host's rate, under the mel gain.

use super::gain::{GainLaw, Images};
use super::griffin_lim::{GriffinLim, MOMENTUM};
use crate::config::MelConfig;
use crate::dsp::stft::{Complex32, Stft};
use crate::image::MelImage;

/// Griffin-Lim iterations after the gain. Note F1, notes that nobody asked for, and mel LSD on true
/// targets | on the shipped model's (40 takes, `trainer evaluate vocoder --pieces 10 --seed
/// 90001`): none .713, .57, 3.75 dB | .615, .74, 8.73; 2 iterations .718, .52, 3.15 | .605, .68,
/// 8.59; 4 iterations .724, .51, 3.05 | .599, .67, 8.57; 8 iterations .719, .52, 2.98 | .613, .63,
/// 8.57. They pay in notes that nobody asked for; each costs as much as the one before.
///
/// Magnitudes stay the gain's to the end. Letting them settle to what the phases make of them, with
/// the mel held, brings LSD to 1.84 | 9.14, but note F1 to .596 | .524: between partials it builds
/// tones that nobody asked for.
pub const DEFAULT_ITERATIONS: usize = 8;

/// Frames overlap fourfold, as the model's do by default.
const FRAMES_PER_WINDOW: usize = 4;

/// One window to be played.
#[derive(Clone, Copy)]
pub struct VocoderRequest<'a> {
    /// The content at the host's rate, one slice of equal length a channel: the window and margins
    /// around it.
    ///
    /// Outside of them the content counts as silent, so the first and last
    /// [`GuidedVocoder::n_fft`] samples of the answer differ from what a longer span would give.
    pub channels: &'a [&'a [f32]],
    /// Host sample since reset at which `channels` begin. STFT frames lie at multiples of the hop
    /// since reset, so that overlapping windows share them.
    pub origin: i64,
    /// Host sample since reset, with fraction, of the centre of the images' frame 0.
    pub first_frame_position_samples: f64,
    /// Linear gain at which the images were analysed (of [`crate::dsp::level::Level`]); the answer
    /// has the level of `channels`.
    pub gain: f32,
    /// The content's mel image.
    pub content: &'a MelImage,
    /// The target's mel image, of the same size.
    pub target: &'a MelImage,
    /// Griffin-Lim iterations; [`DEFAULT_ITERATIONS`] unless there is a reason. 0: the gain alone.
    pub iterations: usize,
}

/// The vocoder of one host rate, with the memory that it works in.
///
/// A pure function of the request: nothing is carried from one window to the next.
pub struct GuidedVocoder {
    stft: Stft,
    law: GainLaw,
    /// Host samples between two frames of the images.
    image_hop_samples: f64,
    /// One a channel.
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

    /// Samples of an STFT frame at the host's rate: how far from the ends of a span the answer
    /// depends on what lies beyond (a multiple of it with iterations, ever weaker).
    pub fn n_fft(&self) -> usize {
        self.stft.n_fft()
    }

    /// Plays the target: for each channel of the request, as many samples, into `out`.
    ///
    /// Silence gives silence. The output is finite where the input is, up to a magnitude of 1e4; a
    /// stream bounds its samples ([`crate::stream::sample`]).
    ///
    /// # Panics
    /// If the channels differ in length or the images in size, or an image has no frames.
    pub fn render(&mut self, request: &VocoderRequest, out: &mut Vec<Vec<f32>>) {
        let len = request.channels.first().map_or(0, |c| c.len());
        assert!(request.channels.iter().all(|c| c.len() == len), "channels of one length");
        let (content, target) = (request.content, request.target);
        assert_eq!(
            (content.n_mels, content.frames),
            (target.n_mels, target.frames),
            "images of one size"
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

    /// The channels' spectra.
    fn analyse(&mut self, channels: &[&[f32]], grid: &FrameSpan) {
        self.spectra.resize_with(channels.len(), Vec::new);
        for (channel, spectrum) in channels.iter().zip(&mut self.spectra) {
            self.stft.forward(channel, grid.frames, grid.first_center, spectrum);
        }
    }

    /// Every channel's magnitudes under the one gain.
    fn shape(&mut self, request: &VocoderRequest, grid: &FrameSpan) {
        let images = Images { content: request.content, target: request.target };
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

/// The frames whose windows touch a span.
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

/// The host's FFT length: the model's in seconds, rounded to a power of two or three times one,
/// which are fast.
fn host_n_fft(host_rate_hz: u32, mel: &MelConfig) -> usize {
    let ideal = mel.n_fft as f64 * f64::from(host_rate_hz) / f64::from(mel.sample_rate_hz);
    let sizes = (5..17).flat_map(|k| [1usize << k, 3 << (k - 1)]);
    sizes.min_by(|a, b| off(*a, ideal).total_cmp(&off(*b, ideal))).expect("a list of sizes")
}

/// How far a size is from the ideal one, as a ratio.
fn off(size: usize, ideal: f64) -> f64 {
    (size as f64 / ideal).ln().abs()
}

#[cfg(test)]
mod tests;
