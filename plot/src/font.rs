//! The font of all pictures: egui's default font, which its crate contains.

use std::sync::OnceLock;

use plotters::style::{FontStyle, register_font};

/// Font family in plotters.
pub const FAMILY: &str = "sans-serif";

/// Registers the font, once per process.
///
/// # Errors
/// If the font cannot be parsed.
pub fn register() -> anyhow::Result<()> {
    static REGISTERED: OnceLock<bool> = OnceLock::new();
    let bytes = epaint_default_fonts::UBUNTU_LIGHT;
    let registered =
        REGISTERED.get_or_init(|| register_font(FAMILY, FontStyle::Normal, bytes).is_ok());
    anyhow::ensure!(*registered, "pictures: the font could not be read");
    Ok(())
}
