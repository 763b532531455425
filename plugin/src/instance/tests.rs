use std::fs;
use std::path::PathBuf;

use engine::checkpoint::{Checkpoint, Precision};
use engine::style::StyleTokens;
use tempfile::TempDir;

use super::*;
use crate::factory;
use crate::project::{ProjectField, ProjectStyle};
use nice_plug::params::persist::PersistentField;

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
fn a_damaged_recording_is_used_with_a_warning() {
    let test = TestInstance::new();
    let (path, recording) = (test.file("cut.wav"), factory::reference(3).expect("the violin"));
    engine::audio_file::encode(&path, &recording.audio, engine::audio_file::SampleFormat::Int24)
        .expect("written");
    let whole = fs::read(&path).expect("a file");
    fs::write(&path, &whole[..whole.len() * 2 / 3]).expect("cut");
    test.instance.load_style(&test.registry, &path);
    let message = test.instance.shared.texts.lock().message.clone().expect("a message");
    assert_eq!(message.severity, Severity::Warning);
    assert!(message.text.starts_with("Style loaded from "), "{}", message.text);
    assert!(message.text.contains("cut.wav. Warning: the header promises"), "{}", message.text);
    assert!(!message.text.contains(&test.folder.path().display().to_string()), "no path");
    assert_eq!(test.instance.shared.status.files.load(Relaxed), 1);
}

#[test]
fn several_warnings_are_counted() {
    let mut reference = factory::reference(3).expect("the violin");
    let path = Path::new("/music/a.mp3");
    assert_eq!(loaded_message(path, Some(&reference)).0, Severity::Note);
    assert_eq!(loaded_message(path, None).1, "Style loaded from a.mp3.");
    reference.warnings = ["cut off", "noise", "gaps"].map(|w| format!("/music/a.mp3: {w}")).into();
    let (severity, text) = loaded_message(path, Some(&reference));
    assert_eq!(severity, Severity::Warning);
    assert!(text.ends_with("a.mp3. Warning: cut off (2 more)."), "{text}");
}

#[test]
fn the_user_moves_the_part_of_a_recording_and_the_project_stores_it() {
    let test = TestInstance::new();
    let path = test.file("long.wav");
    let mut recording = factory::reference(3).expect("the violin").audio;
    recording.channels.iter_mut().for_each(|channel| *channel = channel.repeat(2));
    engine::audio_file::encode(&path, &recording, engine::audio_file::SampleFormat::Int24)
        .expect("written");
    test.instance.load_style(&test.registry, &path);
    assert!(test.message().contains(" s of long.wav"));
    let (chosen, before) = (test.instance.project.file_part().expect("a part"), test.style());
    test.instance.move_style(&test.registry, 5.0);
    assert!(test.message().contains("5.0 to 16.9 s of long.wav"));
    let moved = test.instance.project.file_part().expect("a part");
    assert!(moved.ranges[0][0] == 5.0 && moved.ranges != chosen.ranges);
    assert!(moved.peaks == chosen.peaks && moved.peaks.contains(&255));
    assert!(test.style().tokens != before.tokens);

    let project = ProjectField(Arc::clone(&test.instance.project));
    let text = project.map(|written| serde_json::to_string(written).expect("JSON"));
    let copy = Arc::new(Project::default());
    ProjectField(Arc::clone(&copy)).set(serde_json::from_str(&text).expect("a project"));
    assert_eq!(copy.file_part(), Some(moved));
    let mut old: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    old.as_object_mut().expect("fields").remove("file_part");
    ProjectField(Arc::clone(&copy)).set(serde_json::from_value(old).expect("an old project"));
    assert!(copy.file_part().is_none() && copy.has_style(ProjectStyle::File));

    fs::remove_file(&path).expect("removed");
    test.instance.move_style(&test.registry, 1.0);
    assert!(test.message().contains("Cannot load the style"));
    assert_eq!(test.instance.project.file_part().expect("a part").ranges[0][0], 5.0);
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
