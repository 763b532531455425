//! Any state of a project is refused or repaired: an accepted one is saved in a form that is loaded
//! and saved without a change. The input is the state without the length that CLAP states start
//! with.
#![no_main]

use std::cell::{LazyCell, RefCell};

use clack_extensions::state::PluginState;
use clack_host::prelude::*;
use libfuzzer_sys::fuzz_target;

struct Shared;

impl<'a> SharedHandler<'a> for Shared {
    fn request_restart(&self) {}
    fn request_process(&self) {}
    fn request_callback(&self) {}
}

struct Host;

impl HostHandlers for Host {
    type Shared<'a> = Shared;
    type MainThread<'a> = ();
    type AudioProcessor<'a> = ();
}

struct Instance(PluginInstance<Host>);

impl Instance {
    fn new() -> Self {
        // SAFETY: our own entry, which is a valid CLAP entry.
        let entry = unsafe { PluginEntry::load_from_raw(&plugin::guard::clap_entry, c"") };
        let entry = entry.expect("an entry");
        let info = HostInfo::new("Luthier's fuzzer", "Luthier", "", "1").expect("a host");
        let factory = entry.get_plugin_factory().expect("a factory");
        let plugin = factory.plugin_descriptors().next().expect("a plugin");
        let id = plugin.id().expect("an id").to_owned();
        let instance = PluginInstance::new(|_| Shared, |_| (), &entry, &id, &info);
        Self(instance.expect("an instance"))
    }

    fn load(&mut self, mut state: &[u8]) -> bool {
        let handle = self.0.plugin_handle();
        let extension: PluginState = handle.get_extension().expect("state");
        extension.load(&handle, &mut state).is_ok()
    }

    fn save(&mut self) -> Vec<u8> {
        let handle = self.0.plugin_handle();
        let extension: PluginState = handle.get_extension().expect("state");
        let mut state = Vec::new();
        extension.save(&handle, &mut state).expect("saved");
        state
    }
}

thread_local! {
    static INSTANCE: LazyCell<RefCell<Instance>> =
        LazyCell::new(|| RefCell::new(Instance::new()));
}

fuzz_target!(|json: &[u8]| INSTANCE.with(|instance| {
    let mut instance = instance.borrow_mut();
    let state = [&(json.len() as u64).to_le_bytes(), json].concat();
    if instance.load(&state) {
        let saved = instance.save();
        assert!(instance.load(&saved), "its own state");
        assert!(instance.save() == saved, "a state is kept as it is");
    }
}));
