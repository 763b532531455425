//! The editor on a screen that is an image: what a click does, and what is seen.
//!
//! `cargo xtask screenshots` keeps the pictures.

mod screen;
mod test_editor;

use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering::Relaxed;

use egui::{Key, pos2, vec2};
use engine::audio_file::Reader;
use engine::inference_model::InferenceModel;
use engine::latency_mode::LatencyMode;
use engine::nn::packed::Packed;
use engine::pipeline::{BackendModel, Pipeline};
use engine::settings::Settings;
use engine::stream::latency::latency_samples;
use engine::stream::render;

use super::window::{SIZE, SIZE_MIN};
use crate::effect::deadline_samples;
use crate::factory;
use crate::params::{Latency, Steps};
use crate::project::Keep;
use crate::registry::Registry;
use crate::shared::{Request, Severity};
use crate::style_slot::{CAPTURED, FILE, SIDECHAIN};
use test_editor::{Gesture, TestEditor};

const DEMO: &[u8] = include_bytes!("../../../../presets/demo/piano.flac");
const VIOLIN: i32 = 3;

/// An instance that plays the demo as a violin: every number and picture is that of a real
/// transfer.
fn playing(size: [f32; 2], pixels_per_point: f32) -> TestEditor {
    let desk = TestEditor::new(size, pixels_per_point);
    let mut reader = Reader::from_bytes("piano.flac", DEMO).expect("the demo");
    let rate_hz = reader.sample_rate_hz();
    let mut signal = vec![Vec::new(); reader.channels()];
    while signal[0].len() < 11 * rate_hz as usize {
        let block = reader.read().expect("read").expect("eleven seconds");
        signal.iter_mut().zip(block).for_each(|(all, new)| all.extend_from_slice(new));
    }
    let checkpoint = engine::checkpoint::Checkpoint::from_bytes(factory::MODEL).expect("the model");
    let playable = InferenceModel::packed(&checkpoint).expect("a playable model");
    let style = playable
        .style(&mut Packed::default(), &factory::recording(VIOLIN as usize).expect("a recording"))
        .expect("tokens");
    let networks = BackendModel::new(playable.model(), Packed::default());
    let mut pipeline =
        Pipeline::new(Box::new(networks), rate_hz, signal.len(), style).expect("a pipeline");
    let shared = std::sync::Arc::clone(&desk.shared);
    pipeline.observe(Box::new(move |view| shared.pictures.lock().push(view)));
    let grid = pipeline.grid().clone();
    let latency = latency_samples(&grid, deadline_samples(LatencyMode::Quality, &grid));
    let started = std::time::Instant::now();
    let (out, report) =
        render(grid, &signal, Box::new(pipeline), &Settings::default(), &mut |_| ())
            .expect("rendered");
    assert_eq!(report.first_error, None);
    let status = &desk.shared.status;
    status.real_time_factor.set(started.elapsed().as_secs_f32() / 11.0);
    status.active.store(true, Relaxed);
    status.channels.store(2, Relaxed);
    status.sample_rate_hz.store(rate_hz, Relaxed);
    status.latency_samples.store(latency as u32, Relaxed);
    status.position.store(8 * i64::from(rate_hz), Relaxed);
    status.wet.store(report.stats.wet, Relaxed);
    let peak = |signal: &[Vec<f32>]| signal[0].iter().fold(0.0f32, |peak, x| peak.max(x.abs()));
    desk.shared.meters.input.iter().for_each(|level| level.raise(peak(&signal)));
    desk.shared.meters.output.iter().for_each(|level| level.raise(peak(&out)));
    {
        let mut words = desk.shared.words.lock();
        words.model = factory::MODEL_NAME.into();
        words.device = "CPU, 7 threads".into();
        words.style = "Violin".into();
    }
    desk
}

/// Keeps a picture where `LUTHIER_SCREENSHOTS` says, and holds it to what every picture must be.
fn keep(desk: &TestEditor, name: &str, size: [f32; 2]) {
    let whole = egui::Rect::from_min_size(pos2(0.0, 0.0), vec2(size[0], size[1]));
    for (text, place, clip) in desk.screen.texts() {
        let seen = whole.intersect(clip).expand(1.0);
        assert!(
            text.is_empty() || seen.contains_rect(place),
            "{name}: `{text}` at {place:?} in {seen:?}"
        );
    }
    let picture = desk.screen.picture();
    let colors: std::collections::HashSet<_> = picture.pixels().collect();
    assert!(colors.len() > 100, "{name}: {} colours", colors.len());
    if let Some(folder) = std::env::var_os("LUTHIER_SCREENSHOTS").map(PathBuf::from) {
        std::fs::create_dir_all(&folder).expect("a folder");
        picture.save(folder.join(format!("{name}.png"))).expect("a picture");
    }
}

