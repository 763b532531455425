//! The threads and models that all instances of one process share.
//!
//! The first instance creates them and the last one drops them. So no thread of the plugin runs
//! when a host unloads it.

use std::sync::{Arc, Weak};

use engine::dsp::resample;
use engine::stream::Pool;
use engine::{Error, Result};
use parking_lot::Mutex;

use crate::gpu::Gpu;
use crate::loader::{Loader, LoaderHandle};
use crate::registry::Registry;

/// Maximum number of workers. The windows of one stream are computed in order, so more workers
/// would not help.
const MAX_THREADS: usize = 8;

/// The shared threads and models.
pub struct SharedResources {
    loader: Loader,
    registry: Arc<Registry>,
    /// `None` if the system could not start a thread.
    pool: Option<Arc<Pool>>,
    /// Declared last, because fields are dropped in order and the loader uses resamplers.
    _idle: IdleResamplers,
}

/// Frees the unused resamplers when it is dropped.
struct IdleResamplers;

impl Drop for IdleResamplers {
    fn drop(&mut self) {
        resample::forget_idle();
    }
}

impl SharedResources {
    /// The shared resources of the process. The first instance creates them. Only instances may
    /// hold the returned `Arc`.
    pub fn open() -> Arc<Self> {
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

    /// The worker pool of all instances.
    ///
    /// # Errors
    /// If the system could not start a thread.
    pub fn pool(&self) -> Result<&Arc<Pool>> {
        self.pool.as_ref().ok_or_else(|| Error::Compute("the system cannot start a thread".into()))
    }

    /// The device on which a model runs, as the editor displays it.
    pub fn device(gpu: &Gpu) -> String {
        if gpu.is_in_use() {
            return "CUDA".into();
        }
        let without = if gpu.problem().is_empty() { "" } else { ", not CUDA" };
        match threads() {
            1 => format!("CPU, 1 thread{without}"),
            threads => format!("CPU, {threads} threads{without}"),
        }
    }

    /// A handle that sends tasks to the loader.
    pub fn loader(&self) -> LoaderHandle {
        self.loader.handle()
    }

    /// The models in memory.
    pub fn registry(&self) -> Arc<Registry> {
        Arc::clone(&self.registry)
    }
}

/// One worker for each core, at most [`MAX_THREADS`]. No core is left to the host, because the
/// system schedules audio threads first. See `docs/decisions/023-worker-per-core.md`.
fn threads() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get).min(MAX_THREADS)
}
