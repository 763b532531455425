//! Test signals for a stream or a plugin.

use engine::audio_file::{Audio, decode};

use crate::workspace;

/// The first seconds of the demo piece in `channels` channels of different level.
pub fn piano(seconds: f64, channels: usize) -> Audio {
    let audio = decode(workspace("presets/demo/piano.flac")).expect("the demo piece");
    let frames = (seconds * f64::from(audio.sample_rate_hz)) as usize;
    let channel =
        |c: usize| audio.channels[0][..frames].iter().map(|x| x * (1.0 - 0.3 * c as f32)).collect();
    Audio { sample_rate_hz: audio.sample_rate_hz, channels: (0..channels).map(channel).collect() }
}

/// A small seeded random generator. The tests need variety, not statistical quality.
pub struct Lcg(pub u64);

impl Lcg {
    /// The next 31 random bits.
    pub fn bits(&mut self) -> u32 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as u32
    }

    /// A random number below `n`.
    pub fn below(&mut self, n: usize) -> usize {
        self.bits() as usize % n
    }

    /// White noise at full scale.
    pub fn noise(&mut self, len: usize) -> Vec<f32> {
        (0..len).map(|_| self.bits() as f32 / (1u32 << 30) as f32 - 1.0).collect()
    }
}

/// The signal, delayed by `latency` samples.
pub fn delayed(signal: &[f32], latency: usize) -> Vec<f32> {
    (0..signal.len()).map(|n| n.checked_sub(latency).map_or(0.0, |n| signal[n])).collect()
}
