//! Basic Pitch: the posterior of each piano key at each time.
//!
//! R. M. Bittner et al., "A Lightweight Instrument-Agnostic Model for Polyphonic Note Transcription
//! and Multipitch Estimation", ICASSP 2022. The network processes windows of two seconds. Windows
//! overlap by 30 frames, and half of the overlap is cut at each side, like in the authors' package.

use engine::audio_file::Audio;
use engine::dsp::resample::resampled;
use engine::{Error, Result};
use rten::{Model, NodeId, Value};

use super::Note;
use super::note_creation::NoteCreation;
use super::posteriors::{FRAME_SAMPLES, KEYS, Posteriors, RATE_HZ, WINDOW_FRAMES, WINDOW_SAMPLES};
use crate::data::score::Score;

/// Frames of overlap of two windows.
const OVERLAP_FRAMES: usize = 30;
/// Samples from one window to the next.
const HOP_SAMPLES: usize = WINDOW_SAMPLES - OVERLAP_FRAMES * FRAME_SAMPLES;
/// Complete frames per second. The package uses this number to cut its output to length.
const FRAMES_PER_SECOND: u32 = RATE_HZ / FRAME_SAMPLES as u32;

/// The network as published (`trainer/models/basic-pitch`).
static NETWORK: &[u8] = include_bytes!("../../models/basic-pitch/nmp.onnx");
/// Names of its outputs.
const NOTE_OUTPUT: &str = "StatefulPartitionedCall:1";
const ONSET_OUTPUT: &str = "StatefulPartitionedCall:2";

/// The loaded network. Calls may be concurrent.
pub struct BasicPitch {
    model: Model,
    input: NodeId,
    notes: NodeId,
    onsets: NodeId,
}

impl BasicPitch {
    /// Loads the network, which is embedded in the program.
    ///
    /// # Errors
    /// If the runtime does not support the network.
    pub fn new() -> Result<Self> {
        let model = Model::load_static_slice(NETWORK).map_err(|e| failed(&e))?;
        let node = |name| model.node_id(name).map_err(|e| failed(&e));
        let (notes, onsets) = (node(NOTE_OUTPUT)?, node(ONSET_OUTPUT)?);
        let input = *model
            .input_ids()
            .first()
            .ok_or_else(|| Error::Compute("Basic Pitch: the network has no input".into()))?;
        Ok(Self { model, input, notes, onsets })
    }

    /// The notes of a recording with a rate from 8 to 192 kHz, with the package's defaults.
    ///
    /// # Errors
    /// If the rate is not supported.
    pub fn transcribe(&self, audio: &Audio) -> Result<Vec<Note>> {
        Ok(NoteCreation::default().notes(&self.audio_posteriors(audio)?))
    }

    /// The notes as a score of the recording's length.
    ///
    /// # Errors
    /// As [`BasicPitch::transcribe`].
    pub fn score(&self, audio: &Audio) -> Result<Score> {
        let length_s = audio.frames() as f32 / audio.sample_rate_hz as f32;
        Ok(NoteCreation::default().score(&self.audio_posteriors(audio)?, length_s))
    }

    fn audio_posteriors(&self, audio: &Audio) -> Result<Posteriors> {
        self.posteriors(&resampled(&audio.mono(), audio.sample_rate_hz, RATE_HZ)?)
    }

    /// The posteriors of a mono signal at [`RATE_HZ`], one frame every [`FRAME_SAMPLES`].
    ///
    /// # Errors
    /// If the network fails.
    pub fn posteriors(&self, signal: &[f32]) -> Result<Posteriors> {
        let lead = OVERLAP_FRAMES / 2 * FRAME_SAMPLES;
        let mut posteriors = Posteriors::default();
        for start in (0..lead + signal.len()).step_by(HOP_SAMPLES) {
            let sample =
                |i: usize| (start + i).checked_sub(lead).and_then(|at| signal.get(at)).copied();
            let window: Vec<f32> = (0..WINDOW_SAMPLES).map(|i| sample(i).unwrap_or(0.0)).collect();
            self.append(window, &mut posteriors)?;
        }
        let frames = signal.len() as f64 * (f64::from(FRAMES_PER_SECOND) / f64::from(RATE_HZ));
        posteriors.notes.truncate(frames as usize * KEYS);
        posteriors.onsets.truncate(frames as usize * KEYS);
        Ok(posteriors)
    }

