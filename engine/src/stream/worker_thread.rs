//! The thread that computes: parked while there is nothing to do, called off between two stages, joined.

use std::sync::Arc;
use std::sync::atomic::Ordering::Release;
use std::thread::{self, JoinHandle, Thread};

use rtrb::{Consumer, Producer};

use super::chunk::Parcel;
use super::runner::Runner;
use super::shared::Status;
use crate::cancel::Cancel;
use crate::{Error, Result};

/// The worker. Dropping it stops it.
#[derive(Debug)]
pub struct WorkerThread {
    handle: Option<JoinHandle<()>>,
    cancel: Cancel,
    status: Arc<Status>,
}

impl WorkerThread {
    /// Starts a thread that takes parcels from `jobs` and puts them into `results` (which has room for all).
    pub(super) fn spawn(
        runner: Runner,
        jobs: Consumer<Parcel>,
        results: Producer<Parcel>,
        cancel: Cancel,
        status: Arc<Status>,
    ) -> Result<Self> {
        status.worker_alive.store(true, Release);
        let (stop, alive) = (cancel.clone(), Arc::clone(&status));
        let handle = thread::Builder::new()
            .name("luthier worker".into())
            .spawn(move || {
                work(runner, jobs, results, &stop);
                alive.worker_alive.store(false, Release);
            })
            .map_err(|error| Error::Compute(format!("no worker thread: {error}")))?;
        Ok(Self { handle: Some(handle), cancel, status })
    }

    /// The handle by which the audio thread wakes the worker.
    pub(super) fn thread(&self) -> Option<Thread> {
        self.handle.as_ref().map(|handle| handle.thread().clone())
    }

    /// Counters, first error and timings; may be kept by an editor.
    pub fn status(&self) -> Arc<Status> {
        Arc::clone(&self.status)
    }

    /// Calls the work off and waits for the thread: as long as one stage of the processor takes. It always waits to
    /// the end, because a host may unload our code right after.
    pub fn stop(&mut self) {
        self.cancel.cancel();
        if let Some(handle) = self.handle.take() {
            handle.thread().unpark();
            // Panics of the processor are caught before they reach the thread.
            let _ = handle.join();
        }
    }
}

impl Drop for WorkerThread {
    fn drop(&mut self) {
        self.stop();
    }
}

fn work(mut runner: Runner, mut jobs: Consumer<Parcel>, mut results: Producer<Parcel>, cancel: &Cancel) {
    while !cancel.is_cancelled() {
        match jobs.pop() {
            Ok(mut parcel) => {
                runner.run(&mut parcel);
                // There are as many places as parcels; a parcel that found none would be freed here, not there.
                let _ = results.push(parcel);
            }
            // An `unpark` since the last look makes this return at once: no wake-up is lost.
            Err(_) => thread::park(),
        }
    }
}
