//! The editor drawn into an image, without a screen: the effects of clicks, and the texts.
//!
//! `cargo xtask screenshots` saves the images.

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
use super::{RESTART_NOTICE, theme};
use crate::effect::deadline_samples;
use crate::factory;
use crate::file_part::FilePart;
use crate::params::{Latency, Steps};
use crate::project::ProjectStyle;
use crate::registry::Registry;
use crate::shared::{Request, Severity};
use crate::style_slot::{CAPTURED, FILE, SIDECHAIN};
use test_editor::{Gesture, TestEditor};

const DEMO: &[u8] = include_bytes!("../../../../presets/demo/piano.flac");
const VIOLIN: i32 = 3;

/// An editor with the numbers and spectrograms of a real transfer: the demo as a violin.
fn playing_editor(size: [f32; 2], pixels_per_point: f32) -> TestEditor {
    let editor = TestEditor::new(size, pixels_per_point);
    let mut reader = Reader::from_bytes("piano.flac", DEMO).expect("the demo");
    let rate_hz = reader.sample_rate_hz();
    let mut signal = vec![Vec::new(); reader.channels()];
    while signal[0].len() < 11 * rate_hz as usize {
        let block = reader.read().expect("read").expect("eleven seconds");
        signal.iter_mut().zip(block).for_each(|(all, new)| all.extend_from_slice(new));
    }
    let checkpoint = engine::checkpoint::Checkpoint::from_bytes(factory::MODEL).expect("the model");
    let model = InferenceModel::packed(&checkpoint).expect("an inference model");
    let style = model
        .style(&mut Packed::default(), &factory::reference(VIOLIN as usize).expect("a recording"))
        .expect("tokens");
    let networks = BackendModel::new(model.model(), Packed::default());
    let mut pipeline =
        Pipeline::new(Box::new(networks), rate_hz, signal.len(), style).expect("a pipeline");
    let shared = std::sync::Arc::clone(&editor.shared);
    pipeline.observe(Box::new(move |view| shared.pictures.lock().push(view)));
    let grid = pipeline.grid().clone();
    let latency = latency_samples(&grid, deadline_samples(LatencyMode::Quality, &grid));
    let started = std::time::Instant::now();
    let (out, report) =
        render(grid, &signal, Box::new(pipeline), &Settings::default(), &mut |_| ())
            .expect("rendered");
    assert_eq!(report.first_error, None);
    let status = &editor.shared.status;
    status.real_time_factor.set(started.elapsed().as_secs_f32() / 11.0);
    status.active.store(true, Relaxed);
    status.channels.store(2, Relaxed);
    status.sample_rate_hz.store(rate_hz, Relaxed);
    status.latency_samples.store(latency as u32, Relaxed);
    status.position.store(8 * i64::from(rate_hz), Relaxed);
    status.wet.store(report.stats.wet, Relaxed);
    let peak = |signal: &[Vec<f32>]| signal[0].iter().fold(0.0f32, |peak, x| peak.max(x.abs()));
    editor.shared.meters.input.iter().for_each(|level| level.raise(peak(&signal)));
    editor.shared.meters.output.iter().for_each(|level| level.raise(peak(&out)));
    {
        let mut texts = editor.shared.texts.lock();
        texts.model = factory::MODEL_NAME.into();
        texts.device = "CPU, 7 threads".into();
        texts.style = "Violin".into();
    }
    editor
}

/// Asserts that no text is cut off.
fn assert_texts_fit(editor: &TestEditor, name: &str, size: [f32; 2]) {
    let whole = egui::Rect::from_min_size(pos2(0.0, 0.0), vec2(size[0], size[1]));
    for (text, place, clip) in editor.screen.texts() {
        let visible = whole.intersect(clip).expand(1.0);
        assert!(
            text.is_empty() || visible.contains_rect(place),
            "{name}: `{text}` at {place:?} in {visible:?}"
        );
    }
}

