//! A list of folders and files inside the window. A system dialog could stay open behind the host
//! and would need its own thread.

use std::path::{Path, PathBuf};

use egui::{Align, Key, Layout, RichText, ScrollArea, TextEdit, Ui};
use engine::audio_file::EXTENSIONS;
use engine::style::file;

use super::theme;
use crate::project::ProjectStyle;
use crate::shared::Request;

/// What the chosen file is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Open a recording or a saved style.
    OpenStyle,
    /// Open a model file.
    OpenModel,
    /// Save one of the project's styles.
    SaveStyle(ProjectStyle),
}

impl Purpose {
    /// Extensions of the files that are listed, in lower case without the dot.
    pub fn extensions(self) -> Vec<&'static str> {
        match self {
            Self::OpenStyle => [&EXTENSIONS[..], &[file::EXTENSION]].concat(),
            Self::OpenModel => vec!["safetensors"],
            Self::SaveStyle(_) => vec![file::EXTENSION],
        }
    }

    /// The request for a chosen file.
    pub fn request(self, path: PathBuf) -> Request {
        match self {
            Self::OpenStyle => Request::LoadStyle(path),
            Self::OpenModel => Request::LoadModel(path),
            Self::SaveStyle(keep) => Request::SaveStyle(keep, path),
        }
    }

    fn title(self) -> &'static str {
        match self {
            Self::OpenStyle => "Open a recording or a saved style (.luthier)",
            Self::OpenModel => "Open a model (.safetensors)",
            Self::SaveStyle(_) => "Save the style (.luthier)",
        }
    }
}

/// How the user closed the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// A file was chosen.
    Chosen(PathBuf),
    /// No file was chosen.
    Cancelled,
}

/// An open list.
pub struct FileBrowser {
    purpose: Purpose,
    folder: PathBuf,
    /// Folder of the user's saved styles.
    my_styles: PathBuf,
    /// Path in the text field.
    typed: String,
    /// Paths and whether they are folders: folders first, each sorted by name. Or an error message.
    entries: Result<Vec<(PathBuf, bool)>, String>,
}

impl FileBrowser {
    /// Opens the list in `folder`, or in `my_styles` if a style is to be saved.
    pub fn new(purpose: Purpose, folder: PathBuf, my_styles: PathBuf) -> Self {
        let mut browser =
            Self { purpose, folder, my_styles, typed: String::new(), entries: Ok(Vec::new()) };
        match purpose {
            Purpose::SaveStyle(_) => browser.enter_my_styles(),
            Purpose::OpenStyle | Purpose::OpenModel => browser.read(),
        }
        browser
    }

    /// The listed folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// What the chosen file is for.
    pub fn purpose(&self) -> Purpose {
        self.purpose
    }

    fn enter(&mut self, folder: PathBuf) {
        self.folder = folder;
        self.read();
    }

    fn read(&mut self) {
        let typed = match self.purpose {
            Purpose::SaveStyle(_) => self.folder.join("My style").with_extension(file::EXTENSION),
            Purpose::OpenStyle | Purpose::OpenModel => self.folder.clone(),
        };
        self.typed = typed.display().to_string();
        self.entries = entries(&self.folder, &self.purpose.extensions())
            .map_err(|error| format!("Cannot read this folder: {error}. Choose another one."));
    }

