use std::fs;
use std::path::PathBuf;

use engine::checkpoint::{Checkpoint, Precision};
use engine::style::StyleTokens;
use tempfile::TempDir;

use super::*;
use crate::factory;
use crate::project::ProjectStyle;

/// An instance and a folder with the user's files.
struct TestInstance {
    instance: Instance,
    registry: Registry,
    folder: TempDir,
}

impl TestInstance {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        Self { instance: Instance::default(), registry: Registry::default(), folder }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The recording of the factory style Violin as a file of the user.
    fn recording(&self) -> PathBuf {
        let path = self.file("fiddle.flac");
        fs::write(&path, include_bytes!("../../../presets/styles/violin.flac")).expect("written");
        path
    }

    /// A model file with slightly different weights.
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
        self.instance.project.style(ProjectStyle::File).expect("a style")
    }

    fn message(&self) -> String {
        self.instance
            .shared
            .texts
            .lock()
            .message
            .take()
            .map(|message| message.text)
            .unwrap_or_default()
    }
}

#[test]
fn a_recording_becomes_the_file_style() {
    let test = TestInstance::new();
    test.instance.load_style(&test.registry, &test.recording());
    assert!(test.message().contains("Style loaded from fiddle.flac"));
    assert_eq!(test.instance.shared.status.files.load(Relaxed), 1);
    let expected = test.model().factory_style(3).expect("the violin");
    assert_eq!(test.style().tokens, expected, "the same recording, the same style");
    for (name, content) in
        [("silent.wav", None), ("text.wav", Some("text")), ("text.luthier", Some("text"))]
    {
        let path = test.file(name);
        content.map_or(Ok(()), |content| fs::write(&path, content)).expect("written");
        test.instance.load_style(&test.registry, &path);
        assert!(test.message().contains(name));
    }
    assert_eq!(test.style().tokens, expected, "an unreadable file does not change the style");
}

#[test]
fn another_model_computes_the_projects_styles_again() {
    let test = TestInstance::new();
    let recording = test.recording();
    test.instance.load_style(&test.registry, &recording);
    let before = test.style();
    fs::remove_file(recording).expect("removed");
    let generation = test.instance.model.generation();
    let path = test.other_model();
    test.instance.load_model(&test.registry, &path);
    assert!(test.instance.model.generation() > generation);
    assert_eq!(test.model().name(), "orchestra");
    let chosen = test.instance.project.model();
    assert!(matches!(chosen, ModelChoice::File { path: file, .. } if file == path));
    let after = test.style();
    assert_eq!(after.tokens.model, test.model().sha256());
    assert!(after.tokens.tokens != before.tokens.tokens);
    // The stored mel images have 8 bits, so the styles differ slightly.
    let change =
        |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    let fresh = test.model().style(&factory::reference(3).expect("the violin")).expect("a style");
    let (from_stored, between_models) =
        (change(&after.tokens.tokens, &fresh.tokens), change(&fresh.tokens, &before.tokens.tokens));
    assert!(from_stored < 0.5 * between_models, "{from_stored} of {between_models}");

    test.instance.load_model(&test.registry, &test.file("nowhere.safetensors"));
    assert!(test.message().contains("nowhere.safetensors"));
    assert_eq!(test.model().name(), "orchestra", "the previous model stays in use");
}

#[test]
fn an_incomplete_style_is_computed_again() {
    let test = TestInstance::new();
    test.instance.load_style(&test.registry, &test.recording());
    let whole = test.style();
    // An older version drops unsupported fields when it saves a project.
    let incomplete = StyleTokens { pooled: Vec::new(), ..(*whole.tokens).clone() };
    let lost = SavedStyle { tokens: Arc::new(incomplete), ..whole.clone() };
    assert!(test.model().computed(&whole.tokens) && !test.model().computed(&lost.tokens));
    let again = test.model().reencode(&lost).expect("the stored mel images");
    assert_eq!(again.tokens.pooled.len(), whole.tokens.pooled.len());
    assert!(test.model().computed(&again.tokens));
}

#[test]
fn a_saved_style_is_loaded_with_another_model() {
    let (sender, receiver) = (TestInstance::new(), TestInstance::new());
    sender.instance.save_style(ProjectStyle::File, &sender.file("none.luthier"));
    assert!(sender.message().contains("No style to save"));
    sender.instance.load_style(&sender.registry, &sender.recording());
    let file = sender.file("Fiddle.luthier");
    sender.instance.save_style(ProjectStyle::File, &file);
    assert!(sender.message().contains("Style saved as"));
    receiver.instance.load_model(&receiver.registry, &receiver.other_model());
    receiver.instance.load_style(&receiver.registry, &file);
    let style = receiver.style();
    assert_eq!(
        (style.name.as_str(), &style.tokens.model[..]),
        ("Fiddle", receiver.model().sha256())
    );
    let same = TestInstance::new();
    same.instance.load_style(&same.registry, &file);
    assert_eq!(same.style().tokens, sender.style().tokens, "the same model computes the same bits");
}
