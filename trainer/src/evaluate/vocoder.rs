//! `trainer evaluate vocoder`: the step from mel image to audio, without the error of a model.
//!
//! The same score is rendered on two instruments. The *true* image of the target, in 8 bits, is
//! converted to audio with several methods and compared with the true target and the score. No
//! model can recover what is lost here. A model's own image of the target is blurred and sometimes
//! wrong, so the best method may differ. With `--model` it is evaluated too.

use std::path::{Path, PathBuf};
use std::time::Instant;

use engine::Result;
use engine::audio_file::Audio;
use engine::cancel::Cancel;
use engine::checkpoint::Checkpoint;
use engine::config::{MelConfig, WindowConfig};
use engine::dsp::mel::MelFrontEnd;
use engine::dsp::stft::Stft;
use engine::image::MelImage;
use engine::inference_model::InferenceModel;
use engine::nn::packed::Packed;
use engine::pipeline::{BackendModel, Transfer};
use engine::reference::Reference;
use engine::settings::Settings;
use engine::vocoder::griffin_lim::{MOMENTUM, from_phases, griffin_lim};
use engine::vocoder::guided::{DEFAULT_ITERATIONS, GuidedVocoder, VocoderRequest};
use engine::vocoder::mel_inverse::mel_to_magnitude;

use super::bootstrap::mean;
use super::distance::{SpectralConvergence, level_db, mel_lsd_db};
use crate::data::score::piece::PieceKind;
use crate::data::score::piece_shape::PieceShape;
use crate::data::score::{Score, compose, instruments};
use crate::data::soundfont::synth::{SYNTH_RATE_HZ, SoundBank, SynthVoice};
use crate::transcription::agreement::{agreement, pitch_jaccard_distance};
use crate::transcription::basic_pitch::BasicPitch;
use crate::transcription::{Note, SHORTEST_NOTE_S};

/// Content and target instruments: decaying and sustained in both directions, similar and
/// different.
const PAIRS: [(&str, &str); 4] =
    [("piano", "violin"), ("guitar", "harp"), ("violin", "piano"), ("harp", "violin")];
/// RMS level of every rendering.
const LEVEL_DBFS: f32 = -20.0;
/// Time after an onset when a plucked or struck note has decayed and a bowed note has not.
const SUSTAINED_S: f32 = 1.5;

/// Evaluates the vocoders on generated pieces.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// SF2 soundfont.
    #[arg(long)]
    pub soundfont: PathBuf,
    /// Number of pieces.
    #[arg(long, default_value_t = 8, value_parser = super::at_least_one)]
    pub pieces: usize,
    /// Seconds of each piece.
    #[arg(long, default_value_t = 6.0, value_parser = super::seconds)]
    pub seconds: f32,
    /// Seed of the pieces. The training sets use other seeds.
    #[arg(long, default_value_t = 70_001)]
    pub seed: u64,
    /// Model file, to evaluate the methods on its images too.
    #[arg(long)]
    pub model: Option<PathBuf>,
}

/// Method of conversion from image to audio.
#[derive(Clone, Copy)]
enum Method {
    ContentCopy,
    RandomPhase,
    ContentPhase,
    Guided(usize),
}

const METHODS: [(&str, Method); 7] = [
    ("content copy", Method::ContentCopy),
    ("Griffin-Lim 32, random phase", Method::RandomPhase),
    ("mel magnitudes, content's phase", Method::ContentPhase),
    ("guided, gain alone", Method::Guided(0)),
    ("guided, 2 iterations", Method::Guided(2)),
    ("guided, 4 iterations", Method::Guided(4)),
    ("guided, as shipped", Method::Guided(DEFAULT_ITERATIONS)),
];

/// Sums over all renderings of one method.
#[derive(Clone, Copy, Default)]
struct Totals {
    renderings: f64,
    f1: f64,
    extra: f64,
    jaccard: f64,
    lsd_db: f64,
    convergence: f64,
    long_notes: f64,
    level_error_db: f64,
    compute_s: f64,
    audio_s: f64,
}

