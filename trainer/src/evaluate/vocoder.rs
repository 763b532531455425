//! `trainer evaluate vocoder`: the way from a mel image to audio, with a perfect model before it.
//!
//! The same score is rendered on two instruments. The *true* image of the target, in 8 bits, is turned to audio in
//! several ways and compared with the true target. What is lost here, no model can win back.

use std::path::PathBuf;
use std::time::Instant;

use engine::Result;
use engine::config::{MelConfig, WindowConfig};
use engine::dsp::mel::MelFrontEnd;
use engine::dsp::resample::Resampler;
use engine::dsp::stft::Stft;
use engine::image::MelImage;
use engine::vocoder::griffin_lim::{MOMENTUM, from_phases, griffin_lim};
use engine::vocoder::guided::{DEFAULT_ITERATIONS, GuidedVocoder, Request};
use engine::vocoder::mel_inverse::mel_to_magnitude;

use super::distance::{SpectralConvergence, level_db, mel_lsd_db};
use crate::data::compose::{self, PieceKind, PieceShape};
use crate::data::instruments;
use crate::data::score::Score;
use crate::data::synth::{Player, SYNTH_RATE_HZ, SoundBank};

/// Content and target: what decays becomes what sounds on, and the other way round, and near and far pairs.
const PAIRS: [(&str, &str); 4] =
    [("piano", "violin"), ("guitar", "harp"), ("violin", "piano"), ("harp", "violin")];
/// RMS of every take.
const LEVEL_DBFS: f32 = -20.0;
/// After so long a note of a plucked or struck instrument has decayed and a bowed one has not.
const SUSTAINED_S: f32 = 1.5;

/// Judges the vocoders on pieces from the built-in composer.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// SF2 soundfont.
    #[arg(long)]
    pub soundfont: PathBuf,
    /// Pieces.
    #[arg(long, default_value_t = 8)]
    pub pieces: u64,
    /// Seconds of each piece.
    #[arg(long, default_value_t = 6.0)]
    pub seconds: f32,
    /// Seed of the pieces; the training sets use other ones.
    #[arg(long, default_value_t = 70_001)]
    pub seed: u64,
}

/// Ways from image to audio.
#[derive(Clone, Copy)]
enum Way {
    ContentCopy,
    RandomPhase,
    ContentPhase,
    Guided(usize),
}

const WAYS: [(&str, Way); 6] = [
    ("content copy", Way::ContentCopy),
    ("Griffin-Lim 32, random phase", Way::RandomPhase),
    ("mel magnitudes, content's phase", Way::ContentPhase),
    ("guided, gain alone", Way::Guided(0)),
    ("guided, 4 iterations", Way::Guided(4)),
    ("guided, as shipped", Way::Guided(DEFAULT_ITERATIONS)),
];

/// Sums over all takes of one way.
#[derive(Clone, Copy, Default)]
struct Tally {
    takes: f64,
    lsd_db: f64,
    convergence: f64,
    notes: f64,
    level_error_db: f64,
    compute_s: f64,
    audio_s: f64,
}

/// A performance on one instrument.
struct Take {
    channels: Vec<Vec<f32>>,
    /// The channels at the model's rate.
    model_rate: Vec<Vec<f32>>,
    image: MelImage,
}

/// Runs the evaluation and prints its table.
pub fn run(args: &Args) -> Result<()> {
    let mut bench = Bench::new()?;
    let mut player = SoundBank::open(&args.soundfont)?.player()?;
    let mut tallies = [Tally::default(); WAYS.len()];
    for score in scores(args)? {
        for (content, target) in PAIRS {
            let content = bench.take(&score, &mut player, content)?;
            let target = bench.take(&score, &mut player, target)?;
            for ((_, way), tally) in WAYS.iter().zip(&mut tallies) {
                bench.judge(*way, &score, &content, &target, tally)?;
            }
        }
    }
    println!("| way | mel LSD dB | spectral convergence | level error 1.5 s after onset, dB | ms a second |");
    println!("|---|---|---|---|---|");
    for ((name, _), t) in WAYS.iter().zip(&tallies) {
        println!(
            "| {name} | {:.2} | {:.3} | {:.2} | {:.1} |",
            t.lsd_db / t.takes,
            t.convergence / t.takes,
            t.level_error_db / t.notes.max(1.0),
            1e3 * t.compute_s / t.audio_s
        );
    }
    Ok(())
}

/// The continuous pieces among the first of the seed's, cut to length.
fn scores(args: &Args) -> Result<Vec<Score>> {
    let all = PAIRS.iter().flat_map(|&(a, b)| [a, b]).map(instruments::by_name);
    let keys = instruments::common_range(&all.collect::<Result<Vec<_>>>()?)?;
    let shape = PieceShape::new(&MelConfig::default(), &WindowConfig::default(), keys);
    let pieces = (0..).map(|id| compose::piece(args.seed, id, &shape));
    let continuous = pieces.filter(|piece| piece.kind == PieceKind::Continuous);
    let scores = continuous.map(|piece| piece.scores[0].window(0.0, args.seconds));
    Ok(scores.filter(|score| score.notes.len() > 3).take(args.pieces as usize).collect())
}

/// What the ways and the distances need.
struct Bench {
    mel: MelConfig,
    front_end: MelFrontEnd,
    guided: GuidedVocoder,
    convergence: SpectralConvergence,
}

