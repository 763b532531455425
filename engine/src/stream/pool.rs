//! A pool of threads that computes the windows of many streams, the most urgent window first.
//!
//! An audio thread pushes a job into its stream's ring, and the pool's threads poll the rings. The
//! audio thread does not use the pool's lock. It also wakes no thread, because that is a system
//! call: only an offline render does. See `docs/decisions/022-polling-workers.md`.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle, Thread};
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};
use rtrb::{Consumer, Producer};

use super::runner::Runner;
use super::shared::StreamStatus;
use super::window_job::WindowJob;
use crate::cancel::Cancel;
use crate::{Error, Result};

/// How often idle threads poll while there are streams. Short compared with the deadline of a
/// window.
const POLL_INTERVAL: Duration = Duration::from_millis(5);

/// One stream's windows. They are computed in order, by any free thread.
pub(super) struct StreamQueue {
    pub runner: Runner,
    pub jobs: Consumer<WindowJob>,
    pub results: Producer<WindowJob>,
}

impl StreamQueue {
    /// Scheduling key: real-time before offline, on-time before late, then the earliest deadline.
    /// `None` if no window is queued. On-time windows precede late ones, because one late window
    /// would otherwise delay all others.
    fn urgency(&self, now: Instant) -> Option<(bool, bool, Instant)> {
        self.jobs.peek().ok().map(|job| (job.input.offline, job.due < now, job.due))
    }

    fn run_one(&mut self) {
        if let Ok(mut job) = self.jobs.pop() {
            self.runner.run(&mut job);
            // The ring has a place for every job, so the push succeeds. Otherwise the job would be
            // freed on this thread.
            let _ = self.results.push(job);
        }
    }
}

struct Entry {
    id: u64,
    /// `None` while a thread computes.
    queue: Option<Box<StreamQueue>>,
}

#[derive(Default)]
struct Scheduler {
    queues: Mutex<Vec<Entry>>,
    /// Notified when a thread returns a queue.
    returned: Condvar,
    stop: AtomicBool,
    last_id: AtomicU64,
}

impl Scheduler {
    /// The queue with the most urgent window. See [`StreamQueue::urgency`].
    fn take(&self) -> Option<(u64, Box<StreamQueue>)> {
        let mut queues = self.queues.lock();
        let now = Instant::now();
        let urgency = |entry: &Entry| entry.queue.as_ref().and_then(|queue| queue.urgency(now));
        let first = queues
            .iter_mut()
            .filter_map(|entry| Some((urgency(entry)?, entry)))
            .min_by_key(|(urgency, _)| *urgency);
        let (_, entry) = first?;
        entry.queue.take().map(|queue| (entry.id, queue))
    }

    fn give_back(&self, id: u64, queue: Box<StreamQueue>) {
        let mut queues = self.queues.lock();
        if let Some(entry) = queues.iter_mut().find(|entry| entry.id == id) {
            entry.queue = Some(queue);
        }
        self.returned.notify_all();
    }

    fn is_empty(&self) -> bool {
        self.queues.lock().is_empty()
    }

    /// Removes a queue, after a thread that uses it has returned it.
    fn close(&self, id: u64) -> Option<Box<StreamQueue>> {
        let mut queues = self.queues.lock();
        loop {
            let place = queues.iter().position(|entry| entry.id == id)?;
            if queues[place].queue.is_some() {
                return queues.swap_remove(place).queue;
            }
            self.returned.wait(&mut queues);
        }
    }
}

/// Threads that compute windows. Dropping the pool ends and joins them. Open streams then receive
/// no further results.
pub struct Pool {
    scheduler: Arc<Scheduler>,
    threads: Vec<JoinHandle<()>>,
    waker: Waker,
}

impl Pool {
    /// Starts `threads` threads, at least 1.
    ///
    /// # Errors
    /// If a thread cannot be created.
    pub fn new(threads: usize) -> Result<Self> {
        let scheduler = Arc::new(Scheduler::default());
        let mut pool = Self { scheduler, threads: Vec::new(), waker: Waker(Arc::new([])) };
        for _ in 0..threads.max(1) {
            let scheduler = Arc::clone(&pool.scheduler);
            let thread = thread::Builder::new()
                .name("luthier worker".into())
                .spawn(move || work(&scheduler));
            pool.threads.push(thread.map_err(|error| {
                Error::Compute(format!("cannot create a worker thread: {error}"))
            })?);
        }
        pool.waker = Waker(pool.threads.iter().map(|thread| thread.thread().clone()).collect());
        Ok(pool)
    }

    /// Adds a stream.
    pub(super) fn add(
        self: &Arc<Self>,
        queue: StreamQueue,
        cancel: Cancel,
        status: Arc<StreamStatus>,
    ) -> WorkHandle {
        let id = self.scheduler.last_id.fetch_add(1, Ordering::Relaxed);
        status.worker_alive.store(true, Ordering::Release);
        self.scheduler.queues.lock().push(Entry { id, queue: Some(Box::new(queue)) });
        self.waker.wake();
        WorkHandle { pool: Arc::clone(self), id, cancel, status }
    }

    /// A handle that wakes the threads.
    pub(super) fn waker(&self) -> Waker {
        self.waker.clone()
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.scheduler.stop.store(true, Ordering::Release);
        self.waker.wake();
        for thread in self.threads.drain(..) {
            // Panics of processors are caught before they reach the thread.
            let _ = thread.join();
        }
    }
}

/// Wakes a pool's threads. This is a system call: not for real-time audio threads.
#[derive(Clone, Debug)]
pub(super) struct Waker(Arc<[Thread]>);

impl Waker {
    /// Wakes all threads.
    pub fn wake(&self) {
        self.0.iter().for_each(Thread::unpark);
    }
}

/// A stream's work on a pool. Dropping it cancels the work.
pub struct WorkHandle {
    pool: Arc<Pool>,
    id: u64,
    cancel: Cancel,
    status: Arc<StreamStatus>,
}

impl WorkHandle {
    /// Counters, first error and timings. An editor may keep them.
    pub fn status(&self) -> Arc<StreamStatus> {
        Arc::clone(&self.status)
    }

    /// Cancels the work and waits until no thread computes it, at most one stage of the processor.
    /// It never stops waiting earlier, because a host may unload our code next.
    pub fn stop(&mut self) {
        self.cancel.cancel();
        drop(self.pool.scheduler.close(self.id));
        self.status.worker_alive.store(false, Ordering::Release);
    }
}

impl Drop for WorkHandle {
    fn drop(&mut self) {
        self.stop();
    }
}

impl std::fmt::Debug for WorkHandle {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        f.debug_struct("WorkHandle").field("id", &self.id).finish_non_exhaustive()
    }
}

fn work(scheduler: &Scheduler) {
    while !scheduler.stop.load(Ordering::Acquire) {
        match scheduler.take() {
            Some((id, mut queue)) => {
                queue.run_one();
                scheduler.give_back(id, queue);
            }
            // A wake-up since the last poll ends both calls immediately, so none is lost.
            None if scheduler.is_empty() => thread::park(),
            None => thread::park_timeout(POLL_INTERVAL),
        }
    }
}
