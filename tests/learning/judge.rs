//! The committed classifier on recordings that are not in its training data.

use engine::audio_file::decode;
use tests::workspace;
use trainer::classifier::Judge;

/// The labels with their probabilities.
fn classify(judge: &mut Judge, file: &str) -> Vec<(String, f32)> {
    let audio = decode(workspace(file)).expect("the clip");
    let probable =
        judge.audio_probabilities(&audio.channels, audio.sample_rate_hz).expect("probabilities");
    judge.instruments().iter().cloned().zip(probable).collect()
}

#[test]
fn it_classifies_the_style_references_and_finds_no_violin_in_the_pianos() {
    let mut judge =
        Judge::read(&workspace("tests/fixtures/classifier.safetensors")).expect("the classifier");
    for instrument in judge.instruments().to_vec() {
        let probabilities = classify(&mut judge, &format!("presets/styles/{instrument}.flac"));
        assert!(
            probabilities.iter().any(|(name, p)| *name == instrument && *p > 0.5),
            "{instrument}: {probabilities:?}"
        );
    }
    // A violin in their transfers is therefore not a misclassified input. (It classifies the unseen
    // soundfont's broken chords as piano or harp, because it was trained on two other soundfonts.)
    for clip in ["presets/demo/piano.flac", "tests/fixtures/unseen_piano.flac"] {
        let probabilities = classify(&mut judge, clip);
        assert!(
            probabilities.iter().any(|(name, p)| name == "violin" && *p < 0.1),
            "{clip}: {probabilities:?}"
        );
    }
}

#[test]
fn the_level_has_no_effect_and_silence_is_refused() {
    let mut judge =
        Judge::read(&workspace("tests/fixtures/classifier.safetensors")).expect("the classifier");
    let audio = decode(workspace("presets/styles/violin.flac")).expect("the clip");
    let quiet: Vec<Vec<f32>> =
        audio.channels.iter().map(|c| c.iter().map(|x| x * 0.1).collect()).collect();
    let loud =
        judge.audio_probabilities(&audio.channels, audio.sample_rate_hz).expect("probabilities");
    let quiet = judge.audio_probabilities(&quiet, audio.sample_rate_hz).expect("probabilities");
    assert!(loud.iter().zip(&quiet).all(|(a, b)| (a - b).abs() < 0.05), "{loud:?} {quiet:?}");
    let silence = judge.audio_probabilities(&[vec![0.0; 44_100]], 44_100).unwrap_err().to_string();
    assert!(silence.contains("expected sound, found silence"), "{silence}");
}
