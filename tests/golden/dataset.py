"""Creates dataset.safetensors and dataset.mp3: recordings and their images by the reports' code.

    pip install -r tests/golden/requirements.txt   # Python 3.11
    python tests/golden/dataset.py

The recording consists of 16-bit integers at 22.05 kHz (divide by 32768), which the test writes as
a WAV file. It has 0.9 s of noise, 7.5 s of plucked notes with a pause, and 0.7 s of noise. `trim`
is the result of librosa.effects.trim: two complete chunks of 3 s and one padded chunk. `images`
are computed in float64, so that no pixel depends on the rounding of a logarithm on some CPU.
`images.float32` are computed in librosa's default precision. `mp3.images` are those of
dataset.mp3, 4.6 s of such notes in stereo at 44.1 kHz.
"""
import io
import pathlib

import librosa
import numpy as np
import soundfile
from PIL import Image
from safetensors.numpy import save_file

OUT = pathlib.Path(__file__).parent
RATE, CHUNK = 22050, 3 * 22050


def plucks(rate, seconds, notes):
    """Decaying notes of up to 14 partials with a noise floor. Notes: (onset in seconds, hertz)."""
    time = np.arange(int(seconds * rate)) / rate
    out = 1e-3 * np.random.default_rng(3).standard_normal(len(time))
    for onset, hz in notes:
        t = np.clip(time - onset, 0, None)
        for h in range(1, 15):
            if hz * h < rate / 2:
                envelope = (time >= onset) * 0.15 / h * np.exp(-t * (2 + h))
                out += envelope * np.sin(2 * np.pi * hz * h * t)
    return out


def recording():
    melody = [196, 294, 392, 587, 440, 330, 247, 220, 349, 523]
    notes = [(0.9 + 0.31 * i, hz) for i, hz in enumerate(melody)]
    notes += [(6.4 + 0.27 * i, hz) for i, hz in enumerate([262, 330, 392, 523, 659])]
    out = plucks(RATE, 9.1, notes)
    out[int(8.4 * RATE) :] *= 0.01
    return np.round(out.clip(-1, 1) * 32767).astype(np.int16)


def stereo():
    left = [(0.2 + 0.7 * i, hz) for i, hz in enumerate([330, 494, 880, 1175, 988, 740])]
    right = [(0.5 + 0.7 * i, hz) for i, hz in enumerate([165, 247, 1480, 1319, 196])]
    return np.stack([plucks(44100, 4.6, left), plucks(44100, 4.6, right)], axis=1)


def image(chunk):
    """Listings 5 and 6, then the crop of listing 8."""
    mel = librosa.feature.melspectrogram(y=chunk, sr=RATE, n_mels=128)
    spectrogram = librosa.power_to_db(mel, ref=np.max)
    spectrogram = np.clip((spectrogram + 80) * (255.0 / 80), 0, 255)
    return Image.fromarray((spectrogram + 0.5).astype(np.uint8)).crop((0, 0, 128, 128))


def dataset(file, dtype=np.float32):
    """Listings 4 and 7 for one file: the trim and the images."""
    audio, _ = librosa.load(file, sr=RATE, mono=True, dtype=dtype)
    trimmed, trim = librosa.effects.trim(audio, top_db=20)
    chunks = [trimmed[i : i + CHUNK] for i in range(0, len(trimmed), CHUNK)]
    chunks = [np.pad(chunk, (0, CHUNK - len(chunk)), mode="constant") for chunk in chunks]
    return trim.astype(np.int32), np.stack([np.asarray(image(chunk)) for chunk in chunks])


def wav(samples):
    file = io.BytesIO()
    soundfile.write(file, samples, RATE, format="WAV", subtype="PCM_16")
    file.seek(0)
    return file


samples, mp3 = recording(), OUT / "dataset.mp3"
soundfile.write(mp3, stereo(), 44100, format="MP3")
trim, images = dataset(wav(samples), np.float64)
# [n], [start, end], [chunks, 128, 128]
tensors = {"samples": samples, "trim": trim, "images": images}
tensors |= {"images.float32": dataset(wav(samples))[1], "mp3.images": dataset(mp3)[1]}
save_file(tensors, OUT / "dataset.safetensors")
