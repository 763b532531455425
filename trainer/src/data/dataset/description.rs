//! `dataset.json`: everything that a dataset is made from, and nothing that depends on when or
//! where.

use std::path::{Path, PathBuf};

use engine::config::{MelConfig, WindowConfig};
use engine::{Error, Result, whole_file};
use rand::Rng;
use rand::seq::IndexedRandom;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::chain::Chain;
use super::compose::{self, PieceKind, PieceShape};
use super::difference;
use super::instruments::{self, Instrument};
use super::random;
use super::score::Score;
use super::synth::{SoundBank, SoundFontId};

/// Version of the layout on disk.
pub const FORMAT_VERSION: u32 = 1;
/// The description's file name.
pub const DESCRIPTION_FILE: &str = "dataset.json";

/// Which side of the fence a piece lives on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Split {
    /// Seen by the optimiser.
    Train,
    /// Seen by the schedule.
    Validation,
    /// Seen by nobody before the end.
    Test,
}

impl Split {
    /// Every side.
    pub const ALL: [Self; 3] = [Self::Train, Self::Validation, Self::Test];

    /// The split of a piece: 90, 5 and 5 in a hundred, from a hash of `(seed, id)`.
    pub fn from_hash(seed: u64, id: u64) -> Self {
        match random::percentile(seed, "split", id) {
            0..90 => Self::Train,
            90..95 => Self::Validation,
            _ => Self::Test,
        }
    }

    /// The split of all that a file holds, by its bytes alone: no seed and no dataset moves it to
    /// another side.
    pub fn of_bytes(bytes: &[u8]) -> Self {
        let digest = Sha256::digest(bytes);
        let head = digest.first_chunk::<8>().expect("a SHA-256 digest has 32 bytes");
        Self::from_hash(0, u64::from_le_bytes(*head))
    }
}

/// A sound: which soundfont, which of its programs, and which recording chain.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Setup {
    /// Index into [`Description::soundfonts`].
    pub soundfont: usize,
    /// General MIDI program of each instrument, counted from 0.
    pub programs: Vec<u8>,
    /// How it is recorded.
    pub chain: Chain,
}

impl Setup {
    /// The pool: so many setups a soundfont, the first of each with typical programs and no chain
    /// at all.
    pub fn pool(
        seed: u64,
        banks: &[SoundBank],
        instruments: &[Instrument],
        setups_per_font: usize,
    ) -> Result<Vec<Self>> {
        let mut pool = Vec::new();
        for (soundfont, bank) in banks.iter().enumerate() {
            for number in 0..setups_per_font {
                let rng = &mut random::stream(seed, "setup", (soundfont * 1000 + number) as u64);
                let setup = match number {
                    0 => Self::plain(soundfont, instruments),
                    _ => Self::draw(rng, soundfont, instruments),
                };
                setup.check(bank)?;
                pool.push(setup);
            }
        }
        Ok(pool)
    }

    /// Typical programs and no chain at all.
    fn plain(soundfont: usize, instruments: &[Instrument]) -> Self {
        let programs = instruments.iter().map(|i| i.programs[0]).collect();
        Self { soundfont, programs, chain: Chain::default() }
    }

    /// Programs and a chain of chance.
    pub fn draw(rng: &mut ChaCha8Rng, soundfont: usize, instruments: &[Instrument]) -> Self {
        let program =
            |i: &Instrument| *i.programs.choose(rng).expect("every instrument has a program");
        let programs = instruments.iter().map(program).collect();
        Self { soundfont, programs, chain: Chain::draw(rng) }
    }

    /// Refuses a soundfont that lacks one of the programs.
    pub fn check(&self, bank: &SoundBank) -> Result<()> {
        self.programs.iter().try_for_each(|program| bank.check_program(*program))
    }

    /// Two setups of the pool for a piece, different where the pool has two.
    pub fn draw_two(seed: u64, piece: u64, pool: usize) -> [usize; 2] {
        let rng = &mut random::stream(seed, "piece setups", piece);
        let first = rng.random_range(0..pool);
        [first, (first + rng.random_range(1..pool.max(2))) % pool]
    }
}

/// Where a piece's notes come from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Source {
    /// [`super::compose::piece`] with the dataset's seed and shape.
    Composed,
    /// A MIDI file of that name; the excerpt's notes are in `scores/`.
    Midi(String),
}

/// One piece of a dataset.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PieceEntry {
    /// Its number, unique in the dataset.
    pub id: u64,
    /// Which side of the fence.
    pub split: Split,
    /// How it lies on windows.
    pub kind: PieceKind,
    /// How many windows it has.
    pub chunks: usize,
    /// The two setups it is rendered in (indices into [`Description::setups`]).
    pub setups: [usize; 2],
    /// The instruments that it is rendered on (indices into [`Description::instruments`], in
    /// order); none stands for all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub instruments: Vec<usize>,
    /// Where its notes come from.
    pub source: Source,
}

impl PieceEntry {
    /// The piece's images inside the dataset's folder.
    pub fn images_path(&self, folder: &Path) -> PathBuf {
        folder.join("pieces").join(format!("{:05}.safetensors", self.id))
    }

    /// The score of a piece that was not composed.
    pub fn score_path(&self, folder: &Path) -> PathBuf {
        folder.join("scores").join(format!("{:05}.json", self.id))
    }
}

/// Name of the images of one setup and instrument inside a piece's file.
pub fn tensor_name(setup: usize, instrument: &str) -> String {
    format!("{setup}/{instrument}")
}

