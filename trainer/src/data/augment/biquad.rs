//! Second-order filters, from R. Bristow-Johnson's *Cookbook formulae for audio EQ biquad filter
//! coefficients*.

use std::f32::consts::TAU;

/// One section, in transposed direct form II.
#[derive(Clone, Debug)]
pub struct Biquad {
    b: [f32; 3],
    a: [f32; 2],
    state: [f32; 2],
}

impl Biquad {
    /// A peak filter: `gain_db` at `hz`, 0 dB far from it.
    pub fn bell(sample_rate_hz: f32, hz: f32, q: f32, gain_db: f32) -> Self {
        let (cos, alpha, gain) = Self::angles(sample_rate_hz, hz, q, gain_db);
        let b = [1.0 + alpha * gain, -2.0 * cos, 1.0 - alpha * gain];
        Self::normalised(b, [1.0 + alpha / gain, -2.0 * cos, 1.0 - alpha / gain])
    }

    /// A low shelf: `gain_db` far below `hz`, 0 dB far above.
    pub fn low_shelf(sample_rate_hz: f32, hz: f32, q: f32, gain_db: f32) -> Self {
        Self::shelf(sample_rate_hz, hz, q, gain_db, 1.0)
    }

    /// A high shelf: `gain_db` far above `hz`, 0 dB far below.
    pub fn high_shelf(sample_rate_hz: f32, hz: f32, q: f32, gain_db: f32) -> Self {
        Self::shelf(sample_rate_hz, hz, q, gain_db, -1.0)
    }

    /// Both shelves. They differ in the sign of the cosine and of the odd coefficients.
    fn shelf(sample_rate_hz: f32, hz: f32, q: f32, gain_db: f32, side: f32) -> Self {
        let (cos, alpha, gain) = Self::angles(sample_rate_hz, hz, q, gain_db);
        let (cos, root) = (side * cos, 2.0 * gain.sqrt() * alpha);
        let (more, less) = (gain + 1.0, gain - 1.0);
        let b = [
            gain * (more - less * cos + root),
            side * 2.0 * gain * (less - more * cos),
            gain * (more - less * cos - root),
        ];
        let a =
            [more + less * cos + root, side * -2.0 * (less + more * cos), more + less * cos - root];
        Self::normalised(b, a)
    }

    /// The cookbook's `cos w0`, `alpha` and `A`.
    fn angles(sample_rate_hz: f32, hz: f32, q: f32, gain_db: f32) -> (f32, f32, f32) {
        let w0 = TAU * (hz / sample_rate_hz).min(0.49);
        (w0.cos(), w0.sin() / (2.0 * q), 10.0f32.powf(gain_db / 40.0))
    }

    fn normalised(b: [f32; 3], a: [f32; 3]) -> Self {
        Self { b: b.map(|v| v / a[0]), a: [a[1] / a[0], a[2] / a[0]], state: [0.0; 2] }
    }

    /// Filters a signal in place and keeps the state for the next one.
    pub fn run(&mut self, signal: &mut [f32]) {
        let ([b0, b1, b2], [a1, a2], [mut s1, mut s2]) = (self.b, self.a, self.state);
        for value in signal {
            let x = *value;
            let y = b0 * x + s1;
            s1 = b1 * x - a1 * y + s2;
            s2 = b2 * x - a2 * y;
            *value = y;
        }
        self.state = [s1, s2];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gain at a frequency, measured with a sine.
    fn gain_db(filter: &Biquad, hz: f32) -> f32 {
        let mut sine: Vec<f32> =
            (0..44_100).map(|n| (TAU * hz * n as f32 / 22_050.0).sin()).collect();
        filter.clone().run(&mut sine);
        let tail = &sine[22_050..];
        10.0 * (2.0 * tail.iter().map(|v| v * v).sum::<f32>() / tail.len() as f32).log10()
    }

    #[test]
    fn a_bell_lifts_its_centre_alone() {
        let bell = Biquad::bell(22_050.0, 1000.0, 2.0, 6.0);
        assert!((gain_db(&bell, 1000.0) - 6.0).abs() < 0.1);
        assert!(gain_db(&bell, 50.0).abs() < 0.1 && gain_db(&bell, 9000.0).abs() < 0.1);
    }

    #[test]
    fn shelves_lift_their_side_alone() {
        let low = Biquad::low_shelf(22_050.0, 1000.0, 0.7, -4.0);
        assert!((gain_db(&low, 40.0) + 4.0).abs() < 0.1 && gain_db(&low, 10_000.0).abs() < 0.1);
        let high = Biquad::high_shelf(22_050.0, 1000.0, 0.7, 4.0);
        assert!((gain_db(&high, 10_000.0) - 4.0).abs() < 0.1 && gain_db(&high, 40.0).abs() < 0.1);
    }
}
