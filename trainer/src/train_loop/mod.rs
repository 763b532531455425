//! A training run: steps, validation, log, checkpoints, exact resume.
//!
//! All random numbers of step `n` are from a generator with the key `(seed, n)`. So a resumed run
//! has the same weights as one without interruption, to the bit on one device.

pub mod console;
pub mod curves;
pub mod folder;
mod means;
pub mod options;
mod run;
pub mod shards;
pub mod state;
pub mod stop;
pub mod summary;
pub mod task;

use anyhow::Result;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use crate::config::RunConfig;
pub use options::Options;
use run::Run;
use stop::Stop;
pub use summary::Summary;
pub use task::{Metrics, Record, Task};

/// The random generator of one step.
pub fn step_rng(seed: u64, step: u64) -> ChaCha8Rng {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(step);
    rng
}

/// Trains `task` until its last step or a reason to stop.
///
/// # Errors
/// If the run folder cannot be used, a step fails, or the training diverges.
pub fn train(task: &mut dyn Task, config: &RunConfig, options: &Options) -> Result<Summary> {
    let mut run = Run::start(task, config, options)?;
    let stop = Stop::new(&options.out, options.minutes);
    let mut stopped = None;
    while run.done() < config.steps {
        run.step(task)?;
        let done = run.done();
        let last = done == config.steps;
        let due = |every: u64| every > 0 && (done % every == 0 || last);
        stopped = if last { None } else { stop.reason() };
        if due(config.every.log) {
            run.log(&stop)?;
        }
        let (validate, panels) = (due(config.every.validate), due(config.every.panels));
        let save = due(config.every.checkpoint) || last || stopped.is_some();
        if validate || panels || save {
            run.averaged(task, validate, panels, save)?;
        }
        if save {
            run.save_state(task)?;
        }
        if stopped.is_some() {
            break;
        }
    }
    Ok(run.finish(stopped))
}
