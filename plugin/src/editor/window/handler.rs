//! The window's event handler: passes events to egui, draws frames and accepts dropped files.

use std::cell::{Cell, RefCell};
use std::sync::Arc;
use std::time::Instant;

use baseview::{
    DropData, DropEffect, Event, EventStatus, HandlerError, MouseCursor, MouseEvent, WindowContext,
    WindowEvent, WindowHandler, WindowSize,
};
use copypasta::{ClipboardContext, ClipboardProvider};
use egui::{Context, CursorIcon, OutputCommand};
use nice_plug::context::gui::GuiContext;
use parking_lot::Mutex;

use super::input::Input;
use super::painter::Painter;
use super::{Extent, SharedExtent};
use crate::editor::EditorApp;

/// An open window.
pub struct Handler {
    window: WindowContext,
    app: Arc<Mutex<EditorApp>>,
    extent: SharedExtent,
    context: Context,
    input: RefCell<Input>,
    painter: RefCell<Painter>,
    /// `None` if the system has no clipboard.
    clipboard: RefCell<Option<ClipboardContext>>,
    cursor: Cell<CursorIcon>,
    opened: Instant,
}

impl Handler {
    /// Opens the editor in a new window.
    ///
    /// # Errors
    /// If the window has no OpenGL context.
    pub fn new(
        window: WindowContext,
        app: Arc<Mutex<EditorApp>>,
        extent: SharedExtent,
        host: GuiContext,
    ) -> Result<Self, HandlerError> {
        let painter = Painter::new(&window)?;
        let context = Context::default();
        // Zoomed contents would not fit the host's window.
        context.options_mut(|options| options.zoom_with_keyboard = false);
        let waker = window.waker();
        context.set_request_repaint_callback(move |info| waker.request_redraw_after(info.delay));
        app.lock().open(&context, host);
        let input = Input::new(window.size(), painter.max_texture_side());
        store_extent(&extent, window.size());
        Ok(Self {
            app,
            extent,
            context,
            input: RefCell::new(input),
            painter: RefCell::new(painter),
            clipboard: RefCell::new(ClipboardContext::new().ok()),
            cursor: Cell::new(CursorIcon::Default),
            opened: Instant::now(),
            window,
        })
    }

    /// Files are dragged over the window, dropped or moved away.
    fn on_file_drag(&self, event: &MouseEvent) -> EventStatus {
        let mut app = self.app.lock();
        let accepted = match event {
            MouseEvent::DragEntered { data, .. } | MouseEvent::DragMoved { data, .. } => match data
            {
                DropData::Files(paths) => app.hover(paths),
                _ => false,
            },
            MouseEvent::DragDropped { data: DropData::Files(paths), .. } => app.drop_files(paths),
            _ => app.hover(&[]),
        };
        match accepted {
            true => EventStatus::AcceptDrop(DropEffect::Copy),
            false => EventStatus::Ignored,
        }
    }

    fn on_mouse(&self, event: &MouseEvent) -> EventStatus {
        // A click does not always move the keyboard focus from the host's window to a child window.
        if matches!(event, MouseEvent::ButtonPressed { .. }) && !self.window.has_focus() {
            let _ = self.window.focus();
        }
        self.input.borrow_mut().mouse(event);
        match self.context.egui_is_using_pointer() || self.context.egui_wants_pointer_input() {
            true => EventStatus::Captured,
            false => EventStatus::Ignored,
        }
    }

    /// Keys outside a text field go to the host, where the space bar starts and stops the playback.
    fn on_key(&self, event: &keyboard_types::KeyboardEvent) -> EventStatus {
        let mut clipboard = self.clipboard.borrow_mut();
        let paste = || clipboard.as_mut()?.get_contents().ok();
        self.input.borrow_mut().key(event, paste);
        match self.context.egui_wants_keyboard_input() {
            true => EventStatus::Captured,
            false => EventStatus::Ignored,
        }
    }

    fn copy(&self, commands: Vec<OutputCommand>) {
        for command in commands {
            if let (OutputCommand::CopyText(text), Some(clipboard)) =
                (command, self.clipboard.borrow_mut().as_mut())
            {
                // Copying is optional: the user can type the value instead.
                let _ = clipboard.set_contents(text);
            }
        }
    }

    fn set_cursor(&self, icon: CursorIcon) -> Result<(), HandlerError> {
        if self.cursor.replace(icon) != icon {
            self.window.set_mouse_cursor(match icon {
                CursorIcon::PointingHand => MouseCursor::Hand,
                CursorIcon::Grab => MouseCursor::Hand,
                CursorIcon::Grabbing => MouseCursor::HandGrabbing,
                CursorIcon::Text => MouseCursor::Text,
                CursorIcon::ResizeVertical => MouseCursor::NsResize,
                CursorIcon::ResizeHorizontal => MouseCursor::EwResize,
                CursorIcon::None => MouseCursor::Hidden,
                _ => MouseCursor::Default,
            })?;
        }
        Ok(())
    }
}

impl WindowHandler for Handler {
    fn draw(&self) -> Result<(), HandlerError> {
        let size = self.window.size();
        let raw = self.input.borrow_mut().take(size, self.opened.elapsed().as_secs_f64());
        let mut output = self.context.run_ui(raw, |ui| self.app.lock().show(ui));
        let shapes = self.context.tessellate(output.shapes, output.pixels_per_point);
        self.painter.borrow_mut().paint(
            [size.physical.width, size.physical.height],
            output.pixels_per_point,
            &shapes,
            &mut output.textures_delta,
        )?;
        self.copy(output.platform_output.commands);
        self.set_cursor(output.platform_output.cursor_icon)
    }

    fn resized(&self, size: WindowSize) -> Result<(), HandlerError> {
        store_extent(&self.extent, size);
        Ok(())
    }

    fn on_event(&self, event: Event) -> EventStatus {
        let status = match &event {
            Event::Mouse(
                event @ (MouseEvent::DragEntered { .. }
                | MouseEvent::DragMoved { .. }
                | MouseEvent::DragLeft
                | MouseEvent::DragDropped { .. }),
            ) => self.on_file_drag(event),
            Event::Mouse(event) => self.on_mouse(event),
            Event::Keyboard(event) => self.on_key(event),
            Event::Window(event) => {
                self.input.borrow_mut().focus(matches!(event, WindowEvent::Focused));
                EventStatus::Captured
            }
            _ => return EventStatus::Ignored,
        };
        self.window.request_redraw();
        status
    }
}

impl Drop for Handler {
    fn drop(&mut self) {
        self.app.lock().close();
    }
}

fn store_extent(extent: &SharedExtent, size: WindowSize) {
    *extent.lock() = Extent { points: size.logical, scale: size.scale_factor };
}
