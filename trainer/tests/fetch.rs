//! `trainer fetch` with stand-ins for yt-dlp and ffmpeg: no network.
#![cfg(unix)]

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// Writes a shell script that can be run.
fn program(path: PathBuf, text: &str) -> PathBuf {
    std::fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    path
}

/// Copies what a file URL names to where `--output` says, notes its arguments, and fails where
/// there is nothing.
const YT_DLP: &str = r#"
[ "$1" = --version ] && exit 0
echo "$@" >> "$(dirname "$0")/calls"
while [ $# -gt 1 ]; do
    [ "$1" = --output ] && template="$2"
    shift
done
target=$(printf '%s' "$template" | sed 's/%(ext)s/mp3/; s/%%/%/g')
cp "${1#file://}" "$target" 2> /dev/null || { echo "WARNING: trying" >&2; echo "ERROR: $1 is not there" >&2; exit 1; }
"#;

struct Workplace {
    folder: tempfile::TempDir,
    yt_dlp: PathBuf,
    ffmpeg: PathBuf,
}

impl Workplace {
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

    /// A list of `label,title` rows whose sources are there or not.
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

fn said(output: &Output) -> String {
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

#[test]
fn recordings_come_to_their_places_once() {
    let place = Workplace::new();
    place.list(&[("harp,100% Air", "song"), ("violin,Étude / 1", "song")]);
    let first = place.fetch();
    assert_eq!(first.status.code(), Some(0), "{}", said(&first));
    for file in ["harp/100% Air.mp3", "violin/Étude _ 1.mp3"] {
        assert_eq!(
            std::fs::read_to_string(place.path("downloads").join(file)).unwrap(),
            "sound",
            "{file}"
        );
    }
    let calls = place.calls();
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
    let again = place.fetch();
    assert!(said(&again).contains("0 recordings fetched, 2 kept, 0 failed"), "{}", said(&again));
    assert_eq!(place.calls().len(), 2, "nothing is fetched twice");
}

#[test]
fn a_row_that_fails_is_named_and_the_rest_goes_on() {
    let place = Workplace::new();
    place.list(&[("harp,Lost", "nothing"), ("harp,Found", "song")]);
    let output = place.fetch();
    assert_eq!(output.status.code(), Some(1));
    let said = said(&output);
    assert!(said.contains("1 recordings fetched, 0 kept, 1 failed"), "{said}");
    assert!(
        said.contains("failed harp/Lost.mp3 (file://") && said.contains("is not there"),
        "{said}"
    );
    assert!(
        place.path("downloads/harp/Found.mp3").exists()
            && !place.path("downloads/harp/Lost.mp3").exists()
    );
    // What was missing is there now: only that is fetched.
    std::fs::write(place.path("nothing"), "late").unwrap();
    assert_eq!(place.fetch().status.code(), Some(0));
    assert_eq!(place.calls().len(), 3);
}

#[test]
fn missing_tools_and_bad_lists_are_refused_in_a_sentence() {
    let place = Workplace::new();
    place.list(&[("harp,Air", "song")]);
    let nowhere = place.path("nowhere");
    for (yt_dlp, ffmpeg, word) in [
        (&nowhere, &place.ffmpeg, "yt-dlp: expected"),
        (&place.yt_dlp, &nowhere, "ffmpeg: expected"),
    ] {
        let output = place.fetch_with(yt_dlp, ffmpeg);
        assert_eq!(output.status.code(), Some(2));
        assert!(
            said(&output).starts_with(word) && said(&output).contains("install"),
            "{}",
            said(&output)
        );
    }
    std::fs::write(place.path("urls.csv"), "label;title;url\n").unwrap();
    let output = place.fetch();
    assert_eq!(output.status.code(), Some(2));
    assert!(said(&output).contains("no label among `label;title;url`"), "{}", said(&output));
    assert!(place.calls().is_empty() && !place.path("downloads").exists());
}
