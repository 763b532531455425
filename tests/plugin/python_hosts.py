"""Bounces a recording through the VST3 in Python's hosts and compares with the file that the command line makes.

    python3 python_hosts.py BUNDLE INPUT.wav EXPECTED.wav STYLE [SIDECHAIN.wav]

Prints a line for each host: `equal`, or `skipped` where it is not installed. Needs soundfile and numpy.
dawdreamer renders offline, as a bounce does. pedalboard plays as fast as it can without saying so: a plugin that never
keeps an audio thread waiting may play dry there, so it is only checked for the latency and for dry that is exact.
"""

import sys
import time

import numpy as np
import soundfile

BLOCK = 512
STYLES = 64


def compare(host, heard, expected):
    n = min(len(heard), len(expected))
    if n < len(expected):
        sys.exit(f"{host}: expected {len(expected)} samples after the latency, found {n}")
    if not np.array_equal(heard[:n], expected[:n]):
        sys.exit(f"{host}: off by {np.abs(heard[:n] - expected[:n]).max()} at most")
    print(f"{host}: equal to the bit, {n} samples")


def dawdreamer(bundle, audio, rate, expected, style, sidechain):
    import dawdreamer

    engine = dawdreamer.RenderEngine(rate, BLOCK)
    plugin = engine.make_plugin_processor("luthier", bundle)
    latency = plugin.get_latency_samples()
    tail = np.zeros((latency + BLOCK, audio.shape[1]), np.float32)
    play = lambda name, samples: engine.make_playback_processor(name, np.vstack([samples, tail]).T)
    graph = [(play("input", audio), [])]
    sources = ["input"]
    if sidechain is not None:
        graph.append((play("sidechain", sidechain), []))
        sources.append("sidechain")
    # Main and sidechain together, whether or not something plays in the latter.
    if plugin.can_set_bus(4, 2):
        plugin.set_bus(4, 2)
    index = {row["name"]: row["index"] for row in plugin.get_parameters_description()}
    plugin.set_parameter(index["Style"], style / (STYLES - 1))
    engine.load_graph(graph + [(plugin, sources)])
    engine.render((len(audio) + latency) / rate)
    compare("dawdreamer", engine.get_audio().T[latency:], expected)


def pedalboard(bundle, audio, rate):
    import pedalboard

    plugin = pedalboard.load_plugin(bundle)
    plugin.mix = 0.0
    heard = plugin.process(audio.T, rate, buffer_size=BLOCK).T
    # pedalboard takes the reported latency off.
    compare("pedalboard, dry", heard, audio[: len(heard)])


def main(bundle, source, expected, style, sidechain=None):
    audio, rate = soundfile.read(source, dtype="float32", always_2d=True)
    expected, _ = soundfile.read(expected, dtype="float32", always_2d=True)
    beside = soundfile.read(sidechain, dtype="float32", always_2d=True)[0] if sidechain else None
    hosts = {"dawdreamer": lambda: dawdreamer(bundle, audio, rate, expected, int(style), beside)}
    if beside is None:
        hosts["pedalboard"] = lambda: pedalboard(bundle, audio, rate)
    for name, run in hosts.items():
        started = time.time()
        try:
            run()
        except ImportError as reason:
            print(f"skipped: {name}: {reason}")
        else:
            print(f"{name}: {time.time() - started:.1f} s")


if __name__ == "__main__":
    main(*sys.argv[1:])
