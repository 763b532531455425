"""Creates tests/golden/audio_files/: one tone in every format that Luthier reads.

    pip install soundfile==0.14.0 numpy==2.4.6   # libsndfile 1.2.2
    python tests/golden/audio_files.py           # also needs ffmpeg 5.1 and lame 3.100

libsndfile writes the files, with libFLAC, libmp3lame, libvorbis and libopus. ffmpeg writes the M4A
files, and lame the frames of mixed_windows.mp3.
Left: 0.5 sin(2 pi 440 n / 22050). Right: 0.25 sin(2 pi 660 n / 22050). 5003 frames at 22050 Hz.
"""
import pathlib
import subprocess
import tempfile

import numpy
import soundfile

RATE, FRAMES = 22050, 5003
OUT = pathlib.Path(__file__).parent / "audio_files"
time = numpy.arange(FRAMES) / RATE
left = 0.5 * numpy.sin(2 * numpy.pi * 440 * time)
right = 0.25 * numpy.sin(2 * numpy.pi * 660 * time)
stereo = numpy.stack([left, right], axis=1)

for name, subtype in {
    "u8.wav": "PCM_U8",
    "i16.wav": "PCM_16",
    "i24.wav": "PCM_24",
    "i32.wav": "PCM_32",
    "f32.wav": "FLOAT",
    "f64.wav": "DOUBLE",
    "adpcm.wav": "IMA_ADPCM",
    "i16.flac": "PCM_16",
    "i24.flac": "PCM_24",
    "stereo.mp3": "MPEG_LAYER_III",
    "stereo.ogg": "VORBIS",
}.items():
    soundfile.write(OUT / name, stereo, RATE, subtype=subtype)

soundfile.write(OUT / "mono.mp3", left, RATE, subtype="MPEG_LAYER_III")
soundfile.write(OUT / "mono.ogg", left, RATE, subtype="VORBIS")
soundfile.write(OUT / "mono.wav", left, RATE, subtype="PCM_16")
quad = numpy.concatenate([stereo, stereo], axis=1)[:64]
soundfile.write(OUT / "quad.wav", quad, RATE, subtype="PCM_16")
one_nan = numpy.where(numpy.arange(64) == 40, numpy.nan, 0.1)
soundfile.write(OUT / "nan.wav", one_nan, RATE, subtype="FLOAT")
soundfile.write(OUT / "empty.wav", numpy.zeros((0, 1)), RATE, subtype="PCM_16")

# Containers that are not RIFF, and their byte orders.
for name, (container, subtype, endian) in {
    "i16.aiff": ("AIFF", "PCM_16", "BIG"),
    "sowt.aifc": ("AIFF", "PCM_16", "LITTLE"),
    "f32.aifc": ("AIFF", "FLOAT", "FILE"),
    "i16.caf": ("CAF", "PCM_16", "FILE"),
    "i24.rf64": ("RF64", "PCM_24", "FILE"),
    "i16.w64": ("W64", "PCM_16", "FILE"),
    "i16.rifx": ("WAV", "PCM_16", "BIG"),
}.items():
    soundfile.write(OUT / name, left, RATE, format=container, subtype=subtype, endian=endian)
# Opus has no 22050 Hz: the same tones for the same time at 48 kHz.
opus_time = numpy.arange(FRAMES * 48_000 // RATE) / 48_000
opus = 0.5 * numpy.sin(2 * numpy.pi * 440 * opus_time)
soundfile.write(OUT / "mono.opus", opus, 48_000, format="OGG", subtype="OPUS")
for name, codec in {"aac.m4a": "aac", "alac.m4a": "alac"}.items():
    source = ["ffmpeg", "-v", "error", "-y", "-i", OUT / "mono.wav"]
    subprocess.run([*source, "-c:a", codec, "-map_metadata", "-1", OUT / name], check=True)


def mixed_windows():
    """Joint stereo whose channels use different windows.

    lame codes mid and side as two independent channels. Then the headers are changed to joint
    stereo. The side channel has clicks, the mid channel has not.
    """
    seconds = numpy.arange(RATE) / RATE
    mid = 0.4 * numpy.sin(2 * numpy.pi * 440 * seconds)
    side = numpy.zeros(RATE)
    for start in range(4000, RATE - 600, 5000):
        click = numpy.arange(400)
        side[start : start + 400] = 0.3 * numpy.exp(-click / 40) * numpy.sin(1.3 * click)
    with tempfile.TemporaryDirectory() as folder:
        wav, mp3 = pathlib.Path(folder, "ms.wav"), pathlib.Path(folder, "ms.mp3")
        both = numpy.stack([mid, side], axis=1) / numpy.sqrt(2)
        soundfile.write(wav, both, RATE, subtype="PCM_16")
        subprocess.run(["lame", "--quiet", "-t", "-m", "d", "-b", "96", wav, mp3], check=True)
        data = bytearray(mp3.read_bytes())
    kbps = [0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160]  # MPEG-2 layer III
    at = 0
    while at + 4 <= len(data):
        length = 72_000 * kbps[data[at + 2] >> 4] // RATE + (data[at + 2] >> 1 & 1)
        data[at + 3] = data[at + 3] & 0x0F | 0x60  # joint stereo with mid and side
        at += length
    return bytes(data)


(OUT / "mixed_windows.mp3").write_bytes(mixed_windows())