/// What `dataset.json` holds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Description {
    /// [`FORMAT_VERSION`].
    pub format: u32,
    /// The seed of everything.
    pub seed: u64,
    /// Audio to image.
    pub mel: MelConfig,
    /// Windows on a continuous piece.
    pub window: WindowConfig,
    /// Instruments, in the order of `Setup::programs`.
    pub instruments: Vec<String>,
    /// Soundfonts.
    pub soundfonts: Vec<SoundFontId>,
    /// The composer's parameters.
    pub shape: PieceShape,
    /// The pool of setups.
    pub setups: Vec<Setup>,
    /// The pieces.
    pub pieces: Vec<PieceEntry>,
}

impl Description {
    /// Reads `dataset.json` of a dataset's folder.
    pub fn read(folder: &Path) -> Result<Self> {
        let path = folder.join(DESCRIPTION_FILE);
        let text = std::fs::read_to_string(&path).map_err(|e| Error::file(&path, e))?;
        let description: Self = serde_json::from_str(&text).map_err(|e| {
            Error::file(
                &path,
                format!("expected a description that `trainer render` wrote, of format {FORMAT_VERSION}, found: {e}"),
            )
        })?;
        if description.format != FORMAT_VERSION {
            let reason = format!("expected format {FORMAT_VERSION}, found {}", description.format);
            return Err(Error::file(&path, reason));
        }
        description.check().map_err(|reason| Error::file(&path, reason))?;
        Ok(description)
    }

    /// What a hand-edited file could have wrong.
    fn check(&self) -> std::result::Result<(), String> {
        if self.window.frames == 0 {
            return Err("expected windows of 1 frame and more, found 0".into());
        }
        for (i, setup) in self.setups.iter().enumerate() {
            if setup.soundfont >= self.soundfonts.len()
                || setup.programs.len() != self.instruments.len()
            {
                return Err(format!(
                    "expected setups[{i}] to fit the soundfonts and instruments, found {setup:?}"
                ));
            }
        }
        let unfit = |p: &&PieceEntry| {
            let (setups, instruments) = (self.setups.len(), self.instruments.len());
            p.chunks == 0
                || p.setups.iter().any(|s| *s >= setups)
                || p.instruments.iter().any(|i| *i >= instruments)
        };
        match self.pieces.iter().find(unfit) {
            Some(piece) => Err(format!(
                "expected pieces with chunks, setups of the pool and known instruments, found {piece:?}"
            )),
            None => Ok(()),
        }
    }

    /// The instruments that a piece is rendered on, as indices.
    pub fn instruments_of(&self, entry: &PieceEntry) -> Vec<usize> {
        match entry.instruments.as_slice() {
            [] => (0..self.instruments.len()).collect(),
            some => some.to_vec(),
        }
    }

    /// The composer's parameters for a piece: the keys that its instruments share.
    pub fn shape_of(&self, entry: &PieceEntry) -> Result<PieceShape> {
        if entry.instruments.is_empty() {
            return Ok(self.shape);
        }
        let instruments =
            entry.instruments.iter().map(|i| instruments::by_name(&self.instruments[*i]));
        let (lowest_key, highest_key) =
            instruments::common_range(&instruments.collect::<Result<Vec<_>>>()?)?;
        Ok(PieceShape { lowest_key, highest_key, ..self.shape })
    }

    /// The scores of piece number `index`, one for all its windows or one each (`folder` is the
    /// dataset's).
    pub fn scores(&self, index: usize, folder: &Path) -> Result<Vec<Score>> {
        let entry = &self.pieces[index];
        match entry.source {
            Source::Composed => {
                Ok(compose::piece(self.seed, entry.id, &self.shape_of(entry)?).scores)
            }
            Source::Midi(_) => {
                let path = entry.score_path(folder);
                let text = std::fs::read_to_string(&path).map_err(|e| Error::file(&path, e))?;
                Ok(vec![serde_json::from_str(&text).map_err(|e| Error::file(&path, e))?])
            }
        }
    }

    /// Writes `dataset.json`, or checks that the one that is there says the same (so that a run is
    /// resumed, never mixed).
    pub fn write(&self, folder: &Path) -> Result<()> {
        let path = folder.join(DESCRIPTION_FILE);
        if path.exists() {
            let there = Self::read(folder)?;
            return match difference::first(self, &there) {
                None => Ok(()),
                Some((field, ..)) => {
                    let reason = format!(
                        "expected the settings of this run, found other {field}; choose another --out"
                    );
                    Err(Error::file(&path, reason))
                }
            };
        }
        std::fs::create_dir_all(folder.join("pieces")).map_err(|e| Error::file(folder, e))?;
        let text = serde_json::to_string_pretty(self).map_err(|e| Error::file(&path, e))?;
        whole_file::write(&path, text + "\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splits_are_shares_of_the_pieces_and_do_not_move() {
        let splits: Vec<_> = (0..4000).map(|id| Split::from_hash(1, id)).collect();
        let share = |split| splits.iter().filter(|s| **s == split).count() as f64 / 4000.0;
        assert!((share(Split::Train) - 0.9).abs() < 0.02, "{}", share(Split::Train));
        assert!(
            (share(Split::Validation) - 0.05).abs() < 0.012
                && (share(Split::Test) - 0.05).abs() < 0.012
        );
        // More pieces never move an old one, another seed does.
        assert!((0..4000).any(|id| Split::from_hash(2, id) != splits[id as usize]));
    }

    #[test]
    fn a_piece_gets_two_setups_of_the_pool() {
        for id in 0..500 {
            let [a, b] = Setup::draw_two(3, id, 24);
            assert!(a != b && a < 24 && b < 24);
        }
        assert_eq!(Setup::draw_two(3, 0, 1), [0, 0]);
    }
}
