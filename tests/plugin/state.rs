//! Project states, and projects from other installations.

use std::path::Path;

use engine::nn::packed::Packed;
use engine::style::{SavedStyle, StyleTokens, file};
use tests::clap_host::{Clap, entry};
use tests::signal::{Lcg, delayed};
use tests::transfer::shipped_model;
use tests::workspace;

#[test]
fn a_project_is_restored_as_saved() {
    let entry = entry();
    let mut clap = Clap::new(&entry);
    clap.activate(48_000, 512);
    let expected = [
        ("Style", 3.0),
        ("Strength", 0.5),
        ("Steps", 2.0),
        ("Seed", 77.0),
        ("Freeze", 1.0),
        ("Limiter", 1.0),
    ];
    let values: Vec<_> = expected.iter().map(|(name, value)| (clap.param(name), *value)).collect();
    clap.play(&vec![vec![0.0; 512]; 2], &[], |_| 512, &values);
    let saved = clap.save();
    let mut other = Clap::new(&entry);
    assert!(other.load(&saved));
    for (name, value) in expected {
        assert!((other.value(name) - value).abs() < 1e-4, "{name}: {}", other.value(name));
    }
    assert_eq!(other.save(), saved);
}

/// Replaces the model of a state by one with another hash and this path.
fn with_another_model(state: &[u8], path: &str) -> Vec<u8> {
    let text = String::from_utf8(state[8..].to_vec()).expect("JSON");
    let start = text.find(r#"\"sha256\":\""#).expect("a model's hash") + r#"\"sha256\":\""#.len();
    let mut other = text;
    other.replace_range(start..start + 64, &"0".repeat(64));
    let other = other.replace(r#"\"path\":\"\""#, &format!(r#"\"path\":\"{path}\""#));
    [&(other.len() as u64).to_le_bytes(), other.as_bytes()].concat()
}

#[test]
fn a_project_without_its_model_is_dry() {
    let entry = entry();
    let mut clap = Clap::new(&entry);
    let state = with_another_model(&clap.save(), "/missing/orchestra.safetensors");
    assert!(clap.load(&state));
    clap.set_offline(true);
    let latency = clap.activate(48_000, 512);
    let noise = Lcg(1).noise(latency + 30_000);
    let out = clap.play(&[noise.clone(), noise.clone()], &[], |_| 512, &[]);
    assert!(out[0] == delayed(&noise, latency));
    assert!(clap.save() == state, "the state still contains its model");
}

/// After an update, a project uses the model of the new version.
#[test]
fn a_project_with_an_older_shipped_model_uses_the_current_one() {
    let entry = entry();
    let mut clap = Clap::new(&entry);
    let fresh = clap.save();
    assert!(clap.load(&with_another_model(&fresh, "")));
    clap.set_offline(true);
    let latency = clap.activate(48_000, 512);
    let noise = Lcg(1).noise(latency + 30_000);
    let out = clap.play(&[noise.clone(), noise.clone()], &[], |_| 512, &[]);
    assert!(out[0] != delayed(&noise, latency), "the output is wet");
    assert!(clap.save() == fresh, "the state contains this version's model");
}

/// `tests/fixtures/version_0.1.0` was saved by the version before this one.
const PREVIOUS_VERSION: &str = "tests/fixtures/version_0.1.0";

#[test]
fn a_project_of_the_previous_version_opens() {
    let json = std::fs::read(workspace(Path::new(PREVIOUS_VERSION).join("project.json")));
    let json = json.expect("a project");
    let entry = entry();
    let mut clap = Clap::new(&entry);
    // Parameters that the state does not contain have their defaults, also in a used instance.
    let later = [("Limiter", 1.0, 0.0), ("Dynamics", 0.25, 1.0), ("Latency", 2.0, 0.0)];
    let used: Vec<_> = later.iter().map(|(name, used, _)| (clap.param(name), *used)).collect();
    clap.activate(48_000, 512);
    clap.play(&vec![vec![0.0; 512]; 2], &[], |_| 512, &used);
    clap.deactivate();
    assert!(clap.load(&[&(json.len() as u64).to_le_bytes(), &json[..]].concat()));
    for (name, _, default) in later {
        assert_eq!(clap.value(name), default, "{name}");
    }
    for (name, value) in [("Strength", 0.5), ("Seed", 77.0), ("Freeze", 1.0), ("Style", 61.0)] {
        assert!((clap.value(name) - value).abs() < 1e-4, "{name}: {}", clap.value(name));
    }
}

#[test]
fn a_style_of_the_previous_version_opens() {
    let path = workspace(Path::new(PREVIOUS_VERSION).join("style.luthier"));
    let saved = file::read(&path).expect("a style");
    let model = shipped_model();
    let current = model.reencode(&mut Packed::default(), &saved).expect("a usable style");
    let silent = vec![0.0; current.tokens.tokens.len()];
    assert!(current.tokens.tokens != silent);
    // A model with another hash computes the same tokens again from the saved mel images.
    let foreign = SavedStyle {
        tokens: StyleTokens { model: "0".repeat(64), ..(*saved.tokens).clone() }.into(),
        ..saved.clone()
    };
    let again = model.reencode(&mut Packed::default(), &foreign).expect("mel images");
    let error = |(a, b): (&f32, &f32)| (a - b).abs();
    let errors = again.tokens.tokens.iter().zip(&current.tokens.tokens).map(error);
    let largest = errors.fold(0.0, f32::max);
    assert!(largest < 0.2, "8-bit mel images: {largest}");
    let mut mels = (*foreign.mels).clone();
    mels.mel.n_fft = 1024;
    let foreign = SavedStyle { mels: mels.into(), ..foreign };
    let refused = model.reencode(&mut Packed::default(), &foreign).expect_err("other images");
    assert!(refused.to_string().contains("mel.n_fft: expected 2048, found 1024"), "{refused}");
}