/// A score, rendered on one instrument.
struct Rendering {
    audio: Audio,
    /// The audio at the model's rate.
    model_rate: Audio,
    image: MelImage,
}

/// Score, content and true target of one comparison.
struct Comparison<'a> {
    score: &'a Score,
    content: &'a Rendering,
    truth: &'a Rendering,
    /// The transcribed notes of the true target.
    truth_notes: &'a [Note],
}

/// Runs the evaluation and prints its tables.
pub fn run(args: &Args) -> Result<()> {
    let mut evaluator = Evaluator::new()?;
    let mut model = args.model.as_ref().map(|path| ImageModel::open(path)).transpose()?;
    let mut voice = SoundBank::open(&args.soundfont)?.voice()?;
    let (mut on_truth, mut on_model) =
        ([Totals::default(); METHODS.len()], [Totals::default(); METHODS.len()]);
    let mut images_db = Vec::new();
    let scores = scores(args)?;
    for (i, score) in scores.iter().enumerate() {
        for (content, target) in PAIRS {
            let style = evaluator.render(&scores[(i + 1) % scores.len()], &mut voice, target)?;
            let content = evaluator.render(score, &mut voice, content)?;
            let truth = evaluator.render(score, &mut voice, target)?;
            let truth_notes = &evaluator.transcriber.transcribe(&truth.audio)?;
            let comparison = Comparison { score, content: &content, truth: &truth, truth_notes };
            evaluator.measure_all(&comparison, &truth.image, &mut on_truth)?;
            if let Some(model) = &mut model {
                let image = model.image(&content.image, &style.audio)?;
                images_db.push(mel_lsd_db(&image, &truth.image, evaluator.mel.range_db));
                evaluator.measure_all(&comparison, &image, &mut on_model)?;
            }
        }
    }
    print_table("the true target's image", &on_truth);
    if model.is_some() {
        print_table("the model's image", &on_model);
        println!(
            "\nmel LSD of the model's images: {:.2} dB, the result of an ideal vocoder.",
            mean(&images_db)
        );
    }
    Ok(())
}

fn print_table(title: &str, totals: &[Totals]) {
    println!(
        "\n| method, on {title} | note F1 | extra notes | pitch JD | mel LSD, dB | spectral \
         convergence | level error 1.5 s after onset, dB | ms per second of audio |"
    );
    println!("|---|---|---|---|---|---|---|---|");
    for ((name, _), t) in METHODS.iter().zip(totals) {
        let mean = |sum: f64| sum / t.renderings;
        println!(
            "| {name} | {:.3} | {:.3} | {:.3} | {:.2} | {:.3} | {:.2} | {:.1} |",
            mean(t.f1),
            mean(t.extra),
            mean(t.jaccard),
            mean(t.lsd_db),
            mean(t.convergence),
            t.level_error_db / t.long_notes.max(1.0),
            1e3 * t.compute_s / t.audio_s
        );
    }
}

/// The first continuous pieces of the seed, cut to length.
fn scores(args: &Args) -> Result<Vec<Score>> {
    let all = PAIRS.iter().flat_map(|&(a, b)| [a, b]).map(instruments::by_name);
    let keys = instruments::common_range(&all.collect::<Result<Vec<_>>>()?)?;
    let shape = PieceShape::new(&MelConfig::default(), &WindowConfig::default(), keys);
    let pieces = (0..).map(|id| compose::piece(args.seed, id, &shape));
    let continuous = pieces.filter(|piece| piece.kind == PieceKind::Continuous);
    let scores = continuous.map(|piece| piece.scores[0].window(0.0, args.seconds));
    Ok(scores.filter(|score| score.notes.len() > 3).take(args.pieces).collect())
}

