//! Adapts nice-plug's host interface to baseview's. nice-plug's core does not depend on a window
//! library, so it defines the same calls again.

use baseview::HandlerError;
use baseview::host::{Host, HostCallbacks, HostMainThreadCaller};
use nice_plug::editor::{self, HostMethods};

/// nice-plug's host as baseview's host.
pub fn methods(host: HostMethods) -> Host {
    Host::new()
        .with_callbacks(Callbacks(host.callbacks))
        .with_main_thread(MainThread(host.main_thread_caller))
}

struct Callbacks(Box<dyn editor::HostCallbacks>);

impl HostCallbacks for Callbacks {
    fn request_resize(&mut self, size: baseview::WindowSize) -> Result<(), HandlerError> {
        self.0
            .request_resize(size.physical.into(), size.scale_factor)
            .map_err(HandlerError::from_boxed)
    }

    fn destroyed(&mut self) {
        self.0.destroyed();
    }
}

struct MainThread(Box<dyn editor::HostMainThreadCaller>);

impl HostMainThreadCaller for MainThread {
    fn call_main_thread(&mut self) {
        self.0.call_main_thread();
    }
}
