//! Creates the batch of the next step while the current step is trained.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use anyhow::{Context, Result, anyhow};
use rayon::{ThreadPool, ThreadPoolBuilder};

use super::batch::Batch;
use super::data_loader::DataLoader;

/// A data loader on a thread of its own. Its batches are equal to those of [`DataLoader`].
pub struct Prefetcher {
    loader: Arc<Mutex<DataLoader>>,
    /// A pool of its own. In the global pool, training tasks would wait for tasks of the loader.
    threads: Arc<ThreadPool>,
    steps: u64,
    /// The step in preparation.
    next: Option<(u64, JoinHandle<Result<Batch>>)>,
}

impl Prefetcher {
    /// For a run of `steps` steps.
    ///
    /// # Errors
    /// If the threads cannot be started.
    pub fn new(loader: DataLoader, steps: u64) -> Result<Self> {
        let threads = ThreadPoolBuilder::new().num_threads(rayon::current_num_threads()).build();
        let threads = Arc::new(threads.context("threads of the data loader")?);
        Ok(Self { loader: Arc::new(Mutex::new(loader)), threads, steps, next: None })
    }

    /// The batch of a step. It starts the preparation of the next one.
    ///
    /// # Errors
    /// As [`DataLoader::batch_for_step`].
    pub fn batch_for_step(&mut self, step: u64) -> Result<Batch> {
        let current = match self.next.take() {
            Some((number, batch)) if number == step => batch,
            _ => self.start(step),
        };
        let batch = current
            .join()
            .unwrap_or_else(|_| Err(anyhow!("the thread of the data loader panicked")))?;
        if step + 1 < self.steps {
            self.next = Some((step + 1, self.start(step + 1)));
        }
        Ok(batch)
    }

    /// The data loader, after the step in preparation.
    pub fn loader(&self) -> MutexGuard<'_, DataLoader> {
        lock(&self.loader)
    }

    fn start(&self, step: u64) -> JoinHandle<Result<Batch>> {
        let (loader, threads) = (Arc::clone(&self.loader), Arc::clone(&self.threads));
        thread::spawn(move || threads.install(|| lock(&loader).batch_for_step(step)))
    }
}

/// Locks the loader. A panic in its thread was printed, and leaves the loader in a valid state.
fn lock(loader: &Mutex<DataLoader>) -> MutexGuard<'_, DataLoader> {
    loader.lock().unwrap_or_else(PoisonError::into_inner)
}
