//! Synthesis of the wet segment from the wet image, at the host's rate.

use super::analysis::{Analysis, gcd};
use crate::config::MelConfig;
use crate::dsp::resample::Resampler;
use crate::image::MelImage;
use crate::settings::VocoderKind;
use crate::stream::{Grid, WindowInput};
use crate::vocoder::griffin_lim::{MOMENTUM, griffin_lim};
use crate::vocoder::guided::{GuidedVocoder, VocoderRequest};
use crate::vocoder::mel_inverse::mel_to_magnitude;
use crate::{Error, Result};

/// Iterations of plain Griffin-Lim, as in the reports.
const GRIFFIN_LIM_ITERATIONS: usize = 32;

/// The images and parameters of one window.
pub(super) struct SynthesisRequest<'a> {
    /// The content image.
    pub content: &'a MelImage,
    /// The wet image.
    pub target: &'a MelImage,
    /// The level gain of both images.
    pub gain: f32,
    /// Griffin-Lim iterations of the guided vocoder.
    pub iterations: usize,
}

/// The guided vocoder and Griffin-Lim.
pub(super) struct Synthesis {
    mel: MelConfig,
    grid: Grid,
    guided: GuidedVocoder,
    /// Model rate to host rate, for Griffin-Lim.
    resampler: Resampler,
    rendered: Vec<Vec<f32>>,
}

impl Synthesis {
    /// Plans both vocoders for the grid's host rate.
    pub fn new(mel: &MelConfig, grid: Grid) -> Result<Self> {
        Ok(Self {
            guided: GuidedVocoder::new(grid.host_rate_hz(), mel),
            resampler: Resampler::new(grid.model_rate_hz(), grid.host_rate_hz())?,
            mel: mel.clone(),
            grid,
            rendered: Vec::new(),
        })
    }

    /// The mel spectrogram of the images.
    pub fn mel(&self) -> &MelConfig {
        &self.mel
    }

    /// Writes the window's segment to `wet` (channels x `window.segment.len()`).
    pub fn render(
        &mut self,
        request: &SynthesisRequest,
        analysis: &Analysis,
        window: &WindowInput,
        wet: &mut [Vec<f32>],
    ) -> Result<()> {
        match window.settings.vocoder {
            VocoderKind::Guided => self.render_guided(request, analysis, window, wet),
            VocoderKind::GriffinLim => self.render_griffin_lim(request, window, wet),
        }
    }

    fn render_guided(
        &mut self,
        request: &SynthesisRequest,
        analysis: &Analysis,
        window: &WindowInput,
        wet: &mut [Vec<f32>],
    ) -> Result<()> {
        // The vocoder's edge errors extend over one FFT, and weakly over a second one.
        let margin = 2 * self.guided.n_fft() as u64;
        let host = analysis.host();
        let origin = window.segment.start.saturating_sub(margin).max(host.start());
        let end = (window.segment.end + margin).min(host.end());
        if end < window.segment.end || origin > window.segment.start {
            return Err(Error::Compute("the vocoder's input samples are not kept".into()));
        }
        let span = (origin - host.start()) as usize..(end - host.start()) as usize;
        let channels: Vec<&[f32]> =
            host.slices().iter().map(|channel| &channel[span.clone()]).collect();
        let model_to_host =
            f64::from(self.grid.host_rate_hz()) / f64::from(self.grid.model_rate_hz());
        let vocoder_request = VocoderRequest {
            channels: &channels,
            origin: origin as i64,
            first_frame_position_samples: self.grid.first_model_sample(window.index) as f64
                * model_to_host,
            gain: request.gain,
            content: request.content,
            target: request.target,
            iterations: request.iterations,
        };
        self.guided.render(&vocoder_request, &mut self.rendered);
        let start = (window.segment.start - origin) as usize;
        for (wet, rendered) in wet.iter_mut().zip(&self.rendered) {
            let end = start + wet.len();
            wet.copy_from_slice(&rendered[start..end]);
        }
        Ok(())
    }

    /// The reports' vocoder. It uses only the image: mono, at the model's bandwidth, with estimated
    /// phases.
    fn render_griffin_lim(
        &mut self,
        request: &SynthesisRequest,
        window: &WindowInput,
        wet: &mut [Vec<f32>],
    ) -> Result<()> {
        let (mel, image) = (&self.mel, request.target);
        let len = image.frames * mel.hop_length;
        let magnitude = mel_to_magnitude(image, mel);
        let seed = window.settings.seed.wrapping_add(window.index);
        let mut audio = griffin_lim(
            &magnitude,
            mel.n_fft,
            mel.hop_length,
            GRIFFIN_LIM_ITERATIONS,
            MOMENTUM,
            len,
            seed,
        );
        // The level gain was applied for the model only.
        audio.iter_mut().for_each(|sample| *sample /= request.gain);
        let (first, host) =
            self.resample_to_host(&audio, self.grid.first_model_sample(window.index));
        for channel in wet.iter_mut() {
            let offset = window.segment.start as i64 - first;
            for (n, sample) in channel.iter_mut().enumerate() {
                let at = usize::try_from(offset + n as i64).ok();
                *sample = at.and_then(|at| host.get(at)).copied().unwrap_or(0.0);
            }
        }
        Ok(())
    }

    /// Resamples audio that begins at a model sample to the host's rate. Returns it with the host
    /// position of its first sample. Leading silence starts it where samples of both rates
    /// coincide.
    fn resample_to_host(&mut self, audio: &[f32], first_model_sample: i64) -> (i64, Vec<f32>) {
        let (host, model) =
            (i64::from(self.grid.host_rate_hz()), i64::from(self.grid.model_rate_hz()));
        let common = gcd(host as u64, model as u64) as i64;
        let period = model / common;
        let periods = first_model_sample.div_euclid(period);
        let lead = (first_model_sample - periods * period) as usize;
        let mut out = Vec::new();
        self.resampler.reset();
        self.resampler.push(&vec![0.0; lead], &mut out);
        self.resampler.push(audio, &mut out);
        self.resampler.flush(&mut out);
        (periods * (host / common), out)
    }
}
