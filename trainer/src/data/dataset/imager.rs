//! Renders a piece in one setup: score to audio to mel images, as the real-time stream does.

use engine::Result;
use engine::config::{MelConfig, WindowConfig};
use engine::dsp::level::Level;
use engine::dsp::mel::MelFrontEnd;
use engine::image::MelImage;
use rand_chacha::ChaCha8Rng;

use crate::data::augment::chain::Chain;
use crate::data::score::Score;
use crate::data::score::piece::{Piece, PieceKind};
use crate::data::soundfont::decimate::Decimator;
use crate::data::soundfont::synth::SynthVoice;

/// RMS of the sounding part of a piece before its recording chain. The engine uses the same level.
const NOMINAL_DBFS: f32 = -20.0;
/// Level below which a block counts as silent.
const SILENT_DBFS: f32 = -60.0;
/// Samples of a block for the measurement of loudness.
const LOUDNESS_BLOCK_SAMPLES: usize = 1024;

/// One rendered score: one or two channels at the model's rate.
type AudioChannels = Vec<Vec<f32>>;

/// Renders mel images.
pub struct Imager {
    mel: MelConfig,
    window: WindowConfig,
    decimator: Decimator,
    front_end: MelFrontEnd,
}

impl Imager {
    /// For images of this config. Its sample rate must be half the synthesiser's.
    pub fn new(mel: &MelConfig, window: &WindowConfig) -> Self {
        let front_end = MelFrontEnd::new(mel);
        Self { mel: mel.clone(), window: *window, decimator: Decimator::new(), front_end }
    }

    /// The images of all windows of a piece, each `n_mels * frames` bytes (`round(255 v)`).
    pub fn images(
        &mut self,
        piece: &Piece,
        voice: &mut SynthVoice,
        program: u8,
        chain: &Chain,
        noise: &mut ChaCha8Rng,
    ) -> Result<Vec<u8>> {
        let frames = match piece.kind {
            PieceKind::Isolated => self.window.frames,
            PieceKind::Continuous => {
                (piece.chunks - 1) * self.window.hop_frames + self.window.frames
            }
        };
        let samples = frames * self.mel.hop_length + self.mel.n_fft / 2;
        let mut recordings: Vec<AudioChannels> = Vec::with_capacity(piece.scores.len());
        for score in &piece.scores {
            recordings.push(self.record(score, voice, program, chain, samples));
        }
        normalise_level(&mut recordings);
        for recording in &mut recordings {
            chain.apply(recording, self.mel.sample_rate_hz as f32, noise);
        }
        let count = piece.chunks / recordings.len();
        Ok(recordings.iter().flat_map(|recording| self.windows(recording, count)).collect())
    }

    /// Renders a score and halves its rate.
    fn record(
        &self,
        score: &Score,
        voice: &mut SynthVoice,
        program: u8,
        chain: &Chain,
        samples: usize,
    ) -> AudioChannels {
        let stereo = voice.play(score, program, chain.tuning_cents, 2 * samples);
        let channels = chain.channels(stereo.left, stereo.right);
        channels.iter().map(|c| self.decimator.halve(c)).collect()
    }

    /// The windows of one recording, each at the level that the real-time stream would give it.
    fn windows(&mut self, recording: &AudioChannels, count: usize) -> Vec<u8> {
        let hop_samples = self.window.hop_frames * self.mel.hop_length;
        let window_samples = self.window.frames * self.mel.hop_length;
        let channels: Vec<&[f32]> = recording.iter().map(Vec::as_slice).collect();
        let mut level = Level::new(self.mel.sample_rate_hz);
        let mut pushed = 0;
        let mut bytes = Vec::with_capacity(count * self.window.frames * self.mel.n_mels);
        for k in 0..count {
            let end = k * hop_samples + window_samples;
            let new: Vec<&[f32]> = channels.iter().map(|c| &c[pushed..end]).collect();
            level.push(&new);
            pushed = end;
            let first_center = (k * hop_samples) as isize;
            let image =
                self.front_end.image(&channels, first_center, self.window.frames, level.gain());
            bytes.extend(quantised(&image));
        }
        bytes
    }
}

/// An image as bytes.
fn quantised(image: &MelImage) -> impl Iterator<Item = u8> {
    image.data.iter().map(|v| (v * 255.0).round() as u8)
}

/// Scales all recordings of a piece by one gain, so that their sounding part has -20 dBFS RMS.
pub(super) fn normalise_level(recordings: &mut [AudioChannels]) {
    let mut power = 0.0f64;
    let mut blocks = 0usize;
    let silent = 10.0f64.powf(f64::from(SILENT_DBFS) / 10.0);
    for recording in recordings.iter() {
        for start in (0..recording[0].len()).step_by(LOUDNESS_BLOCK_SAMPLES) {
            let end = (start + LOUDNESS_BLOCK_SAMPLES).min(recording[0].len());
            let squares =
                |c: &Vec<f32>| c[start..end].iter().map(|v| f64::from(v * v)).sum::<f64>();
            let samples = ((end - start) * recording.len()) as f64;
            let block = recording.iter().map(squares).sum::<f64>() / samples;
            if block > silent {
                power += block;
                blocks += 1;
            }
        }
    }
    if blocks == 0 {
        return;
    }
    let gain =
        (10.0f64.powf(f64::from(NOMINAL_DBFS) / 10.0) / (power / blocks as f64)).sqrt() as f32;
    recordings.iter_mut().flatten().flatten().for_each(|v| *v *= gain);
}
