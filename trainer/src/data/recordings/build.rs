//! `trainer build-dataset`: converts recordings to mel images.

use std::io::Cursor;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use engine::config::{MelConfig, WindowConfig};
use engine::dsp::resample::Rolloff;
use engine::{Error, Result, whole_file};
use image::{GrayImage, ImageFormat};
use indicatif::{ProgressBar, ProgressStyle};
use rayon::prelude::*;

use super::chunk_image::{ChunkImager, Reference};
use super::dataset::RecordingDataset;
use super::description::{BuildSettings, Recording, RecordingsDescription, image_path};
use super::mono::{self, Excerpt, ReadOptions};
use super::{label_pairs, splits};
use crate::data::dataset::Split;
use crate::data::file_hash;
use crate::data::source_files::{self, SkippedFile, SourceFile};

/// Seconds of a chunk.
const CHUNK_SECONDS: usize = 3;
/// Level below a recording's loudest frame that counts as silence at its ends, in dB.
const TRIM_TOP_DB: f64 = 20.0;

/// Builds a dataset from recordings.
///
/// `FOLDER/<instrument>/<recording>.mp3` (or WAV, FLAC, OGG) becomes images of 3 s:
/// `OUT/<instrument>/<recording>_<chunk>.png`. Only use recordings if you have the right to do so.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Folder tree of recordings. The folder of a file names its instrument.
    pub folder: PathBuf,
    /// Folder of the dataset. A stopped command continues, and new recordings are added.
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// Level of the brightest pixel. Models for real-time use need `stream-level`.
    #[arg(long, value_enum, default_value_t)]
    pub reference: Reference,
    /// Maximum length of each recording in minutes. It keeps the instruments balanced.
    #[arg(long, default_value_t = 30.0, value_name = "MINUTES")]
    pub minutes: f64,
    /// Number of image pairs in the list of each split (`pairs-train.csv`).
    #[arg(long, default_value_t = 2048, value_name = "N")]
    pub pairs: usize,
    /// Seed of the splits and the pairs.
    #[arg(long, default_value_t = 1, value_name = "SEED")]
    pub seed: u64,
}

/// The recordings of a finished run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Recordings that this run converted.
    pub built: usize,
    /// Recordings that were complete before.
    pub kept: usize,
    /// Files that could not be used.
    pub skipped: Vec<SkippedFile>,
    /// Files that no longer exist. Their images are kept.
    pub removed: Vec<String>,
    /// What was wrong with files that were used: [`engine::audio_file::Reader::warnings`].
    pub warnings: Vec<String>,
}

/// Converts the missing recordings, assigns splits, and writes the lists of pairs.
///
/// # Errors
/// If the folder has no usable recording, or the dataset's folder has another dataset or cannot
/// be written. A file that cannot be read or is silent is listed in the summary instead.
pub fn run(args: &Args) -> Result<Summary> {
    let settings = settings(args)?;
    let found = source_files::find(&args.folder)?;
    let mut description = RecordingsDescription::resume(&args.out, settings)?;
    // A file that cannot be read has an empty hash here, and is skipped when it is built.
    let hashes =
        found.files.par_iter().map(|source| file_hash::sha256(&source.path).unwrap_or_default());
    let hashes: Vec<String> = hashes.collect();
    let is_missing =
        |(source, sha256): &(&SourceFile, &String)| !description.has(source, sha256, &args.out);
    let missing: Vec<(&SourceFile, &String)> =
        found.files.iter().zip(&hashes).filter(is_missing).collect();
    description.skipped = found.skipped;
    let build = Build {
        out: &args.out,
        sources: &found.files,
        description: Mutex::new(description),
        warnings: Mutex::default(),
    };
    let bar = progress_bar(missing.len() as u64);
    missing.par_iter().try_for_each(|(source, sha256)| {
        let result = build.recording(source, sha256);
        bar.inc(1);
        result
    })?;
    bar.finish();
    let mut warnings = build.take_warnings();
    warnings.sort();
    let description = build.finish()?;
    let removed =
        description.recordings.iter().filter(|recording| recording.is_removed(&found.files));
    let removed: Vec<String> = removed.map(|recording| recording.file.clone()).collect();
    let skipped = description.skipped;
    if description.recordings.is_empty() {
        let reason =
            skipped.first().map_or_else(String::new, |s| format!("{}: {}", s.file, s.reason));
        return Err(Error::file(
            &args.folder,
            format!("expected a usable recording, found {reason}"),
        ));
    }
    write_pairs(args)?;
    let failed =
        skipped.iter().filter(|s| missing.iter().any(|(source, _)| source.file == s.file)).count();
    let built = missing.len() - failed;
    Ok(Summary { built, kept: found.files.len() - missing.len(), skipped, removed, warnings })
}

fn settings(args: &Args) -> Result<BuildSettings> {
    if !(args.minutes.is_finite() && args.minutes > 0.0) {
        return Err(Error::invalid("--minutes", "above 0", args.minutes));
    }
    let mel = MelConfig::default();
    Ok(BuildSettings {
        reference: args.reference,
        chunk_samples: CHUNK_SECONDS * mel.sample_rate_hz as usize,
        mel,
        frames: WindowConfig::default().frames,
        trim_top_db: TRIM_TOP_DB,
        minutes: args.minutes,
        pairs: args.pairs,
        seed: args.seed,
    })
}

fn read_options(settings: &BuildSettings) -> ReadOptions {
    let rate_hz = settings.mel.sample_rate_hz;
    // The student report uses all chunks that begin within the limit.
    let chunks =
        (settings.minutes * 60.0 * f64::from(rate_hz) / settings.chunk_samples as f64).ceil();
    ReadOptions {
        rate_hz,
        rolloff: match settings.reference {
            Reference::StreamLevel => Rolloff::Steep,
            Reference::ChunkMax => Rolloff::Librosa,
        },
        top_db: settings.trim_top_db,
        most_samples: (chunks as usize).saturating_mul(settings.chunk_samples),
    }
}

