//! `trainer fetch` with replacements of yt-dlp and ffmpeg, without a network.
#![cfg(unix)]

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// Writes an executable shell script.
fn program(path: PathBuf, text: &str) -> PathBuf {
    std::fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    path
}

/// Replacement of yt-dlp. It copies the file of a file URL to `--output`, logs its arguments, and
/// fails if the file does not exist.
const YT_DLP: &str = r#"
[ "$1" = --version ] && exit 0
echo "$@" >> "$(dirname "$0")/calls"
while [ $# -gt 1 ]; do
    [ "$1" = --output ] && template="$2"
    shift
done
target=$(printf '%s' "$template" | sed 's/%(ext)s/mp3/; s/%%/%/g')
cp "${1#file://}" "$target" 2> /dev/null && exit 0
echo "WARNING: trying" >&2
echo "ERROR: $1 is not there" >&2
exit 1
"#;

struct Workspace {
    folder: tempfile::TempDir,
    yt_dlp: PathBuf,
    ffmpeg: PathBuf,
}

impl Workspace {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let yt_dlp = program(folder.path().join("yt-dlp"), YT_DLP);
        let ffmpeg = program(folder.path().join("ffmpeg"), "exit 0");
        std::fs::write(folder.path().join("song"), "sound").unwrap();
        Self { folder, yt_dlp, ffmpeg }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a list of `label,title` rows. The source of a row need not exist.
    fn list(&self, rows: &[(&str, &str)]) {
        let row = |(name, source): &(&str, &str)| {
            format!("{name},file://{}\n", self.path(source).display())
        };
        let rows: String = rows.iter().map(row).collect();
        std::fs::write(self.path("urls.csv"), format!("label,title,url\n{rows}")).unwrap();
    }

    fn fetch(&self) -> Output {
        self.fetch_with(&self.yt_dlp, &self.ffmpeg)
    }

    fn fetch_with(&self, yt_dlp: &Path, ffmpeg: &Path) -> Output {
        let mut trainer = Command::new(env!("CARGO_BIN_EXE_trainer"));
        trainer.arg("fetch").arg(self.path("urls.csv")).arg("--out").arg(self.path("downloads"));
        trainer.arg("--yt-dlp").arg(yt_dlp).arg("--ffmpeg").arg(ffmpeg).output().unwrap()
    }

    fn calls(&self) -> Vec<String> {
        let text = std::fs::read_to_string(self.path("calls")).unwrap_or_default();
        text.lines().map(String::from).collect()
    }
}

fn output_text(output: &Output) -> String {
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

#[test]
fn recordings_are_fetched_once() {
    let workspace = Workspace::new();
    workspace.list(&[("harp,100% Air", "song"), ("violin,Étude / 1", "song")]);
    let first = workspace.fetch();
    assert_eq!(first.status.code(), Some(0), "{}", output_text(&first));
    for file in ["harp/100% Air.mp3", "violin/Étude _ 1.mp3"] {
        assert_eq!(
            std::fs::read_to_string(workspace.path("downloads").join(file)).unwrap(),
            "sound",
            "{file}"
        );
    }
    let calls = workspace.calls();
    assert!(
        calls[0].contains("bestaudio") && calls[0].contains("--audio-format mp3"),
        "{}",
        calls[0]
    );
    assert!(
        calls[0].contains("--enable-file-urls") && calls[0].contains("--ffmpeg-location"),
        "{}",
        calls[0]
    );
    let again = workspace.fetch();
    assert!(
        output_text(&again).contains("0 recordings fetched, 2 kept, 0 failed"),
        "{}",
        output_text(&again)
    );
    assert_eq!(workspace.calls().len(), 2, "no file is fetched twice");
}

#[test]
fn failed_rows_are_listed_and_the_others_are_fetched() {
    let workspace = Workspace::new();
    workspace.list(&[("harp,Lost", "missing"), ("harp,Found", "song")]);
    let output = workspace.fetch();
    assert_eq!(output.status.code(), Some(1));
    let text = output_text(&output);
    assert!(text.contains("1 recordings fetched, 0 kept, 1 failed"), "{text}");
    assert!(
        text.contains("failed harp/Lost.mp3 (file://") && text.contains("is not there"),
        "{text}"
    );
    assert!(
        workspace.path("downloads/harp/Found.mp3").exists()
            && !workspace.path("downloads/harp/Lost.mp3").exists()
    );
    // The missing file exists now. Only that file is fetched.
    std::fs::write(workspace.path("missing"), "late").unwrap();
    assert_eq!(workspace.fetch().status.code(), Some(0));
    assert_eq!(workspace.calls().len(), 3);
}

#[test]
fn missing_tools_and_invalid_lists_are_refused() {
    let workspace = Workspace::new();
    workspace.list(&[("harp,Air", "song")]);
    let missing = workspace.path("missing");
    for (yt_dlp, ffmpeg, word) in [
        (&missing, &workspace.ffmpeg, "yt-dlp: expected"),
        (&workspace.yt_dlp, &missing, "ffmpeg: expected"),
    ] {
        let output = workspace.fetch_with(yt_dlp, ffmpeg);
        assert_eq!(output.status.code(), Some(2));
        assert!(
            output_text(&output).starts_with(word) && output_text(&output).contains("install"),
            "{}",
            output_text(&output)
        );
    }
    std::fs::write(workspace.path("urls.csv"), "label;title;url\n").unwrap();
    let output = workspace.fetch();
    assert_eq!(output.status.code(), Some(2));
    assert!(
        output_text(&output).contains("no label among `label;title;url`"),
        "{}",
        output_text(&output)
    );
    assert!(workspace.calls().is_empty() && !workspace.path("downloads").exists());
}
