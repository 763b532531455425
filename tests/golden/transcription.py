"""Creates transcription.safetensors: Basic Pitch's transcription of a clip, and mir_eval's scores.

    pip install -r tests/golden/requirements-transcription.txt   # Python 3.11
    pip install --no-deps basic-pitch==0.4.0                     # its dependencies need TensorFlow
    python tests/golden/transcription.py

The package runs from a file to notes on its ONNX model. The clip is the start of
tests/fixtures/unseen_piano.flac at 22.05 kHz in 16 bits, so that no resampler is involved.
Posteriors are stored in steps of 1/65535.
"""
import pathlib
import tempfile

import basic_pitch
import librosa
import mir_eval
import numpy as np
import pretty_midi
import soundfile
from basic_pitch import note_creation
from basic_pitch.inference import Model, run_inference
from safetensors.numpy import save_file

OUT = pathlib.Path(__file__).parent
FIXTURES = OUT.parent / "fixtures"
SECONDS = 6
MODEL = pathlib.Path(basic_pitch.__file__).parent / "saved_models/icassp_2022/nmp.onnx"

signal, rate = librosa.load(FIXTURES / "unseen_piano.flac", sr=22050, mono=True, duration=SECONDS)
signal = np.round(signal * 32767).astype(np.int16)
with tempfile.NamedTemporaryFile(suffix=".wav") as file:
    soundfile.write(file.name, signal, rate, subtype="PCM_16")
    posteriors = run_inference(file.name, Model(MODEL))
out = {"signal": signal}
for name in ("note", "onset"):
    out[name] = np.round(posteriors[name] * 65535).astype(np.uint16)

for melodia in (False, True):
    notes = note_creation.output_to_notes_polyphonic(
        posteriors["note"].copy(), posteriors["onset"].copy(),
        onset_thresh=0.5, frame_thresh=0.3, min_note_len=11, infer_onsets=True,
        max_freq=None, min_freq=None, melodia_trick=melodia,
    )
    notes = [[start, end, key] for start, end, key, _ in notes]
    out[f"notes_melodia_{melodia}"] = np.array(notes, dtype=np.int32)
out["frame_time"] = note_creation.model_frames_to_time(len(posteriors["note"]))


def counts(reference, estimate):
    """Counts of two sets of notes `[onset, offset, MIDI pitch]`: [reference, estimate, matched]."""
    hz = lambda notes: librosa.midi_to_hz(notes[:, 2])
    matching = mir_eval.transcription.match_notes(
        reference[:, :2], hz(reference), estimate[:, :2], hz(estimate), offset_ratio=None
    )
    return [len(reference), len(estimate), len(matching)]


transcribed = out["notes_melodia_True"]
time = out["frame_time"]
transcribed = np.array([[time[a], time[b], key] for a, b, key in transcribed])
parts = pretty_midi.PrettyMIDI(str(FIXTURES / "unseen_piano.mid")).instruments
midi = [note for part in parts for note in part.notes]
score = np.array([[n.start, n.end, n.pitch] for n in midi if n.start < SECONDS])

# Dense notes, so that the choice of matches has an effect.
rng = np.random.default_rng(5)


def crowd(n):
    onset = rng.uniform(0, 3, n)
    return np.stack([onset, onset + 0.3, rng.integers(58, 64, n) + rng.uniform(-0.4, 0.4, n)], -1)


pairs = {"clip": (score, transcribed), "crowd": (crowd(150), crowd(170))}
for name, (reference, estimate) in pairs.items():
    out[f"{name}.score"], out[f"{name}.heard"] = reference, estimate
    out[f"{name}.counts"] = np.array(counts(reference, estimate), dtype=np.int32)
    print(name, out[f"{name}.counts"])

save_file(out, OUT / "transcription.safetensors")
