//! The images of a dataset of recordings, in memory.

use std::path::Path;

use engine::config::{MelConfig, WindowConfig};
use engine::{Error, Result};
use image::{DynamicImage, ImageReader};
use rayon::prelude::*;

use super::description::{Recording, RecordingsDescription};
use crate::data::dataset::description::DESCRIPTION_FILE;
use crate::data::dataset::track::Track;
use crate::data::dataset::{ImageRef, ImageSet, Split};

/// A folder that `trainer build-dataset` wrote.
pub struct RecordingDataset {
    /// Its settings and recordings.
    pub description: RecordingsDescription,
    /// [`ImageRef::dataset`] of the images.
    index: usize,
    instruments: Vec<String>,
    window: WindowConfig,
    /// By recording.
    tracks: Vec<Track>,
}

impl RecordingDataset {
    /// Reads a whole dataset (16 KiB for each image).
    ///
    /// # Errors
    /// If the build did not finish, or the description or an image is missing, damaged or of
    /// another size.
    pub fn open(folder: &Path) -> Result<Self> {
        let description = RecordingsDescription::read(folder)?;
        if let Some(recording) = description.recordings.iter().find(|r| r.split.is_none()) {
            return Err(Error::file(
                folder.join(DESCRIPTION_FILE),
                format!(
                    "expected a complete dataset, found {} without a split; run `trainer \
                     build-dataset` to the end",
                    recording.file
                ),
            ));
        }
        let size = [description.settings.mel.n_mels, description.settings.frames];
        let read = |recording: &Recording| read_recording(recording, folder, size);
        let tracks = description.recordings.par_iter().map(read).collect::<Result<_>>()?;
        // Chunks do not overlap. The hop only matters for inference, from the model's file.
        let window = WindowConfig { frames: size[1], ..WindowConfig::default() };
        Ok(Self { instruments: description.instruments(), window, description, index: 0, tracks })
    }

    /// The same dataset as number `index` of a training run.
    pub fn with_index(self, index: usize) -> Self {
        Self { index, ..self }
    }

    /// Recordings of each instrument in each split, one line each, and a warning for each
    /// instrument without validation or test recordings.
    pub fn summary(&self) -> String {
        let mut lines = Vec::new();
        for instrument in &self.instruments {
            let own: Vec<&Recording> = self
                .description
                .recordings
                .iter()
                .filter(|r| r.instrument == *instrument)
                .collect();
            let count = |split| own.iter().filter(|r| r.split == Some(split)).count();
            let chunks: usize = own.iter().map(|r| r.chunks).sum();
            let [train, validation, test] = Split::ALL.map(count);
            lines.push(format!(
                "{instrument}: {train} + {validation} + {test} recordings (train + validation + \
                 test), {chunks} chunks"
            ));
            if validation == 0 || test == 0 {
                lines.push(format!(
                    "{instrument}: expected at least 3 recordings, one for each split"
                ));
            }
        }
        lines.join("\n")
    }

    /// One image, by the recording's index in the description.
    ///
    /// # Panics
    /// If there is no such recording.
    pub fn image_ref(&self, recording: usize, chunk: usize) -> ImageRef {
        let name = &self.description.recordings[recording].instrument;
        let instrument =
            self.instruments.iter().position(|i| i == name).expect("one of the recordings' own");
        ImageRef { dataset: self.index, piece: recording, setup: 0, instrument, chunk }
    }
}

impl ImageSet for RecordingDataset {
    fn mel(&self) -> &MelConfig {
        &self.description.settings.mel
    }

    fn window(&self) -> &WindowConfig {
        &self.window
    }

    fn instruments(&self) -> &[String] {
        &self.instruments
    }

    fn images(&self, split: Split) -> Vec<ImageRef> {
        let recordings = self.description.recordings.iter().enumerate();
        let of_split = recordings.filter(|(_, r)| r.split == Some(split));
        of_split
            .flat_map(|(i, r)| (0..r.chunks).map(move |chunk| self.image_ref(i, chunk)))
            .collect()
    }

    fn image(&self, at: ImageRef) -> &[u8] {
        self.tracks[at.piece].image(at.chunk)
    }

    fn sounds(&self, at: ImageRef) -> bool {
        self.tracks[at.piece].sounds(at.chunk)
    }
}

/// Reads all images of a recording, each of `[n_mels, frames]`.
fn read_recording(
    recording: &Recording,
    folder: &Path,
    [n_mels, frames]: [usize; 2],
) -> Result<Track> {
    let mut bytes = Vec::with_capacity(recording.chunks * n_mels * frames);
    for chunk in 0..recording.chunks {
        let path = recording.image_path(folder, chunk);
        let refuse = |found: String| {
            let expected = format!("expected an 8-bit gray image of {frames} x {n_mels} pixels");
            Error::file(&path, format!("{expected}, found {found}"))
        };
        let image = ImageReader::open(&path)
            .map_err(|e| refuse(e.to_string()))?
            .decode()
            .map_err(|e| refuse(e.to_string()))?;
        match image {
            DynamicImage::ImageLuma8(gray)
                if (gray.width() as usize, gray.height() as usize) == (frames, n_mels) =>
            {
                bytes.extend(gray.into_raw());
            }
            other => {
                return Err(refuse(format!(
                    "{} x {} in {:?}",
                    other.width(),
                    other.height(),
                    other.color()
                )));
            }
        }
    }
    Ok(Track::new(bytes, recording.chunks))
}
