//! nice-plug's view of a host as baseview's: the same calls under two names, because nice-plug's
//! core knows no windows.

use baseview::HandlerError;
use baseview::host::{Host, HostCallbacks, HostMainThreadCaller};
use nice_plug::editor::{self, HostMethods};

/// The host for baseview.
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
