use std::fs;
use std::path::PathBuf;

use engine::checkpoint::{Checkpoint, Precision};
use engine::style::StyleTokens;
use tempfile::TempDir;

use super::*;
use crate::factory;
use crate::project::Keep;

/// An instance beside a folder of the user's files.
struct TestEditor {
    instance: Instance,
    registry: Registry,
    folder: TempDir,
}

impl TestEditor {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        Self { instance: Instance::default(), registry: Registry::default(), folder }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The shipped violin as a recording of the user's.
    fn recording(&self) -> PathBuf {
        let path = self.file("fiddle.flac");
        fs::write(&path, include_bytes!("../../../presets/styles/violin.flac")).expect("written");
        path
    }

    /// A model that hears and plays a little differently.
    fn other_model(&self) -> PathBuf {
        let mut checkpoint = Checkpoint::from_bytes(factory::MODEL).expect("the model");
        let tensors = checkpoint.tensors.values_mut();
        tensors.for_each(|tensor| tensor.data.iter_mut().for_each(|weight| *weight *= 0.99));
        let path = self.file("orchestra.safetensors");
        checkpoint.write(&path, Precision::F16).expect("written");
        path
    }

    fn model(&self) -> Arc<PluginModel> {
        match self.instance.model.get() {
            (_, ModelState::Ready(model)) => model,
            _ => panic!("no model: {}", self.message()),
        }
    }

    fn style(&self) -> SavedStyle {
        self.instance.project.style(Keep::File).expect("a style")
    }

    fn message(&self) -> String {
        self.instance
            .shared
            .words
            .lock()
            .message
            .take()
            .map(|message| message.text)
            .unwrap_or_default()
    }
}

#[test]
fn a_recording_becomes_the_file_style() {
    let desk = TestEditor::new();
    desk.instance.load_style(&desk.registry, &desk.recording());
    assert!(desk.message().contains("fiddle.flac"));
    assert_eq!(desk.instance.shared.status.files.load(Relaxed), 1);
    let expected = desk.model().factory_style(3).expect("the violin");
    assert_eq!(desk.style().tokens, expected, "the same recording, the same style");
    for (name, content) in
        [("silent.wav", None), ("text.wav", Some("text")), ("text.luthier", Some("text"))]
    {
        let path = desk.file(name);
        content.map_or(Ok(()), |content| fs::write(&path, content)).expect("written");
        desk.instance.load_style(&desk.registry, &path);
        assert!(desk.message().contains(name));
    }
    assert_eq!(desk.style().tokens, expected, "what cannot be read changes nothing");
}

#[test]
fn another_model_plays_and_reads_the_projects_styles_again() {
    let desk = TestEditor::new();
    let recording = desk.recording();
    desk.instance.load_style(&desk.registry, &recording);
    let before = desk.style();
    fs::remove_file(recording).expect("removed");
    let generation = desk.instance.model.generation();
    let path = desk.other_model();
    desk.instance.load_model(&desk.registry, &path);
    assert!(desk.instance.model.generation() > generation);
    assert_eq!(desk.model().name(), "orchestra");
    assert!(
        matches!(desk.instance.project.model(), ModelChoice::File { path: chosen, .. } if chosen == path)
    );
    let after = desk.style();
    assert_eq!(after.tokens.model, desk.model().sha256());
    assert!(after.tokens.tokens != before.tokens.tokens);
    // Nothing was lost on the way but 8 bits' worth.
    let change =
        |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    let fresh = desk.model().style(&factory::recording(3).expect("the violin")).expect("a style");
    let (from_levels, whole) =
        (change(&after.tokens.tokens, &fresh.tokens), change(&fresh.tokens, &before.tokens.tokens));
    assert!(from_levels < 0.5 * whole, "{from_levels} of {whole}");

    desk.instance.load_model(&desk.registry, &desk.file("nowhere.safetensors"));
    assert!(desk.message().contains("nowhere.safetensors"));
    assert_eq!(desk.model().name(), "orchestra", "it plays on");
}

#[test]
fn a_style_of_which_a_part_was_lost_is_read_again() {
    let desk = TestEditor::new();
    desk.instance.load_style(&desk.registry, &desk.recording());
    let whole = desk.style();
    // An older version that saves a project drops what it does not know of.
    let bare = StyleTokens { pooled: Vec::new(), ..(*whole.tokens).clone() };
    let lost = SavedStyle { tokens: Arc::new(bare), ..whole.clone() };
    assert!(desk.model().made(&whole.tokens) && !desk.model().made(&lost.tokens));
    let again = desk.model().reencode(&lost).expect("it is kept with what was heard");
    assert_eq!(again.tokens.pooled.len(), whole.tokens.pooled.len());
    assert!(desk.model().made(&again.tokens));
}

#[test]
fn a_saved_style_is_opened_by_somebody_with_another_model() {
    let (giver, taker) = (TestEditor::new(), TestEditor::new());
    giver.instance.save_style(Keep::File, &giver.file("none.luthier"));
    assert!(giver.message().contains("no style"));
    giver.instance.load_style(&giver.registry, &giver.recording());
    let gift = giver.file("Fiddle.luthier");
    giver.instance.save_style(Keep::File, &gift);
    assert!(giver.message().contains("saved"));
    taker.instance.load_model(&taker.registry, &taker.other_model());
    taker.instance.load_style(&taker.registry, &gift);
    let style = taker.style();
    assert_eq!((style.name.as_str(), &style.tokens.model[..]), ("Fiddle", taker.model().sha256()));
    let same = TestEditor::new();
    same.instance.load_style(&same.registry, &gift);
    assert_eq!(same.style().tokens, giver.style().tokens, "with the same model to the bit");
}
