//! An open editor on a [`Screen`], with a host that sets parameters at once and records calls.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Instant;

use egui::{Event, Key, Pos2};
use nice_plug::context::PluginApi;
use nice_plug::context::gui::{GuiContext, GuiContextInner};
use nice_plug::params::internals::ParamPtr;
use nice_plug::prelude::PluginState;
use parking_lot::Mutex;

use super::screen::{Screen, press, release};
use crate::editor::EditorApp;
use crate::params::LuthierParams;
use crate::shared::{Request, Shared};
use crate::style_slot::FACTORY;

/// One call of a parameter gesture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gesture {
    Begin,
    Set,
    End,
}

#[derive(Default)]
struct Host {
    gestures: Mutex<Vec<Gesture>>,
    restarts: AtomicUsize,
}

impl GuiContextInner for Host {
    fn plugin_api(&self) -> PluginApi {
        PluginApi::Clap
    }

    unsafe fn raw_begin_set_parameter(&self, _: ParamPtr) {
        self.gestures.lock().push(Gesture::Begin);
    }

    unsafe fn raw_set_parameter_normalized(&self, param: ParamPtr, normalized: f32) {
        self.gestures.lock().push(Gesture::Set);
        // SAFETY: `TestEditor` holds the parameters for as long as its editor.
        unsafe { param._internal_set_normalized_value(normalized) };
    }

    unsafe fn raw_end_set_parameter(&self, _: ParamPtr) {
        self.gestures.lock().push(Gesture::End);
    }

    fn get_state(&self) -> PluginState {
        unimplemented!("the editor does not get the state")
    }

    fn set_state(&self, _: PluginState) {
        unimplemented!("the editor does not set the state")
    }

    fn request_restart(&self) {
        self.restarts.fetch_add(1, Relaxed);
    }
}

/// An editor with its screen, host and instance.
pub struct TestEditor {
    pub screen: Screen,
    pub params: Arc<LuthierParams>,
    pub shared: Arc<Shared>,
    pub requests: Arc<Mutex<Vec<Request>>>,
    host: Arc<Host>,
    app: EditorApp,
}

impl TestEditor {
    /// Opens the editor on a screen of `size` points.
    pub fn new(size: [f32; 2], pixels_per_point: f32) -> Self {
        let (params, shared) =
            (Arc::new(LuthierParams::new(Arc::default())), Arc::new(Shared::default()));
        let requests = Arc::new(Mutex::new(Vec::new()));
        let received = Arc::clone(&requests);
        shared.set_handler(Box::new(move |request| received.lock().push(request)));
        let host = Arc::new(Host::default());
        let screen = Screen::new(size, pixels_per_point);
        let mut app = EditorApp::new(Arc::clone(&params), Arc::clone(&shared));
        app.open(&screen.context, GuiContext::new(Arc::clone(&host) as Arc<dyn GuiContextInner>));
        let mut editor = Self { screen, params, shared, requests, host, app };
        // Each frame creates one thumbnail.
        FACTORY.iter().for_each(|_| editor.frame(Vec::new()));
        editor
    }

    /// Draws one frame.
    pub fn frame(&mut self, events: Vec<Event>) {
        let app = &mut self.app;
        self.screen.frame(events, |ui| app.show(ui));
    }

    /// Median time of a frame during 1 s of playback, in ms.
    pub fn frame_ms(&mut self) -> f64 {
        let shared = Arc::clone(&self.shared);
        let (position, rate_hz) =
            (&shared.status.position, shared.status.sample_rate_hz.load(Relaxed));
        let original = position.load(Relaxed);
        let mut times = [0.0; 60];
        for time in &mut times {
            position.fetch_add(i64::from(rate_hz / 60), Relaxed);
            let start = Instant::now();
            self.frame(Vec::new());
            *time = start.elapsed().as_secs_f64() * 1e3;
        }
        position.store(original, Relaxed);
        times.sort_by(f64::total_cmp);
        times[30]
    }

    /// Clicks on a point and draws a frame.
    pub fn click(&mut self, place: Pos2) {
        self.frame(vec![Event::PointerMoved(place)]);
        self.frame(press(place));
        self.frame(release(place));
        self.frame(Vec::new());
    }

    /// Moves the pointer to a point and waits until the tooltip appears.
    pub fn hover_pointer(&mut self, place: Pos2) {
        self.frame(vec![Event::PointerMoved(place)]);
        (0..60).for_each(|_| self.frame(Vec::new()));
    }

    /// Clicks on a text.
    pub fn click_on(&mut self, text: &str) {
        self.click(self.screen.find(text));
    }

    /// Opens the file browser for styles in `folder`.
    pub fn open_files_in(&mut self, folder: PathBuf) {
        self.app.folder = folder;
        self.click_on("Open\u{2026}");
    }

    /// Sets the folder of the user's styles.
    pub fn set_styles_folder(&mut self, folder: PathBuf) {
        self.app.styles_folder = folder;
    }

    /// Drags files over the window. Returns whether it accepts them.
    pub fn drag_files(&mut self, paths: &[PathBuf]) -> bool {
        let accepted = self.app.hover(paths);
        self.frame(Vec::new());
        accepted
    }

    /// Drops files on the window. Returns whether it accepts them.
    pub fn drop_files(&mut self, paths: &[PathBuf]) -> bool {
        let accepted = self.app.drop_files(paths);
        self.frame(Vec::new());
        accepted
    }

    /// Drags with the primary button from one point to another.
    pub fn drag(&mut self, from: Pos2, to: Pos2) {
        self.frame(vec![Event::PointerMoved(from)]);
        self.frame(press(from));
        for step in 1..=4 {
            self.frame(vec![Event::PointerMoved(from.lerp(to, step as f32 / 4.0))]);
        }
        self.frame(release(to));
    }

    /// Types a text and presses a key.
    pub fn type_in(&mut self, text: &str, then: Key) {
        self.frame(vec![Event::Text(text.into())]);
        self.key(then);
    }

    /// Presses a key.
    pub fn key(&mut self, key: Key) {
        let modifiers = Default::default();
        self.frame(vec![Event::Key {
            key,
            physical_key: None,
            pressed: true,
            repeat: false,
            modifiers,
        }]);
        self.frame(Vec::new());
    }

    /// Number of restart requests to the host.
    pub fn restarts(&self) -> usize {
        self.host.restarts.load(Relaxed)
    }

    /// The gesture calls since the last call of this method.
    pub fn gestures(&self) -> Vec<Gesture> {
        std::mem::take(&mut *self.host.gestures.lock())
    }
}