/// Checks the last frame, and saves it in the folder `LUTHIER_SCREENSHOTS` if that is set.
fn check_and_save(editor: &TestEditor, name: &str, size: [f32; 2]) {
    assert_texts_fit(editor, name, size);
    let picture = editor.screen.picture();
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
    assert!(loading.screen.texts().iter().any(|(text, ..)| text == "No model"));
    check_and_save(&loading, "loading", SIZE);

    let mut editor = playing_editor(SIZE, 1.0);
    editor.click_on("Violin");
    editor.frame(Vec::new());
    check_and_save(&editor, "playing", SIZE);
    println!("measured: {:.2} ms for a frame during playback, before drawing", editor.frame_ms());
    let music = std::env::temp_dir().join("luthier-music");
    std::fs::create_dir_all(music.join("Quartet")).expect("a folder");
    for name in ["cello.flac", "clarinet in the hall.wav"] {
        std::fs::write(music.join(name), "").expect("a file");
    }
    editor.open_files_in(music);
    check_and_save(&editor, "file", SIZE);
    editor.click_on("cello.flac");
    let requests = editor.requests.lock().clone();
    assert!(matches!(&requests[..], [Request::LoadStyle(path)] if path.ends_with("cello.flac")));

    editor.drag_files(&["/music/cello.flac".into()]);
    check_and_save(&editor, "drop", SIZE);
    editor.drag_files(&[]);

    editor.click_on("Sidechain");
    editor.shared.meters.sidechain.iter().for_each(|level| level.raise(0.4));
    editor.shared.status.sidechain_seconds.set(7.0);
    editor.shared.texts.lock().style = "Sidechain".into();
    editor.frame(Vec::new());
    check_and_save(&editor, "sidechain", SIZE);

    editor.shared.status.late.store(3, Relaxed);
    editor.shared.status.real_time_factor.set(0.93);
    editor.shared.notify(
        Severity::Warning,
        "Dry output: cannot open the project's model `orchestra` \
         (orchestra.safetensors: no such file). Choose another model.",
    );
    editor.frame(Vec::new());
    editor.frame(Vec::new());
    check_and_save(&editor, "trouble", SIZE);

    let mut small = playing_editor(SIZE_MIN, 2.0);
    small.frame(Vec::new());
    check_and_save(&small, "small", SIZE_MIN);
}

/// An editor of the smallest size with every item of the status line.
fn crowded_editor() -> TestEditor {
    let editor = TestEditor::new(SIZE_MIN, 1.0);
    let status = &editor.shared.status;
    status.active.store(true, Relaxed);
    status.offline.store(true, Relaxed);
    status.sample_rate_hz.store(48_000, Relaxed);
    status.latency_samples.store(237_936, Relaxed);
    status.real_time_factor.set(1.25);
    status.late.store(123, Relaxed);
    status.failed.store(45, Relaxed);
    let mut texts = editor.shared.texts.lock();
    texts.model = "orchestra".into();
    texts.device = "CPU, 16 threads, not CUDA".into();
    texts.style_file = "clarinet in the hall.wav".into();
    drop(texts);
    editor
}

#[test]
fn no_text_is_cut_off_in_the_smallest_window() {
    let mut editor = crowded_editor();
    editor.shared.notify(Severity::Note, RESTART_NOTICE);
    editor.frame(Vec::new());
    assert_texts_fit(&editor, "notice", SIZE_MIN);
    for files in
        ["/music/notes.txt", "/music/clarinet in the hall.flac", "/music/orchestra.safetensors"]
    {
        editor.drag_files(&[files.into()]);
        assert_texts_fit(&editor, files, SIZE_MIN);
        editor.drop_files(&[files.into()]);
        assert_texts_fit(&editor, files, SIZE_MIN);
    }
    for (button, item) in [("Latency: Quality", "Quality: "), ("Model\u{2026}", "Use the ")] {
        editor.click_on(button);
        editor.frame(Vec::new());
        assert!(editor.screen.texts().iter().any(|(text, ..)| text.starts_with(item)), "{item}");
        assert_texts_fit(&editor, button, SIZE_MIN);
        editor.key(Key::Escape);
    }
    editor.click_on("Open\u{2026}");
    assert_texts_fit(&editor, "file browser", SIZE_MIN);
}

