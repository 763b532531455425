"""Creates tests/golden/audio_files/: one tone in every format that Luthier reads.

    pip install soundfile==0.14.0 numpy==2.4.6   # libsndfile 1.2.2
    python tests/golden/audio_files.py

libsndfile writes the files, with libFLAC, libmp3lame and libvorbis.
Left: 0.5 sin(2 pi 440 n / 22050). Right: 0.25 sin(2 pi 660 n / 22050). 5003 frames at 22050 Hz.
"""
import pathlib
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
