use engine::latency_mode::LatencyMode;
use engine::settings::Settings;

use super::*;
use crate::factory;
use crate::registry::Registry;

/// A stream's styles with the shipped model, and the sidechain's rate.
struct Bench {
    instance: Arc<Instance>,
    model: StreamModel,
    styles: Styles,
    rate_hz: u32,
}

impl Bench {
    fn new() -> Self {
        let (instance, shipped) =
            (Arc::new(Instance::default()), Registry::default().shipped().expect("a model"));
        let rate_hz = 44_100;
        let rolling = RollingStyle::new(shipped.config(), rate_hz, 1).expect("a style");
        let styles = Styles::new(Arc::clone(&instance), rolling);
        let model = StreamModel::new(shipped, LatencyMode::Quality);
        Self { model, instance, styles, rate_hz }
    }

    /// A window whose sidechain plays `samples`; the style that it is given.
    fn hear(&mut self, samples: &[f32], slot: i32, held: bool) -> Option<Arc<StyleTokens>> {
        let settings =
            Settings { style_slot: slot as u16, style_held: held, ..Settings::default() };
        let window = WindowInput {
            index: 0,
            first_sample: 0,
            main: vec![samples.to_vec()],
            sidechain: vec![samples.to_vec()],
            sidechain_sounds: true,
            segment: 0..0,
            settings,
            waited_for: true,
        };
        self.styles.listen(&window, Some(&mut self.model));
        self.styles.style(&window, &mut self.model).expect("no failure")
    }

    fn recording(&self, index: usize, seconds: usize) -> Vec<f32> {
        let recording = factory::recording(index).expect("a recording");
        assert_eq!(recording.sample_rate_hz, self.rate_hz);
        recording.channels[0][..seconds * self.rate_hz as usize].to_vec()
    }

    fn message(&self) -> String {
        self.instance
            .shared
            .words
            .lock()
            .message
            .clone()
            .map(|message| message.text)
            .unwrap_or_default()
    }
}

#[test]
fn the_sidechain_is_followed_held_and_captured() {
    let mut bench = Bench::new();
    let (guitar, violin) = (bench.recording(1, 4), bench.recording(3, 4));
    assert_eq!(bench.hear(&guitar[..44_100], style_slot::SIDECHAIN, false), None);
    assert!(bench.message().contains("long enough"), "{}", bench.message());
    let first = bench.hear(&guitar, style_slot::SIDECHAIN, false).expect("a style");
    let silence = vec![0.0; 200_000];
    bench.hear(&silence, style_slot::SIDECHAIN, false);
    let kept = bench.hear(&silence, style_slot::SIDECHAIN, false);
    let held = bench.hear(&silence, style_slot::SIDECHAIN, true);
    assert_eq!(kept, held, "silence is not heard");
    assert_eq!(bench.hear(&violin, style_slot::SIDECHAIN, true), held);
    assert!(bench.instance.project.style(Keep::Held).is_some());
    let moved = bench.hear(&violin, style_slot::SIDECHAIN, false).expect("a style");
    assert!(moved.tokens != first.tokens && bench.instance.project.style(Keep::Held).is_none());
    bench.instance.capture.store(true, Relaxed);
    assert_eq!(bench.hear(&[], style_slot::CAPTURED, false), Some(moved));
    assert_eq!(bench.instance.shared.status.captures.load(Relaxed), 1);
    bench.styles.reset();
    assert_eq!(bench.hear(&[], style_slot::SIDECHAIN, false), None);
    assert!(bench.hear(&[], style_slot::CAPTURED, false).is_some(), "the project keeps it");
}

#[test]
fn freeze_holds_anew_after_it_was_off_while_no_sidechain_was_asked_for() {
    let mut bench = Bench::new();
    let (guitar, violin) = (bench.recording(1, 4), bench.recording(3, 4));
    let held = bench.hear(&guitar, style_slot::SIDECHAIN, true).expect("a style");
    assert_eq!(bench.hear(&violin, style_slot::SIDECHAIN, true), Some(Arc::clone(&held)));
    bench.hear(&violin, 0, false);
    let anew = bench.hear(&violin, style_slot::SIDECHAIN, true).expect("a style");
    assert!(anew.tokens != held.tokens);
}

#[test]
fn what_has_no_style_plays_dry_and_says_so() {
    let mut bench = Bench::new();
    for (slot, said) in
        [(style_slot::CAPTURED, "captured"), (style_slot::FILE, "recording"), (30, "no style")]
    {
        assert_eq!(bench.hear(&[], slot, false), None);
        assert!(bench.message().contains(said), "{slot}: {}", bench.message());
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
    bench.instance.project.keep(Keep::File, Some(style));
    assert_eq!(bench.hear(&[], style_slot::FILE, false), None);
    assert!(bench.message().contains("another model"), "{}", bench.message());
}

#[test]
fn factory_styles_differ_and_are_read_once() {
    let mut bench = Bench::new();
    let (piano, violin) =
        (bench.hear(&[], 0, false).expect("piano"), bench.hear(&[], 3, false).expect("violin"));
    assert!(piano != violin);
    assert!(Arc::ptr_eq(&violin, &bench.model.model().factory_style(3).expect("violin")));
}
