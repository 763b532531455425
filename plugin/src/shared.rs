//! The data that a running instance shares with its editor, and the editor's requests.
//!
//! | Field | Written by | Read by |
//! |---|---|---|
//! | [`Shared::meters`] | audio thread (atomics) | editor, which takes the peaks |
//! | [`Shared::status`] | audio thread, worker, `activate` (atomics) | editor |
//! | `Shared::restart` | worker, `activate` (atomics) | audio thread, editor, host's main thread |
//! | [`Shared::texts`] | worker, loader, `activate` (a short lock) | editor |
//! | [`Shared::pictures`] | worker (a short lock, once a window) | editor |
//! | [`Shared::request`] | editor | loader or worker |
//!
//! The audio thread accesses only atomics. No other thread waits for it here.

use std::collections::VecDeque;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU32, AtomicU64, Ordering::Relaxed};

use engine::pipeline::WindowView;
use parking_lot::Mutex;

use crate::project::ProjectStyle;
use crate::restart::RestartRequest;

/// Windows in [`Pictures`]: the current one, the next ones and the last ones.
const PICTURES: usize = 6;

/// An atomic, non-negative `f32`.
#[derive(Debug, Default)]
pub struct AtomicLevel(AtomicU32);

impl AtomicLevel {
    /// Sets the maximum of the value and `level`, which must not be negative.
    pub fn raise(&self, level: f32) {
        // Non-negative floats have the same order as their bits.
        self.0.fetch_max(level.to_bits(), Relaxed);
    }

    /// Sets the value.
    pub fn set(&self, level: f32) {
        self.0.store(level.to_bits(), Relaxed);
    }

    /// The value.
    pub fn get(&self) -> f32 {
        f32::from_bits(self.0.load(Relaxed))
    }

    /// Returns the value and resets it to 0.
    pub fn take(&self) -> f32 {
        f32::from_bits(self.0.swap(0, Relaxed))
    }
}

/// Peaks, left and right, since the editor last took them. Full scale is 1. A mono signal uses only
/// the left one.
#[derive(Debug, Default)]
pub struct Meters {
    /// The main input, before the input gain.
    pub input: [AtomicLevel; 2],
    /// The sidechain.
    pub sidechain: [AtomicLevel; 2],
    /// The output.
    pub output: [AtomicLevel; 2],
}

/// State of the running stream.
#[derive(Debug, Default)]
pub struct Status {
    /// Whether the host has activated the plugin.
    pub active: AtomicBool,
    /// Whether the host renders offline.
    pub offline: AtomicBool,
    /// 1 or 2; 0 before the first activation.
    pub channels: AtomicU32,
    /// The host's sample rate; 0 before the first activation.
    pub sample_rate_hz: AtomicU32,
    /// The reported latency in samples.
    pub latency_samples: AtomicU32,
    /// Samples since the last reset, minus the latency: the input position of the current output.
    pub position: AtomicI64,
    /// Computing time of the last window, divided by the duration of its audio.
    pub real_time_factor: AtomicLevel,
    /// Seconds of sidechain audio that are available for a style, 0 to 12.
    pub sidechain_seconds: AtomicLevel,
    /// Wet windows since activation.
    pub wet: AtomicU64,
    /// Late windows since activation. They play dry, completely or until they are ready.
    pub late: AtomicU64,
    /// Failed windows since activation. They play dry.
    pub failed: AtomicU64,
    /// Counts captured styles. After a change, the editor selects the Captured style.
    pub captures: AtomicU64,
    /// Counts loaded style files. After a change, the editor selects the File style.
    pub files: AtomicU64,
}

/// The kind of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// An action succeeded.
    Note,
    /// Something failed or is missing: the output is dry or differs from the project.
    Warning,
}

/// A message for the user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Its kind.
    pub severity: Severity,
    /// One or two sentences.
    pub text: String,
}

