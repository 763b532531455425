//! `dataset.json` of a folder of recordings: how its images were made, and of what.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use engine::config::{MelConfig, ModelConfig};
use engine::{Error, Result, whole_file};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::chunk_image::Reference;
use super::sources::Source;
use crate::data::description::{DESCRIPTION_FILE, Split};
use crate::data::difference;

/// Version of the layout on disk.
pub const FORMAT_VERSION: u32 = 1;

/// What tells this description from that of a rendered dataset.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Recordings, cut into chunks.
    Recordings,
}

/// Everything besides the recordings that the folder's content depends on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BuildSettings {
    /// What the brightest pixel stands for.
    pub reference: Reference,
    /// Audio to image.
    pub mel: MelConfig,
    /// Samples of a chunk, at the mel config's rate.
    pub chunk_samples: usize,
    /// Frames of an image: the first of the chunk's.
    pub frames: usize,
    /// How far below the loudest frame a recording's silent ends lie.
    pub trim_top_db: f64,
    /// Minutes of a recording that are used at most.
    pub minutes: f64,
    /// Pairs in the list of each split.
    pub pairs: usize,
    /// The seed of splits and pairs.
    pub seed: u64,
}

/// A recording that was made into images.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recording {
    /// What plays.
    pub instrument: String,
    /// Its name, unique among the instrument's.
    pub name: String,
    /// The file below the folder that was built from.
    pub file: String,
    /// Length of that file.
    pub bytes: u64,
    /// Its SHA-256; empty in descriptions of before, which do not say.
    #[serde(default)]
    pub sha256: String,
    /// Seconds of the whole recording, to the millisecond.
    pub duration_s: f64,
    /// Where its sound starts and ends, between the silences of its ends, in samples at the mel
    /// config's rate.
    pub sounding_samples: [usize; 2],
    /// How many images it has.
    pub chunks: usize,
    /// Which side all of its images are on; none while the build has not reached its end.
    pub split: Option<Split>,
}

impl Recording {
    /// Whether it has a file's instrument and name.
    pub fn is_of(&self, source: &Source) -> bool {
        self.instrument == source.instrument && self.name == source.name
    }

    /// Whether none of the files that are there is its own.
    pub fn is_gone(&self, there: &[Source]) -> bool {
        !there.iter().any(|source| self.is_of(source))
    }

    /// One of its images, inside the dataset's folder.
    pub fn image_path(&self, folder: &Path, chunk: usize) -> PathBuf {
        image_path(folder, &self.instrument, &self.name, chunk)
    }
}

/// `<folder>/<instrument>/<recording>_<chunk>.png`.
pub fn image_path(folder: &Path, instrument: &str, name: &str, chunk: usize) -> PathBuf {
    folder.join(instrument).join(image_name(name, chunk))
}

fn image_name(recording: &str, chunk: usize) -> String {
    format!("{recording}_{chunk}.png")
}

/// A file that was passed over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Skipped {
    /// The file below the folder that was built from.
    pub file: String,
    /// Why.
    pub reason: String,
}

/// What `dataset.json` holds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecordingsDescription {
    /// What this is.
    pub kind: Kind,
    /// [`FORMAT_VERSION`].
    pub format: u32,
    /// How it was made.
    pub settings: BuildSettings,
    /// The recordings whose images are whole, sorted by instrument and name.
    pub recordings: Vec<Recording>,
    /// Files that could not be used.
    pub skipped: Vec<Skipped>,
}

impl RecordingsDescription {
    /// Whether a folder's `dataset.json` says that it holds recordings.
    pub fn describes(folder: &Path) -> bool {
        let text = std::fs::read_to_string(folder.join(DESCRIPTION_FILE)).unwrap_or_default();
        let value: Value = serde_json::from_str(&text).unwrap_or_default();
        serde_json::from_value::<Kind>(value["kind"].clone()).is_ok()
    }

    /// Reads `dataset.json` of a dataset's folder.
    ///
    /// # Errors
    /// If there is none, or it is not one of recordings in this format.
    pub fn read(folder: &Path) -> Result<Self> {
        let path = folder.join(DESCRIPTION_FILE);
        let text = std::fs::read_to_string(&path).map_err(|e| Error::file(&path, e))?;
        let refuse = |found: String| {
            let expected = "expected a description that `trainer build-dataset` wrote";
            Error::file(&path, format!("{expected}, of format {FORMAT_VERSION}, found {found}"))
        };
        let description: Self = serde_json::from_str(&text).map_err(|e| refuse(e.to_string()))?;
        if description.format != FORMAT_VERSION {
            return Err(refuse(format!("format {}", description.format)));
        }
        ModelConfig { mel: description.settings.mel.clone(), ..Default::default() }.validate()?;
        if description.settings.frames == 0 {
            return Err(refuse("images of no frames".into()));
        }
        if let Some(recording) =
            description.recordings.iter().find(|recording| recording.chunks == 0)
        {
            return Err(refuse(format!("{} without images", recording.file)));
        }
        Ok(description)
    }

