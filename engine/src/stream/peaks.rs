//! Peak levels for meters.

/// Largest magnitudes by channel; full scale is 1. Missing channels have 0.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Peaks {
    /// The main input, before the input gain.
    pub input: [f32; 2],
    /// The sidechain.
    pub sidechain: [f32; 2],
    /// The output.
    pub output: [f32; 2],
}

/// Raises the peaks to those of one piece (channels x samples).
pub(super) fn raise(peaks: &mut [f32; 2], channels: &[Vec<f32>]) {
    for (peak, channel) in peaks.iter_mut().zip(channels) {
        *peak = channel.iter().fold(*peak, |peak, sample| peak.max(sample.abs()));
    }
}
