"""Creates golden files of VGGish: torchvggish's front end and network, with pseudo-random weights.

    pip install -r tests/golden/requirements.txt   # Python 3.11
    python tests/golden/vggish.py

torchvggish==0.2 resampy==0.4.3 torch==2.15.0 numpy==2.4.6 safetensors==0.8.0

vggish.safetensors contains `samples` (16-bit, 16 kHz, two examples) and torchvggish's `examples` of
them. For the first example it contains results of the convolutions with the weights of `draw`: the
output of each pooling (`features.*`, (H, W, C)), and the gradient of sum(output * probe) over all
four with respect to the example (`gradient`). torch computes in f64.

The weights are 18 MB, so no file contains them. `draw` is a formula, SplitMix64 from a hash of the
name, which the test also has.

vggish_narrow.pth is a complete zip file of torch.save, of a network with fewer channels.
vggish_begin.pth is the start of a file in torch's older format, up to its first weight, for a
network of the right shape with one number for each embedding layer. The test appends the weights,
in the order of `storages` in the metadata of vggish.safetensors. Both files contain values of
`draw` for their names.
"""

import io
import pathlib

import numpy
import torch
from safetensors.numpy import save_file
from torch import nn
from torchvggish import vggish_input
from torchvggish.torchvggish import VGG, make_layers

OUT = pathlib.Path(__file__).parent
RATE = 16000


def draw(name, shape, bound):
    """f32 values in [-bound, bound): SplitMix64 (Steele et al. 2014) from FNV-1a of the name."""
    state = 0xCBF29CE484222325
    for byte in name.encode():
        state = (state ^ byte) * 0x100000001B3 % 2**64
    with numpy.errstate(over="ignore"):
        index = numpy.arange(1, numpy.prod(shape) + 1, dtype=numpy.uint64)
        z = numpy.uint64(state) + index * numpy.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> numpy.uint64(30))) * numpy.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> numpy.uint64(27))) * numpy.uint64(0x94D049BB133111EB)
    unit = ((z ^ (z >> numpy.uint64(31))) >> numpy.uint64(11)).astype(numpy.float64) / 2**53
    return ((2 * unit - 1) * bound).astype(numpy.float32).reshape(shape)


def fill(network):
    """Weights that preserve the power of the input (He et al. 2015), biases of up to 0.1."""
    with torch.no_grad():
        for name, weight in network.named_parameters():
            bound = 0.1 if weight.dim() == 1 else (6 / weight[0].numel()) ** 0.5
            weight.copy_(torch.from_numpy(draw(name, tuple(weight.shape), bound)))
    return network


def skeleton():
    """torchvggish's network, with one number per embedding layer (67 of 72 million weights)."""
    network = VGG(make_layers(), postprocess=False)
    layers = [nn.Linear(1, 1) if i % 2 == 0 else nn.ReLU() for i in range(6)]
    network.embeddings = nn.Sequential(*layers)
    return fill(network)


def sound():
    """Decaying notes with partials, and noise of increasing level; 16-bit."""
    time = numpy.arange(int(1.99 * RATE)) / RATE
    notes = [(0.1, 220.0), (0.7, 523.0), (1.2, 1397.0)]
    tones = sum(
        (time >= start)
        * numpy.exp(-4 * numpy.maximum(time - start, 0))
        * numpy.sin(2 * numpy.pi * k * hz * time)
        / k
        for start, hz in notes
        for k in (1, 2, 3, 5)
    )
    noise = draw("noise", time.shape, 0.02).astype(numpy.float64) * time
    return numpy.round((0.2 * tones + noise) * 32767).astype(numpy.int16)


def golden(storages):
    samples = sound()
    examples = vggish_input.waveform_to_examples(samples / 32768.0, RATE, return_tensor=False)
    out = {"samples": samples, "examples": examples.astype(numpy.float32)}
    x = torch.from_numpy(out["examples"][:1, None]).double().requires_grad_()
    h, total, stage = x, 0, 0
    for layer in skeleton().double().features:
        h = layer(h)
        if isinstance(layer, nn.MaxPool2d):
            # (H, W, C), like the engine; the probe too.
            y = h[0].permute(1, 2, 0)
            out[f"features.{stage}"] = y.detach().numpy().astype(numpy.float32).copy()
            probe = torch.from_numpy(draw(f"probe.{stage}", tuple(y.shape), 1.0))
            total = total + (y * probe).sum()
            stage += 1
    total.backward()
    out["gradient"] = x.grad[0, 0].numpy().astype(numpy.float32)
    assert len(out["examples"]) == 2 and stage == 4
    save_file(out, OUT / "vggish.safetensors", metadata={"storages": storages})


def narrow():
    """The same layers with 2 to 6 channels."""
    layers, widths, c_in = make_layers(), iter([2, 3, 4, 4, 6, 6]), 1
    for i, layer in enumerate(layers):
        if isinstance(layer, nn.Conv2d):
            layers[i] = nn.Conv2d(c_in, next(widths), 3, padding=1)
            c_in = layers[i].out_channels
    network = VGG(layers, postprocess=False)
    network.embeddings = nn.Sequential()
    torch.save(fill(network).state_dict(), OUT / "vggish_narrow.pth")


def begin():
    """Returns the names of the weights in torch's order of writing, which is by address."""
    buffer = io.BytesIO()
    state = skeleton().state_dict()
    torch.save(state, buffer, _use_new_zipfile_serialization=False)
    data = buffer.getvalue()
    weights = sum(8 + 4 * tensor.numel() for tensor in state.values())
    (OUT / "vggish_begin.pth").write_bytes(data[: len(data) - weights])
    names = {tensor.numpy().tobytes(): name for name, tensor in state.items()}
    order, rest = [], data[len(data) - weights :]
    while rest:
        end = 8 + 4 * int.from_bytes(rest[:8], "little")
        order.append(names[rest[8:end]])
        rest = rest[end:]
    return order


narrow()
golden(" ".join(begin()))
