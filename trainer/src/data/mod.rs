//! Data: scores (notes, and [gestures](gesture)), the soundfonts that play them, and the aligned
//! datasets made of both.
//!
//! ```text
//! compose | midi -> Score -> synth (a soundfont's program) -> decimate -> chain -> Level -> MelFrontEnd -> images
//! images -> SpectrogramDataset -> SpectrogramPairDataset -> (content, style, target)
//! ```
//!
//! A *setup* is a soundfont and a recording chain. Every piece is rendered on all its instruments
//! in two setups of a pool: the content comes from one of them, the target from one of them, and
//! the style from another piece in exactly the target's setup and instrument. So the chain belongs
//! to the style, and the target is the truth.
//!
//! [`recordings`] makes datasets of recordings instead, without a truth; [`image_set::ImageSet`] is
//! what both have in common.

pub mod biquad;
pub mod chain;
pub mod compose;
pub mod dataset;
pub mod decimate;
pub mod demo;
pub mod description;
pub mod difference;
pub mod ensemble;
pub mod file_hash;
pub mod gesture;
pub mod image_set;
pub mod imager;
pub mod instruments;
pub mod manifest;
pub mod midi;
pub mod note_name;
pub mod online_rendering;
pub mod pairs;
pub mod pitch;
pub mod random;
pub mod recolour;
pub mod recordings;
pub mod render;
pub mod renderer;
pub mod room;
pub mod sampled;
pub mod score;
pub mod sound_font;
pub mod studio;
pub mod sustain;
pub mod synth;
pub mod synthetic;
pub mod take;
pub mod toy_soundfont;
