//! `trainer fetch`: downloads recordings from a list of addresses with yt-dlp.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use engine::{Error, Result};
use serde::Deserialize;

/// Characters that some file systems do not allow.
const FORBIDDEN: &str = "/\\:*?\"<>|";
/// Maximum bytes of a name. Systems allow 255; the ending and a chunk's number need some of them.
const NAME_BYTES: usize = 200;

/// Downloads recordings to `OUT/<label>/<title>.mp3` with yt-dlp and ffmpeg.
///
/// Both programs must be installed. Existing files are skipped, so a stopped command continues.
/// Only download what you have the right to copy and to train on. The rights stay with the authors
/// of the recordings. Luthier's own weights were not trained on such data.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// CSV file with the columns `label`, `title` and `url`. The label is the instrument.
    #[arg(value_name = "URLS.csv")]
    pub list: PathBuf,
    /// Folder for the recordings.
    #[arg(long, default_value = "downloads", value_name = "DIR")]
    pub out: PathBuf,
    /// Name or path of yt-dlp.
    #[arg(long, value_name = "PROGRAM", default_value = "yt-dlp")]
    pub yt_dlp: PathBuf,
    /// Name or path of ffmpeg, which yt-dlp uses to write MP3 files.
    #[arg(long, value_name = "PROGRAM", default_value = "ffmpeg")]
    pub ffmpeg: PathBuf,
}

/// A row of the list.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
struct Row {
    label: String,
    title: String,
    url: String,
}

/// The recordings of a finished run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Recordings that this run downloaded.
    pub fetched: usize,
    /// Recordings that existed before.
    pub kept: usize,
    /// Failed rows with the reason.
    pub failed: Vec<String>,
}

/// Downloads the missing recordings in order. A failed row does not stop the others.
///
/// # Errors
/// If the list is invalid, yt-dlp or ffmpeg is missing, or the folder cannot be written.
pub fn run(args: &Args) -> Result<Summary> {
    let rows = read(&args.list)?;
    let missing: Vec<&(Row, PathBuf)> =
        rows.iter().filter(|(_, file)| !args.out.join(file).exists()).collect();
    let mut summary = Summary { kept: rows.len() - missing.len(), ..Summary::default() };
    if !missing.is_empty() {
        let install = "install it (https://github.com/yt-dlp/yt-dlp) or name it with --yt-dlp";
        check_program(&args.yt_dlp, "--version", "yt-dlp", install)?;
        check_program(
            &args.ffmpeg,
            "-version",
            "ffmpeg",
            "install it (https://ffmpeg.org) or name it with --ffmpeg",
        )?;
    }
    for (number, (row, file)) in missing.iter().enumerate() {
        println!("[{}/{}] {}", number + 1, missing.len(), file.display());
        match fetch(args, row, file)? {
            None => summary.fetched += 1,
            Some(reason) => {
                summary.failed.push(format!("{} ({}): {reason}", file.display(), row.url))
            }
        }
    }
    Ok(summary)
}

impl Summary {
    /// The counts, then one line for each failed row.
    pub fn lines(&self) -> Vec<String> {
        let counts = format!(
            "{} recordings fetched, {} kept, {} failed",
            self.fetched,
            self.kept,
            self.failed.len()
        );
        std::iter::once(counts)
            .chain(self.failed.iter().map(|row| format!("failed {row}")))
            .collect()
    }
}

/// The rows of a list, each with its file relative to the folder of recordings.
fn read(path: &Path) -> Result<Vec<(Row, PathBuf)>> {
    let refuse = |found: String| {
        Error::file(
            path,
            format!("expected a CSV file with the columns label, title and url, found {found}"),
        )
    };
    let mut reader = csv::ReaderBuilder::new()
        .trim(csv::Trim::All)
        .from_path(path)
        .map_err(|e| Error::file(path, format!("expected a CSV file, found: {e}")))?;
    let headers = reader.headers().map_err(|e| refuse(e.to_string()))?.clone();
    if let Some(column) =
        ["label", "title", "url"].into_iter().find(|c| !headers.iter().any(|h| h == *c))
    {
        let found: Vec<&str> = headers.iter().collect();
        return Err(refuse(format!("no {column} among `{}`", found.join(","))));
    }
    let (mut rows, mut lines) = (Vec::new(), HashMap::new());
    for record in reader.records() {
        let record = record.map_err(|e| refuse(e.to_string()))?;
        let line = record.position().map_or(0, csv::Position::line);
        let row: Row = record
            .deserialize(Some(&headers))
            .map_err(|e| refuse(format!("{e} in line {line}")))?;
        let file =
            file(&row).map_err(|field| refuse(format!("no usable {field} in line {line}")))?;
        if let Some(other) = lines.insert(file.clone(), line) {
            return Err(refuse(format!("{} in line {line} and in line {other}", file.display())));
        }
        rows.push((row, file));
    }
    match rows.is_empty() {
        true => Err(refuse("no row".into())),
        false => Ok(rows),
    }
}

