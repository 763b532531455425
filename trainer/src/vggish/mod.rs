//! VGGish (Hershey et al. 2017, *CNN architectures for large-scale audio classification*): the
//! network that the reports' perceptual and style losses listen through.
//!
//! It was trained on log-mel examples of its own: 0.96 s of sound at 16 kHz are 96 frames of 64
//! bands. [`front_end`] makes them of audio; [`from_our_mel`] makes them, nearly and with a
//! gradient, of the images that our models read and write. The published weights are not ours to
//! ship; [`convert`] brings torchvggish's file into our format.

pub mod convert;
pub mod from_our_mel;
pub mod front_end;
pub mod network;
pub mod pth;

pub use from_our_mel::FromOurMel;
pub use front_end::FrontEnd;
pub use network::Vggish;

/// Samples a second of the audio that VGGish hears.
pub const RATE_HZ: u32 = 16_000;
/// Frames of an example.
pub const FRAMES: usize = 96;
/// Mel bands of an example.
pub const BANDS: usize = 64;
