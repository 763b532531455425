//! Makes the next step's batch while this step's is trained on: whatever a step leaves of the cores
//! is used.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use anyhow::{Context, Result, anyhow};
use rayon::{ThreadPool, ThreadPoolBuilder};

use super::batches::{Batches, Drawn};

/// Batches, one step ahead. What comes out is what [`Batches`] makes of the steps in order.
pub struct Ahead {
    batches: Arc<Mutex<Batches>>,
    /// Its own: in the trainer's, the training's tasks would wait for all of a batch.
    threads: Arc<ThreadPool>,
    steps: u64,
    /// The step that is being drawn.
    next: Option<(u64, JoinHandle<Result<Drawn>>)>,
}

impl Ahead {
    /// For a run of so many steps.
    pub fn new(batches: Batches, steps: u64) -> Result<Self> {
        let threads = ThreadPoolBuilder::new().num_threads(rayon::current_num_threads()).build();
        let threads = Arc::new(threads.context("threads for batches")?);
        Ok(Self { batches: Arc::new(Mutex::new(batches)), threads, steps, next: None })
    }

    /// What a step is trained on. The next one's is begun.
    pub fn batch_for_step(&mut self, step: u64) -> Result<Drawn> {
        let drawn = match self.next.take() {
            Some((number, drawn)) if number == step => drawn,
            _ => self.begin(step),
        };
        let drawn = drawn
            .join()
            .unwrap_or_else(|_| Err(anyhow!("the thread that makes batches is lost")))?;
        if step + 1 < self.steps {
            self.next = Some((step + 1, self.begin(step + 1)));
        }
        Ok(drawn)
    }

    /// What makes them; waits for the step that is being drawn.
    pub fn batches(&self) -> MutexGuard<'_, Batches> {
        locked(&self.batches)
    }

    fn begin(&self, step: u64) -> JoinHandle<Result<Drawn>> {
        let (batches, threads) = (Arc::clone(&self.batches), Arc::clone(&self.threads));
        thread::spawn(move || threads.install(|| locked(&batches).batch_for_step(step)))
    }
}

/// A thread that panicked has told so itself; what it left is whole, for batches are kept nowhere.
fn locked(batches: &Mutex<Batches>) -> MutexGuard<'_, Batches> {
    batches.lock().unwrap_or_else(PoisonError::into_inner)
}
