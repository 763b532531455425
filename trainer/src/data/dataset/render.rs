//! `trainer render`: renders a dataset from soundfonts and scores.

use std::path::{Path, PathBuf};

use engine::config::{MelConfig, WindowConfig};
use engine::{Error, Result, whole_file};
use indicatif::{ProgressBar, ProgressStyle};
use rayon::prelude::*;
use safetensors::Dtype;
use safetensors::tensor::TensorView;

use super::description::{Description, FORMAT_VERSION};
use super::ensemble::Ensemble;
use super::imager::Imager;
use super::manifest;
use super::piece_entry::{PieceEntry, ScoreSource, tensor_name};
use super::renderer::Renderer;
use super::setup::Setup;
use super::spectrogram_dataset::SpectrogramDataset;
use super::split::Split;
use crate::data::random;
use crate::data::score::piece::{Piece, PieceKind};
use crate::data::score::piece_shape::PieceShape;
use crate::data::score::{Score, compose, instruments, midi};
use crate::data::soundfont::synth::SoundBank;

/// Pairs in each manifest.
const MANIFEST_PAIRS: usize = 512;

/// Renders a dataset of the same notes on several instruments, soundfonts and recording chains.
///
/// A stopped command continues where it stopped.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Folder of the dataset.
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// SF2 soundfonts.
    #[arg(long, num_args = 1.., required = true, value_name = "FILE")]
    pub soundfonts: Vec<PathBuf>,
    /// Main instruments, by name.
    #[arg(
        long, num_args = 1.., default_values = instruments::DEFAULT_INSTRUMENTS, value_name = "NAME"
    )]
    pub instruments: Vec<String>,
    /// Extra instruments by name, or `all`. Each piece then has half of the main instruments and
    /// as many extra ones, so the render time stays the same.
    #[arg(long, alias = "guests", num_args = 1.., value_name = "NAME")]
    pub extra_instruments: Vec<String>,
    /// Number of pieces from the built-in composer.
    #[arg(long, default_value_t = 560, value_name = "N")]
    pub pieces: u64,
    /// Maximum number of windows in a piece. The minimum is two thirds of it, 7 at most.
    #[arg(long, default_value_t = 11, value_name = "N")]
    pub max_chunks: usize,
    /// Folder of MIDI files for more pieces.
    #[arg(long, value_name = "DIR")]
    pub midi: Option<PathBuf>,
    /// Maximum number of pieces from each MIDI file.
    #[arg(long, default_value_t = 4, value_name = "N")]
    pub midi_excerpts: usize,
    /// Share of the pieces with pitch bends, vibrato, swells and damping, 0 to 1.
    #[arg(long, default_value_t = 0.0, value_name = "SHARE")]
    pub expressive: f32,
    /// Number of setups for each soundfont. The first has no recording chain, the others have
    /// random ones.
    #[arg(long, default_value_t = 12, value_name = "N")]
    pub setups_per_font: usize,
    /// Split of all pieces [default: 90 % train, 5 % validation, 5 % test].
    #[arg(long)]
    pub split: Option<Split>,
    /// Seed of all random draws.
    #[arg(long, default_value_t = 1, value_name = "SEED")]
    pub seed: u64,
}

/// The pieces of a finished run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Pieces that this run rendered.
    pub rendered: usize,
    /// Pieces that were complete before.
    pub kept: usize,
}

/// Renders the missing pieces of a dataset, then writes the manifests of its validation and test
/// splits.
///
/// # Errors
/// If an option is out of range, a file cannot be read or written, or the folder has another
/// dataset.
pub fn run(args: &Args) -> Result<Summary> {
    let job = RenderJob::new(args)?;
    let description = &job.renderer.description;
    description.write(&args.out)?;
    job.write_scores(&args.out)?;
    let missing: Vec<&PieceEntry> =
        description.pieces.iter().filter(|p| !p.images_path(&args.out).exists()).collect();
    let bar = progress_bar(missing.len() as u64);
    missing.par_iter().try_for_each(|entry| {
        let result = job.render(entry, &args.out);
        bar.inc(1);
        result
    })?;
    bar.finish();
    let dataset = SpectrogramDataset::open(&args.out)?;
    for split in [Split::Validation, Split::Test] {
        manifest::write(&dataset, split, args.seed, MANIFEST_PAIRS, &args.out)?;
    }
    println!("{}", dataset.summary());
    Ok(Summary { rendered: missing.len(), kept: description.pieces.len() - missing.len() })
}

fn progress_bar(pieces: u64) -> ProgressBar {
    let style = ProgressStyle::with_template("{bar:40} {pos}/{len} pieces, {per_sec}, {eta} left")
        .expect("a valid template");
    ProgressBar::new(pieces).with_style(style)
}

