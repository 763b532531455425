//! One performance in one setup: score to audio to images, as playing would see them.

use engine::Result;
use engine::config::{MelConfig, WindowConfig};
use engine::dsp::level::Level;
use engine::dsp::mel::MelFrontEnd;
use engine::image::MelImage;
use rand_chacha::ChaCha8Rng;

use super::chain::Chain;
use super::compose::{Piece, PieceKind};
use super::decimate::Decimator;
use super::score::Score;
use super::synth::SynthVoice;

/// RMS to which the sounding part of a take is brought before its chain: the level at which the
/// engine works.
const NOMINAL_DBFS: f32 = -20.0;
/// Blocks below this are not sounding.
const SILENT_DBFS: f32 = -60.0;
/// Samples of a block in which loudness is measured.
const LOUDNESS_BLOCK_SAMPLES: usize = 1024;

/// One take: one or two channels at the model's rate.
type AudioChannels = Vec<Vec<f32>>;

/// Turns performances into images.
pub struct Imager {
    mel: MelConfig,
    window: WindowConfig,
    decimator: Decimator,
    front_end: MelFrontEnd,
}

impl Imager {
    /// For a model's images; its rate must be half the synthesiser's.
    pub fn new(mel: &MelConfig, window: &WindowConfig) -> Self {
        let front_end = MelFrontEnd::new(mel);
        Self { mel: mel.clone(), window: *window, decimator: Decimator::new(), front_end }
    }

    /// The images of every window of a piece, each `n_mels * frames` bytes (`round(255 v)`), one
    /// after the other.
    pub fn images(
        &mut self,
        piece: &Piece,
        player: &mut SynthVoice,
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
        let mut takes: Vec<AudioChannels> = Vec::with_capacity(piece.scores.len());
        for score in &piece.scores {
            takes.push(self.take(score, player, program, chain, samples));
        }
        master(&mut takes);
        for take in &mut takes {
            chain.apply(take, self.mel.sample_rate_hz as f32, noise);
        }
        let windows_a_take = piece.chunks / takes.len();
        Ok(takes.iter().flat_map(|take| self.windows(take, windows_a_take)).collect())
    }

    /// Plays a score and halves the rate.
    fn take(
        &self,
        score: &Score,
        player: &mut SynthVoice,
        program: u8,
        chain: &Chain,
        samples: usize,
    ) -> AudioChannels {
        let stereo = player.play(score, program, chain.tuning_cents, 2 * samples);
        let channels = chain.channels(stereo.left, stereo.right);
        channels.iter().map(|c| self.decimator.halve(c)).collect()
    }

    /// The windows of one take, at the level that the stream would have brought each to.
    fn windows(&mut self, take: &AudioChannels, count: usize) -> Vec<u8> {
        let hop_samples = self.window.hop_frames * self.mel.hop_length;
        let window_samples = self.window.frames * self.mel.hop_length;
        let channels: Vec<&[f32]> = take.iter().map(Vec::as_slice).collect();
        let mut level = Level::new(self.mel.sample_rate_hz);
        let mut heard = 0;
        let mut bytes = Vec::with_capacity(count * self.window.frames * self.mel.n_mels);
        for k in 0..count {
            let end = k * hop_samples + window_samples;
            let news: Vec<&[f32]> = channels.iter().map(|c| &c[heard..end]).collect();
            level.push(&news);
            heard = end;
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

/// Brings the sounding part of all takes of a piece together to -20 dBFS, as a recording engineer
/// would.
pub(super) fn master(takes: &mut [AudioChannels]) {
    let mut power = 0.0f64;
    let mut blocks = 0usize;
    let silent = 10.0f64.powf(f64::from(SILENT_DBFS) / 10.0);
    for take in takes.iter() {
        for start in (0..take[0].len()).step_by(LOUDNESS_BLOCK_SAMPLES) {
            let end = (start + LOUDNESS_BLOCK_SAMPLES).min(take[0].len());
            let squares =
                |c: &Vec<f32>| c[start..end].iter().map(|v| f64::from(v * v)).sum::<f64>();
            let block = take.iter().map(squares).sum::<f64>() / ((end - start) * take.len()) as f64;
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
    takes.iter_mut().flatten().flatten().for_each(|v| *v *= gain);
}
