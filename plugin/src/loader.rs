//! The thread that reads files, for all instances: nothing that takes its time runs where a host
//! waits.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, SendError, Sender, channel};
use std::thread::{self, JoinHandle};

/// Something to do, soon.
type Task = Box<dyn FnOnce() + Send>;

enum Order {
    Do(Task),
    Stop,
}

/// Hands tasks to the loader; may outlive it, when the instances that the tasks were for are gone.
#[derive(Clone)]
pub struct LoaderHandle(Sender<Order>);

impl LoaderHandle {
    /// Has `task` done after those before it; at once and here, where the system gave no thread.
    /// Not for the audio thread.
    pub fn send(&self, task: impl FnOnce() + Send + 'static) {
        if let Err(SendError(Order::Do(task))) = self.0.send(Order::Do(Box::new(task))) {
            task();
        }
    }
}

/// The thread. Dropping it waits for the tasks that were sent; those of instances that are gone
/// have nothing to do.
pub struct Loader {
    handle: LoaderHandle,
    thread: Option<JoinHandle<()>>,
}

impl Loader {
    /// Starts the thread.
    pub fn spawn() -> Self {
        let (sender, orders) = channel();
        let thread =
            thread::Builder::new().name("luthier loader".into()).spawn(move || work(&orders));
        Self { handle: LoaderHandle(sender), thread: thread.ok() }
    }

    /// A handle to send tasks by.
    pub fn handle(&self) -> LoaderHandle {
        self.handle.clone()
    }
}

impl Drop for Loader {
    fn drop(&mut self) {
        let _ = self.handle.0.send(Order::Stop);
        if let Some(thread) = self.thread.take() {
            // Panics of tasks are caught before they reach the thread.
            let _ = thread.join();
        }
    }
}

fn work(orders: &Receiver<Order>) {
    while let Ok(Order::Do(task)) = orders.recv() {
        let _ = catch_unwind(AssertUnwindSafe(task));
    }
}
