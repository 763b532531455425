//! A CLAP host's event lists, made safe for nice-plug.

use std::ptr;

use clap_sys::events::{
    CLAP_CORE_EVENT_SPACE_ID, CLAP_EVENT_TRANSPORT, clap_event_header, clap_input_events,
    clap_output_events,
};

/// A host's events without its transport events. nice-plug splits a block at each transport event
/// and crashes if the event is after the block's end. Luthier does not need them.
#[repr(C)]
pub struct InputEvents {
    /// The first field, so that a pointer to the list is also a pointer to the structure.
    list: clap_input_events,
    host: *const clap_input_events,
}

impl InputEvents {
    /// Wraps a host's list.
    ///
    /// # Safety
    /// `host` is null, or a list that outlives the result.
    pub unsafe fn new(host: *const clap_input_events) -> Self {
        let list = clap_input_events { ctx: ptr::null_mut(), size: Some(size), get: Some(get) };
        // SAFETY: the caller's promise.
        Self { list, host: unsafe { complete_in(host) } }
    }

    /// The filtered list; null if the host's list is missing or incomplete.
    pub fn list(&self) -> *const clap_input_events {
        if self.host.is_null() { ptr::null() } else { ptr::from_ref(self).cast() }
    }
}

/// # Safety
/// `list` was returned by [`InputEvents::list`].
unsafe extern "C" fn size(list: *const clap_input_events) -> u32 {
    // SAFETY: `list` is the first field of an `InputEvents`, whose `host` is complete.
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
    // nice-plug skips events that are null.
    if is_transport { ptr::null() } else { event }
}

/// Returns `events`, or null if it is incomplete.
///
/// # Safety
/// `events` is null or a list.
unsafe fn complete_in(events: *const clap_input_events) -> *const clap_input_events {
    // SAFETY: the caller's promise.
    let complete =
        unsafe { events.as_ref() }.is_some_and(|list| list.size.is_some() && list.get.is_some());
    if complete { events } else { ptr::null() }
}

/// Returns `events`, or null if it is incomplete.
///
/// # Safety
/// `events` is null or a list.
pub unsafe fn complete_out(events: *const clap_output_events) -> *const clap_output_events {
    // SAFETY: the caller's promise.
    let complete = unsafe { events.as_ref() }.is_some_and(|list| list.try_push.is_some());
    if complete { events } else { ptr::null() }
}