#[test]
fn every_control_has_a_tooltip_that_fits() {
    let mut editor = crowded_editor();
    editor.shared.notify(Severity::Note, "Style saved as Violin.luthier.");
    editor.frame(Vec::new());
    let dials = ["Strength", "Dynamics", "Mix", "Guidance", "Input gain", "Output gain", "Seed"];
    let others = [
        "\u{d7}",
        "Piano",
        "Sidechain",
        "Captured",
        "File",
        "Capture",
        "Open\u{2026}",
        "2",
        "4",
        "10",
        "50",
        "Freeze",
        "Bypass",
        "Limiter",
        "Clip",
        "orchestra",
        "CPU, 16 threads, not CUDA",
        "Real-time factor 1.25",
        "Latency 4.96 s (237936 samples)",
        "123 late",
        "45 failed",
        "Rendering offline",
    ];
    let dials = dials.map(|name| (name, editor.screen.find(name) + vec2(0.0, 35.0)));
    let others = others.map(|name| (name, editor.screen.find(name)));
    for (name, place) in dials.into_iter().chain(others) {
        editor.hover_pointer(pos2(1.0, 1.0));
        let before = editor.screen.texts().len();
        editor.hover_pointer(place);
        let texts = editor.screen.texts();
        assert_eq!(texts.len(), before + 1, "{name} has no tooltip");
        let tooltip = &texts[before].0;
        assert!(tooltip.ends_with('.'), "{name}: {tooltip}");
        for sentence in tooltip.split(['.', '\n']) {
            assert!(sentence.split_whitespace().count() <= 25, "{name}: {sentence}");
        }
        assert_texts_fit(&editor, name, SIZE_MIN);
    }
}

#[test]
fn a_click_on_a_style_chooses_it() {
    let mut editor = TestEditor::new(SIZE, 1.0);
    for (name, slot) in
        [("Violin", VIOLIN), ("Sidechain", SIDECHAIN), ("Captured", CAPTURED), ("File", FILE)]
    {
        editor.click_on(name);
        assert_eq!(editor.params.style.value(), slot);
        assert_eq!(editor.gestures(), [Gesture::Begin, Gesture::Set, Gesture::End]);
    }
    assert!(editor.requests.lock().is_empty());
}

#[test]
fn a_new_capture_or_file_is_chosen() {
    let mut editor = TestEditor::new(SIZE, 1.0);
    editor.click_on("Capture");
    assert_eq!(*editor.requests.lock(), [Request::Capture]);
    assert_eq!(editor.params.style.value(), 0, "there is no captured style yet");
    editor.shared.status.captures.fetch_add(1, Relaxed);
    editor.frame(Vec::new());
    assert_eq!(editor.params.style.value(), CAPTURED);
    editor.shared.status.files.fetch_add(1, Relaxed);
    editor.frame(Vec::new());
    assert_eq!(editor.params.style.value(), FILE);
}

#[test]
fn a_captured_style_is_saved() {
    let mut editor = TestEditor::new(SIZE, 1.0);
    let folder = tempfile::tempdir().expect("a folder");
    editor.set_styles_folder(folder.path().to_path_buf());
    let saves =
        |editor: &TestEditor| editor.screen.texts().iter().any(|(text, ..)| text == "Save\u{2026}");
    assert!(!saves(&editor), "there is nothing to save yet");
    let model = Registry::default().shipped().expect("the model");
    let recording = factory::reference(VIOLIN as usize).expect("a recording");
    let style =
        model.saved_style("Violin".into(), Path::new("violin.flac"), &recording).expect("a style");
    editor.params.project.0.set_style(ProjectStyle::Captured, Some(style));
    editor.frame(Vec::new());
    assert!(saves(&editor));
    editor.click_on("Save\u{2026}");
    editor.click_on("Save");
    let path = folder.path().join("My style.luthier");
    assert_eq!(*editor.requests.lock(), [Request::SaveStyle(ProjectStyle::Captured, path)]);
}

