//! A list of folders and files inside of the window: no second window for a host to lose, no thread that outlives it.

use std::path::{Path, PathBuf};

use egui::{Align, Key, Layout, RichText, ScrollArea, TextEdit, Ui};

use super::theme;

/// What is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// A recording whose sound becomes a style.
    Style,
    /// A model file.
    Model,
}

impl Wanted {
    fn extensions(self) -> &'static [&'static str] {
        match self {
            Self::Style => &["wav", "flac", "mp3", "ogg"],
            Self::Model => &["safetensors"],
        }
    }

    fn title(self) -> &'static str {
        match self {
            Self::Style => "Style from a recording (WAV, FLAC, MP3, OGG)",
            Self::Model => "Model file (.safetensors)",
        }
    }
}

/// What the user did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Chose a file.
    Chosen(PathBuf),
    /// Went back.
    Cancelled,
}

/// An open list.
pub struct FileBrowser {
    wanted: Wanted,
    folder: PathBuf,
    /// What is typed at the top.
    typed: String,
    /// Folders first, each sorted by name; or why there is none.
    entries: Result<Vec<(PathBuf, bool)>, String>,
}

impl FileBrowser {
    /// Opens the list in `folder`.
    pub fn new(wanted: Wanted, folder: PathBuf) -> Self {
        let mut browser = Self { wanted, folder, typed: String::new(), entries: Ok(Vec::new()) };
        browser.read();
        browser
    }

    /// Where the next one may begin.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// What it looks for.
    pub fn wanted(&self) -> Wanted {
        self.wanted
    }

    fn enter(&mut self, folder: PathBuf) {
        self.folder = folder;
        self.read();
    }

    fn read(&mut self) {
        self.typed = self.folder.display().to_string();
        self.entries = entries(&self.folder, self.wanted.extensions())
            .map_err(|error| format!("This folder cannot be read: {error}."));
    }

    /// Draws the list; answers once the user has decided.
    pub fn show(&mut self, ui: &mut Ui) -> Option<Answer> {
        let mut answer = ui.input(|input| input.key_pressed(Key::Escape)).then_some(Answer::Cancelled);
        ui.horizontal(|ui| {
            ui.label(RichText::new(self.wanted.title()).font(theme::NAME));
            ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                if ui.button("Cancel").clicked() {
                    answer = Some(Answer::Cancelled);
                }
            });
        });
        ui.horizontal(|ui| {
            if ui.button("Up").clicked()
                && let Some(parent) = self.folder.parent().map(Path::to_path_buf)
            {
                self.enter(parent);
            }
            let field = ui.add(TextEdit::singleline(&mut self.typed).desired_width(f32::INFINITY));
            if field.lost_focus() && ui.input(|input| input.key_pressed(Key::Enter)) {
                answer = self.go(PathBuf::from(self.typed.trim())).or(answer.take());
            }
        });
        ui.separator();
        ScrollArea::vertical().auto_shrink(false).show(ui, |ui| {
            answer = self.list(ui).or(answer.take());
        });
        answer
    }

    fn list(&mut self, ui: &mut Ui) -> Option<Answer> {
        let entries = match &self.entries {
            Ok(entries) if entries.is_empty() => {
                ui.label(RichText::new("Nothing of that kind is here.").color(theme::FAINT));
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
        chosen.and_then(|path| self.go(path))
    }

    /// Enters a folder or chooses a file.
    fn go(&mut self, path: PathBuf) -> Option<Answer> {
        if path.is_dir() {
            self.enter(path);
            return None;
        }
        Some(Answer::Chosen(path))
    }
}

/// Folders, then files with one of the extensions; hidden ones are left out.
fn entries(folder: &Path, extensions: &[&str]) -> std::io::Result<Vec<(PathBuf, bool)>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let hidden = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
        let extension = path.extension().map(|ext| ext.to_string_lossy().to_ascii_lowercase());
        let is_folder = path.is_dir();
        if !hidden && (is_folder || extension.is_some_and(|ext| extensions.contains(&ext.as_str()))) {
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
    fn folders_come_first_and_other_files_not_at_all() {
        let folder = std::env::temp_dir().join(format!("luthier-browser-{}", std::process::id()));
        std::fs::create_dir_all(folder.join("zebra")).expect("a folder");
        for name in ["b.WAV", "A.flac", "text.txt", ".hidden.wav"] {
            std::fs::write(folder.join(name), "").expect("a file");
        }
        let mut browser = FileBrowser::new(Wanted::Style, folder.clone());
        let names: Vec<String> = browser.entries.as_ref().expect("entries").iter().map(named).collect();
        assert_eq!(names, ["zebra", "A.flac", "b.WAV"]);
        assert_eq!(browser.go(folder.join("zebra")), None);
        assert_eq!(browser.folder(), folder.join("zebra"));
        assert_eq!(browser.go(folder.join("b.WAV")), Some(Answer::Chosen(folder.join("b.WAV"))));
        browser.enter(folder.join("nowhere"));
        assert!(browser.entries.is_err());
        std::fs::remove_dir_all(folder).expect("removed");
    }

    fn named((path, _): &(PathBuf, bool)) -> String {
        path.file_name().unwrap_or_default().to_string_lossy().into_owned()
    }
}
