//! Learning rate that falls when validation stops improving: torch's `ReduceLROnPlateau` in mode
//! `min`.

use serde::{Deserialize, Serialize};

/// When and how far the rate falls.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlateauConfig {
    /// The rate is multiplied by this.
    pub factor: f64,
    /// Validations without improvement that are let pass.
    pub patience: u64,
    /// The rate never falls below this.
    pub min_learning_rate: f64,
    /// An improvement is a metric below `best * (1 - threshold)`.
    pub threshold: f64,
}

impl Default for PlateauConfig {
    fn default() -> Self {
        Self { factor: 0.5, patience: 10, min_learning_rate: 1e-6, threshold: 1e-4 }
    }
}

/// The state of the rule.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plateau {
    learning_rate: f64,
    /// Where it began; none in states of before, which do not say.
    #[serde(default)]
    began_at: Option<f64>,
    /// None before the first validation (JSON has no infinity).
    best: Option<f64>,
    bad: u64,
}

impl Plateau {
    /// Starts at `learning_rate`.
    pub fn new(learning_rate: f64) -> Self {
        Self { learning_rate, began_at: Some(learning_rate), best: None, bad: 0 }
    }

    /// The same falls from another rate.
    pub fn from_rate(self, learning_rate: f64) -> Self {
        match self.began_at {
            // By the same rate nothing is computed: a resumed run has it to the bit.
            Some(began_at) if began_at != learning_rate => {
                let fallen_to = learning_rate * (self.learning_rate / began_at);
                Self { learning_rate: fallen_to, began_at: Some(learning_rate), ..self }
            }
            _ => self,
        }
    }

    /// The rate now.
    pub fn learning_rate(&self) -> f64 {
        self.learning_rate
    }

    /// Takes a validation metric (less is better). One that is not a number counts as no
    /// improvement.
    pub fn observe(&mut self, config: &PlateauConfig, metric: f64) {
        if self.best.is_none_or(|best| metric < best * (1.0 - config.threshold))
            && metric.is_finite()
        {
            self.best = Some(metric);
            self.bad = 0;
        } else {
            self.bad += 1;
        }
        if self.bad > config.patience {
            self.bad = 0;
            let lower = (self.learning_rate * config.factor).max(config.min_learning_rate);
            // torch's `eps`: a fall that is too small to matter is not made.
            if self.learning_rate - lower > 1e-8 {
                self.learning_rate = lower;
            }
        }
    }
}
