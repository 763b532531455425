//! A CLAP host's event lists as nice-plug may read them.

use std::ptr;

use clap_sys::events::{
    CLAP_CORE_EVENT_SPACE_ID, CLAP_EVENT_TRANSPORT, clap_event_header, clap_input_events,
    clap_output_events,
};

/// A host's events without its transport changes. nice-plug splits a block where each of those says
/// it is, beyond the block's end too, where it ends the process; and Luthier knows no transport.
#[repr(C)]
pub struct InputEvents {
    /// Comes first, so that a pointer to the list is one to the whole.
    list: clap_input_events,
    host: *const clap_input_events,
}

impl InputEvents {
    /// # Safety
    /// `host` is null, or a list that outlives this.
    pub unsafe fn new(host: *const clap_input_events) -> Self {
        let list = clap_input_events { ctx: ptr::null_mut(), size: Some(size), get: Some(get) };
        // SAFETY: the caller's promise.
        Self { list, host: unsafe { complete_in(host) } }
    }

    /// The list; null where the host has none that can be read.
    pub fn list(&self) -> *const clap_input_events {
        if self.host.is_null() { ptr::null() } else { ptr::from_ref(self).cast() }
    }
}

/// # Safety
/// `list` comes from [`InputEvents::list`].
unsafe extern "C" fn size(list: *const clap_input_events) -> u32 {
    // SAFETY: the list begins the whole, and the host's list is complete.
    let host = unsafe { &*(*list.cast::<InputEvents>()).host };
    // SAFETY: the host's function on its own list.
    host.size.map_or(0, |size| unsafe { size(host) })
}

/// # Safety
/// As [`size`].
unsafe extern "C" fn get(list: *const clap_input_events, index: u32) -> *const clap_event_header {
    // SAFETY: as in `size`.
    let host = unsafe { &*(*list.cast::<InputEvents>()).host };
    // SAFETY: the host's function on its own list.
    let event = host.get.map_or(ptr::null(), |get| unsafe { get(host, index) });
    // SAFETY: null or an event.
    let is_transport = unsafe { event.as_ref() }.is_some_and(|event| {
        event.space_id == CLAP_CORE_EVENT_SPACE_ID && event.type_ == CLAP_EVENT_TRANSPORT
    });
    // Events that are null are passed over.
    if is_transport { ptr::null() } else { event }
}

/// Null for a list that cannot be read.
///
/// # Safety
/// `events` is null or a list.
unsafe fn complete_in(events: *const clap_input_events) -> *const clap_input_events {
    // SAFETY: the caller's promise.
    let complete =
        unsafe { events.as_ref() }.is_some_and(|list| list.size.is_some() && list.get.is_some());
    if complete { events } else { ptr::null() }
}

/// Null for a list that cannot be written.
///
/// # Safety
/// `events` is null or a list.
pub unsafe fn complete_out(events: *const clap_output_events) -> *const clap_output_events {
    // SAFETY: the caller's promise.
    let complete = unsafe { events.as_ref() }.is_some_and(|list| list.try_push.is_some());
    if complete { events } else { ptr::null() }
}