/// Checks the ranges of the options.
fn check(args: &Args) -> Result<()> {
    if args.pieces == 0 && args.midi.is_none() {
        return Err(Error::invalid("--pieces", "at least 1, or --midi", 0));
    }
    if args.setups_per_font == 0 {
        return Err(Error::invalid("--setups-per-font", "at least 1", 0));
    }
    if !(0.0..=1.0).contains(&args.expressive) {
        return Err(Error::invalid("--expressive", "a share from 0 to 1", args.expressive));
    }
    Ok(())
}

/// Renderer and scores of one run, shared by all threads.
struct RenderJob {
    renderer: Renderer,
    /// Excerpts of MIDI files. The index is the piece's id minus `composed`.
    excerpts: Vec<Score>,
    /// Number of composed pieces.
    composed: u64,
}

impl RenderJob {
    fn new(args: &Args) -> Result<Self> {
        check(args)?;
        let (mel, window) = (MelConfig::default(), WindowConfig::default());
        let ensemble = Ensemble::new(&args.instruments, &args.extra_instruments)?;
        let banks: Vec<SoundBank> =
            args.soundfonts.par_iter().map(|p| SoundBank::open(p)).collect::<Result<_>>()?;
        let shape = PieceShape {
            expressive: args.expressive,
            ..PieceShape::new(&mel, &window, ensemble.range()?)
                .with_max_chunks(args.max_chunks.max(1))
        };
        let mut description = Description {
            format: FORMAT_VERSION,
            seed: args.seed,
            mel,
            window,
            instruments: ensemble.instruments().iter().map(|i| i.name.to_string()).collect(),
            soundfonts: banks.iter().map(|b| b.id.clone()).collect(),
            shape,
            setups: Setup::pool(args.seed, &banks, ensemble.instruments(), args.setups_per_font)?,
            pieces: Vec::new(),
        };
        let composed = (0..args.pieces).into_par_iter().map(|id| {
            let mut entry =
                entry(args, id, &ensemble, description.setups.len(), ScoreSource::Composed)?;
            let piece = compose::piece(args.seed, id, &description.shape_of(&entry)?);
            (entry.kind, entry.chunks) = (piece.kind, piece.chunks);
            Ok(entry)
        });
        let mut pieces: Vec<PieceEntry> = composed.collect::<Result<_>>()?;
        let mut excerpts = Vec::new();
        if let Some(folder) = &args.midi {
            for Excerpt { score, source, split } in
                midi_excerpts(folder, args.midi_excerpts, &shape)?
            {
                let id = args.pieces + excerpts.len() as u64;
                let mut entry = entry(args, id, &ensemble, description.setups.len(), source)?;
                entry.split = args.split.unwrap_or(split);
                let keys = description.shape_of(&entry)?;
                let mut score = midi::fit_range(&score, keys.lowest_key, keys.highest_key);
                compose::express(args.seed, id, args.expressive, std::slice::from_mut(&mut score));
                let piece = continuous(score.clone(), &shape);
                (entry.kind, entry.chunks) = (piece.kind, piece.chunks);
                pieces.push(entry);
                excerpts.push(score);
            }
        }
        description.pieces = pieces;
        Ok(Self { renderer: Renderer::new(description, banks), excerpts, composed: args.pieces })
    }

    /// Writes the scores of the MIDI pieces. An existing score must be equal, because finished
    /// images were rendered from it.
    fn write_scores(&self, folder: &Path) -> Result<()> {
        for entry in
            self.renderer.description.pieces.iter().filter(|p| p.source != ScoreSource::Composed)
        {
            let path = entry.score_path(folder);
            std::fs::create_dir_all(folder.join("scores")).map_err(|e| Error::file(&path, e))?;
            let score = &self.excerpts[(entry.id - self.composed) as usize];
            let text = serde_json::to_string(score).map_err(|e| Error::file(&path, e))?;
            match std::fs::read_to_string(&path) {
                Ok(existing) if existing != text => {
                    let ScoreSource::Midi(name) = &entry.source else {
                        unreachable!("composed pieces are filtered out")
                    };
                    let reason = format!(
                        "expected the current notes of {name}, found other ones; choose another \
                         --out"
                    );
                    return Err(Error::file(&path, reason));
                }
                Ok(_) => {}
                Err(_) => whole_file::write(&path, text)?,
            }
        }
        Ok(())
    }

    fn piece(&self, entry: &PieceEntry) -> Result<Piece> {
        let description = &self.renderer.description;
        Ok(match entry.source {
            ScoreSource::Composed => {
                compose::piece(description.seed, entry.id, &description.shape_of(entry)?)
            }
            ScoreSource::Midi(_) => continuous(
                self.excerpts[(entry.id - self.composed) as usize].clone(),
                &description.shape,
            ),
        })
    }

