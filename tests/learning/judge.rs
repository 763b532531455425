//! The committed classifier, on recordings that it never learnt from.

use engine::audio_file::decode;
use tests::workspace;
use trainer::classifier::Judge;

/// How probable each label is, with the labels.
fn hears(judge: &mut Judge, file: &str) -> Vec<(String, f32)> {
    let audio = decode(workspace(file)).expect("the clip");
    let probable = judge.judge_audio(&audio.channels, audio.sample_rate_hz).expect("an answer");
    judge.instruments().iter().cloned().zip(probable).collect()
}

#[test]
fn it_hears_the_style_references_and_no_violin_in_the_pianos() {
    let mut judge =
        Judge::read(&workspace("tests/fixtures/classifier.safetensors")).expect("the classifier");
    for instrument in judge.instruments().to_vec() {
        let heard = hears(&mut judge, &format!("presets/styles/{instrument}.flac"));
        assert!(
            heard.iter().any(|(name, p)| *name == instrument && *p > 0.5),
            "{instrument}: {heard:?}"
        );
    }
    // So a violin in their transfers is not one that it heard in the inputs. (The unseen
    // soundfont's broken chords are a piano or a harp to it: it learnt from two other soundfonts.)
    for clip in ["presets/demo/piano.flac", "tests/fixtures/unseen_piano.flac"] {
        let heard = hears(&mut judge, clip);
        assert!(heard.iter().any(|(name, p)| name == "violin" && *p < 0.1), "{clip}: {heard:?}");
    }
}

#[test]
fn loudness_tells_it_nothing_and_silence_is_refused() {
    let mut judge =
        Judge::read(&workspace("tests/fixtures/classifier.safetensors")).expect("the classifier");
    let audio = decode(workspace("presets/styles/violin.flac")).expect("the clip");
    let quiet: Vec<Vec<f32>> =
        audio.channels.iter().map(|c| c.iter().map(|x| x * 0.1).collect()).collect();
    let loud = judge.judge_audio(&audio.channels, audio.sample_rate_hz).expect("an answer");
    let quiet = judge.judge_audio(&quiet, audio.sample_rate_hz).expect("an answer");
    assert!(loud.iter().zip(&quiet).all(|(a, b)| (a - b).abs() < 0.05), "{loud:?} {quiet:?}");
    let silence = judge.judge_audio(&[vec![0.0; 44_100]], 44_100).unwrap_err().to_string();
    assert!(silence.contains("something that sounds"), "{silence}");
}