    /// Draws the list. Returns `Some` when the user closes it.
    pub fn show(&mut self, ui: &mut Ui) -> Option<Outcome> {
        let mut outcome =
            ui.input(|input| input.key_pressed(Key::Escape)).then_some(Outcome::Cancelled);
        ui.horizontal(|ui| {
            ui.label(RichText::new(self.purpose.title()).font(theme::NAME));
            ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                if ui.button("Cancel").clicked() {
                    outcome = Some(Outcome::Cancelled);
                }
            });
        });
        ui.horizontal(|ui| {
            if ui.button("Up").clicked()
                && let Some(parent) = self.folder.parent().map(Path::to_path_buf)
            {
                self.enter(parent);
            }
            if self.purpose != Purpose::OpenModel && ui.button("My styles").clicked() {
                self.enter_my_styles();
            }
            outcome = self.field(ui).or(outcome.take());
        });
        ui.separator();
        ScrollArea::vertical().auto_shrink(false).show(ui, |ui| {
            outcome = self.list(ui).or(outcome.take());
        });
        outcome
    }

    /// The text field for a path and, when saving, the button that saves.
    fn field(&mut self, ui: &mut Ui) -> Option<Outcome> {
        let saves = matches!(self.purpose, Purpose::SaveStyle(_));
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            let exists = Path::new(self.typed.trim()).is_file();
            let pressed = saves && ui.button(if exists { "Replace" } else { "Save" }).clicked();
            let field = ui.add(TextEdit::singleline(&mut self.typed).desired_width(f32::INFINITY));
            let entered = field.lost_focus() && ui.input(|input| input.key_pressed(Key::Enter));
            // Enter never replaces a file: only the button warns that the file exists.
            (pressed || (entered && !(saves && exists))).then(|| PathBuf::from(self.typed.trim()))
        })
        .inner
        .and_then(|path| self.go(path))
    }

    fn enter_my_styles(&mut self) {
        // If this fails, the list shows that the folder cannot be read.
        let _ = std::fs::create_dir_all(&self.my_styles);
        self.enter(self.my_styles.clone());
    }

    fn list(&mut self, ui: &mut Ui) -> Option<Outcome> {
        let entries = match &self.entries {
            Ok(entries) if entries.is_empty() => {
                let text = "This folder contains no matching files.";
                ui.label(RichText::new(text).color(theme::FAINT));
                return None;
            }
            Ok(entries) => entries,
            Err(reason) => {
                ui.label(RichText::new(reason).color(theme::WARNING));
                return None;
            }
        };
        let mut chosen = None;
        for (path, is_folder) in entries {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let text = if *is_folder { format!("{name}/") } else { name };
            let color = if *is_folder { theme::FAINT } else { theme::TEXT };
            if ui.selectable_label(false, RichText::new(text).color(color)).clicked() {
                chosen = Some(path.clone());
            }
        }
        let path = chosen?;
        if matches!(self.purpose, Purpose::SaveStyle(_)) && !path.is_dir() {
            self.typed = path.display().to_string();
            return None;
        }
        self.go(path)
    }

    /// Enters a folder or chooses a file.
    fn go(&mut self, path: PathBuf) -> Option<Outcome> {
        if path.is_dir() {
            self.enter(path);
            return None;
        }
        Some(Outcome::Chosen(match self.purpose {
            Purpose::SaveStyle(_) if !file::is_style(&path) => {
                path.with_added_extension(file::EXTENSION)
            }
            _ => path,
        }))
    }
}

/// Folders, then files with one of the extensions, without hidden ones.
fn entries(folder: &Path, extensions: &[&str]) -> std::io::Result<Vec<(PathBuf, bool)>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let hidden = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
        let extension = path.extension().map(|ext| ext.to_string_lossy().to_ascii_lowercase());
        let is_folder = path.is_dir();
        if !hidden && (is_folder || extension.is_some_and(|ext| extensions.contains(&ext.as_str())))
        {
            found.push((path, is_folder));
        }
    }
    let key = |(path, is_folder): &(PathBuf, bool)| {
        (!is_folder, path.file_name().map(|name| name.to_string_lossy().to_lowercase()))
    };
    found.sort_by_key(key);
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_are_listed_first_and_other_files_are_hidden() {
        let temporary = tempfile::tempdir().expect("a folder");
        let folder = temporary.path().to_path_buf();
        std::fs::create_dir_all(folder.join("zebra")).expect("a folder");
        for name in ["b.WAV", "A.flac", "text.txt", ".hidden.wav"] {
            std::fs::write(folder.join(name), "").expect("a file");
        }
        let mut browser = FileBrowser::new(Purpose::OpenStyle, folder.clone(), folder.join("s"));
        let names: Vec<String> =
            browser.entries.as_ref().expect("entries").iter().map(named).collect();
        assert_eq!(names, ["zebra", "A.flac", "b.WAV"]);
        assert_eq!(browser.go(folder.join("zebra")), None);
        assert_eq!(browser.folder(), folder.join("zebra"));
        assert_eq!(browser.go(folder.join("b.WAV")), Some(Outcome::Chosen(folder.join("b.WAV"))));
        browser.enter(folder.join("nowhere"));
        assert!(browser.entries.is_err());
    }

    #[test]
    fn a_style_is_saved_under_the_right_name() {
        let temporary = tempfile::tempdir().expect("a folder");
        let (folder, styles) = (temporary.path().to_path_buf(), temporary.path().join("styles"));
        let mut browser =
            FileBrowser::new(Purpose::SaveStyle(ProjectStyle::File), folder, styles.clone());
        assert_eq!(browser.folder(), styles, "a missing folder is created");
        assert_eq!(browser.typed, styles.join("My style.luthier").display().to_string());
        for typed in ["Cello no. 2", "Cello no. 2.luthier"] {
            assert_eq!(
                browser.go(styles.join(typed)),
                Some(Outcome::Chosen(styles.join("Cello no. 2.luthier")))
            );
        }
    }

    fn named((path, _): &(PathBuf, bool)) -> String {
        path.file_name().unwrap_or_default().to_string_lossy().into_owned()
    }
}
