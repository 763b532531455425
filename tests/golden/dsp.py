"""Creates tests/golden/dsp_*.safetensors: librosa's results for three signals.

    pip install -r tests/golden/requirements.txt   # Python 3.11
    python tests/golden/dsp.py

Signals are 16-bit integers (divide by 32768), so that they are small and exact. librosa processes
them in float64, so that the expected numbers are not rounded to the precision under test.
"""
import pathlib

import librosa
import numpy as np
from safetensors.numpy import save_file

OUT = pathlib.Path(__file__).parent
FRAMES_KEPT = [0, 1, 13]  # of the STFT: before, across and after the start of the signal


def sweep(rate, seconds):
    """A rising tone, 50 Hz to 0.49 of the rate."""
    time = np.arange(int(rate * seconds)) / rate
    ratio = 0.49 * rate / 50
    return 0.5 * np.sin(2 * np.pi * 50 * seconds / np.log(ratio) * (ratio ** (time / seconds) - 1))


def noise(rate, seconds):
    return 0.1 * np.random.default_rng(7).standard_normal(int(rate * seconds))


def plucks(rate, seconds):
    """Silence, then three decaying notes of eight partials each."""
    time = np.arange(int(rate * seconds)) / rate
    out = np.zeros_like(time)
    for onset, hz in [(0.15, 196.0), (0.3, 392.0), (0.4, 587.3)]:
        t = np.clip(time - onset, 0, None)
        for h in range(1, 9):
            envelope = (time >= onset) * 0.2 / h * np.exp(-t * (4 + 2 * h))
            out += envelope * np.sin(2 * np.pi * hz * h * t)
    return out


def filterbank(rate, n_fft, n_mels):
    dense = librosa.filters.mel(sr=rate, n_fft=n_fft, n_mels=n_mels)
    index = np.flatnonzero(dense)
    return {"filterbank.index": index.astype(np.int32), "filterbank.weight": dense.ravel()[index]}


def analysis(name, signal, rate, n_fft, hop, n_mels):
    samples = np.round(signal * 32768).clip(-32768, 32767).astype(np.int16)
    y = samples / 32768.0
    stft = librosa.stft(y, n_fft=n_fft, hop_length=hop, center=True, pad_mode="constant")
    # [n_mels, frames]
    mel = librosa.feature.melspectrogram(
        y=y, sr=rate, n_fft=n_fft, hop_length=hop, n_mels=n_mels,
        center=True, pad_mode="constant", power=2.0,
    )
    below_max = librosa.power_to_db(mel, ref=np.max, top_db=None)
    gray = np.floor(np.clip((below_max + 80) * 255 / 80, 0, 255) + 0.5).astype(np.uint8)
    mel_db = librosa.power_to_db(mel, ref=1.0, amin=1e-10, top_db=None)
    kept = stft[:, FRAMES_KEPT].T
    return {
        f"{name}.samples": samples,
        # [3, bins, 2]
        f"{name}.stft": np.stack([kept.real, kept.imag], axis=-1).astype(np.float32),
        f"{name}.mel_power": mel.astype(np.float32),
        f"{name}.mel_db": mel_db.astype(np.float32),
        f"{name}.gray": gray,
    }


def inverse(hop, frames, length, n_fft=256):
    """istft of an inconsistent spectrum, which requires a least-squares inverse."""
    rng = np.random.default_rng(11)
    spectrum = rng.standard_normal((2, frames, n_fft // 2 + 1)).astype(np.float32)
    signal = librosa.istft(
        (spectrum[0] + 1j * spectrum[1]).T.astype(np.complex128),
        n_fft=n_fft, hop_length=hop, center=True, length=length,
    )
    return {
        # [frames, bins, 2]
        f"istft_{hop}.spectrum": np.ascontiguousarray(np.moveaxis(spectrum, 0, -1)),
        f"istft_{hop}.signal": signal.astype(np.float32),
    }


for rate, n_fft, hop, n_mels in [(22050, 2048, 512, 128), (16000, 1024, 256, 64)]:
    tensors = filterbank(rate, n_fft, n_mels)
    for make in [sweep, noise, plucks]:
        tensors |= analysis(make.__name__, make(rate, 0.6), rate, n_fft, hop, n_mels)
    save_file(tensors, OUT / f"dsp_{rate}.safetensors")
save_file(inverse(64, 20, 1200) | inverse(100, 12, 1100), OUT / "dsp_istft.safetensors")