#[test]
fn it_shows_every_state() {
    let loading = TestEditor::new(SIZE, 1.0);
    assert!(loading.screen.texts().iter().any(|(text, ..)| text == "no model"));
    keep(&loading, "loading", SIZE);

    let mut desk = playing(SIZE, 1.0);
    desk.click_on("Violin");
    desk.frame(Vec::new());
    keep(&desk, "playing", SIZE);
    println!("measured: {:.2} ms for a frame while it plays, before it is drawn", desk.frame_ms());
    let music = std::env::temp_dir().join("luthier-music");
    std::fs::create_dir_all(music.join("Quartet")).expect("a folder");
    for name in ["cello.flac", "clarinet in the hall.wav"] {
        std::fs::write(music.join(name), "").expect("a file");
    }
    desk.open_files_in(music);
    keep(&desk, "file", SIZE);
    desk.click_on("cello.flac");
    assert!(
        matches!(&desk.requests.lock()[..], [Request::LoadStyle(path)] if path.ends_with("cello.flac"))
    );

    desk.hover(&["/music/cello.flac".into()]);
    keep(&desk, "drop", SIZE);
    desk.hover(&[]);

    desk.click_on("Sidechain");
    desk.shared.meters.sidechain.iter().for_each(|level| level.raise(0.4));
    desk.shared.status.sidechain_seconds.set(7.0);
    desk.shared.words.lock().style = "Sidechain".into();
    desk.frame(Vec::new());
    keep(&desk, "sidechain", SIZE);

    desk.shared.status.late.store(3, Relaxed);
    desk.shared.status.real_time_factor.set(0.93);
    desk.shared.notify(
        Severity::Warning,
        "Playing dry: the model `orchestra` of this project cannot be opened (orchestra.safetensors: no such file).",
    );
    desk.frame(Vec::new());
    desk.frame(Vec::new());
    keep(&desk, "trouble", SIZE);

    let mut small = playing(SIZE_MIN, 2.0);
    small.frame(Vec::new());
    keep(&small, "small", SIZE_MIN);
}

#[test]
fn a_click_on_a_style_chooses_it() {
    let mut desk = TestEditor::new(SIZE, 1.0);
    for (name, slot) in
        [("Violin", VIOLIN), ("Sidechain", SIDECHAIN), ("Captured", CAPTURED), ("File", FILE)]
    {
        desk.click_on(name);
        assert_eq!(desk.params.style.value(), slot);
        assert_eq!(desk.gestures(), [Gesture::Begin, Gesture::Set, Gesture::End]);
    }
    assert!(desk.requests.lock().is_empty());
}

#[test]
fn a_new_capture_or_file_is_chosen() {
    let mut desk = TestEditor::new(SIZE, 1.0);
    desk.click_on("Capture");
    assert_eq!(*desk.requests.lock(), [Request::Capture]);
    assert_eq!(desk.params.style.value(), 0, "nothing has been captured yet");
    desk.shared.status.captures.fetch_add(1, Relaxed);
    desk.frame(Vec::new());
    assert_eq!(desk.params.style.value(), CAPTURED);
    desk.shared.status.files.fetch_add(1, Relaxed);
    desk.frame(Vec::new());
    assert_eq!(desk.params.style.value(), FILE);
}

#[test]
fn a_style_of_the_projects_is_saved() {
    let mut desk = TestEditor::new(SIZE, 1.0);
    let folder = tempfile::tempdir().expect("a folder");
    desk.keep_styles_in(folder.path().to_path_buf());
    let saves =
        |desk: &TestEditor| desk.screen.texts().iter().any(|(text, ..)| text == "Save\u{2026}");
    assert!(!saves(&desk), "there is nothing to save yet");
    let model = Registry::default().shipped().expect("the model");
    let recording = factory::recording(VIOLIN as usize).expect("a recording");
    let style = model.keep("Violin".into(), Path::new("violin.flac"), &recording).expect("a style");
    desk.params.project.0.keep(Keep::Captured, Some(style));
    desk.frame(Vec::new());
    assert!(saves(&desk));
    desk.click_on("Save\u{2026}");
    desk.click_on("Save");
    let path = folder.path().join("My style.luthier");
    assert_eq!(*desk.requests.lock(), [Request::SaveStyle(Keep::Captured, path)]);
}