impl Bench {
    fn new() -> Result<Self> {
        let mel = MelConfig::default();
        Ok(Self {
            front_end: MelFrontEnd::new(&mel),
            guided: GuidedVocoder::new(SYNTH_RATE_HZ, &mel),
            convergence: SpectralConvergence::default(),
            mel,
        })
    }

    fn take(&mut self, score: &Score, player: &mut Player, instrument: &str) -> Result<Take> {
        let program = instruments::by_name(instrument)?.programs[0];
        let samples = (score.length_s * SYNTH_RATE_HZ as f32) as usize;
        let stereo = player.play(score, program, 0.0, samples);
        let mut channels = vec![stereo.left, stereo.right];
        level(&mut channels);
        let model_rate = resample(&channels, SYNTH_RATE_HZ, self.mel.sample_rate_hz)?;
        let mut image = self.image(&model_rate);
        image.data.iter_mut().for_each(|v| *v = (*v * 255.0).round() / 255.0);
        Ok(Take { channels, model_rate, image })
    }

    fn image(&mut self, model_rate: &[Vec<f32>]) -> MelImage {
        let channels: Vec<&[f32]> = model_rate.iter().map(Vec::as_slice).collect();
        let frames = 1 + channels[0].len() / self.mel.hop_length;
        self.front_end.image(&channels, 0, frames, 1.0)
    }

    fn judge(
        &mut self,
        way: Way,
        score: &Score,
        content: &Take,
        target: &Take,
        to: &mut Tally,
    ) -> Result<()> {
        let start = Instant::now();
        let audio = self.play(way, content, &target.image)?;
        to.compute_s += start.elapsed().as_secs_f64();
        to.audio_s += f64::from(score.length_s);
        let image = self.image(&resample(&audio, SYNTH_RATE_HZ, self.mel.sample_rate_hz)?);
        let truth = self.image(&target.model_rate);
        to.takes += 1.0;
        to.lsd_db += mel_lsd_db(&image, &truth, self.mel.range_db);
        to.convergence += self.convergence.of(&audio, &target.channels);
        let long = score.notes.iter().filter(|n| n.duration_s > SUSTAINED_S + 0.1);
        for at_s in long.map(|n| n.onset_s + SUSTAINED_S).filter(|&s| s > 0.0 && s + 0.1 < score.length_s) {
            let level = |channels: &[Vec<f32>]| level_db(channels, at_s, SYNTH_RATE_HZ);
            to.level_error_db += (level(&audio) - level(&target.channels)).abs();
            to.notes += 1.0;
        }
        Ok(())
    }

    /// Stereo audio at the synthesiser's rate.
    fn play(&mut self, way: Way, content: &Take, target: &MelImage) -> Result<Vec<Vec<f32>>> {
        match way {
            Way::ContentCopy => Ok(content.channels.clone()),
            Way::Guided(iterations) => {
                let channels: Vec<&[f32]> = content.channels.iter().map(Vec::as_slice).collect();
                let mut out = Vec::new();
                let request = Request {
                    channels: &channels,
                    origin: 0,
                    first_frame_position_samples: 0.0,
                    gain: 1.0,
                    content: &content.image,
                    target,
                    iterations,
                };
                self.guided.render(&request, &mut out);
                Ok(out)
            }
            Way::RandomPhase | Way::ContentPhase => {
                let mono = self.mel_alone(way, content, target);
                let mut up = resample(&[mono], self.mel.sample_rate_hz, SYNTH_RATE_HZ)?.remove(0);
                up.resize(content.channels[0].len(), 0.0);
                Ok(vec![up.clone(), up])
            }
        }
    }

    /// Mono audio at the model's rate from the image's magnitudes.
    fn mel_alone(&self, way: Way, content: &Take, target: &MelImage) -> Vec<f32> {
        let (n_fft, hop, len) = (self.mel.n_fft, self.mel.hop_length, content.model_rate[0].len());
        let magnitude = mel_to_magnitude(target, &self.mel);
        if matches!(way, Way::RandomPhase) {
            return griffin_lim(&magnitude, n_fft, hop, 32, MOMENTUM, len, 1);
        }
        let mono: Vec<f32> =
            (0..len).map(|i| content.model_rate.iter().map(|c| c[i]).sum::<f32>() * 0.5).collect();
        let (mut stft, mut phases) = (Stft::new(n_fft, hop), Vec::new());
        stft.forward(&mono, target.frames, 0, &mut phases);
        from_phases(&magnitude, &phases, &mut stft, 0, MOMENTUM, len)
    }
}

/// Brings channels together to [`LEVEL_DBFS`] RMS.
fn level(channels: &mut [Vec<f32>]) {
    let samples: usize = channels.iter().map(Vec::len).sum();
    let power = channels.iter().flatten().map(|x| x * x).sum::<f32>() / samples.max(1) as f32;
    let gain = 10f32.powf(LEVEL_DBFS / 20.0) / power.sqrt().max(1e-9);
    channels.iter_mut().flatten().for_each(|x| *x *= gain);
}

fn resample(channels: &[Vec<f32>], from_hz: u32, to_hz: u32) -> Result<Vec<Vec<f32>>> {
    let one = |channel: &Vec<f32>| {
        let (mut resampler, mut out) = (Resampler::new(from_hz, to_hz)?, Vec::new());
        resampler.push(channel, &mut out);
        resampler.flush(&mut out);
        Ok(out)
    };
    channels.iter().map(one).collect()
}
