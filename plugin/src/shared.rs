//! What the editor sees of a running instance, and how it asks for something.
//!
//! | Field | Written by | Read by |
//! |---|---|---|
//! | [`Shared::meters`] | audio thread (atomics) | editor, which takes the peaks |
//! | [`Shared::status`] | audio thread, worker, `activate` (atomics) | editor |
//! | `Shared::restart` | worker, `activate` (atomics) | audio thread, editor, host's thread: whoever may ask the host |
//! | [`Shared::words`] | worker, loader, `activate` (a short lock) | editor |
//! | [`Shared::pictures`] | worker (a short lock, once a window) | editor |
//! | [`Shared::request`] | editor | loader or worker |
//!
//! The audio thread touches atomics alone. Nothing here ever waits for it.

use std::collections::VecDeque;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU32, AtomicU64, Ordering::Relaxed};

use engine::pipeline::WindowView;
use parking_lot::Mutex;

use crate::project::Keep;
use crate::restart::Restart;

/// How many windows [`Pictures`] remembers: what is heard, what is coming, and what has just gone
/// by.
const PICTURES: usize = 6;

/// A non-negative `f32` that threads share.
#[derive(Debug, Default)]
pub struct AtomicLevel(AtomicU32);

impl AtomicLevel {
    /// Keeps the larger of the two. `level` is not negative.
    pub fn raise(&self, level: f32) {
        // The bits of non-negative floats are ordered as the floats are.
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

    /// The value, leaving 0.
    pub fn take(&self) -> f32 {
        f32::from_bits(self.0.swap(0, Relaxed))
    }
}

/// Peaks since they were last taken, left and right, full scale is 1; a mono signal has the left
/// one alone.
#[derive(Debug, Default)]
pub struct Meters {
    /// The main input, before the input gain.
    pub input: [AtomicLevel; 2],
    /// The sidechain.
    pub sidechain: [AtomicLevel; 2],
    /// The output.
    pub output: [AtomicLevel; 2],
}

/// Numbers about the running stream.
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
    /// What the host was told, in samples.
    pub latency_samples: AtomicU32,
    /// Samples played since the last reset, minus the latency: the place of the input that is
    /// heard now.
    pub position: AtomicI64,
    /// Computing time over audio time, of the last window.
    pub real_time_factor: AtomicLevel,
    /// Seconds of the sidechain that a style could be read from now, 0 to 12.
    pub sidechain_seconds: AtomicLevel,
    /// Windows played wet since activation.
    pub wet: AtomicU64,
    /// Windows that were not there in time since activation; they play dry, wholly or at first.
    pub late: AtomicU64,
    /// Windows that failed since activation; they play dry.
    pub failed: AtomicU64,
    /// Counts captures that have been made: the editor may choose the Captured style when it
    /// changes.
    pub captures: AtomicU64,
    /// Counts style files that have been read: the editor may choose the File style when it
    /// changes.
    pub files: AtomicU64,
}

/// How grave a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// Something was done.
    Note,
    /// Something is missing: the plugin plays dry, or not as the project says.
    Warning,
}

/// One sentence for the user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// How grave it is.
    pub severity: Severity,
    /// The sentence.
    pub text: String,
}

/// Words about the instance.
#[derive(Clone, Debug, Default)]
pub struct Words {
    /// Where the networks run, for example `CPU, 4 threads`; empty before there is a model.
    pub device: String,
    /// Why the GPU that the plugin could play on does not play; empty where it does, and where
    /// there is no library for it.
    pub gpu_trouble: String,
    /// The model's name; empty while it loads or where there is none.
    pub model: String,
    /// The style that the last window was played with; empty where it was dry.
    pub style: String,
    /// The recording behind the File style; empty where there is none.
    pub style_file: String,
    /// The last message, until the editor clears it.
    pub message: Option<Message>,
}

/// One window's mel spectrograms, before and after.
#[derive(Clone, Debug)]
pub struct Picture {
    /// Host position (as [`Status::position`]) on which frame 0 is centred; negative before the
    /// stream.
    pub first_frame_position: i64,
    /// Host samples from frame to frame.
    pub frame_samples: f64,
    /// The host positions that this window plays; where two windows overlap, they are crossfaded.
    pub segment: Range<u64>,
    /// Mel bands, lowest first.
    pub n_mels: usize,
    /// Frames.
    pub frames: usize,
    /// The input, `[0, 1]` over 80 dB, band after band: band `m` of frame `t` is at `m * frames +
    /// t`.
    pub before: Vec<f32>,
    /// The output, of the same shape.
    pub after: Vec<f32>,
}

/// The last windows' spectrograms.
#[derive(Debug, Default)]
pub struct Pictures {
    /// In the order of time.
    pub windows: VecDeque<Picture>,
    /// Changes with every change of `windows`.
    pub generation: u64,
}

impl Pictures {
    /// Forgets all: a new stream.
    pub fn clear(&mut self) {
        self.windows.clear();
        self.generation += 1;
    }

    /// Takes a window's images, and lets go of the oldest.
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

/// What an editor may ask for. Answers come as [`Words::message`] and in [`Status`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// Keep what the sidechain plays now as the Captured style.
    Capture,
    /// Read a style from a recording (WAV, FLAC, MP3, OGG) or a saved style: the File style.
    LoadStyle(PathBuf),
    /// Save one of the project's styles as a file.
    SaveStyle(Keep, PathBuf),
    /// Play another model file.
    LoadModel(PathBuf),
    /// Play the model that is shipped with the plugin.
    LoadShippedModel,
}

/// Carries requests to whoever fulfils them.
type Handler = Box<dyn Fn(Request) + Send + Sync>;

/// The meeting place of one instance's threads and its editor.
pub struct Shared {
    /// Peaks.
    pub meters: Meters,
    /// Numbers.
    pub status: Status,
    /// Whether the host should activate the plugin anew.
    pub(crate) restart: Restart,
    /// Words; lock briefly.
    pub words: Mutex<Words>,
    /// Spectrograms; lock briefly.
    pub pictures: Mutex<Pictures>,
    handler: Mutex<Option<Handler>>,
}

impl Default for Shared {
    fn default() -> Self {
        Self {
            meters: Meters::default(),
            status: Status::default(),
            restart: Restart::default(),
            words: Mutex::default(),
            pictures: Mutex::default(),
            handler: Mutex::new(None),
        }
    }
}

impl Shared {
    /// Asks for something. Returns at once; not for the audio thread.
    pub fn request(&self, request: Request) {
        if let Some(handler) = &*self.handler.lock() {
            handler(request);
        }
    }

    /// Requests go to `handler` from now on.
    pub(crate) fn set_handler(&self, handler: Handler) {
        *self.handler.lock() = Some(handler);
    }

    /// Tells the user something.
    pub(crate) fn notify(&self, severity: Severity, text: impl Into<String>) {
        let message = Message { severity, text: text.into() };
        let mut words = self.words.lock();
        if words.message.as_ref() != Some(&message) {
            words.message = Some(message);
        }
    }
}
