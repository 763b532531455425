//! What all instances of one process share. The first one opens it, the last one closes it: nothing
//! of ours runs when a host unloads the plugin.

use std::sync::{Arc, Weak};

use engine::dsp::resample;
use engine::stream::Pool;
use engine::{Error, Result};
use parking_lot::Mutex;

use crate::gpu::Gpu;
use crate::loader::{Loader, LoaderHandle};
use crate::registry::Registry;

/// More threads than this are of no use: windows of one stream follow each other.
const MAX_THREADS: usize = 8;

/// The threads and the models.
pub struct SharedResources {
    loader: Loader,
    registry: Arc<Registry>,
    /// None where the system gave no thread.
    pool: Option<Arc<Pool>>,
    /// The last to go: what reads files resamples them.
    _idle: IdleResamplers,
}

/// Resamplers that wait to be used again, until nobody is there.
struct IdleResamplers;

impl Drop for IdleResamplers {
    fn drop(&mut self) {
        resample::forget_idle();
    }
}

impl SharedResources {
    /// The process's shared_resources; opens it for the first instance. Instances hold it, and nobody else.
    pub fn enter() -> Arc<Self> {
        static OPEN: Mutex<Weak<SharedResources>> = Mutex::new(Weak::new());
        let mut open = OPEN.lock();
        open.upgrade().unwrap_or_else(|| {
            let pool = Pool::new(threads()).ok().map(Arc::new);
            let shared_resources = Arc::new(Self {
                loader: Loader::spawn(),
                registry: Arc::default(),
                pool,
                _idle: IdleResamplers,
            });
            *open = Arc::downgrade(&shared_resources);
            shared_resources
        })
    }

    /// The threads that compute, for all instances.
    ///
    /// # Errors
    /// If the system gave none.
    pub fn pool(&self) -> Result<&Arc<Pool>> {
        self.pool.as_ref().ok_or_else(|| Error::Compute("the system gives no thread".into()))
    }

    /// Where a model's networks run, as the editor says it.
    pub fn device(gpu: &Gpu) -> String {
        if gpu.plays() {
            return "CUDA".into();
        }
        let without = if gpu.trouble().is_empty() { "" } else { ", not CUDA" };
        match threads() {
            1 => format!("CPU, 1 thread{without}"),
            threads => format!("CPU, {threads} threads{without}"),
        }
    }

    /// Sends tasks to the thread that reads files.
    pub fn loader(&self) -> LoaderHandle {
        self.loader.handle()
    }

    /// The models in memory.
    pub fn registry(&self) -> Arc<Registry> {
        Arc::clone(&self.registry)
    }
}

/// One for each core: they compute in bursts, and the system lets a host's audio threads go first.
fn threads() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get).min(MAX_THREADS)
}