/// A model that predicts target images.
struct ImageModel {
    model: InferenceModel<Packed>,
    transfer: Transfer,
}

impl ImageModel {
    fn open(path: &Path) -> Result<Self> {
        let model = InferenceModel::packed(&Checkpoint::read(path)?)?;
        let transfer =
            Transfer::new(Box::new(BackendModel::new(model.model(), Packed::default())))?;
        Ok(Self { model, transfer })
    }

    /// The model's output for a content image with its default settings, window by window.
    fn image(&mut self, content: &MelImage, style: &Audio) -> Result<MelImage> {
        let style = self.model.style(&mut Packed::default(), &Reference::from_audio(style)?)?;
        let frames = self.model.config().window.frames;
        let mut image = MelImage::filled(content.n_mels, content.frames, 0.0);
        for start in (0..content.frames).step_by(frames) {
            let mut window = MelImage::filled(content.n_mels, frames, 0.0);
            let own = frames.min(content.frames - start);
            copy_columns(content, start, &mut window, 0, own);
            let latent = self.transfer.encode(&window)?;
            let (settings, cancel) = (Settings::default(), Cancel::default());
            let latent =
                self.transfer.denoise(&latent, &style, start as i64, &settings, &cancel)?;
            copy_columns(&self.transfer.decode(&latent)?, 0, &mut image, start, own);
        }
        Ok(image)
    }
}

fn copy_columns(from: &MelImage, start: usize, to: &mut MelImage, at: usize, columns: usize) {
    let rows = from.data.chunks_exact(from.frames).zip(to.data.chunks_exact_mut(to.frames));
    rows.for_each(|(from, to)| to[at..at + columns].copy_from_slice(&from[start..start + columns]));
}

/// State of the methods and the distances.
struct Evaluator {
    mel: MelConfig,
    front_end: MelFrontEnd,
    guided: GuidedVocoder,
    convergence: SpectralConvergence,
    transcriber: BasicPitch,
}

impl Evaluator {
    fn new() -> Result<Self> {
        let mel = MelConfig::default();
        Ok(Self {
            front_end: MelFrontEnd::new(&mel),
            guided: GuidedVocoder::new(SYNTH_RATE_HZ, &mel),
            convergence: SpectralConvergence::default(),
            transcriber: BasicPitch::new()?,
            mel,
        })
    }

    fn render(
        &mut self,
        score: &Score,
        voice: &mut SynthVoice,
        instrument: &str,
    ) -> Result<Rendering> {
        let program = instruments::by_name(instrument)?.programs[0];
        let samples = (score.length_s * SYNTH_RATE_HZ as f32) as usize;
        let stereo = voice.play(score, program, 0.0, samples);
        let mut channels = vec![stereo.left, stereo.right];
        level(&mut channels);
        let audio = Audio { sample_rate_hz: SYNTH_RATE_HZ, channels };
        let model_rate = audio.at_rate(self.mel.sample_rate_hz)?;
        let mut image = self.image(&model_rate);
        image.data.iter_mut().for_each(|v| *v = (*v * 255.0).round() / 255.0);
        Ok(Rendering { audio, model_rate, image })
    }

    fn image(&mut self, model_rate: &Audio) -> MelImage {
        let channels: Vec<&[f32]> = model_rate.channels.iter().map(Vec::as_slice).collect();
        let frames = 1 + model_rate.frames() / self.mel.hop_length;
        self.front_end.image(&channels, 0, frames, 1.0)
    }

    fn measure_all(
        &mut self,
        comparison: &Comparison,
        target: &MelImage,
        to: &mut [Totals],
    ) -> Result<()> {
        for ((_, method), totals) in METHODS.iter().zip(to) {
            let start = Instant::now();
            let channels = self.convert(*method, comparison.content, target)?;
            totals.compute_s += start.elapsed().as_secs_f64();
            self.measure(comparison, &Audio { sample_rate_hz: SYNTH_RATE_HZ, channels }, totals)?;
        }
        Ok(())
    }

