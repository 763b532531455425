//! The bundle in hosts that producers script in Python, where there are any: `LUTHIER_PYTHON` names
//! a Python that has them.

use std::path::{Path, PathBuf};
use std::process::Command;

use engine::audio_file::{Audio, SampleFormat, encode};
use engine::settings::Settings;
use tests::signal::piano;
use tests::transfer::{followed, reference, transfer};
use tests::{bundle, skip, workspace};

/// The Style parameter's places.
const VIOLIN: &str = "3";
const SIDECHAIN: &str = "60";

fn python() -> PathBuf {
    std::env::var_os("LUTHIER_PYTHON").map_or_else(|| PathBuf::from("python3"), PathBuf::from)
}

fn has_what_the_script_needs(python: &Path) -> bool {
    let found = Command::new(python).args(["-c", "import numpy, soundfile"]).output();
    found.is_ok_and(|output| output.status.success())
}

/// Runs the script; what it says belongs to the test's output.
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
fn their_bounces_are_the_command_lines_files() {
    let python = python();
    if !has_what_the_script_needs(&python) {
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
    let mut beside = reference("violin");
    let side = beside.channels[0][..audio.frames()].to_vec();
    beside.channels = vec![side; 2];
    let channels = followed(&audio, &beside.channels);
    let expected = write("followed.wav", &Audio { channels, ..audio });
    compare(&python, [&input, &expected], SIDECHAIN, Some(&write("beside.wav", &beside)));
}