/// Texts for the editor.
#[derive(Clone, Debug, Default)]
pub struct Texts {
    /// The device in use, for example `CPU, 4 threads`. Empty until a model is loaded.
    pub device: String,
    /// The reason why the GPU is not used. Empty if it is used or the plugin has no GPU library.
    pub gpu_problem: String,
    /// The model's name. Empty while it loads or without a model.
    pub model: String,
    /// The style of the last window. Empty if the window was dry.
    pub style: String,
    /// The file name of the File style. Empty without one.
    pub style_file: String,
    /// The last message. The editor clears it when the user closes it.
    pub message: Option<Message>,
}

/// The mel spectrograms of one window: input and output.
#[derive(Clone, Debug)]
pub struct Picture {
    /// Position of the centre of frame 0 (as [`Status::position`]). Negative before the stream.
    pub first_frame_position: i64,
    /// Host samples between neighbouring frames.
    pub frame_samples: f64,
    /// The positions of this window's output. Overlapping windows are crossfaded.
    pub segment: Range<u64>,
    /// Number of mel bands. Band 0 is the lowest.
    pub n_mels: usize,
    /// Number of frames.
    pub frames: usize,
    /// The input, `[n_mels, frames]`, in [0, 1] over 80 dB.
    pub before: Vec<f32>,
    /// The output, in the same format.
    pub after: Vec<f32>,
}

/// The spectrograms of the last windows.
#[derive(Debug, Default)]
pub struct Pictures {
    /// In temporal order.
    pub windows: VecDeque<Picture>,
    /// A counter that increases with every change of `windows`.
    pub generation: u64,
}

impl Pictures {
    /// Removes all windows at the start of a new stream.
    pub fn clear(&mut self) {
        self.windows.clear();
        self.generation += 1;
    }

    /// Adds a window and removes the oldest one.
    pub fn push(&mut self, view: &WindowView) {
        if self.windows.len() == PICTURES {
            self.windows.pop_front();
        }
        self.windows.push_back(Picture {
            first_frame_position: view.first_frame_position,
            frame_samples: view.frame_samples,
            segment: view.segment.clone(),
            n_mels: view.content.n_mels,
            frames: view.content.frames,
            before: view.content.data.clone(),
            after: view.wet.data.clone(),
        });
        self.generation += 1;
    }
}

/// A request of the editor. The result is a [`Texts::message`] or a change of [`Status`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// Store the current style of the sidechain as the Captured style.
    Capture,
    /// Load the File style from a recording or a saved style.
    LoadStyle(PathBuf),
    /// Compute the File style from another part of its recording, from this time in milliseconds.
    MoveStyle(u64),
    /// Save a style of the project as a file.
    SaveStyle(ProjectStyle, PathBuf),
    /// Load a model file.
    LoadModel(PathBuf),
    /// Load the shipped model.
    LoadShippedModel,
}

/// Forwards requests to the loader.
type Handler = Box<dyn Fn(Request) + Send + Sync>;

/// The data that the threads of one instance share with its editor.
pub struct Shared {
    /// Peak levels.
    pub meters: Meters,
    /// State of the stream.
    pub status: Status,
    /// Whether to request a restart of the plugin.
    pub(crate) restart: RestartRequest,
    /// Texts. Lock briefly.
    pub texts: Mutex<Texts>,
    /// Spectrograms. Lock briefly.
    pub pictures: Mutex<Pictures>,
    handler: Mutex<Option<Handler>>,
}

impl Default for Shared {
    fn default() -> Self {
        Self {
            meters: Meters::default(),
            status: Status::default(),
            restart: RestartRequest::default(),
            texts: Mutex::default(),
            pictures: Mutex::default(),
            handler: Mutex::new(None),
        }
    }
}

impl Shared {
    /// Sends a request and returns at once. It locks, so the audio thread must not call it.
    pub fn request(&self, request: Request) {
        if let Some(handler) = &*self.handler.lock() {
            handler(request);
        }
    }

    /// Sets the handler of all later requests.
    pub(crate) fn set_handler(&self, handler: Handler) {
        *self.handler.lock() = Some(handler);
    }

    /// Shows a message to the user.
    pub(crate) fn notify(&self, severity: Severity, text: impl Into<String>) {
        let message = Message { severity, text: text.into() };
        let mut texts = self.texts.lock();
        if texts.message.as_ref() != Some(&message) {
            texts.message = Some(message);
        }
    }
}