    fn measure(&mut self, comparison: &Comparison, audio: &Audio, to: &mut Totals) -> Result<()> {
        let Comparison { score, truth, .. } = comparison;
        let last_onset_s = score.length_s - SHORTEST_NOTE_S;
        to.renderings += 1.0;
        to.audio_s += f64::from(score.length_s);
        let score_notes: Vec<Note> =
            score.notes.iter().filter(|n| n.onset_s < last_onset_s).map(Note::from).collect();
        let notes = self.transcriber.transcribe(audio)?;
        let agreement = agreement(&score_notes, &notes);
        to.f1 += agreement.f1();
        to.extra += agreement.extra();
        to.jaccard += pitch_jaccard_distance(&notes, comparison.truth_notes);
        let image = self.image(&audio.at_rate(self.mel.sample_rate_hz)?);
        to.lsd_db += mel_lsd_db(&image, &self.image(&truth.model_rate), self.mel.range_db);
        to.convergence += self.convergence.compare(&audio.channels, &truth.audio.channels);
        let long = score.notes.iter().filter(|n| n.duration_s > SUSTAINED_S + 0.1);
        for at_s in
            long.map(|n| n.onset_s + SUSTAINED_S).filter(|&s| s > 0.0 && s + 0.1 < score.length_s)
        {
            let level = |audio: &Audio| level_db(&audio.channels, at_s, SYNTH_RATE_HZ);
            to.level_error_db += (level(audio) - level(&truth.audio)).abs();
            to.long_notes += 1.0;
        }
        Ok(())
    }

    /// Stereo audio at the synthesiser's rate.
    fn convert(
        &mut self,
        method: Method,
        content: &Rendering,
        target: &MelImage,
    ) -> Result<Vec<Vec<f32>>> {
        match method {
            Method::ContentCopy => Ok(content.audio.channels.clone()),
            Method::Guided(iterations) => {
                let channels: Vec<&[f32]> =
                    content.audio.channels.iter().map(Vec::as_slice).collect();
                let mut out = Vec::new();
                let request = VocoderRequest {
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
            Method::RandomPhase | Method::ContentPhase => {
                let channels = vec![self.mel_alone(method, content, target)];
                let mono = Audio { sample_rate_hz: self.mel.sample_rate_hz, channels };
                let mut up = mono.at_rate(SYNTH_RATE_HZ)?.channels.remove(0);
                up.resize(content.audio.frames(), 0.0);
                Ok(vec![up.clone(), up])
            }
        }
    }

    /// Mono audio at the model's rate from the image's magnitudes.
    fn mel_alone(&self, method: Method, content: &Rendering, target: &MelImage) -> Vec<f32> {
        let (n_fft, hop, len) = (self.mel.n_fft, self.mel.hop_length, content.model_rate.frames());
        let magnitude = mel_to_magnitude(target, &self.mel);
        if matches!(method, Method::RandomPhase) {
            return griffin_lim(&magnitude, n_fft, hop, 32, MOMENTUM, len, 1);
        }
        let (mut stft, mut phases) = (Stft::new(n_fft, hop), Vec::new());
        stft.forward(&content.model_rate.mono(), target.frames, 0, &mut phases);
        from_phases(&magnitude, &phases, &mut stft, 0, MOMENTUM, len)
    }
}

/// Scales all channels together to [`LEVEL_DBFS`] RMS.
fn level(channels: &mut [Vec<f32>]) {
    let samples: usize = channels.iter().map(Vec::len).sum();
    let power = channels.iter().flatten().map(|x| x * x).sum::<f32>() / samples.max(1) as f32;
    let gain = 10f32.powf(LEVEL_DBFS / 20.0) / power.sqrt().max(1e-9);
    channels.iter_mut().flatten().for_each(|x| *x *= gain);
}
