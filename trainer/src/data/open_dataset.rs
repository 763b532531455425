//! Opens a dataset folder of either kind.

use std::path::Path;

use engine::Result;

use super::dataset::{ImageSet, SpectrogramDataset};
use super::recordings::dataset::RecordingDataset;
use super::recordings::description::RecordingsDescription;

/// Opens a folder that `trainer render` or `trainer build-dataset` wrote.
///
/// # Errors
/// As [`SpectrogramDataset::open`] and [`RecordingDataset::open`].
pub fn open_dataset(folder: &Path) -> Result<Box<dyn ImageSet>> {
    if RecordingsDescription::describes(folder) {
        return Ok(Box::new(RecordingDataset::open(folder)?));
    }
    Ok(Box::new(SpectrogramDataset::open(folder)?))
}
