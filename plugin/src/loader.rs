//! The thread that reads files for all instances, so that no thread of the host waits for them.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, SendError, Sender, channel};
use std::thread::{self, JoinHandle};

/// A task for the loader.
type Task = Box<dyn FnOnce() + Send>;

enum Command {
    Run(Task),
    Stop,
}

/// Sends tasks to the loader. A handle can outlive the loader.
#[derive(Clone)]
pub struct LoaderHandle(Sender<Command>);

impl LoaderHandle {
    /// Runs `task` after all earlier tasks. Without a loader thread, `task` runs at once on the
    /// calling thread. The audio thread must not call this.
    pub fn send(&self, task: impl FnOnce() + Send + 'static) {
        if let Err(SendError(Command::Run(task))) = self.0.send(Command::Run(Box::new(task))) {
            task();
        }
    }
}

/// The loader thread. Dropping it waits for all sent tasks. Tasks of dropped instances return at
/// once.
pub struct Loader {
    handle: LoaderHandle,
    thread: Option<JoinHandle<()>>,
}

impl Loader {
    /// Starts the thread.
    pub fn spawn() -> Self {
        let (sender, commands) = channel();
        let thread =
            thread::Builder::new().name("luthier loader".into()).spawn(move || work(&commands));
        Self { handle: LoaderHandle(sender), thread: thread.ok() }
    }

    /// A handle that sends tasks.
    pub fn handle(&self) -> LoaderHandle {
        self.handle.clone()
    }
}

impl Drop for Loader {
    fn drop(&mut self) {
        let _ = self.handle.0.send(Command::Stop);
        if let Some(thread) = self.thread.take() {
            // Panics of tasks are caught before they reach the thread.
            let _ = thread.join();
        }
    }
}

fn work(commands: &Receiver<Command>) {
    while let Ok(Command::Run(task)) = commands.recv() {
        let _ = catch_unwind(AssertUnwindSafe(task));
    }
}