    /// Runs the network on one window and appends the frames outside the overlap.
    fn append(&self, window: Vec<f32>, to: &mut Posteriors) -> Result<()> {
        let input = Value::from_shape([1, WINDOW_SAMPLES, 1], window).map_err(|e| failed(&e))?;
        let outputs =
            self.model.run_n(vec![(self.input, input.into())], [self.notes, self.onsets], None);
        let own = OVERLAP_FRAMES / 2 * KEYS..(WINDOW_FRAMES - OVERLAP_FRAMES / 2) * KEYS;
        for (value, out) in
            outputs.map_err(|e| failed(&e))?.into_iter().zip([&mut to.notes, &mut to.onsets])
        {
            let (shape, data): ([usize; 3], Vec<f32>) =
                value.into_shape_vec().map_err(|e| failed(&e))?;
            if shape != [1, WINDOW_FRAMES, KEYS] {
                return Err(Error::Compute(format!(
                    "Basic Pitch: unexpected output shape {shape:?}"
                )));
            }
            out.extend_from_slice(&data[own.clone()]);
        }
        Ok(())
    }
}

fn failed(error: &dyn std::error::Error) -> Error {
    Error::Compute(format!("Basic Pitch: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transcription::agreement::agreement;

    /// Adds a tone with four harmonics from `onset_s` to `end_s`.
    fn tone(signal: &mut [f32], key: f64, onset_s: f64, end_s: f64) {
        let hz = 440.0 * ((key - 69.0) / 12.0).exp2();
        let sample = |s: f64| (s * f64::from(RATE_HZ)) as usize;
        for (i, x) in signal[sample(onset_s)..sample(end_s)].iter_mut().enumerate() {
            let time = i as f64 / f64::from(RATE_HZ);
            let sine = |h: f64| (std::f64::consts::TAU * hz * h * time).sin() / h;
            *x += (0.1 * (-2.0 * time).exp() * (1..5).map(|h| sine(f64::from(h))).sum::<f64>())
                as f32;
        }
    }

    fn audio(channels: Vec<Vec<f32>>) -> Audio {
        Audio { sample_rate_hz: RATE_HZ, channels }
    }

    #[test]
    fn tones_are_transcribed_at_their_onsets() {
        let mut signal = vec![0.0; 4 * RATE_HZ as usize];
        let note = |pitch, onset_s, offset_s| Note { onset_s, offset_s, pitch };
        let played = [note(60.0, 0.5, 1.5), note(67.0, 1.5, 2.5), note(76.0, 2.5, 3.5)];
        played.iter().for_each(|n| tone(&mut signal, n.pitch, n.onset_s, n.offset_s));
        let transcribed = BasicPitch::new().unwrap().transcribe(&audio(vec![signal])).unwrap();
        // The harmonics of such a simple sound are transcribed as notes too.
        assert_eq!(agreement(&played, &transcribed).matched, 3, "{transcribed:?}");
        assert!(
            transcribed
                .iter()
                .all(|n| played.iter().any(|p| [0.0, 12.0, 24.0].contains(&(n.pitch - p.pitch))))
        );
    }

    #[test]
    fn silence_and_empty_audio_have_no_notes() {
        let transcriber = BasicPitch::new().unwrap();
        assert_eq!(transcriber.transcribe(&audio(vec![vec![0.0; 30_000]; 2])).unwrap(), []);
        assert_eq!(transcriber.transcribe(&audio(vec![Vec::new()])).unwrap(), []);
    }
}