/// `<label>/<title>.mp3`, or the name of an unusable column.
fn file(row: &Row) -> std::result::Result<PathBuf, &'static str> {
    if row.url.is_empty() {
        return Err("url");
    }
    let (label, title) = (name(&row.label).ok_or("label")?, name(&row.title).ok_or("title")?);
    Ok(Path::new(&label).join(format!("{title}.mp3")))
}

/// A text as a valid file name on every system; `None` if it is empty then.
fn name(text: &str) -> Option<String> {
    let fit = |c: char| if FORBIDDEN.contains(c) || c.is_control() { '_' } else { c };
    let mut name: String = text.chars().map(fit).collect();
    name.truncate(name.floor_char_boundary(NAME_BYTES));
    // A leading dot hides a file, and some systems do not allow a trailing one.
    let name = name.trim_matches(|c: char| c == '.' || c.is_whitespace());
    (!name.is_empty()).then(|| name.to_owned())
}

/// Checks that a program runs.
fn check_program(program: &Path, flag: &str, name: &str, advice: &str) -> Result<()> {
    let mut command = Command::new(program);
    let status =
        command.arg(flag).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
    let found = match status {
        Ok(status) if status.success() => return Ok(()),
        Ok(status) => format!("`{} {flag}` ended with {status}", program.display()),
        Err(error) => format!("`{}` does not start ({error})", program.display()),
    };
    Err(Error::invalid(name, "the program", format!("{found}; {advice}")))
}

/// Downloads one recording to a hidden folder and moves it to its place. Returns the reason if
/// yt-dlp fails.
fn fetch(args: &Args, row: &Row, file: &Path) -> Result<Option<String>> {
    let (partial, place) = (args.out.join(".partial").join(file), args.out.join(file));
    std::fs::create_dir_all(&partial).map_err(|e| Error::file(&partial, e))?;
    // yt-dlp continues a partial file that it finds here. Its templates escape `%` as `%%`.
    let template = format!("{}/audio.%(ext)s", partial.to_string_lossy().replace('%', "%%"));
    let mut command = Command::new(&args.yt_dlp);
    command.args(["--quiet", "--no-playlist", "--format", "bestaudio/best"]);
    command.args(["--extract-audio", "--audio-format", "mp3", "--audio-quality", "0"]);
    if args.ffmpeg != Path::new("ffmpeg") {
        command.arg("--ffmpeg-location").arg(&args.ffmpeg);
    }
    if row.url.starts_with("file:") {
        command.arg("--enable-file-urls");
    }
    command
        .args(["--output", &template, "--", &row.url])
        .stdin(Stdio::null())
        .stdout(Stdio::null());
    let output =
        command.stderr(Stdio::piped()).output().map_err(|e| Error::file(&args.yt_dlp, e))?;
    let fetched = partial.join("audio.mp3");
    if !output.status.success() {
        let message = String::from_utf8_lossy(&output.stderr);
        let last = message
            .lines()
            .rev()
            .find(|line| !line.trim().is_empty())
            .unwrap_or("no message")
            .trim();
        return Ok(Some(format!("yt-dlp ended with {}: {last}", output.status)));
    }
    if !fetched.is_file() {
        return Ok(Some("yt-dlp succeeded but wrote no MP3 file".into()));
    }
    let folder = place.parent().unwrap_or(&args.out);
    std::fs::create_dir_all(folder).map_err(|e| Error::file(folder, e))?;
    std::fs::rename(&fetched, &place).map_err(|e| Error::file(&place, e))?;
    std::fs::remove_dir_all(&partial).map_err(|e| Error::file(&partial, e))?;
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(text: &str) -> Result<Vec<(Row, PathBuf)>> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("urls.csv");
        std::fs::write(&path, text).unwrap();
        read(&path)
    }

    #[test]
    fn columns_are_found_by_name_and_names_fit_every_system() {
        let found = rows(
            "url,label,title\nhttps://a/b, harp ,\"Air, No. 2 / \"\"live\"\"\"\nc,../up,..\u{e9}t\u{e9}.\n",
        )
        .unwrap();
        assert_eq!(found[0].1, Path::new("harp").join("Air, No. 2 _ _live_.mp3"));
        assert_eq!(found[1].1, Path::new("_up").join("\u{e9}t\u{e9}.mp3"));
        assert_eq!(found[0].0.url, "https://a/b");
        let long = name(&"\u{e9}".repeat(150)).unwrap();
        assert_eq!(long.len(), NAME_BYTES);
    }

    #[test]
    fn a_bad_list_is_refused_with_the_line() {
        for (text, words) in [
            ("label,title\na,b\n", "no url"),
            ("label,title,url\n", "no row"),
            ("label,title,url\na,b\n", "line"),
            ("label,title,url\na,b,c\n,d,e\n", "label in line 3"),
            ("label,title,url\na,b,c\na,...,e\n", "title in line 3"),
            ("label,title,url\na,b,c\na,d,\n", "url in line 3"),
            ("label,title,url\na,b,c\na,b,e\n", "in line 3 and in line 2"),
        ] {
            let message = rows(text).unwrap_err().to_string();
            assert!(message.contains(words) && message.contains("urls.csv"), "{text:?}: {message}");
        }
        assert!(read(Path::new("no.csv")).unwrap_err().to_string().contains("no.csv"));
    }
}
