//! A list of folders and files inside of the window: no second window for a host to lose, no thread
//! that outlives it.

use std::path::{Path, PathBuf};

use egui::{Align, Key, Layout, RichText, ScrollArea, TextEdit, Ui};
use engine::style::file;

use super::theme;
use crate::project::Keep;
use crate::shared::Request;

/// What is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// A recording whose sound becomes a style.
    Style,
    /// A model file.
    Model,
    /// A place for one of the project's styles.
    Save(Keep),
}

impl Wanted {
    /// What the names of such files end with.
    pub fn extensions(self) -> &'static [&'static str] {
        match self {
            Self::Style => &["wav", "flac", "mp3", "ogg", file::EXTENSION],
            Self::Model => &["safetensors"],
            Self::Save(_) => &[file::EXTENSION],
        }
    }

    /// What a file of this kind asks for.
    pub fn request(self, path: PathBuf) -> Request {
        match self {
            Self::Style => Request::LoadStyle(path),
            Self::Model => Request::LoadModel(path),
            Self::Save(keep) => Request::SaveStyle(keep, path),
        }
    }

    fn title(self) -> &'static str {
        match self {
            Self::Style => "Style from a recording (WAV, FLAC, MP3, OGG) or a saved style",
            Self::Model => "Model file (.safetensors)",
            Self::Save(_) => "Save this style",
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
    /// Where the user's styles are kept.
    my_styles: PathBuf,
    /// What is typed at the top.
    typed: String,
    /// Folders first, each sorted by name; or why there is none.
    entries: Result<Vec<(PathBuf, bool)>, String>,
}

impl FileBrowser {
    /// Opens the list in `folder`, or where the user's styles are kept if one is to be saved.
    pub fn new(wanted: Wanted, folder: PathBuf, my_styles: PathBuf) -> Self {
        let mut browser =
            Self { wanted, folder, my_styles, typed: String::new(), entries: Ok(Vec::new()) };
        match wanted {
            Wanted::Save(_) => browser.enter_my_styles(),
            Wanted::Style | Wanted::Model => browser.read(),
        }
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
        let typed = match self.wanted {
            Wanted::Save(_) => self.folder.join("My style").with_extension(file::EXTENSION),
            Wanted::Style | Wanted::Model => self.folder.clone(),
        };
        self.typed = typed.display().to_string();
        self.entries = entries(&self.folder, self.wanted.extensions())
            .map_err(|error| format!("This folder cannot be read: {error}."));
    }

    /// Draws the list; answers once the user has decided.
    pub fn show(&mut self, ui: &mut Ui) -> Option<Answer> {
        let mut answer =
            ui.input(|input| input.key_pressed(Key::Escape)).then_some(Answer::Cancelled);
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
            if self.wanted != Wanted::Model && ui.button("My styles").clicked() {
                self.enter_my_styles();
            }
            answer = self.field(ui).or(answer.take());
        });
        ui.separator();
        ScrollArea::vertical().auto_shrink(false).show(ui, |ui| {
            answer = self.list(ui).or(answer.take());
        });
        answer
    }

    /// What can be typed instead of clicked, and the button that saves.
    fn field(&mut self, ui: &mut Ui) -> Option<Answer> {
        let saves = matches!(self.wanted, Wanted::Save(_));
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            let there = Path::new(self.typed.trim()).is_file();
            let pressed = saves && ui.button(if there { "Replace" } else { "Save" }).clicked();
            let field = ui.add(TextEdit::singleline(&mut self.typed).desired_width(f32::INFINITY));
            let entered = field.lost_focus() && ui.input(|input| input.key_pressed(Key::Enter));
            // What is there already is replaced by the button alone, which says so.
            (pressed || (entered && !(saves && there))).then(|| PathBuf::from(self.typed.trim()))
        })
        .inner
        .and_then(|path| self.go(path))
    }

    fn enter_my_styles(&mut self) {
        // Where it cannot be made, the list says so.
        let _ = std::fs::create_dir_all(&self.my_styles);
        self.enter(self.my_styles.clone());
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
        let path = chosen?;
        if matches!(self.wanted, Wanted::Save(_)) && !path.is_dir() {
            self.typed = path.display().to_string();
            return None;
        }
        self.go(path)
    }

    /// Enters a folder or chooses a file.
    fn go(&mut self, path: PathBuf) -> Option<Answer> {
        if path.is_dir() {
            self.enter(path);
            return None;
        }
        Some(Answer::Chosen(match self.wanted {
            Wanted::Save(_) if !file::is_style(&path) => path.with_added_extension(file::EXTENSION),
            _ => path,
        }))
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
    fn folders_come_first_and_other_files_not_at_all() {
        let kept = tempfile::tempdir().expect("a folder");
        let folder = kept.path().to_path_buf();
        std::fs::create_dir_all(folder.join("zebra")).expect("a folder");
        for name in ["b.WAV", "A.flac", "text.txt", ".hidden.wav"] {
            std::fs::write(folder.join(name), "").expect("a file");
        }
        let mut browser = FileBrowser::new(Wanted::Style, folder.clone(), folder.join("styles"));
        let names: Vec<String> =
            browser.entries.as_ref().expect("entries").iter().map(named).collect();
        assert_eq!(names, ["zebra", "A.flac", "b.WAV"]);
        assert_eq!(browser.go(folder.join("zebra")), None);
        assert_eq!(browser.folder(), folder.join("zebra"));
        assert_eq!(browser.go(folder.join("b.WAV")), Some(Answer::Chosen(folder.join("b.WAV"))));
        browser.enter(folder.join("nowhere"));
        assert!(browser.entries.is_err());
    }

    #[test]
    fn a_style_is_saved_under_the_right_name() {
        let kept = tempfile::tempdir().expect("a folder");
        let (folder, styles) = (kept.path().to_path_buf(), kept.path().join("styles"));
        let mut browser = FileBrowser::new(Wanted::Save(Keep::File), folder, styles.clone());
        assert_eq!(browser.folder(), styles, "made where it was missing");
        assert_eq!(browser.typed, styles.join("My style.luthier").display().to_string());
        for typed in ["Cello no. 2", "Cello no. 2.luthier"] {
            assert_eq!(
                browser.go(styles.join(typed)),
                Some(Answer::Chosen(styles.join("Cello no. 2.luthier")))
            );
        }
    }

    fn named((path, _): &(PathBuf, bool)) -> String {
        path.file_name().unwrap_or_default().to_string_lossy().into_owned()
    }
}