fn progress_bar(recordings: u64) -> ProgressBar {
    let style = ProgressStyle::with_template("{bar:40} {pos}/{len} recordings, {eta} left")
        .expect("a valid template");
    ProgressBar::new(recordings).with_style(style)
}

/// The state of a build, shared by all threads.
struct Build<'a> {
    out: &'a Path,
    sources: &'a [SourceFile],
    description: Mutex<RecordingsDescription>,
    warnings: Mutex<Vec<String>>,
}

impl Build<'_> {
    /// Converts one recording and adds it to the description, or adds it to the skipped files.
    fn recording(&self, source: &SourceFile, sha256: &str) -> Result<()> {
        let settings = self.with(|d| d.settings.clone());
        let excerpt = match mono::read(&source.path, &read_options(&settings)) {
            Ok(excerpt) => excerpt,
            Err(error) => {
                let reason = match error {
                    Error::File { reason, .. } => reason,
                    other => other.to_string(),
                };
                self.with(|d| d.skipped.push(SkippedFile { file: source.file.clone(), reason }));
                return Ok(());
            }
        };
        self.warn(&excerpt.warnings);
        let chunks = self.write_images(source, &settings, &excerpt)?;
        let seconds = excerpt.whole_samples as f64 / f64::from(settings.mel.sample_rate_hz);
        let mut recording = Recording {
            instrument: source.instrument.clone(),
            name: source.name.clone(),
            file: source.file.clone(),
            bytes: source.bytes,
            sha256: sha256.to_string(),
            duration_s: (1000.0 * seconds).round() / 1000.0,
            sounding_samples: [excerpt.sounding.start, excerpt.sounding.end],
            chunks,
            split: None,
        };
        let renamed = self.with(|d| {
            let renamed = d.take_renamed(&recording, self.sources);
            recording.split = renamed.as_ref().and_then(|old| old.split);
            d.insert(recording);
            d.write(self.out).map(|()| renamed)
        })?;
        renamed.map_or(Ok(()), |old| remove_images(|chunk| old.image_path(self.out, chunk), 0))
    }

    /// Writes a recording's images atomically, and removes those of a longer one with that name.
    fn write_images(
        &self,
        source: &SourceFile,
        settings: &BuildSettings,
        excerpt: &Excerpt,
    ) -> Result<usize> {
        let folder = self.out.join(&source.instrument);
        std::fs::create_dir_all(&folder).map_err(|e| Error::file(&folder, e))?;
        let path = |chunk: usize| image_path(self.out, &source.instrument, &source.name, chunk);
        let (width, height) = (settings.frames as u32, settings.mel.n_mels as u32);
        let mut imager = ChunkImager::new(
            settings.reference,
            &settings.mel,
            settings.chunk_samples,
            settings.frames,
        );
        let mut chunks = 0;
        imager.images(&excerpt.samples, |chunk, bytes| {
            let image = GrayImage::from_raw(width, height, bytes).expect("as many bytes as pixels");
            let mut png = Cursor::new(Vec::new());
            image.write_to(&mut png, ImageFormat::Png).map_err(|e| Error::file(path(chunk), e))?;
            chunks = chunk + 1;
            whole_file::write(path(chunk), png.into_inner())
        })?;
        remove_images(path, chunks)?;
        Ok(chunks)
    }

    fn with<T>(&self, access: impl FnOnce(&mut RecordingsDescription) -> T) -> T {
        access(&mut self.description.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn warn(&self, warnings: &[String]) {
        let mut all = self.warnings.lock().unwrap_or_else(PoisonError::into_inner);
        all.extend_from_slice(warnings);
    }

    fn take_warnings(&self) -> Vec<String> {
        let mut all = self.warnings.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut *all)
    }

    /// Assigns splits and writes the description for the last time.
    fn finish(self) -> Result<RecordingsDescription> {
        let mut description = self.description.into_inner().unwrap_or_else(PoisonError::into_inner);
        description.skipped.sort_by(|a, b| a.file.cmp(&b.file));
        splits::assign(&mut description.recordings, description.settings.seed);
        description.write(self.out)?;
        Ok(description)
    }
}

/// Removes a recording's images from chunk `from` on.
fn remove_images(path: impl Fn(usize) -> PathBuf, from: usize) -> Result<()> {
    let mut stale = (from..).map(path).take_while(|path| path.exists());
    stale.try_for_each(|path| std::fs::remove_file(&path).map_err(|e| Error::file(&path, e)))
}

/// Writes the list of pairs of every split.
fn write_pairs(args: &Args) -> Result<()> {
    let dataset = RecordingDataset::open(&args.out)?;
    for split in Split::ALL {
        let pairs = label_pairs::draw(&dataset, split, args.pairs, args.seed);
        label_pairs::write(&pairs, &label_pairs::path(&args.out, split))?;
    }
    println!("{}", dataset.summary());
    Ok(())
}

impl Summary {
    /// The counts, then one line for each skipped or removed file and for each warning.
    pub fn lines(&self) -> Vec<String> {
        let counts = format!(
            "{} recordings built, {} kept, {} skipped",
            self.built,
            self.kept,
            self.skipped.len()
        );
        let skipped = self.skipped.iter().map(|s| format!("skipped {}: {}", s.file, s.reason));
        let removed =
            self.removed.iter().map(|file| format!("{file} was removed; kept its images"));
        let warnings = self.warnings.iter().map(|warning| format!("warning: {warning}"));
        std::iter::once(counts).chain(skipped).chain(removed).chain(warnings).collect()
    }
}
