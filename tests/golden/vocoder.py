"""Creates vocoder.safetensors: librosa's signals from magnitudes and from a mel spectrogram.

    pip install -r tests/golden/requirements.txt   # Python 3.11
    python tests/golden/vocoder.py

`griffin_lim_*`: librosa.griffinlim with zero initial phases (`init=None`), which is deterministic.
The magnitudes are those of a signal of 16-bit integers, scaled by a factor for each bin so that
they are inconsistent. `mel_*`: librosa's inverse of mel power, to compare its error with ours.
"""
import pathlib

import librosa
import numpy as np
from safetensors.numpy import save_file

OUT = pathlib.Path(__file__).parent
RATE, N_FFT, HOP, SAMPLES = 22050, 512, 128, 8000

time = np.arange(SAMPLES) / RATE
notes = [(0.00, 330.0), (0.12, 495.0), (0.24, 262.0)]
signal = sum(
    (time >= start)
    * np.exp(-8.0 * np.maximum(time - start, 0.0))
    * np.sin(2 * np.pi * hz * k * time)
    / k
    for start, hz in notes
    for k in (1, 2, 3)
)
signal = np.round(signal * 8000).astype(np.int16)
sound = signal / 32768

stft = lambda y, n, hop: librosa.stft(y, n_fft=n, hop_length=hop, pad_mode="constant")
tilt = np.linspace(2.0, 0.1, N_FFT // 2 + 1)[:, None]
magnitude = np.abs(stft(sound, N_FFT, HOP)) * tilt
out = {"signal": signal}
for iterations, momentum in [(0, 0.99), (1, 0.99), (8, 0.0), (8, 0.99)]:
    if iterations == 0:
        audio = librosa.istft(magnitude + 0j, hop_length=HOP, n_fft=N_FFT, length=SAMPLES)
    else:
        audio = librosa.griffinlim(
            magnitude, n_iter=iterations, hop_length=HOP, n_fft=N_FFT, momentum=momentum,
            init=None, pad_mode="constant", length=SAMPLES,
        )
    out[f"griffin_lim_{iterations}_{momentum}"] = audio.astype(np.float32)

mel = librosa.feature.melspectrogram(
    y=sound, sr=RATE, n_fft=2048, hop_length=512, pad_mode="constant"
)
back = librosa.feature.inverse.mel_to_stft(mel, sr=RATE, n_fft=2048, power=2.0)
bank = librosa.filters.mel(sr=RATE, n_fft=2048)
out["mel_power"] = mel.astype(np.float32)
out["mel_power_of_librosas_inverse"] = (bank @ back**2).astype(np.float32)
save_file(out, OUT / "vocoder.safetensors")
