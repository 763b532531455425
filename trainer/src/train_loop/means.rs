//! Means of losses and rates between two lines of the log.

use std::collections::BTreeMap;
use std::time::Instant;

use anyhow::Result;
use serde_json::{Value, json};

use crate::losses::Losses;
use crate::optim::optimizer::StepReport;

/// Sums since the last line of the log.
pub struct Means {
    steps: u64,
    total: f64,
    gradient_norm: f64,
    skipped: u64,
    terms: BTreeMap<&'static str, (f64, u64)>,
    /// Seconds of training steps, and the last start of the clock.
    clock: (f64, Instant),
}

impl Default for Means {
    fn default() -> Self {
        let clock = (0.0, Instant::now());
        Self { steps: 0, total: 0.0, gradient_norm: 0.0, skipped: 0, terms: BTreeMap::new(), clock }
    }
}

impl Means {
    /// Adds one step.
    ///
    /// # Errors
    /// If a loss is not a scalar.
    pub fn add(&mut self, losses: &Losses, report: &StepReport) -> Result<()> {
        let scalar = |tensor: &candle_core::Tensor| tensor.to_scalar::<f32>().map(f64::from);
        self.total += losses.total().map_or(Ok(0.0), scalar)?;
        for (name, term) in losses.terms() {
            let (sum, count) = self.terms.entry(name).or_default();
            *sum += scalar(term)?;
            *count += 1;
        }
        self.gradient_norm += report.gradient_norm;
        self.skipped += u64::from(!report.applied);
        self.steps += 1;
        self.clock.0 += self.clock.1.elapsed().as_secs_f64();
        self.restart_clock();
        Ok(())
    }

    /// Excludes the time since the last step.
    pub fn restart_clock(&mut self) {
        self.clock.1 = Instant::now();
    }

    /// Returns the means as JSON and starts again.
    pub fn take(&mut self) -> Value {
        let means = std::mem::take(self);
        let steps = means.steps.max(1) as f64;
        let terms: BTreeMap<_, _> =
            means.terms.iter().map(|(name, (sum, count))| (*name, sum / *count as f64)).collect();
        json!({
            "loss": means.total / steps,
            "terms": terms,
            "gradient_norm": means.gradient_norm / steps,
            "skipped": means.skipped,
            "steps_per_second": steps / means.clock.0.max(1e-9),
        })
    }
}
