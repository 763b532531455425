//! Controls that the audio thread applies to samples. Settings of windows are separate.

/// Gains, limiter and bypass of a stream. Changes take effect with a short ramp.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Controls {
    /// Linear gain of the main input. The sidechain has none.
    pub input_gain: f32,
    /// Linear gain of the output, dry and wet.
    pub output_gain: f32,
    /// Whether true peaks of the output are limited. Only for a stream with a limiter.
    pub limiter: bool,
    /// Whether the output is the delayed input, without any gain or limiter.
    pub bypass: bool,
}

impl Default for Controls {
    fn default() -> Self {
        Self { input_gain: 1.0, output_gain: 1.0, limiter: false, bypass: false }
    }
}
