//! Checks the shipped model's output for the demo clip, and for a piece on a soundfont that
//! training did not use.
//!
//! `cargo xtask check` passes the files of the README's command in the folder `LUTHIER_OUTPUTS`.
//! Without them, this test computes the same transfers itself.

mod levels;

use std::path::PathBuf;

use engine::audio_file::{Audio, decode};
use engine::cancel::Cancel;
use engine::generate::generate;
use engine::nn::packed::Packed;
use engine::pipeline::BackendModel;
use engine::settings::Settings;
use tests::equalised::residual;
use tests::notes::judge;
use tests::score::{self, Note};
use tests::transfer::{MODEL, shipped_model, tokens, transfer};
use tests::{skip, workspace};
use trainer::classifier::Judge;

const TARGET: &str = "violin";

/// Minimum recall of the output's notes, relative to the input's.
const RECALL_KEPT: f64 = 0.85;
/// Minimum precision of the output's notes, relative to the input's.
const PRECISION_KEPT: f64 = 0.75;
/// Maximum recall of a transposed score, relative to the true score.
const WRONG_SCORE: f64 = 0.3;
/// Minimum residual after the best equaliser (`tests/support/equalised.rs`,
/// `docs/decisions/049-test-thresholds.md`).
const EQUALISER_RESIDUAL: f64 = 0.15;

struct Clip {
    input: &'static str,
    score: &'static str,
    /// File name in `LUTHIER_OUTPUTS`.
    output: &'static str,
}

const DEMO: Clip =
    Clip { input: "presets/demo/piano.flac", score: "presets/demo/piano.mid", output: "demo.wav" };
const UNSEEN: Clip = Clip {
    input: "tests/fixtures/unseen_piano.flac",
    score: "tests/fixtures/unseen_piano.mid",
    output: "unseen.wav",
};

impl Clip {
    fn output(&self, input: &Audio) -> Audio {
        match std::env::var_os("LUTHIER_OUTPUTS") {
            Some(folder) => {
                decode(PathBuf::from(folder).join(self.output)).expect("the command's output")
            }
            None => transfer(input, TARGET, &Settings::default()),
        }
    }
}

fn transposed(score: &[Note]) -> Vec<Note> {
    score.iter().map(|note| Note { pitch: note.pitch + 1, ..*note }).collect()
}

fn check(clip: &Clip) {
    if !workspace(MODEL).exists() {
        return skip(clip.input, "no shipped model in presets/");
    }
    let input = decode(workspace(clip.input)).expect("the clip");
    let score = score::read(&workspace(clip.score)).expect("its score");
    let output = clip.output(&input);
    let shape = |audio: &Audio| (audio.sample_rate_hz, audio.channels.len(), audio.frames());
    assert_eq!(shape(&input), shape(&output), "rate, channels and length");

    let mut classifier =
        Judge::read(&workspace("tests/fixtures/classifier.safetensors")).expect("the classifier");
    let probabilities = classifier
        .audio_probabilities(&output.channels, output.sample_rate_hz)
        .expect("probabilities");
    let named: Vec<(&String, &f32)> = classifier.instruments().iter().zip(&probabilities).collect();
    let (best, _) = named.iter().max_by(|a, b| a.1.total_cmp(b.1)).expect("instruments");
    println!("measured: {}: classified as {named:.3?}", clip.input);
    assert_eq!(best.as_str(), TARGET, "{}: {named:?}", clip.input);

    let (dry, wet, rate_hz) = (input.mono(), output.mono(), input.sample_rate_hz);
    let (before, after) = (judge(&dry, rate_hz, &score), judge(&wet, rate_hz, &score));
    let wrong = judge(&wet, rate_hz, &transposed(&score));
    println!(
        "measured: {}: notes before {before:?}, after {after:?}, with a wrong score {wrong:?}",
        clip.input
    );
    assert!(before.recall() > 0.8, "the notes of the input were not detected: {before:?}");
    assert!(after.recall() > RECALL_KEPT * before.recall(), "notes lost: {before:?} {after:?}");
    assert!(
        after.precision() > PRECISION_KEPT * before.precision(),
        "notes added: {before:?} {after:?}"
    );
    assert!(
        wrong.recall() < WRONG_SCORE * after.recall(),
        "a wrong score matches too: {after:?} {wrong:?}"
    );

    let unexplained = residual(&dry, &wet);
    println!(
        "measured: {}: an equaliser does not explain {unexplained:.3} of the output",
        clip.input
    );
    assert!(
        unexplained > EQUALISER_RESIDUAL,
        "{}: little more than an equaliser, {unexplained}",
        clip.input
    );
}

#[test]
fn the_demo_is_transferred_to_a_violin_with_the_same_notes() {
    check(&DEMO);
}

#[test]
fn an_unseen_piece_is_transferred_to_a_violin_with_the_same_notes() {
    check(&UNSEEN);
}

#[test]
fn the_style_has_more_effect_than_the_seed() {
    let mut input = decode(workspace(DEMO.input)).expect("the clip");
    let six_seconds = 6 * input.sample_rate_hz as usize;
    input.channels.iter_mut().for_each(|channel| channel.truncate(six_seconds));
    let output = |style: &str, seed: u64| {
        transfer(&input, style, &Settings { seed, ..Settings::default() }).mono()
    };
    let violin = output(TARGET, 1);
    let difference = |other: Vec<f32>| -> f32 {
        violin.iter().zip(other).map(|(a, b)| (a - b).powi(2)).sum::<f32>().sqrt()
    };
    let (by_seed, by_style) = (difference(output(TARGET, 2)), difference(output("guitar", 1)));
    println!("measured: another style changes {by_style:.1}, another seed {by_seed:.1}");
    assert!(by_seed > 0.0 && by_style > 1.5 * by_seed, "style {by_style}, seed {by_seed}");
}

/// The output for noise and a style has no reference, but it must not be silent.
#[test]
fn noise_and_a_style_result_in_sound() {
    let settings = Settings { steps: 10, temperature: 1.0, ..Settings::default() };
    let model = shipped_model();
    let style = tokens("harp");
    let mut networks = BackendModel::new(model.model(), Packed::default());
    let sound = generate(&mut networks, &style, 6.0, &settings, &Cancel::default(), &mut |_| ())
        .expect("sound");
    let rms = (sound.iter().map(|x| x * x).sum::<f32>() / sound.len() as f32).sqrt();
    println!("measured: level of noise and a style: {:.1} dBFS", 20.0 * rms.log10());
    assert!((0.01..0.5).contains(&rms), "{rms}");
}
