//! Thousands of damaged states and style files are refused or repaired, without a crash.
//!
//! `LUTHIER_FUZZ_ROUNDS` sets the number of rounds. `tests/plugin/corpus` contains inputs that were
//! once of interest.

use std::fs;
use std::path::Path;

use clack_host::prelude::PluginEntry;
use tests::clap_host::{Clap, entry};
use tests::signal::{Lcg, delayed};
use tests::workspace;

/// Rounds of each target in a normal test run.
const ROUNDS: usize = 1500;
/// Inserted tokens: extreme numbers and ends of strings, nesting and Unicode.
const TOKENS: [&str; 16] = [
    "null",
    "true",
    "1e999",
    "-1",
    "18446744073709551616",
    "NaN",
    "\"",
    "\\",
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    "\\u0000",
    "\u{fffd}",
];

fn rounds() -> usize {
    std::env::var("LUTHIER_FUZZ_ROUNDS").ok().and_then(|text| text.parse().ok()).unwrap_or(ROUNDS)
}

/// The corpus of one target.
fn corpus(target: &str) -> Vec<Vec<u8>> {
    let folder = workspace(Path::new("tests/plugin/corpus").join(target));
    let files = fs::read_dir(folder).expect("the corpus").map(|file| file.expect("a file").path());
    let mut files: Vec<_> = files.collect();
    files.sort();
    assert!(files.len() > 2, "a corpus");
    files.iter().map(|file| fs::read(file).expect("read")).collect()
}

/// Applies one random change.
fn damage(bytes: &mut Vec<u8>, corpus: &[Vec<u8>], random: &mut Lcg) {
    let place = random.below(bytes.len() + 1);
    let end = bytes.len().min(place + 1 + random.below(40));
    match random.below(7) {
        0 => bytes.truncate(place),
        1 => bytes[place..end].iter_mut().for_each(|byte| *byte ^= 1 << random.below(8)),
        2 => drop(bytes.drain(place..end)),
        3 => bytes.extend_from_within(place..end),
        4 => drop(bytes.splice(place..place, TOKENS[random.below(TOKENS.len())].bytes())),
        5 => {
            let number = random.bits().to_string();
            let digits =
                bytes[place..].iter().position(u8::is_ascii_digit).map_or(place, |n| place + n);
            let rest = bytes[digits..].iter().take_while(|byte| byte.is_ascii_digit()).count();
            drop(bytes.splice(digits..digits + rest, number.bytes()));
        }
        _ => {
            let other = &corpus[random.below(corpus.len())];
            let cut = random.below(other.len() + 1);
            bytes.truncate(place);
            bytes.extend_from_slice(&other[cut..]);
        }
    }
}

fn damaged(corpus: &[Vec<u8>], random: &mut Lcg) -> Vec<u8> {
    let mut bytes = corpus[random.below(corpus.len())].clone();
    (0..1 + random.below(3)).for_each(|_| damage(&mut bytes, corpus, random));
    bytes
}

/// nice-plug's CLAP state: the length, then the JSON.
fn framed(json: &[u8], random: &mut Lcg) -> Vec<u8> {
    let length_error = if random.below(20) == 0 { u64::from(random.bits()) } else { 0 };
    [&(json.len() as u64 + length_error).to_le_bytes(), json].concat()
}

/// Checks that an instance with an accepted state saves a valid state and processes audio.
fn check_instance(entry: &PluginEntry, clap: &mut Clap, state: &[u8]) {
    let saved = clap.save();
    let mut other = Clap::new(entry);
    assert!(other.load(&saved), "its own state, after {}", String::from_utf8_lossy(state));
    assert_eq!(other.save(), saved, "a state is kept as it is");
    let latency = clap.activate(8_000, 4096);
    let mix = clap.param("Mix");
    let (gain, bypass) = (clap.param("Input gain"), clap.param("Bypass"));
    let noise = Lcg(1).noise(latency + 4096);
    let dry = [(mix, 0.0), (gain, 0.5), (bypass, 1.0)];
    let out = clap.play(&[noise.clone(), noise.clone()], &[], |_| 4096, &dry);
    assert!(out[0] == delayed(&noise, latency));
    clap.deactivate();
}

#[test]
fn a_damaged_state_is_refused_or_repaired() {
    let (entry, corpus) = (entry(), corpus("states"));
    let mut random = Lcg(7);
    let mut clap = Clap::new(&entry);
    for state in &corpus {
        assert!(clap.load(&framed(state, &mut Lcg(1))), "{}", String::from_utf8_lossy(state));
        check_instance(&entry, &mut clap, state);
    }
    let mut accepted_count = 0;
    for _ in 0..rounds() {
        let state = framed(&damaged(&corpus, &mut random), &mut random);
        let accepted = clap.load(&state);
        accepted_count += usize::from(accepted);
        if accepted && accepted_count % 20 == 1 {
            check_instance(&entry, &mut clap, &state);
        }
    }
    println!("{accepted_count} of {} damaged states were accepted", rounds());
    assert!(accepted_count > 0, "some damaged files are valid");
}

#[test]
fn a_damaged_style_file_is_refused_or_repaired() {
    let corpus = corpus("styles");
    let folder = tempfile::tempdir().expect("a folder");
    let (path, again) = (folder.path().join("a.luthier"), folder.path().join("b.luthier"));
    for style in &corpus {
        fs::write(&path, style).expect("written");
        engine::style::file::read(&path).expect("whole");
    }
    let mut random = Lcg(8);
    let mut accepted_count = 0;
    for _ in 0..rounds() {
        fs::write(&path, damaged(&corpus, &mut random)).expect("written");
        match engine::style::file::read(&path) {
            Ok(style) => {
                accepted_count += 1;
                engine::style::file::write(&style, &again).expect("written");
                let read = engine::style::file::read(&again).expect("its own file");
                assert_eq!((read.tokens, read.mels), (style.tokens, style.mels));
            }
            Err(reason) => assert!(reason.to_string().contains("a.luthier"), "{reason}"),
        }
    }
    println!("{accepted_count} of {} damaged styles were accepted", rounds());
    assert!(accepted_count > 0, "some damaged files are valid");
}