    /// The description of a folder that is to be built with these settings: the one that is there,
    /// or a new one.
    ///
    /// # Errors
    /// If the folder was made with other settings, or holds another kind of dataset.
    pub fn resume(folder: &Path, settings: BuildSettings) -> Result<Self> {
        let path = folder.join(DESCRIPTION_FILE);
        if !path.exists() {
            let (recordings, skipped) = (Vec::new(), Vec::new());
            return Ok(Self {
                kind: Kind::Recordings,
                format: FORMAT_VERSION,
                settings,
                recordings,
                skipped,
            });
        }
        let there = Self::read(folder)?;
        match difference::first(&settings, &there.settings) {
            None => Ok(there),
            Some((name, wanted, found)) => {
                let reason = format!(
                    "expected a dataset with {name} {wanted} as asked for, found {name} {found}; choose another --out"
                );
                Err(Error::file(&path, reason))
            }
        }
    }

    /// Writes `dataset.json`; the file appears whole or not at all.
    ///
    /// # Errors
    /// If the folder cannot be written to.
    pub fn write(&self, folder: &Path) -> Result<()> {
        let path = folder.join(DESCRIPTION_FILE);
        std::fs::create_dir_all(folder).map_err(|e| Error::file(folder, e))?;
        let text = serde_json::to_string_pretty(self).map_err(|e| Error::file(&path, e))?;
        whole_file::write(path, text + "\n")
    }

    /// Whether a file's images are all there, and of what the file, whose hash is given, holds.
    pub fn has(&self, source: &Source, sha256: &str, folder: &Path) -> bool {
        self.recordings.iter().find(|recording| recording.is_of(source)).is_some_and(|recording| {
            let unchanged = recording.sha256.is_empty() || recording.sha256 == sha256;
            unchanged
                && (&recording.file, recording.bytes) == (&source.file, source.bytes)
                && (0..recording.chunks).all(|chunk| recording.image_path(folder, chunk).exists())
        })
    }

    /// Takes out the recording that another one is under a new name: of the same instrument and
    /// content, and of no file that is there.
    pub fn take_renamed(&mut self, renamed: &Recording, there: &[Source]) -> Option<Recording> {
        let was = |r: &Recording| {
            let same = !r.sha256.is_empty()
                && r.sha256 == renamed.sha256
                && r.instrument == renamed.instrument;
            same && r.is_gone(there)
        };
        Some(self.recordings.remove(self.recordings.iter().position(was)?))
    }

    /// Adds a recording in its place; one of that name keeps its side.
    pub fn insert(&mut self, mut recording: Recording) {
        let key = |r: &Recording| (r.instrument.clone(), r.name.clone());
        match self.recordings.binary_search_by_key(&key(&recording), key) {
            Ok(at) => {
                recording.split = self.recordings[at].split;
                self.recordings[at] = recording;
            }
            Err(at) => self.recordings.insert(at, recording),
        }
    }

    /// The instruments, sorted.
    pub fn instruments(&self) -> Vec<String> {
        let mut names: Vec<String> = self.recordings.iter().map(|r| r.instrument.clone()).collect();
        names.dedup();
        names
    }

    /// The images of every instrument as the reports number them: `(recording, chunk)` of image
    /// number `i`, where an instrument's images are sorted by file name.
    pub fn images_by_label(&self) -> BTreeMap<String, Vec<(usize, usize)>> {
        let mut by_label: BTreeMap<String, Vec<(usize, usize)>> = BTreeMap::new();
        for (index, recording) in self.recordings.iter().enumerate() {
            let images = by_label.entry(recording.instrument.clone()).or_default();
            images.extend((0..recording.chunks).map(|chunk| (index, chunk)));
        }
        let file_name = |&(recording, chunk): &(usize, usize)| {
            image_name(&self.recordings[recording].name, chunk)
        };
        by_label.values_mut().for_each(|images| images.sort_by_cached_key(file_name));
        by_label
    }
}
