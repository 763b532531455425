use engine::latency_mode::LatencyMode;
use engine::settings::Settings;

use super::*;
use crate::factory;
use crate::registry::Registry;

/// The styles of a stream with the shipped model, and the sample rate of the sidechain.
struct TestStream {
    instance: Arc<Instance>,
    model: StreamModel,
    styles: Styles,
    rate_hz: u32,
}

impl TestStream {
    fn new() -> Self {
        let (instance, shipped) =
            (Arc::new(Instance::default()), Registry::default().shipped().expect("a model"));
        let rate_hz = 44_100;
        let rolling = RollingStyle::new(shipped.config(), rate_hz, 1).expect("a style");
        let styles = Styles::new(Arc::clone(&instance), rolling);
        let model = StreamModel::new(shipped, LatencyMode::Quality);
        Self { model, instance, styles, rate_hz }
    }

    /// Processes a window with the sidechain `samples` and returns its style.
    fn process(&mut self, samples: &[f32], slot: i32, freeze: bool) -> Option<Arc<StyleTokens>> {
        let settings =
            Settings { style_slot: slot as u16, style_held: freeze, ..Settings::default() };
        let window = WindowInput {
            index: 0,
            first_sample: 0,
            main: vec![samples.to_vec()],
            sidechain: vec![samples.to_vec()],
            has_sidechain_signal: true,
            segment: 0..0,
            settings,
            offline: true,
        };
        self.styles.receive_sidechain(&window, Some(&mut self.model));
        self.styles.style(&window, &mut self.model).expect("no failure")
    }

    fn recording(&self, index: usize, seconds: usize) -> Vec<f32> {
        let recording = factory::reference(index).expect("a recording").audio;
        assert_eq!(recording.sample_rate_hz, self.rate_hz);
        recording.channels[0][..seconds * self.rate_hz as usize].to_vec()
    }

    fn message(&self) -> String {
        self.instance
            .shared
            .texts
            .lock()
            .message
            .clone()
            .map(|message| message.text)
            .unwrap_or_default()
    }
}

#[test]
fn the_sidechain_is_followed_frozen_and_captured() {
    let mut stream = TestStream::new();
    let (guitar, violin) = (stream.recording(1, 4), stream.recording(3, 4));
    assert_eq!(stream.process(&guitar[..44_100], style_slot::SIDECHAIN, false), None);
    assert!(stream.message().contains("needs 3 s"), "{}", stream.message());
    let first = stream.process(&guitar, style_slot::SIDECHAIN, false).expect("a style");
    let silence = vec![0.0; 200_000];
    stream.process(&silence, style_slot::SIDECHAIN, false);
    let before = stream.process(&silence, style_slot::SIDECHAIN, false);
    let frozen = stream.process(&silence, style_slot::SIDECHAIN, true);
    assert_eq!(before, frozen, "silence does not change the style");
    assert_eq!(stream.process(&violin, style_slot::SIDECHAIN, true), frozen);
    assert!(stream.instance.project.style(ProjectStyle::Frozen).is_some());
    let moved = stream.process(&violin, style_slot::SIDECHAIN, false).expect("a style");
    assert!(
        moved.tokens != first.tokens
            && stream.instance.project.style(ProjectStyle::Frozen).is_none()
    );
    stream.instance.capture.store(true, Relaxed);
    assert_eq!(stream.process(&[], style_slot::CAPTURED, false), Some(moved));
    assert_eq!(stream.instance.shared.status.captures.load(Relaxed), 1);
    stream.styles.reset();
    assert_eq!(stream.process(&[], style_slot::SIDECHAIN, false), None);
    assert!(stream.process(&[], style_slot::CAPTURED, false).is_some(), "the project stores it");
}

#[test]
fn freeze_uses_a_new_style_after_it_was_off_with_another_style() {
    let mut stream = TestStream::new();
    let (guitar, violin) = (stream.recording(1, 4), stream.recording(3, 4));
    let frozen = stream.process(&guitar, style_slot::SIDECHAIN, true).expect("a style");
    assert_eq!(stream.process(&violin, style_slot::SIDECHAIN, true), Some(Arc::clone(&frozen)));
    stream.process(&violin, 0, false);
    let next = stream.process(&violin, style_slot::SIDECHAIN, true).expect("a style");
    assert!(next.tokens != frozen.tokens);
}

#[test]
fn a_missing_style_is_reported_and_the_output_is_dry() {
    let mut stream = TestStream::new();
    for (slot, expected) in
        [(style_slot::CAPTURED, "captured"), (style_slot::FILE, "recording"), (30, "reserved")]
    {
        assert_eq!(stream.process(&[], slot, false), None);
        assert!(stream.message().contains(expected), "{slot}: {}", stream.message());
    }
    let tokens = StyleTokens {
        model: "another".into(),
        dim: 1,
        tokens: vec![0.0],
        ..StyleTokens::default()
    };
    let style = SavedStyle {
        name: "Sax".into(),
        path: PathBuf::new(),
        tokens: Arc::new(tokens),
        mels: Arc::default(),
    };
    stream.instance.project.set_style(ProjectStyle::File, Some(style));
    assert_eq!(stream.process(&[], style_slot::FILE, false), None);
    assert!(stream.message().contains("another model"), "{}", stream.message());
}

#[test]
fn factory_styles_differ_and_are_computed_once() {
    let mut stream = TestStream::new();
    let (piano, violin) = (
        stream.process(&[], 0, false).expect("piano"),
        stream.process(&[], 3, false).expect("violin"),
    );
    assert!(piano != violin);
    assert!(Arc::ptr_eq(&violin, &stream.model.model().factory_style(3).expect("violin")));
}
