"""Bounces a recording through the VST3 in Python hosts and compares it with an expected file.

    python3 python_hosts.py BUNDLE INPUT.wav EXPECTED.wav STYLE [SIDECHAIN.wav]

Prints one line for each host: `equal`, or `skipped` if it is not installed. Needs soundfile and
numpy. dawdreamer renders offline. pedalboard calls the plugin as fast as possible without setting
the offline mode, so the plugin may be dry. Only the latency and the dry signal are checked there.
"""

import sys
import time

import numpy as np
import soundfile

BLOCK = 512
STYLES = 64


def compare(host, output, expected):
    n = min(len(output), len(expected))
    if n < len(expected):
        sys.exit(f"{host}: expected {len(expected)} samples after the latency, found {n}")
    if not np.array_equal(output[:n], expected[:n]):
        sys.exit(f"{host}: largest difference {np.abs(output[:n] - expected[:n]).max()}")
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
    # Main and sidechain buses, with or without a sidechain signal.
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
    output = plugin.process(audio.T, rate, buffer_size=BLOCK).T
    # pedalboard removes the reported latency.
    compare("pedalboard, dry", output, audio[: len(output)])


def main(bundle, source, expected, style, sidechain=None):
    audio, rate = soundfile.read(source, dtype="float32", always_2d=True)
    expected, _ = soundfile.read(expected, dtype="float32", always_2d=True)
    side = soundfile.read(sidechain, dtype="float32", always_2d=True)[0] if sidechain else None
    hosts = {"dawdreamer": lambda: dawdreamer(bundle, audio, rate, expected, int(style), side)}
    if side is None:
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
