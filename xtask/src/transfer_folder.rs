//! Transfers every recording of a folder, several at a time.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context, Result, bail, ensure};
use engine::audio_file::EXTENSIONS;
use parking_lot::Mutex;

use crate::transfer::{Outcome, Renderer};
use crate::{interrupt, model, standard_output};

/// A recording and its output.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Job {
    input: PathBuf,
    output: PathBuf,
}

/// Transfers all recordings of a folder and its subfolders. An existing output is skipped.
///
/// # Errors
/// If the folder cannot be read, has no recordings, or a transfer failed. All others are complete.
pub fn run(renderer: &Renderer, input: &Path, output: &Path) -> Result<()> {
    let jobs = jobs(input, output)?;
    ensure!(!jobs.is_empty(), "{}: expected a folder with recordings", input.display());
    let (todo, done): (Vec<_>, Vec<_>) = jobs.iter().partition(|job| !job.output.exists());
    let (next, failed) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..model::threads().min(todo.len()) {
            scope.spawn(|| {
                while let Some(job) = todo.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let result = transfer(renderer, job).and_then(|outcome| report(job, &outcome));
                    if let Err(error) = result {
                        failed.lock().push(format!("{error:#}"));
                    }
                    if interrupt::check().is_err() {
                        break;
                    }
                }
            });
        }
    });
    interrupt::check()?;
    let failed = failed.into_inner();
    for error in &failed {
        eprintln!("error: {error}");
    }
    let transferred = todo.len() - failed.len();
    let skipped = if done.is_empty() {
        String::new()
    } else {
        format!(", {} skipped because their outputs exist", done.len())
    };
    standard_output::print(format_args!(
        "{transferred} of {} files transferred{skipped}",
        jobs.len()
    ))?;
    if !failed.is_empty() {
        bail!(
            "{} of {} files failed; run the command again to repeat them",
            failed.len(),
            todo.len()
        );
    }
    Ok(())
}

fn transfer(renderer: &Renderer, job: &Job) -> Result<Outcome> {
    let folder = job.output.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    renderer.transfer(&job.input, None, &job.output)
}

fn report(job: &Job, outcome: &Outcome) -> Result<()> {
    outcome.print_notes();
    standard_output::print(format_args!("{}: {:.2} s", job.output.display(), outcome.seconds()))
}

/// The recordings below `input`, sorted, with outputs at the same places below `output`.
fn jobs(input: &Path, output: &Path) -> Result<Vec<Job>> {
    let mut files = Vec::new();
    collect(input, output, &mut files)?;
    files.sort();
    let mut outputs = BTreeSet::new();
    let job = |file: PathBuf| {
        let place = output.join(file.strip_prefix(input).unwrap_or(&file));
        let is_flac = has_extension(&file, &["flac"]);
        let mut path = place.with_extension(if is_flac { "flac" } else { "wav" });
        if !outputs.insert(path.clone()) {
            // Two inputs differ in their extensions alone.
            let mut name = place.file_name().unwrap_or_default().to_os_string();
            name.push(".wav");
            path = place.with_file_name(name);
            outputs.insert(path.clone());
        }
        Job { input: file, output: path }
    };
    Ok(files.into_iter().map(job).collect())
}

/// Collects the recordings of a folder, except below `output`.
fn collect(folder: &Path, output: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    let shown = || folder.display().to_string();
    for entry in fs::read_dir(folder).with_context(shown)? {
        let path = entry.with_context(shown)?.path();
        let is_hidden = path.file_name().is_some_and(|name| name.as_encoded_bytes()[0] == b'.');
        let is_output = || {
            let canonical = |path: &Path| path.canonicalize().ok();
            canonical(&path).is_some_and(|path| Some(path) == canonical(output))
        };
        // A link to a folder could be a circle.
        if path.is_dir() && !path.is_symlink() && !is_hidden && !is_output() {
            collect(&path, output, files)?;
        } else if path.is_file() && !is_hidden && has_extension(&path, &EXTENSIONS) {
            files.push(path);
        }
    }
    Ok(())
}

fn has_extension(path: &Path, extensions: &[&str]) -> bool {
    let extension = path.extension().and_then(OsStr::to_str).unwrap_or_default();
    extensions.iter().any(|known| extension.eq_ignore_ascii_case(known))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recordings_keep_their_places_and_never_share_an_output() {
        let folder = tempfile::tempdir().expect("a folder");
        let (input, output) = (folder.path().join("in"), folder.path().join("in/out"));
        for name in
            ["a.wav", "a.mp3", "b.FLAC", "notes.txt", ".hidden.wav", "sub/c.ogg", "out/a.wav"]
        {
            let path = input.join(name);
            fs::create_dir_all(path.parent().expect("a folder")).expect("created");
            fs::write(path, "").expect("written");
        }
        let found = jobs(&input, &output).expect("listed");
        let names = found.iter().map(|job| {
            let below = |path: &Path, root: &Path| {
                path.strip_prefix(root).expect("below").display().to_string()
            };
            (below(&job.input, &input), below(&job.output, &output))
        });
        let expected = [
            ("a.mp3", "a.wav"),
            ("a.wav", "a.wav.wav"),
            ("b.FLAC", "b.flac"),
            ("sub/c.ogg", "sub/c.wav"),
        ];
        assert_eq!(names.collect::<Vec<_>>(), expected.map(|(i, o)| (i.into(), o.into())));
    }
}
