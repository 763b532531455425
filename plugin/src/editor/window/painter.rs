//! Paints egui's shapes with OpenGL.

use std::sync::Arc;

use baseview::gl::GlContext;
use baseview::{HandlerError, WindowContext};
use egui::{ClippedPrimitive, TexturesDelta};
use egui_glow::glow;

use crate::editor::theme;

/// Paints one window. Every call makes its context current and releases it again, because the host
/// may use other contexts on this thread.
pub struct Painter {
    context: GlContext,
    glow: egui_glow::Painter,
}

impl Painter {
    /// Creates the painter and compiles its shaders.
    ///
    /// # Errors
    /// If the window has no OpenGL context, or the shaders cannot be compiled.
    pub fn new(window: &WindowContext) -> Result<Self, HandlerError> {
        let context = window.gl_context().ok_or(NoOpenGl)?;
        let glow = current(&context, || {
            // SAFETY: the context is current, and returns its own functions or null.
            let gl = unsafe {
                glow::Context::from_loader_function_cstr(|name| context.get_proc_address(name))
            };
            egui_glow::Painter::new(Arc::new(gl), "", None, true)
        })??;
        Ok(Self { context, glow })
    }

    /// Side of the largest texture, in pixels.
    pub fn max_texture_side(&self) -> usize {
        self.glow.max_texture_side()
    }

    /// Paints one frame of `size` pixels and shows it.
    pub fn paint(
        &mut self,
        size: [u32; 2],
        pixels_per_point: f32,
        shapes: &[ClippedPrimitive],
        textures: &mut TexturesDelta,
    ) -> Result<(), HandlerError> {
        let Self { context, glow } = self;
        current(context, || {
            glow.clear(size, egui::Rgba::from(theme::BACKGROUND).to_array());
            glow.paint_and_update_textures(size, pixels_per_point, shapes, textures);
            context.swap_buffers()
        })??;
        Ok(())
    }
}

impl Drop for Painter {
    fn drop(&mut self) {
        let Self { context, glow } = self;
        // This fails if the window no longer exists, and then its objects are freed already.
        let _ = current(context, || glow.destroy());
    }
}

/// Calls `work` while the context is current on this thread.
fn current<T>(context: &GlContext, work: impl FnOnce() -> T) -> Result<T, baseview::Error> {
    // SAFETY: the context belongs to this thread's window, and is released before the host draws.
    unsafe { context.make_current()? };
    let done = work();
    // SAFETY: as above.
    unsafe { context.make_not_current()? };
    Ok(done)
}

#[derive(Debug)]
struct NoOpenGl;

impl std::error::Error for NoOpenGl {}

impl std::fmt::Display for NoOpenGl {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("the window has no OpenGL context; the editor needs OpenGL")
    }
}
