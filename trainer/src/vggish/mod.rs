//! VGGish (Hershey et al. 2017, *CNN architectures for large-scale audio classification*): the
//! feature network of the reports' perceptual and style losses.
//!
//! VGGish has log-mel examples of its own: 96 frames of 64 bands from 0.96 s of audio at 16 kHz.
//! [`front_end`] computes them from audio. [`from_our_mel`] approximates them from our models'
//! images, with a gradient. The repository does not contain the published weights; [`convert`]
//! converts torchvggish's file to our format.

pub mod convert;
pub mod from_our_mel;
pub mod front_end;
pub mod network;
pub mod pth;

pub use from_our_mel::FromOurMel;
pub use front_end::FrontEnd;
pub use network::Vggish;

/// Sample rate of VGGish's audio.
pub const RATE_HZ: u32 = 16_000;
/// Frames of an example.
pub const FRAMES: usize = 96;
/// Mel bands of an example.
pub const BANDS: usize = 64;
