//! The editor's window. baseview opens it, [`EditorApp`] defines its contents and egui_glow paints
//! them; see `docs/decisions/018-editor-window.md`.
//!
//! On Linux baseview runs the window on a thread of its own. Only the calls of [`EditorHandle`]
//! run on the host's threads.

mod handler;
mod host;
mod input;
mod painter;

use std::error::Error;
use std::sync::Arc;

use nice_plug::context::gui::GuiContext;
use nice_plug::editor::dpi::{LogicalSize, NativeSize, Size};
use nice_plug::editor::{
    Editor, EditorHandle, HostMethods, ParentWindowHandle, ResizeHint, SizeConstraints,
    SpawnedEditor,
};
use parking_lot::Mutex;

use super::EditorApp;
use handler::Handler;

/// Size of a new window, in points.
pub const SIZE: [f32; 2] = [920.0, 600.0];
/// Smallest size of the window, in points.
pub const SIZE_MIN: [f32; 2] = [760.0, 480.0];

const TITLE: &str = "Luthier";

/// Size of the window in points, and pixels per point. A reopened window has its last extent.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Extent {
    points: LogicalSize<f64>,
    scale: f64,
}

/// The extent, shared by the threads of host and window.
pub type SharedExtent = Arc<Mutex<Extent>>;

/// The extent of a new window.
pub fn extent() -> SharedExtent {
    let points = LogicalSize::new(SIZE[0], SIZE[1]).cast();
    Arc::new(Mutex::new(Extent { points, scale: 1.0 }))
}

/// The editor as nice-plug's [`Editor`].
pub struct LuthierEditor {
    app: Arc<Mutex<EditorApp>>,
    extent: SharedExtent,
}

impl LuthierEditor {
    /// An editor whose windows show `app`.
    pub fn new(app: EditorApp, extent: &SharedExtent) -> Self {
        Self { app: Arc::new(Mutex::new(app)), extent: Arc::clone(extent) }
    }

    fn settings(&self) -> baseview::WindowSettings {
        baseview::WindowSettings::new()
            .with_title(TITLE)
            .with_size(self.extent.lock().points)
            .with_min_size::<Size>(Size::Logical(LogicalSize::new(SIZE_MIN[0], SIZE_MIN[1]).cast()))
            .with_resizable(true)
            .with_gl_config(Some(baseview::gl::GlConfig::default()))
    }
}

fn resizable() -> ResizeHint {
    let min_size = Some(LogicalSize::new(SIZE_MIN[0], SIZE_MIN[1]));
    ResizeHint {
        can_resize: true,
        can_resize_horizontally: true,
        can_resize_vertically: true,
        size_constraints: SizeConstraints::Logical { min_size, max_size: None },
        ..ResizeHint::NON_RESIZABLE
    }
}

impl Editor for LuthierEditor {
    type Handle = OpenWindow;

    fn spawn(
        &self,
        parent: Option<ParentWindowHandle>,
        wait_for_parent: bool,
        fallback_scale_factor: Option<f64>,
        gui_context: GuiContext,
        host: Option<HostMethods>,
    ) -> Result<SpawnedEditor<OpenWindow>, Box<dyn Error>> {
        let settings = self
            .settings()
            .with_parent(parent.as_ref())
            .with_wait_for_parent(wait_for_parent)
            .with_fallback_scale_factor(fallback_scale_factor);
        let (app, extent) = (Arc::clone(&self.app), Arc::clone(&self.extent));
        let build = move |window| Handler::new(window, app, extent, gui_context);
        let window = baseview::Window::create_with_host(settings, build, host.map(host::methods))?;
        Ok(SpawnedEditor { handle: OpenWindow, window })
    }

    fn size(&self) -> NativeSize<u32> {
        let Extent { points, scale } = *self.extent.lock();
        NativeSize::from_size(points.into(), scale)
    }

    fn resize_hint(&self) -> ResizeHint {
        resizable()
    }
}

/// The host's calls to an open window.
pub struct OpenWindow;

impl EditorHandle for OpenWindow {
    type Window = baseview::Window;
    type Error = baseview::Error;

    fn run_until_closed(window: baseview::Window) -> Result<(), baseview::Error> {
        window.run_until_closed()
    }

    fn set_parent(
        &self,
        parent: ParentWindowHandle,
        window: &baseview::Window,
    ) -> Result<(), baseview::Error> {
        window.set_parent(&parent)
    }

    fn show(&self, window: &baseview::Window) -> Result<(), baseview::Error> {
        let shown = window.show();
        // Each frame requests the next, but a hidden window draws none.
        window.waker().request_redraw();
        shown
    }

    fn hide(&self, window: &baseview::Window) -> Result<(), baseview::Error> {
        window.hide()
    }

    fn host_main_thread_callback(&self, window: &baseview::Window) {
        window.host_main_thread_callback();
    }

    fn set_size(
        &self,
        size: NativeSize<u32>,
        window: &baseview::Window,
    ) -> Result<(), baseview::Error> {
        window.resize(size)
    }

    fn set_fallback_scale_factor(
        &self,
        scale_factor: f64,
        window: &baseview::Window,
    ) -> Result<(), baseview::Error> {
        window.suggest_fallback_scale_factor(scale_factor)
    }

    fn adjust_size(
        &self,
        size: NativeSize<u32>,
        window: &baseview::Window,
    ) -> Option<NativeSize<u32>> {
        let now = window.size();
        let current = NativeSize::from_logical_or_physical(now.logical, now.physical);
        Some(resizable().adjust_size(size, current, now.scale_factor))
    }

    // Every frame reads all parameters.
    fn param_value_changed(&self, _: &str, _: f32) {}

    fn param_modulation_changed(&self, _: &str, _: f32) {}
}
