//! What turns gradients into better weights.
//!
//! Everything here takes the trained variables as a list *sorted by name*, so that norms are summed
//! in the same order in every run and a saved state finds its tensors again.

pub mod adamw;
pub mod clip;
mod config;
pub mod ema;
mod in_place;
pub mod muon;
pub mod plateau;
pub mod schedule;
mod slot;
mod update;
pub mod warmup_cosine;

use candle_core::Var;

pub use adamw::AdamW;
pub use config::{AdamWConfig, MUON_SIDE};
pub use ema::Ema;
pub use plateau::{Plateau, PlateauConfig};
pub use schedule::{Schedule, ScheduleConfig};
pub use warmup_cosine::WarmupCosine;

/// Trained variables with their names, sorted by name, no name twice.
pub type Parameters = Vec<(String, Var)>;

/// Sorts variables by name.
///
/// # Errors
/// If a name comes twice.
pub fn sorted(mut parameters: Parameters) -> anyhow::Result<Parameters> {
    parameters.sort_by(|a, b| a.0.cmp(&b.0));
    if let Some(pair) = parameters.windows(2).find(|pair| pair[0].0 == pair[1].0) {
        anyhow::bail!("trained variables: expected every name once, found `{}` twice", pair[0].0);
    }
    Ok(parameters)
}