#[test]
fn a_file_that_is_let_go_over_the_window_is_opened() {
    let mut desk = TestEditor::new(SIZE, 1.0);
    let shows = |desk: &TestEditor, start: &str| {
        desk.screen.texts().iter().any(|(text, ..)| text.starts_with(start))
    };
    let paths = |names: &[&str]| names.iter().map(PathBuf::from).collect::<Vec<_>>();
    let cello = paths(&["/music/notes.txt", "/music/Cello.FLAC"]);
    assert!(desk.hover(&cello) && shows(&desk, "Let go to play in the sound of Cello.FLAC"));
    assert!(!desk.hover(&[]) && !shows(&desk, "Let go"), "the files were carried away");
    assert!(desk.requests.lock().is_empty(), "nothing was let go yet");
    assert!(desk.drop_files(&cello), "one of them can be opened");
    assert!(desk.drop_files(&paths(&["/music/mine.luthier"])));
    assert!(
        desk.hover(&paths(&["/models/orchestra.safetensors"]))
            && shows(&desk, "Let go to play with the model")
    );
    assert!(desk.drop_files(&paths(&["/models/orchestra.safetensors"])));
    let asked = std::mem::take(&mut *desk.requests.lock());
    let style = |path: &str| Request::LoadStyle(path.into());
    let model = Request::LoadModel("/models/orchestra.safetensors".into());
    assert_eq!(asked, [style("/music/Cello.FLAC"), style("/music/mine.luthier"), model]);

    assert!(
        !desk.hover(&paths(&["/music/notes.txt"]))
            && shows(&desk, "notes.txt cannot be opened here")
    );
    assert!(
        !desk.drop_files(&paths(&["/music/notes.txt"]))
            && shows(&desk, "notes.txt is not a recording")
    );
    assert!(!desk.drop_files(&[]));
    assert!(desk.requests.lock().is_empty());
}

#[test]
fn a_knob_is_dragged_typed_and_reset() {
    let mut desk = TestEditor::new(SIZE, 1.0);
    let dial = desk.screen.find("Mix") + vec2(0.0, 35.0);
    desk.drag(dial, dial + vec2(0.0, 90.0));
    let mix = desk.params.mix.value();
    assert!((0.45..0.55).contains(&mix), "{mix}");
    let gestures = desk.gestures();
    assert_eq!((gestures[0], gestures[gestures.len() - 1]), (Gesture::Begin, Gesture::End));
    assert!(gestures[1..gestures.len() - 1].iter().all(|gesture| *gesture == Gesture::Set));

    let value = desk.screen.find("Mix") + vec2(0.0, 73.0);
    desk.click(value);
    desk.type_in("25", Key::Enter);
    assert_eq!(desk.params.mix.value(), 0.25);
    desk.click(value);
    desk.type_in("nonsense", Key::Enter);
    assert_eq!(desk.params.mix.value(), 0.25, "what is no number changes nothing");
    desk.click(value);
    desk.type_in("70", Key::Escape);
    assert_eq!(desk.params.mix.value(), 0.25, "Escape changes nothing");

    // Long enough after the clicks before not to be the third of them.
    (0..60).for_each(|_| desk.frame(Vec::new()));
    desk.click(dial);
    desk.click(dial);
    assert_eq!(desk.params.mix.value(), 1.0, "a double-click is the default");
    desk.key(Key::ArrowDown);
    assert!((0.98..1.0).contains(&desk.params.mix.value()), "{}", desk.params.mix.value());
}

#[test]
fn switches_switch() {
    let mut desk = TestEditor::new(SIZE, 1.0);
    desk.click_on("50");
    assert_eq!(desk.params.steps.value(), Steps::Fifty);
    desk.click_on("Freeze");
    desk.click_on("Bypass");
    assert!(desk.params.freeze.value() && desk.params.bypass.value());
    desk.click_on("Bypass");
    assert!(!desk.params.bypass.value());
}

#[test]
fn another_latency_is_chosen_and_says_when_it_holds() {
    let mut desk = TestEditor::new(SIZE, 1.0);
    desk.shared.status.active.store(true, Relaxed);
    desk.shared.restart.activated(Latency::Quality);
    desk.click_on("Latency: Quality");
    desk.frame(Vec::new());
    desk.click_on("Live: a fifth of a second, 1 step");
    assert_eq!(desk.params.latency.value(), Latency::Live);
    let message = desk.shared.words.lock().message.as_ref().map(|message| message.text.clone());
    assert!(message.is_some_and(|text| text.contains("restarts the plugin")));
    desk.frame(Vec::new());
    assert_eq!(desk.restarts(), 1, "the host is asked, once");
}

#[test]
fn a_message_stays_until_it_is_understood() {
    let mut desk = TestEditor::new(SIZE, 1.0);
    desk.shared.notify(Severity::Warning, "The model is missing.");
    desk.frame(Vec::new());
    assert!(desk.screen.texts().iter().any(|(text, ..)| text == "The model is missing."));
    desk.click_on("\u{d7}");
    assert!(desk.shared.words.lock().message.is_none());
}
