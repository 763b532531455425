//! `trainer render`: soundfonts and scores to an aligned dataset.

use std::path::{Path, PathBuf};

use engine::config::{MelConfig, WindowConfig};
use engine::{Error, Result, whole_file};
use indicatif::{ProgressBar, ProgressStyle};
use rayon::prelude::*;
use safetensors::Dtype;
use safetensors::tensor::TensorView;

use super::compose::{self, Piece, PieceKind, PieceShape};
use super::dataset::SpectrogramDataset;
use super::description::{
    Description, FORMAT_VERSION, PieceEntry, Setup, Source, Split, tensor_name,
};
use super::ensemble::Ensemble;
use super::imager::Imager;
use super::instruments;
use super::manifest;
use super::midi;
use super::random;
use super::renderer::Renderer;
use super::score::Score;
use super::synth::SoundBank;

/// Pairs in each manifest.
const MANIFEST_PAIRS: usize = 512;

/// Renders an aligned dataset: the same notes on every instrument, in several soundfonts and
/// recording chains.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Folder of the dataset; a run that was stopped goes on where it was.
    #[arg(long)]
    pub out: PathBuf,
    /// SF2 soundfonts.
    #[arg(long, num_args = 1.., required = true)]
    pub soundfonts: Vec<PathBuf>,
    /// Instruments by name.
    #[arg(long, num_args = 1.., default_values = instruments::DEFAULT_INSTRUMENTS)]
    pub instruments: Vec<String>,
    /// More instruments, or `all` others: every piece is then played by half of `--instruments`
    /// and as many of these, so that many sounds cost no more than few.
    #[arg(long, alias = "guests", num_args = 1..)]
    pub extra_instruments: Vec<String>,
    /// Pieces from the built-in composer.
    #[arg(long, default_value_t = 560)]
    pub pieces: u64,
    /// Windows of a piece, at most; the fewest are two thirds of it.
    #[arg(long, default_value_t = 11)]
    pub max_chunks: usize,
    /// Folder of MIDI files to take more pieces from.
    #[arg(long)]
    pub midi: Option<PathBuf>,
    /// Pieces of each MIDI file, at most.
    #[arg(long, default_value_t = 4)]
    pub midi_excerpts: usize,
    /// Share of the pieces that are played with bends, vibrato, swells and damping, 0 to 1.
    #[arg(long, default_value_t = 0.0)]
    pub expressive: f32,
    /// Sounds of each soundfont: the first is the plain one, the others have recording chains.
    #[arg(long, default_value_t = 12)]
    pub setups_per_font: usize,
    /// Puts every piece on one side instead of 90 : 5 : 5 (a held-out soundfont is `test`).
    #[arg(long)]
    pub split: Option<Split>,
    /// Seed of everything.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
}

/// What a run did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Pieces that were rendered now.
    pub rendered: usize,
    /// Pieces that were there already.
    pub kept: usize,
}

/// Renders what is missing of a dataset, then writes the manifests of its validation and test sets.
pub fn run(args: &Args) -> Result<Summary> {
    let session = Session::new(args)?;
    let description = &session.renderer.description;
    description.write(&args.out)?;
    session.write_scores(&args.out)?;
    let missing: Vec<&PieceEntry> =
        description.pieces.iter().filter(|p| !p.images_path(&args.out).exists()).collect();
    let bar = progress_bar(missing.len() as u64);
    missing.par_iter().try_for_each(|entry| {
        let result = session.render(entry, &args.out);
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
        .expect("a template that is known here");
    ProgressBar::new(pieces).with_style(style)
}

/// Refuses numbers that no dataset can be made with.
fn check(args: &Args) -> Result<()> {
    if args.pieces == 0 && args.midi.is_none() {
        return Err(Error::invalid("--pieces", "1 or more, or --midi", 0));
    }
    if args.setups_per_font == 0 {
        return Err(Error::invalid("--setups-per-font", "1 or more", 0));
    }
    if !(0.0..=1.0).contains(&args.expressive) {
        return Err(Error::invalid("--expressive", "a share from 0 to 1", args.expressive));
    }
    Ok(())
}

/// Everything that rendering a piece needs, shared by all threads.
struct Session {
    renderer: Renderer,
    /// Excerpts of MIDI files by piece number minus the number of composed pieces.
    excerpts: Vec<Score>,
    composed: u64,
}

impl Session {
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
            let mut entry = entry(args, id, &ensemble, description.setups.len(), Source::Composed)?;
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

    /// The notes of pieces that cannot be composed again. Others than those that are there are
    /// refused: images that are kept play the old ones.
    fn write_scores(&self, folder: &Path) -> Result<()> {
        for entry in
            self.renderer.description.pieces.iter().filter(|p| p.source != Source::Composed)
        {
            let path = entry.score_path(folder);
            std::fs::create_dir_all(folder.join("scores")).map_err(|e| Error::file(&path, e))?;
            let score = &self.excerpts[(entry.id - self.composed) as usize];
            let text = serde_json::to_string(score).map_err(|e| Error::file(&path, e))?;
            match std::fs::read_to_string(&path) {
                Ok(there) if there != text => {
                    let Source::Midi(name) = &entry.source else {
                        unreachable!("composed pieces are passed over")
                    };
                    let reason = format!(
                        "expected the notes of {name} as they are now, found others; choose another --out"
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
            Source::Composed => {
                compose::piece(description.seed, entry.id, &description.shape_of(entry)?)
            }
            Source::Midi(_) => continuous(
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

/// A piece of which nothing is known yet but who plays it, where and on which side.
fn entry(
    args: &Args,
    id: u64,
    ensemble: &Ensemble,
    pool: usize,
    source: Source,
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

/// A score as a continuous piece, of as many whole windows as it fills.
fn continuous(score: Score, shape: &PieceShape) -> Piece {
    let chunks = ((score.length_s - shape.window_s) / shape.hop_s).floor().max(0.0) as usize + 1;
    Piece { kind: PieceKind::Continuous, chunks: chunks.min(shape.max_chunks), scores: vec![score] }
}

/// A stretch of a MIDI file.
struct Excerpt {
    score: Score,
    source: Source,
    /// The file's, whichever dataset it is in: a piece's themes come again in all of it.
    split: Split,
}

/// Up to `excerpts` stretches of every MIDI file below a folder, spread over its length, inside the
/// common range.
fn midi_excerpts(folder: &Path, excerpts: usize, shape: &PieceShape) -> Result<Vec<Excerpt>> {
    let mut found = Vec::new();
    for path in midi::files(folder)? {
        let bytes = std::fs::read(&path).map_err(|e| Error::file(&path, e))?;
        let (split, whole) = (Split::of_bytes(&bytes), midi::of_bytes(&path, &bytes)?);
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
                found.push(Excerpt { score: excerpt, source: Source::Midi(name.clone()), split });
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
