//! `dataset.json` of a dataset of recordings: settings and list of recordings.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use engine::config::{MelConfig, ModelConfig};
use engine::{Error, Result, whole_file};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::chunk_image::Reference;
use crate::data::dataset::Split;
use crate::data::dataset::description::DESCRIPTION_FILE;
use crate::data::difference;
use crate::data::source_files::{SkippedFile, SourceFile};

/// Version of the layout on disk.
pub const FORMAT_VERSION: u32 = 1;

/// Marks a description of recordings, as opposed to one of a rendered dataset.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Recordings, cut into chunks.
    Recordings,
}

/// All settings that the images and lists depend on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BuildSettings {
    /// Level of the brightest pixel.
    pub reference: Reference,
    /// Config of the mel images.
    pub mel: MelConfig,
    /// Samples of a chunk at the mel config's rate.
    pub chunk_samples: usize,
    /// Frames of an image: the first ones of the chunk.
    pub frames: usize,
    /// Level below the loudest frame that counts as silence at a recording's ends, in dB.
    pub trim_top_db: f64,
    /// Maximum length of a recording in minutes.
    pub minutes: f64,
    /// Number of pairs in the list of each split.
    pub pairs: usize,
    /// The seed of splits and pairs.
    pub seed: u64,
}

/// A recording with images.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recording {
    /// Its instrument.
    pub instrument: String,
    /// Its name, unique for the instrument.
    pub name: String,
    /// Its file, relative to the folder of recordings.
    pub file: String,
    /// Size of the file.
    pub bytes: u64,
    /// SHA-256 of the file; empty in old descriptions.
    #[serde(default)]
    pub sha256: String,
    /// Length of the whole recording in seconds, rounded to 1 ms.
    pub duration_s: f64,
    /// Start and end of the part without silent ends, in samples at the mel config's rate.
    pub sounding_samples: [usize; 2],
    /// Number of images.
    pub chunks: usize,
    /// Split of all its images; `None` until the build is finished.
    pub split: Option<Split>,
}

impl Recording {
    /// Whether it has the instrument and name of a file.
    pub fn matches(&self, source: &SourceFile) -> bool {
        self.instrument == source.instrument && self.name == source.name
    }

    /// Whether its file is not among the existing ones.
    pub fn is_removed(&self, existing: &[SourceFile]) -> bool {
        !existing.iter().any(|source| self.matches(source))
    }

    /// Path of one of its images in the dataset's folder.
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

/// The content of `dataset.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecordingsDescription {
    /// Marks a dataset of recordings.
    pub kind: Kind,
    /// [`FORMAT_VERSION`].
    pub format: u32,
    /// Settings of the build.
    pub settings: BuildSettings,
    /// The finished recordings, sorted by instrument and name.
    pub recordings: Vec<Recording>,
    /// Files that could not be used.
    pub skipped: Vec<SkippedFile>,
}

impl RecordingsDescription {
    /// Whether a folder has the `dataset.json` of a dataset of recordings.
    pub fn describes(folder: &Path) -> bool {
        let text = std::fs::read_to_string(folder.join(DESCRIPTION_FILE)).unwrap_or_default();
        let value: Value = serde_json::from_str(&text).unwrap_or_default();
        serde_json::from_value::<Kind>(value["kind"].clone()).is_ok()
    }

    /// Reads `dataset.json` in a dataset's folder.
    ///
    /// # Errors
    /// If it is missing, of another format, or invalid.
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

    /// The description for a build with these settings: the existing one, or a new one.
    ///
    /// # Errors
    /// If the folder was built with other settings, or has another kind of dataset.
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
        let existing = Self::read(folder)?;
        match difference::first(&settings, &existing.settings) {
            None => Ok(existing),
            Some((name, wanted, found)) => {
                let reason = format!(
                    "expected a dataset with {name} {wanted}, found {name} {found}; choose another \
                     --out"
                );
                Err(Error::file(&path, reason))
            }
        }
    }

    /// Writes `dataset.json` atomically.
    ///
    /// # Errors
    /// If the folder cannot be written.
    pub fn write(&self, folder: &Path) -> Result<()> {
        let path = folder.join(DESCRIPTION_FILE);
        std::fs::create_dir_all(folder).map_err(|e| Error::file(folder, e))?;
        let text = serde_json::to_string_pretty(self).map_err(|e| Error::file(&path, e))?;
        whole_file::write(path, text + "\n")
    }

    /// Whether all images of a file with this hash exist.
    pub fn has(&self, source: &SourceFile, sha256: &str, folder: &Path) -> bool {
        self.recordings.iter().find(|recording| recording.matches(source)).is_some_and(
            |recording| {
                let unchanged = recording.sha256.is_empty() || recording.sha256 == sha256;
                unchanged
                    && (&recording.file, recording.bytes) == (&source.file, source.bytes)
                    && (0..recording.chunks)
                        .all(|chunk| recording.image_path(folder, chunk).exists())
            },
        )
    }

    /// Removes and returns the old entry of a renamed recording. It has the same instrument and
    /// hash, and its file no longer exists.
    pub fn take_renamed(
        &mut self,
        renamed: &Recording,
        existing: &[SourceFile],
    ) -> Option<Recording> {
        let was = |r: &Recording| {
            let same = !r.sha256.is_empty()
                && r.sha256 == renamed.sha256
                && r.instrument == renamed.instrument;
            same && r.is_removed(existing)
        };
        Some(self.recordings.remove(self.recordings.iter().position(was)?))
    }

    /// Inserts a recording in order. One that replaces another keeps its split.
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

    /// Names of the instruments, sorted.
    pub fn instruments(&self) -> Vec<String> {
        let mut names: Vec<String> = self.recordings.iter().map(|r| r.instrument.clone()).collect();
        names.dedup();
        names
    }

    /// The images of every instrument as `(recording, chunk)`, sorted by file name. The student
    /// report numbers images in this order.
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
