//! Training data: scores, soundfonts, augmentation, rendered datasets and recordings.
//!
//! ```text
//! compose | midi -> Score -> soundfont program -> recording chain -> level -> mel images
//! images -> SpectrogramDataset -> SpectrogramPairDataset -> (content, style, target)
//! ```
//!
//! A *setup* is a soundfont with one program for each instrument and one recording chain.
//! Every piece is rendered on its instruments in two setups.
//! The content is from either setup, the target from one of them.
//! The style is another piece in the target's setup and instrument.
//! So the recording chain is part of the style, and the target is a true reference.
//!
//! [`recordings`] builds datasets from recordings, which have no true target.
//! [`dataset::ImageSet`] is the interface that both kinds share.

pub mod augment;
pub mod dataset;
pub mod decibels;
pub mod difference;
pub mod file_hash;
pub mod open_dataset;
pub mod random;
pub mod recordings;
pub mod score;
pub mod soundfont;
pub mod source_files;

pub use open_dataset::open_dataset;