#[test]
fn a_click_on_the_waveform_moves_the_part() {
    let mut editor = TestEditor::new(SIZE, 1.0);
    let part = FilePart { seconds: 60.0, ranges: vec![[20.0, 32.0]], peaks: vec![200; 300] };
    let model = Registry::default().shipped().expect("the model");
    let reference = factory::reference(VIOLIN as usize).expect("a recording");
    let style =
        model.saved_style("Violin".into(), Path::new("violin.flac"), &reference).expect("a style");
    editor.params.project.0.set_file_style(style, Some(part));
    editor.frame(Vec::new());
    // The waveform is above the button, at whose centre the middle of the recording is.
    let middle = editor.screen.find("Open\u{2026}") - vec2(0.0, 24.0);
    editor.click(middle);
    editor.drag(middle, middle + vec2(-500.0, 0.0));
    let requests = editor.requests.lock();
    assert!(
        matches!(requests[..], [Request::MoveStyle(29_000..=31_000), Request::MoveStyle(0)]),
        "{requests:?}"
    );
}

#[test]
fn a_dropped_file_is_opened() {
    let mut editor = TestEditor::new(SIZE, 1.0);
    let shows = |editor: &TestEditor, start: &str| {
        editor.screen.texts().iter().any(|(text, ..)| text.starts_with(start))
    };
    let paths = |names: &[&str]| names.iter().map(PathBuf::from).collect::<Vec<_>>();
    let cello = paths(&["/music/notes.txt", "/music/Cello.FLAC"]);
    assert!(editor.drag_files(&cello) && shows(&editor, "Drop to use Cello.FLAC as the style"));
    assert!(!editor.drag_files(&[]) && !shows(&editor, "Drop"), "the files have left the window");
    assert!(editor.requests.lock().is_empty(), "no file was dropped yet");
    assert!(editor.drop_files(&cello), "one of them can be opened");
    assert!(editor.drop_files(&paths(&["/music/mine.luthier"])));
    assert!(
        editor.drag_files(&paths(&["/models/orchestra.safetensors"]))
            && shows(&editor, "Drop to load orchestra.safetensors as the model")
    );
    assert!(editor.drop_files(&paths(&["/models/orchestra.safetensors"])));
    let requests = std::mem::take(&mut *editor.requests.lock());
    let style = |path: &str| Request::LoadStyle(path.into());
    let model = Request::LoadModel("/models/orchestra.safetensors".into());
    assert_eq!(requests, [style("/music/Cello.FLAC"), style("/music/mine.luthier"), model]);

    assert!(
        !editor.drag_files(&paths(&["/music/notes.txt"]))
            && shows(&editor, "notes.txt is not a supported file")
    );
    assert!(
        !editor.drop_files(&paths(&["/music/notes.txt"]))
            && shows(&editor, "Cannot open notes.txt. Drop a recording")
    );
    assert!(!editor.drop_files(&[]));
    assert!(editor.requests.lock().is_empty());
}

