//! Linear warm-up, then half a cosine down (Loshchilov and Hutter 2017, without restarts).

use serde::{Deserialize, Serialize};

/// A learning rate that only depends on the step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WarmupCosine {
    /// The maximum rate.
    pub peak: f64,
    /// The last rate as a share of the peak.
    pub floor: f64,
    /// Number of steps up to the peak.
    pub warmup_steps: u64,
    /// Number of steps up to the floor.
    pub total_steps: u64,
}

impl WarmupCosine {
    /// The rate of step `step`, counted from 0.
    pub fn factor(&self, step: u64) -> f64 {
        let warmup = warmup(step, self.warmup_steps);
        if warmup < 1.0 {
            return self.peak * warmup;
        }
        let length = self.total_steps.saturating_sub(self.warmup_steps).max(1);
        let done = ((step - self.warmup_steps.min(step)) as f64 / length as f64).min(1.0);
        let cosine = 0.5 * (1.0 + (std::f64::consts::PI * done).cos());
        self.peak * (self.floor + (1.0 - self.floor) * cosine)
    }
}

/// The share of the full rate at `step`: `1/n`, `2/n`, up to 1.
pub fn warmup(step: u64, warmup_steps: u64) -> f64 {
    ((step + 1) as f64 / warmup_steps.max(1) as f64).min(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rises_to_the_peak_and_falls_to_the_floor() {
        let schedule = WarmupCosine { peak: 1.0, floor: 0.1, warmup_steps: 10, total_steps: 110 };
        assert!((schedule.factor(0) - 0.1).abs() < 1e-12);
        assert!((schedule.factor(9) - 1.0).abs() < 1e-12);
        assert!((schedule.factor(60) - 0.55).abs() < 1e-12);
        assert!((schedule.factor(110) - 0.1).abs() < 1e-12);
        assert!((schedule.factor(10_000) - 0.1).abs() < 1e-12);
        assert!((10..110).all(|step| schedule.factor(step + 1) < schedule.factor(step)));
    }
}