    /// Renders one piece in both its setups on each of its instruments.
    fn render(&self, entry: &PieceEntry, folder: &Path) -> Result<()> {
        let description = &self.renderer.description;
        let piece = self.piece(entry)?;
        let mut imager = Imager::new(&description.mel, &description.window);
        let mut tensors: Vec<(String, Vec<u8>)> = Vec::new();
        let mut setups = entry.setups.to_vec();
        setups.dedup();
        for index in setups {
            let noise = |i: usize| {
                let key = (entry.id * 1000 + index as u64) * 1000 + i as u64;
                random::stream(description.seed, "noise", key)
            };
            let images = self.renderer.images(
                &mut imager,
                entry,
                &piece,
                &description.setups[index],
                noise,
            )?;
            let names = description.instruments_of(entry).into_iter();
            let names = names.map(|i| tensor_name(index, &description.instruments[i]));
            tensors.extend(names.zip(images));
        }
        let shape = vec![entry.chunks, description.mel.n_mels, description.window.frames];
        write_tensors(&entry.images_path(folder), &tensors, &shape)
    }
}

/// Writes byte tensors of one shape.
fn write_tensors(path: &Path, tensors: &[(String, Vec<u8>)], shape: &[usize]) -> Result<()> {
    let refuse = |e: safetensors::SafeTensorError| Error::file(path, e);
    let mut views = Vec::with_capacity(tensors.len());
    for (name, bytes) in tensors {
        views.push((name, TensorView::new(Dtype::U8, shape.to_vec(), bytes).map_err(refuse)?));
    }
    whole_file::write(path, safetensors::serialize(views, None).map_err(refuse)?)
}

/// A piece before it is composed: instruments, setups and split.
fn entry(
    args: &Args,
    id: u64,
    ensemble: &Ensemble,
    pool: usize,
    source: ScoreSource,
) -> Result<PieceEntry> {
    Ok(PieceEntry {
        id,
        split: args.split.unwrap_or_else(|| Split::from_hash(args.seed, id)),
        kind: PieceKind::Isolated,
        chunks: 0,
        setups: Setup::draw_two(args.seed, id, pool),
        instruments: ensemble.players(args.seed, id)?,
        source,
    })
}

/// A score as a continuous piece of whole windows.
fn continuous(score: Score, shape: &PieceShape) -> Piece {
    let chunks = ((score.length_s - shape.window_s) / shape.hop_s).floor().max(0.0) as usize + 1;
    Piece { kind: PieceKind::Continuous, chunks: chunks.min(shape.max_chunks), scores: vec![score] }
}

/// A part of a MIDI file.
struct Excerpt {
    score: Score,
    source: ScoreSource,
    /// The split of the whole file, in every dataset: its parts share their themes.
    split: Split,
}

/// Up to `excerpts` parts of every MIDI file below a folder, spread over its length and moved
/// into the common key range.
fn midi_excerpts(folder: &Path, excerpts: usize, shape: &PieceShape) -> Result<Vec<Excerpt>> {
    let mut found = Vec::new();
    for path in midi::files(folder)? {
        let bytes = std::fs::read(&path).map_err(|e| Error::file(&path, e))?;
        let (split, whole) = (Split::from_bytes(&bytes), midi::from_bytes(&path, &bytes)?);
        let score = midi::fit_range(&whole, shape.lowest_key, shape.highest_key);
        let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        let longest_s = shape.continuous_s(shape.max_chunks);
        let count = ((score.length_s / longest_s) as usize).clamp(1, excerpts.max(1));
        for i in 0..count {
            let start_s = score.length_s / count as f32 * i as f32;
            let length_s = (score.length_s - start_s).min(longest_s);
            let mut excerpt = score.window(start_s, length_s);
            excerpt.notes.retain(|n| n.onset_s >= 0.0);
            if !excerpt.notes.is_empty() {
                found.push(Excerpt {
                    score: excerpt,
                    source: ScoreSource::Midi(name.clone()),
                    split,
                });
            }
        }
    }
    if found.is_empty() {
        return Err(Error::file(folder, "expected MIDI files (.mid, .midi), found none"));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn excerpts_of_a_long_file_are_pieces_of_whole_windows() {
        let shape = PieceShape::new(&MelConfig::default(), &WindowConfig::default(), (55, 88));
        assert_eq!(
            continuous(Score::new(Vec::new(), shape.continuous_s(5) + 0.5), &shape).chunks,
            5
        );
        assert_eq!(continuous(Score::new(Vec::new(), 1.0), &shape).chunks, 1);
        assert_eq!(continuous(Score::new(Vec::new(), 500.0), &shape).chunks, shape.max_chunks);
        assert_eq!(continuous(Score::default(), &shape).kind, PieceKind::Continuous);
    }
}
