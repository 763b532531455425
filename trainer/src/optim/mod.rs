//! Optimiser, learning rate schedules and weight averaging.
//!
//! The trained variables are a list *sorted by name*. So norms are summed in the same order in
//! every run, and saved tensors match their variables.

pub mod adamw;
pub mod clip;
mod config;
pub mod ema;
mod in_place;
pub mod muon;
mod newton_schulz;
pub mod optimizer;
pub mod plateau;
pub mod schedule;
mod slot;
mod step_constants;
pub mod warmup_cosine;

use candle_core::Var;

pub use config::{MUON_SIDE, OptimizerConfig};
pub use ema::Ema;
pub use optimizer::Optimizer;
pub use plateau::{Plateau, PlateauConfig};
pub use schedule::{Schedule, ScheduleConfig};
pub use warmup_cosine::WarmupCosine;

/// Trained variables with their names, sorted by name. Names are unique.
pub type Parameters = Vec<(String, Var)>;

/// Sorts variables by name.
///
/// # Errors
/// If a name is there twice.
pub fn sorted(mut parameters: Parameters) -> anyhow::Result<Parameters> {
    parameters.sort_by(|a, b| a.0.cmp(&b.0));
    if let Some(pair) = parameters.windows(2).find(|pair| pair[0].0 == pair[1].0) {
        anyhow::bail!("trained variables: expected every name once, found `{}` twice", pair[0].0);
    }
    Ok(parameters)
}
