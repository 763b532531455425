//! A setup of the pool after it was rendered again.

use super::setup::Setup;

/// The new content of one setup.
pub struct RerenderedSetup {
    /// Index of the setup.
    pub index: usize,
    /// Its new programs and recording chain.
    pub setup: Setup,
    /// The training pieces with this setup, by index, each with its images by instrument.
    pub pieces: Vec<(usize, Vec<Vec<u8>>)>,
}
