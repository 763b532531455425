//! Files that are let go over the window.

use std::path::{Path, PathBuf};

use egui::{Align2, Color32, Rect, StrokeKind, Ui};

use super::file_browser::Wanted;
use super::theme;
use crate::shared::{Severity, Shared};

/// What hangs over the window.
#[derive(Default)]
pub struct DropTarget {
    hovering: Option<PathBuf>,
}

/// What a file becomes, by its extension.
fn kind(path: &Path) -> Option<Wanted> {
    let extension = path.extension()?.to_string_lossy().to_ascii_lowercase();
    [Wanted::Style, Wanted::Model]
        .into_iter()
        .find(|wanted| wanted.extensions().contains(&extension.as_str()))
}

/// The file that is meant: the first that can be opened, else the first.
fn meant(paths: &[PathBuf]) -> Option<&PathBuf> {
    paths.iter().find(|path| kind(path).is_some()).or(paths.first())
}

fn name(path: &Path) -> String {
    path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned()
}

impl DropTarget {
    /// Files hang over the window, or (none) no more; says whether one of them can be opened.
    pub fn hover(&mut self, paths: &[PathBuf]) -> bool {
        self.hovering = meant(paths).cloned();
        self.hovering.as_deref().and_then(kind).is_some()
    }

    /// Opens the file that was let go, or says why not; says whether it is opened.
    pub fn take(&mut self, paths: &[PathBuf], shared: &Shared) -> bool {
        self.hovering = None;
        let Some(path) = meant(paths) else { return false };
        let Some(wanted) = kind(path) else {
            let known = "a recording (WAV, FLAC, MP3, OGG), a saved style (.luthier) or a model (.safetensors)";
            shared.notify(Severity::Warning, format!("{} is not {known}.", name(path)));
            return false;
        };
        shared.request(wanted.request(path.clone()));
        true
    }

    /// Says over `rect` what will become of the file.
    pub fn show(&self, ui: &Ui, rect: Rect) {
        let Some(path) = &self.hovering else { return };
        let (text, color) = match kind(path) {
            Some(Wanted::Model) => {
                (format!("Let go to play with the model {}", name(path)), theme::ACCENT)
            }
            Some(_) => (format!("Let go to play in the sound of {}", name(path)), theme::ACCENT),
            None => (format!("{} cannot be opened here", name(path)), theme::WARNING),
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