#[test]
fn a_knob_is_dragged_typed_and_reset() {
    let mut editor = TestEditor::new(SIZE, 1.0);
    let dial = editor.screen.find("Mix") + vec2(0.0, 35.0);
    editor.drag(dial, dial + vec2(0.0, 90.0));
    let mix = editor.params.mix.value();
    assert!((0.45..0.55).contains(&mix), "{mix}");
    let gestures = editor.gestures();
    assert_eq!((gestures[0], gestures[gestures.len() - 1]), (Gesture::Begin, Gesture::End));
    assert!(gestures[1..gestures.len() - 1].iter().all(|gesture| *gesture == Gesture::Set));

    let value = editor.screen.find("Mix") + vec2(0.0, 73.0);
    editor.click(value);
    editor.type_in("25", Key::Enter);
    assert_eq!(editor.params.mix.value(), 0.25);
    editor.click(value);
    editor.type_in("nonsense", Key::Enter);
    assert_eq!(editor.params.mix.value(), 0.25, "an invalid number is ignored");
    editor.click(value);
    editor.type_in("70", Key::Escape);
    assert_eq!(editor.params.mix.value(), 0.25, "Escape discards the typed value");

    // A pause, so that the next click is not counted as a triple click.
    (0..60).for_each(|_| editor.frame(Vec::new()));
    editor.click(dial);
    editor.click(dial);
    assert_eq!(editor.params.mix.value(), 1.0, "a double click restores the default");
    editor.key(Key::ArrowDown);
    assert!((0.98..1.0).contains(&editor.params.mix.value()), "{}", editor.params.mix.value());
}

#[test]
fn buttons_set_parameters() {
    let mut editor = TestEditor::new(SIZE, 1.0);
    editor.click_on("50");
    assert_eq!(editor.params.steps.value(), Steps::Fifty);
    editor.click_on("Freeze");
    editor.click_on("Bypass");
    assert!(editor.params.freeze.value() && editor.params.bypass.value());
    editor.click_on("Bypass");
    assert!(!editor.params.bypass.value());
    editor.gestures();
    editor.click_on("Limiter");
    assert!(editor.params.limiter.value());
    assert_eq!(editor.gestures(), [Gesture::Begin, Gesture::Set, Gesture::End]);
}

#[test]
fn the_clip_light_is_lit_until_it_is_clicked() {
    let mut editor = crowded_editor();
    let color = |editor: &mut TestEditor| {
        editor.frame(Vec::new());
        let place = editor.screen.find("Clip") - vec2(14.0, 0.0);
        editor.screen.picture().get_pixel(place.x as u32, place.y as u32).0
    };
    let off = color(&mut editor);
    editor.shared.meters.output[0].raise(1.0);
    assert_eq!(color(&mut editor), off, "full scale is not exceeded");
    editor.shared.meters.output[1].raise(1.01);
    let lit = color(&mut editor);
    assert_eq!(lit, theme::WARNING.to_array()[..3]);
    assert_texts_fit(&editor, "lit", SIZE_MIN);
    editor.frame(Vec::new());
    assert_eq!(color(&mut editor), lit, "it stays lit");
    editor.click_on("Clip");
    editor.frame(vec![egui::Event::PointerMoved(pos2(1.0, 1.0))]);
    assert_eq!(color(&mut editor), off);
    assert!(editor.gestures().is_empty() && editor.requests.lock().is_empty());
}

#[test]
fn a_new_latency_mode_shows_when_it_takes_effect() {
    let mut editor = TestEditor::new(SIZE, 1.0);
    editor.shared.status.active.store(true, Relaxed);
    editor.shared.restart.activated(Latency::Quality);
    editor.click_on("Latency: Quality");
    editor.frame(Vec::new());
    editor.click_on("Live: 0.2 s latency. Lower quality, 1 step, needs a fast CPU.");
    assert_eq!(editor.params.latency.value(), Latency::Live);
    let message = editor.shared.texts.lock().message.as_ref().map(|message| message.text.clone());
    assert!(message.is_some_and(|text| text.contains("restarts the plugin")));
    editor.frame(Vec::new());
    assert_eq!(editor.restarts(), 1, "one request for one change");
}

#[test]
fn a_message_stays_until_it_is_closed() {
    let mut editor = TestEditor::new(SIZE, 1.0);
    editor.shared.notify(Severity::Warning, "The model is missing.");
    editor.frame(Vec::new());
    assert!(editor.screen.texts().iter().any(|(text, ..)| text == "The model is missing."));
    editor.click_on("\u{d7}");
    assert!(editor.shared.texts.lock().message.is_none());
}
