//! The bundle in Python hosts, if they are installed. `LUTHIER_PYTHON` names a Python with them.

use std::path::{Path, PathBuf};
use std::process::Command;

use engine::audio_file::{Audio, SampleFormat, encode};
use engine::settings::Settings;
use tests::signal::piano;
use tests::transfer::{reference, transfer, transfer_with_sidechain};
use tests::{bundle, skip, workspace};

/// Values of the Style parameter.
const VIOLIN: &str = "3";
const SIDECHAIN: &str = "60";

fn python() -> PathBuf {
    std::env::var_os("LUTHIER_PYTHON").map_or_else(|| PathBuf::from("python3"), PathBuf::from)
}

fn has_packages(python: &Path) -> bool {
    let found = Command::new(python).args(["-c", "import numpy, soundfile"]).output();
    found.is_ok_and(|output| output.status.success())
}

/// Runs the script and prints its output.
fn compare(python: &Path, files: [&Path; 2], style: &str, sidechain: Option<&Path>) {
    let mut script = Command::new(python);
    script
        .arg(workspace("tests/plugin/python_hosts.py"))
        .arg(bundle::vst3())
        .args(files)
        .arg(style);
    let output = script.args(sidechain).output().expect("started");
    print!("{}", String::from_utf8_lossy(&output.stdout));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn bounces_equal_the_command_lines_files() {
    let python = python();
    if !has_packages(&python) {
        return skip(
            "dawdreamer and pedalboard",
            "no Python with numpy and soundfile (LUTHIER_PYTHON)",
        );
    }
    let folder = tempfile::tempdir().expect("a folder");
    let write = |name: &str, audio: &Audio| {
        let path = folder.path().join(name);
        encode(&path, audio, SampleFormat::Float32).expect("written");
        path
    };
    let audio = piano(9.0, 2);
    let input = write("input.wav", &audio);
    let violin = write("violin.wav", &transfer(&audio, "violin", &Settings::default()));
    compare(&python, [&input, &violin], VIOLIN, None);
    let mut sidechain_audio = reference("violin");
    let side = sidechain_audio.channels[0][..audio.frames()].to_vec();
    sidechain_audio.channels = vec![side; 2];
    let channels = transfer_with_sidechain(&audio, &sidechain_audio.channels);
    let expected = write("expected.wav", &Audio { channels, ..audio });
    compare(
        &python,
        [&input, &expected],
        SIDECHAIN,
        Some(&write("sidechain.wav", &sidechain_audio)),
    );
}
