//! Files that are dragged over the window and dropped on it.

use std::path::{Path, PathBuf};

use egui::{Align2, Color32, Rect, StrokeKind, Ui};

use super::file_browser::Purpose;
use super::theme;
use crate::shared::{Severity, Shared};

/// The file that is dragged over the window.
#[derive(Default)]
pub struct DropTarget {
    hovering: Option<PathBuf>,
}

/// How a file is opened, by its extension; `None` for other files.
fn purpose(path: &Path) -> Option<Purpose> {
    let extension = path.extension()?.to_string_lossy().to_ascii_lowercase();
    [Purpose::OpenStyle, Purpose::OpenModel]
        .into_iter()
        .find(|purpose| purpose.extensions().contains(&extension.as_str()))
}

/// The first file that can be opened, or the first file.
fn preferred(paths: &[PathBuf]) -> Option<&PathBuf> {
    paths.iter().find(|path| purpose(path).is_some()).or(paths.first())
}

fn name(path: &Path) -> String {
    path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned()
}

impl DropTarget {
    /// Sets the files that are dragged over the window; empty when they have left it. Returns
    /// whether one of them can be opened.
    pub fn hover(&mut self, paths: &[PathBuf]) -> bool {
        self.hovering = preferred(paths).cloned();
        self.hovering.as_deref().and_then(purpose).is_some()
    }

    /// Opens one of the dropped files or shows a warning. Returns whether one can be opened.
    pub fn accept(&mut self, paths: &[PathBuf], shared: &Shared) -> bool {
        self.hovering = None;
        let Some(path) = preferred(paths) else { return false };
        let Some(purpose) = purpose(path) else {
            let supported = "a recording (WAV, FLAC, MP3 and others), a saved style \
                             (.luthier) or a model (.safetensors)";
            let text = format!("Cannot open {}. Drop {supported}.", name(path));
            shared.notify(Severity::Warning, text);
            return false;
        };
        shared.request(purpose.request(path.clone()));
        true
    }

    /// Covers `rect` with the effect of a drop while a file is dragged over the window.
    pub fn show(&self, ui: &Ui, rect: Rect) {
        let Some(path) = &self.hovering else { return };
        let (text, color) = match purpose(path) {
            Some(Purpose::OpenModel) => {
                (format!("Drop to load {} as the model", name(path)), theme::ACCENT)
            }
            Some(_) => (format!("Drop to use {} as the style", name(path)), theme::ACCENT),
            None => (format!("{} is not a supported file", name(path)), theme::WARNING),
        };
        let painter = ui.painter();
        painter.rect_filled(rect, theme::ROUNDING, Color32::from_black_alpha(210));
        painter.rect_stroke(
            rect,
            theme::ROUNDING,
            egui::Stroke::new(2.0, color),
            StrokeKind::Inside,
        );
        let font = egui::FontId::proportional(20.0);
        let text = painter.layout(text, font, color, rect.width() - 40.0);
        painter.galley(
            Align2::CENTER_CENTER.align_size_within_rect(text.size(), rect).min,
            text,
            color,
        );
    }
}
