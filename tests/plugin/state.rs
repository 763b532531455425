//! What a project keeps, and what becomes of it elsewhere.

use tests::clap_host::{Clap, entry};
use tests::signal::{Lcg, delayed};

#[test]
fn a_project_opens_as_it_was_saved() {
    let entry = entry();
    let mut clap = Clap::new(&entry);
    clap.activate(48_000, 512);
    let wanted = [("Style", 3.0), ("Strength", 0.5), ("Steps", 2.0), ("Seed", 77.0), ("Freeze", 1.0)];
    let values: Vec<_> = wanted.iter().map(|(name, value)| (clap.param(name), *value)).collect();
    clap.play(&vec![vec![0.0; 512]; 2], &[], |_| 512, &values);
    let saved = clap.save();
    let mut other = Clap::new(&entry);
    assert!(other.load(&saved));
    for (name, value) in wanted {
        assert!((other.value(name) - value).abs() < 1e-4, "{name}: {}", other.value(name));
    }
    assert_eq!(other.save(), saved);
}

#[test]
fn a_project_without_its_model_plays_dry() {
    let entry = entry();
    let mut clap = Clap::new(&entry);
    let saved = clap.save();
    let text = String::from_utf8(saved[8..].to_vec()).expect("JSON");
    let start = text.find(r#"\"sha256\":\""#).expect("a model's hash") + r#"\"sha256\":\""#.len();
    let mut other = text.clone();
    other.replace_range(start..start + 64, &"0".repeat(64));
    let mut bytes = (other.len() as u64).to_le_bytes().to_vec();
    bytes.extend(other.as_bytes());
    assert!(clap.load(&bytes));
    clap.set_offline(true);
    let latency = clap.activate(48_000, 512);
    let noise = Lcg(1).noise(latency + 30_000);
    let out = clap.play(&[noise.clone(), noise.clone()], &[], |_| 512, &[]);
    assert!(out[0] == delayed(&noise, latency));
    assert!(clap.save() == bytes, "the project still names its model");
}
