//! True peaks: the largest magnitudes of a signal between its samples.
//!
//! The method of ITU-R BS.1770-4, annex 2: oversampling by four, then the absolute value. The
//! filter is our own: longer and flatter than the one in the annex. One of its phases is the samples
//! themselves, so a true peak is never below the sample peak.
//!
//! ```
//! use engine::dsp::true_peak::TruePeak;
//!
//! // A sine at a quarter of the sample rate, sampled 45 degrees from its peaks.
//! let sine: Vec<f32> = (0..64).map(|n| if n % 4 < 2 { 0.7071 } else { -0.7071 }).collect();
//! assert!((TruePeak::new().max(&sine) - 1.0).abs() < 0.01);
//! ```

use std::f64::consts::PI;

use super::window::bessel_i0;

/// Points for each sample.
const OVERSAMPLING: usize = 4;
/// Length of the filter in samples. Together with `SHAPE` it is flat to 0.45 of the sample rate.
pub const TAPS: usize = 32;
/// Samples after a point that its interpolation needs.
pub const LOOK_AHEAD_SAMPLES: usize = TAPS / 2;
/// Shape of the Kaiser window: side lobes below -50 dB.
const SHAPE: f64 = 4.55;

/// An interpolator for peaks.
#[derive(Clone, Debug)]
pub struct TruePeak {
    taps: [[f32; OVERSAMPLING]; TAPS],
}

impl Default for TruePeak {
    fn default() -> Self {
        Self::new()
    }
}

impl TruePeak {
    /// Computes the filter.
    pub fn new() -> Self {
        let mut taps = [[0.0; OVERSAMPLING]; TAPS];
        for phase in 0..OVERSAMPLING {
            let centre = (TAPS / 2 - 1) as f64 + phase as f64 / OVERSAMPLING as f64;
            let column: [f64; TAPS] = std::array::from_fn(|k| tap(k as f64 - centre));
            let sum: f64 = column.iter().sum();
            for (taps, value) in taps.iter_mut().zip(column) {
                taps[phase] = (value / sum) as f32;
            }
        }
        Self { taps }
    }

    /// The largest magnitude at the four points from sample `TAPS / 2 - 1` of `window` to shortly
    /// before its successor. `window` has [`TAPS`] samples. A value that is not a number is ignored.
    pub fn at(&self, window: &[f32]) -> f32 {
        let mut points = [0.0; OVERSAMPLING];
        for (taps, &sample) in self.taps.iter().zip(window) {
            points.iter_mut().zip(taps).for_each(|(point, tap)| *point += tap * sample);
        }
        points.iter().fold(0.0, |peak: f32, point| peak.max(point.abs()))
    }

    /// The true peak of a signal that has at least [`TAPS`] samples. Leaves out the points near its
    /// ends.
    pub fn max(&self, signal: &[f32]) -> f32 {
        signal.windows(TAPS).map(|window| self.at(window)).fold(0.0, f32::max)
    }
}

/// The filter at `t` samples from its centre: a sinc in a Kaiser window.
fn tap(t: f64) -> f64 {
    if t == 0.0 {
        return 1.0;
    }
    if t.fract() == 0.0 {
        return 0.0;
    }
    let edge = t / (TAPS / 2) as f64;
    let window = bessel_i0(SHAPE * (1.0 - edge * edge).max(0.0).sqrt()) / bessel_i0(SHAPE);
    (PI * t).sin() / (PI * t) * window
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sine(frequency: f64, phase: f64) -> Vec<f32> {
        (0..4000).map(|n| (2.0 * PI * frequency * f64::from(n) + phase).sin() as f32).collect()
    }

    #[test]
    fn the_peak_of_a_sine_is_its_amplitude() {
        let meter = TruePeak::new();
        for frequency in [0.001, 0.01, 0.1, 0.123, 0.25, 0.3333, 0.4, 0.44] {
            for phase in [0.0, 0.4, PI / 4.0, 1.3] {
                let db = 20.0 * meter.max(&sine(frequency, phase)).log10();
                // Annex 2: four points for each sample read at most 0.55 dB too little at 0.45.
                assert!((-0.55..0.1).contains(&db), "{frequency}, {phase}: {db} dB");
            }
        }
    }

    #[test]
    fn it_is_never_below_the_sample_peak() {
        let meter = TruePeak::new();
        let mut window = [0.0; TAPS];
        window[TAPS / 2 - 1] = -0.8;
        assert_eq!(meter.at(&window), 0.8);
        assert_eq!(meter.at(&[0.0; TAPS]), 0.0);
        assert!((meter.at(&[0.5; TAPS]) - 0.5).abs() < 1e-6);
    }

    #[test]
    fn invalid_samples_do_not_hide_a_peak() {
        let meter = TruePeak::new();
        assert!(meter.at(&[f32::NAN; TAPS]) == 0.0);
        let mut window = [0.0; TAPS];
        window[TAPS / 2 - 1] = f32::MAX;
        assert_eq!(meter.at(&window), f32::MAX);
    }
}
