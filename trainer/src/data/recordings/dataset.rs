//! Recordings' images, in memory.

use std::path::Path;

use engine::config::{MelConfig, WindowConfig};
use engine::{Error, Result};
use image::{DynamicImage, ImageReader};
use rayon::prelude::*;

use super::description::{Recording, RecordingsDescription};
use crate::data::dataset::{ImageRef, Track};
use crate::data::description::{DESCRIPTION_FILE, Split};
use crate::data::image_set::ImageSet;

/// A folder that `trainer build-dataset` made.
pub struct RecordingDataset {
    /// What it was made of.
    pub description: RecordingsDescription,
    instruments: Vec<String>,
    window: WindowConfig,
    /// By recording.
    tracks: Vec<Track>,
}

impl RecordingDataset {
    /// Reads a whole dataset (16 KiB an image) that was built to the end.
    ///
    /// # Errors
    /// If the description or an image is missing, damaged or of another size.
    pub fn open(folder: &Path) -> Result<Self> {
        let description = RecordingsDescription::read(folder)?;
        if let Some(recording) = description.recordings.iter().find(|r| r.split.is_none()) {
            return Err(Error::file(
                folder.join(DESCRIPTION_FILE),
                format!(
                    "expected a whole dataset, found {} without a side; run `trainer build-dataset` to the end",
                    recording.file
                ),
            ));
        }
        let size = [description.settings.mel.n_mels, description.settings.frames];
        let read = |recording: &Recording| read_recording(recording, folder, size);
        let tracks = description.recordings.par_iter().map(read).collect::<Result<_>>()?;
        // Chunks follow each other without overlap. How far windows move is for playing: a model's
        // file carries it.
        let window = WindowConfig { frames: size[1], ..WindowConfig::default() };
        Ok(Self { instruments: description.instruments(), window, description, tracks })
    }

    /// How much there is of each instrument on each side, a line each, and where something is
    /// missing.
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
                "{instrument}: {train} + {validation} + {test} recordings (train + validation + test), {chunks} chunks"
            ));
            if validation == 0 || test == 0 {
                lines.push(format!(
                    "{instrument}: expected three recordings or more, one for each side"
                ));
            }
        }
        lines.join("\n")
    }

    /// One image, by its recording's index in the description.
    ///
    /// # Panics
    /// If there is no such recording.
    pub fn image_ref(&self, recording: usize, chunk: usize) -> ImageRef {
        let name = &self.description.recordings[recording].instrument;
        let instrument =
            self.instruments.iter().position(|i| i == name).expect("one of the recordings' own");
        ImageRef { piece: recording, setup: 0, instrument, chunk }
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

/// All images of a recording, each of `[n_mels, frames]`.
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
