//! The threads that compute, shared by many streams: a bounded number, and the most urgent window
//! comes first.
//!
//! An audio thread pushes a job into its stream's own ring, where the pool's threads look for
//! it. It never touches the pool's lock, which only those take who compute, open or close, and it
//! does not even wake a thread, which is a call of the system's: only an offline render does.

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

/// How often threads without work look for it while there are streams: little beside the time that
/// a window may take.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// One stream's work: its windows are computed one after another, by whichever thread is free.
pub(super) struct StreamQueue {
    pub runner: Runner,
    pub jobs: Consumer<WindowJob>,
    pub results: Producer<WindowJob>,
}

impl StreamQueue {
    /// What is taken first has the least of it; none where there is no window. Offline renders wait
    /// for those who cannot, and what is late already for what can still be in time: one late
    /// window would make all others late.
    fn urgency(&self, now: Instant) -> Option<(bool, bool, Instant)> {
        self.jobs.peek().ok().map(|job| (job.input.waited_for, job.due < now, job.due))
    }

    fn run_one(&mut self) {
        if let Ok(mut job) = self.jobs.pop() {
            self.runner.run(&mut job);
            // There are as many places as jobs; a job that found none would be freed here,
            // not there.
            let _ = self.results.push(job);
        }
    }
}

struct Entry {
    id: u64,
    /// None while a thread computes.
    queue: Option<Box<StreamQueue>>,
}

#[derive(Default)]
struct Scheduler {
    queues: Mutex<Vec<Entry>>,
    /// A queue has come back from a thread.
    returned: Condvar,
    stop: AtomicBool,
    last_id: AtomicU64,
}

impl Scheduler {
    /// The queue whose window is the most urgent: of those that can still be in time, the one that
    /// is due first.
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

    /// Takes a queue out for good, waiting until no thread has it.
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

/// Threads that compute windows. Dropping it ends and joins them; streams that are still open get
/// nothing more.
pub struct Pool {
    scheduler: Arc<Scheduler>,
    threads: Vec<JoinHandle<()>>,
    waker: Waker,
}

impl Pool {
    /// Starts `threads` threads, at least one.
    ///
    /// # Errors
    /// If the system gives no thread.
    pub fn new(threads: usize) -> Result<Self> {
        let scheduler = Arc::new(Scheduler::default());
        let mut pool = Self { scheduler, threads: Vec::new(), waker: Waker(Arc::new([])) };
        for _ in 0..threads.max(1) {
            let scheduler = Arc::clone(&pool.scheduler);
            let thread = thread::Builder::new()
                .name("luthier worker".into())
                .spawn(move || work(&scheduler));
            pool.threads.push(
                thread.map_err(|error| Error::Compute(format!("no worker thread: {error}")))?,
            );
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
    ) -> Work {
        let id = self.scheduler.last_id.fetch_add(1, Ordering::Relaxed);
        status.worker_alive.store(true, Ordering::Release);
        self.scheduler.queues.lock().push(Entry { id, queue: Some(Box::new(queue)) });
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
        self.scheduler.stop.store(true, Ordering::Release);
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
    status: Arc<StreamStatus>,
}

impl Work {
    /// Counters, first error and timings; may be kept by an editor.
    pub fn status(&self) -> Arc<StreamStatus> {
        Arc::clone(&self.status)
    }

    /// Calls the work off and waits until no thread is at it: as long as one stage of the processor
    /// takes. It always waits to the end, because a host may unload our code right after.
    pub fn stop(&mut self) {
        self.cancel.cancel();
        drop(self.pool.scheduler.close(self.id));
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

fn work(scheduler: &Scheduler) {
    while !scheduler.stop.load(Ordering::Acquire) {
        match scheduler.take() {
            Some((id, mut queue)) => {
                queue.run_one();
                scheduler.give_back(id, queue);
            }
            // A wake-up since the last look makes both return at once: none is lost.
            None if scheduler.is_empty() => thread::park(),
            None => thread::park_timeout(LOOK_EVERY),
        }
    }
}
