//! The threads that compute, shared by many streams: a bounded number, and the most urgent window
//! comes first.
//!
//! An audio thread pushes a parcel into its stream's own ring, where the pool's threads look for
//! it. It never touches the pool's lock, which only those take who compute, open or close, and it
//! does not even wake a thread, which is a call of the system's: only an offline render does.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle, Thread};
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};
use rtrb::{Consumer, Producer};

use super::chunk::Parcel;
use super::runner::Runner;
use super::shared::Status;
use crate::cancel::Cancel;
use crate::{Error, Result};

/// How often threads without work look for it while there are streams: little beside the time that
/// a window may take.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// One stream's work: its windows are computed one after another, by whichever thread is free.
pub(super) struct Lane {
    pub runner: Runner,
    pub jobs: Consumer<Parcel>,
    pub results: Producer<Parcel>,
}

impl Lane {
    /// What is taken first has the least of it; none where there is no window. Offline renders wait
    /// for those who cannot, and what is late already for what can still be in time: one late
    /// window would make all others late.
    fn urgency(&self, now: Instant) -> Option<(bool, bool, Instant)> {
        self.jobs.peek().ok().map(|parcel| (parcel.input.waited_for, parcel.due < now, parcel.due))
    }

    fn run_one(&mut self) {
        if let Ok(mut parcel) = self.jobs.pop() {
            self.runner.run(&mut parcel);
            // There are as many places as parcels; a parcel that found none would be freed here,
            // not there.
            let _ = self.results.push(parcel);
        }
    }
}

struct Entry {
    id: u64,
    /// None while a thread computes.
    lane: Option<Box<Lane>>,
}

#[derive(Default)]
struct Desk {
    lanes: Mutex<Vec<Entry>>,
    /// A lane has come back from a thread.
    returned: Condvar,
    stop: AtomicBool,
    last_id: AtomicU64,
}

impl Desk {
    /// The lane whose window is the most urgent: of those that can still be in time, the one that
    /// is due first.
    fn take(&self) -> Option<(u64, Box<Lane>)> {
        let mut lanes = self.lanes.lock();
        let now = Instant::now();
        let urgency = |entry: &Entry| entry.lane.as_ref().and_then(|lane| lane.urgency(now));
        let first = lanes
            .iter_mut()
            .filter_map(|entry| Some((urgency(entry)?, entry)))
            .min_by_key(|(urgency, _)| *urgency);
        let (_, entry) = first?;
        entry.lane.take().map(|lane| (entry.id, lane))
    }

    fn give_back(&self, id: u64, lane: Box<Lane>) {
        let mut lanes = self.lanes.lock();
        if let Some(entry) = lanes.iter_mut().find(|entry| entry.id == id) {
            entry.lane = Some(lane);
        }
        self.returned.notify_all();
    }

    fn is_empty(&self) -> bool {
        self.lanes.lock().is_empty()
    }

    /// Takes a lane out for good, waiting until no thread has it.
    fn close(&self, id: u64) -> Option<Box<Lane>> {
        let mut lanes = self.lanes.lock();
        loop {
            let place = lanes.iter().position(|entry| entry.id == id)?;
            if lanes[place].lane.is_some() {
                return lanes.swap_remove(place).lane;
            }
            self.returned.wait(&mut lanes);
        }
    }
}

/// Threads that compute windows. Dropping it ends and joins them; streams that are still open get
/// nothing more.
pub struct Pool {
    desk: Arc<Desk>,
    threads: Vec<JoinHandle<()>>,
    waker: Waker,
}

impl Pool {
    /// Starts `threads` threads, at least one.
    ///
    /// # Errors
    /// If the system gives no thread.
    pub fn new(threads: usize) -> Result<Self> {
        let desk = Arc::new(Desk::default());
        let mut pool = Self { desk, threads: Vec::new(), waker: Waker(Arc::new([])) };
        for _ in 0..threads.max(1) {
            let desk = Arc::clone(&pool.desk);
            let thread =
                thread::Builder::new().name("luthier worker".into()).spawn(move || work(&desk));
            pool.threads.push(
                thread.map_err(|error| Error::Compute(format!("no worker thread: {error}")))?,
            );
        }
        pool.waker = Waker(pool.threads.iter().map(|thread| thread.thread().clone()).collect());
        Ok(pool)
    }

    /// Adds a stream.
    pub(super) fn add(self: &Arc<Self>, lane: Lane, cancel: Cancel, status: Arc<Status>) -> Work {
        let id = self.desk.last_id.fetch_add(1, Ordering::Relaxed);
        status.worker_alive.store(true, Ordering::Release);
        self.desk.lanes.lock().push(Entry { id, lane: Some(Box::new(lane)) });
        self.waker.wake();
        Work { pool: Arc::clone(self), id, cancel, status }
    }

    /// What wakes the threads.
    pub(super) fn waker(&self) -> Waker {
        self.waker.clone()
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.desk.stop.store(true, Ordering::Release);
        self.waker.wake();
        for thread in self.threads.drain(..) {
            // Panics of processors are caught before they reach the thread.
            let _ = thread.join();
        }
    }
}

/// Wakes a pool's threads: a call of the system's, so not for audio threads that play in real time.
#[derive(Clone, Debug)]
pub(super) struct Waker(Arc<[Thread]>);

impl Waker {
    /// Something has come.
    pub fn wake(&self) {
        self.0.iter().for_each(Thread::unpark);
    }
}

/// A stream's work on a pool. Dropping it calls the work off.
pub struct Work {
    pool: Arc<Pool>,
    id: u64,
    cancel: Cancel,
    status: Arc<Status>,
}

impl Work {
    /// Counters, first error and timings; may be kept by an editor.
    pub fn status(&self) -> Arc<Status> {
        Arc::clone(&self.status)
    }

    /// Calls the work off and waits until no thread is at it: as long as one stage of the processor
    /// takes. It always waits to the end, because a host may unload our code right after.
    pub fn stop(&mut self) {
        self.cancel.cancel();
        drop(self.pool.desk.close(self.id));
        self.status.worker_alive.store(false, Ordering::Release);
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        self.stop();
    }
}

impl std::fmt::Debug for Work {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        f.debug_struct("Work").field("id", &self.id).finish_non_exhaustive()
    }
}

fn work(desk: &Desk) {
    while !desk.stop.load(Ordering::Acquire) {
        match desk.take() {
            Some((id, mut lane)) => {
                lane.run_one();
                desk.give_back(id, lane);
            }
            // A wake-up since the last look makes both return at once: none is lost.
            None if desk.is_empty() => thread::park(),
            None => thread::park_timeout(LOOK_EVERY),
        }
    }
}
