"""Measures PyTorch and ONNX Runtime on the networks of a model file.

    pip install -r tests/bench/requirements.txt
    python tests/bench/frameworks.py MODEL GIVEN REPEATS THREADS

`cargo xtask bench --python PYTHON` runs this script. The networks are those of
tests/golden/networks.py, which our own networks are tested against. GIVEN (.safetensors) contains
inputs of our engine (`in/...`) and its outputs (`out/STAGE`), in the engine's order (H, W, C).

The first line of output is JSON: the names of the frameworks with the largest difference from our
outputs, or the missing package. Each line of input is a JSON list of stages. For each line the
script prints the median time of these stages in sequence for each framework, in milliseconds. So
all frameworks take turns, stage by stage.

A stage processes one window, from inputs in memory to outputs in memory. Its time is the median of
the repeats, after one repeat that is not counted. The latent is standardised and the image clipped,
like in the model. The keys, the values and the pooled vector's part of the embedding are computed
once per style, in a stage of their own, by all frameworks. A guided step is a batch of two, with
and without the style. Our step also arranges its inputs (a copy of the latent, the mask), which the
other frameworks receive arranged. PyTorch's step also computes the sines of its rows.

PyTorch runs in eager inference mode, in its own memory format or in channels-last, whichever is
faster for the stage. ONNX Runtime runs the result of `torch.onnx.export` on its CPU provider, with
all graph optimisations.
"""

import copy
import io
import json
import pathlib
import statistics
import sys
import time
import warnings


def answer(what):
    print(json.dumps(what), flush=True)


sys.path.append(str(pathlib.Path(__file__).parents[1] / "golden"))

try:
    import networks
    import onnx  # noqa: F401, needed by torch.onnx.export
    import onnxruntime
    import torch
    import torch.nn.functional as F
    from safetensors import safe_open
    from torch import nn
except ImportError as error:
    answer({"missing": str(error)})
    sys.exit()


class Encode(nn.Module):
    def __init__(self, encoder, mean, std):
        super().__init__()
        self.encoder, self.mean, self.std = encoder, mean, std

    def forward(self, image):
        return ((self.encoder(image) - self.mean) / self.std,)


class Decode(nn.Module):
    def __init__(self, decoder, mean, std):
        super().__init__()
        self.decoder, self.mean, self.std = decoder, mean, std

    def forward(self, latent):
        return (self.decoder(latent * self.std + self.mean).clamp(0, 1),)


class Style(nn.Module):
    def __init__(self, style):
        super().__init__()
        self.style = style

    def forward(self, image):
        tokens, pooled, logits = self.style(image)
        return tokens, pooled, logits.softmax(dim=1)


class ReadAttention(nn.Module):
    """networks.CrossAttention with precomputed keys and values."""

    def __init__(self, attention, number):
        super().__init__()
        self.attention, self.number = attention, number

    def heads(self, x):
        """(B, N, C) -> (B, heads, N, C / heads)."""
        return x.unflatten(2, (self.attention.heads, -1)).transpose(1, 2)

    def read(self, tokens):
        return self.heads(self.attention.key(tokens)), self.heads(self.attention.value(tokens))

    def forward(self, x, memory):
        keys, values = memory[2 * self.number : 2 * self.number + 2]
        query = self.heads(self.attention.query(networks.flatten(self.attention.norm(x))))
        attended = F.scaled_dot_product_attention(query, keys, values).transpose(1, 2).flatten(2)
        return x + self.attention.out(attended).transpose(1, 2).reshape(x.shape)


class Read(nn.Module):
    """A style -> its part of the embedding, its profile's row offsets, all keys and values."""

    def __init__(self, pooled, profile, attentions):
        super().__init__()
        self.pooled, self.profile, self.attentions = pooled, profile, nn.ModuleList(attentions)

    def forward(self, tokens, pooled, profile):
        memory = (part for attention in self.attentions for part in attention.read(tokens))
        offsets = profile if self.profile is None else self.profile(profile)
        return self.pooled(pooled), offsets, *memory


class Denoise(nn.Module):
    """The UNet with the outputs of `Read`; returns the first `width` columns."""

    def __init__(self, unet, width):
        super().__init__()
        self.unet, self.width = unet, width

    def forward(self, noisy, content, mask, timestep, pooled, profile, *memory):
        out = self.unet(noisy, content, mask, timestep, memory, pooled, profile)
        return (out[..., : self.width],)


def split_reading(unet):
    """Moves the layers that process the style from the UNet to a `Read`."""
    stages = [stage for stage in [*unet.down, *unet.up.values()] if stage.attends]
    for number, stage in enumerate(stages):
        stage.cross_attention = ReadAttention(stage.cross_attention, number)
    read = Read(unet.style, unet.profile, [stage.cross_attention for stage in stages])
    unet.style = nn.Identity()
    if unet.profile is not None:
        unet.profile = nn.Identity()
    return read


def load(path):
    """A model file's networks, and the latent's mean and standard deviation."""
    with safe_open(path, "pt") as file:
        config, latent = (json.loads(file.metadata()[key]) for key in ("config", "latent"))
        weights = {name: file.get_tensor(name).float() for name in file.keys()}
    loaded = networks.Networks(config).eval()
    loaded.load_state_dict(weights)
    mean, std = (torch.tensor(latent[key])[:, None, None] for key in ("mean", "std"))
    return loaded, mean, std


def batch_of(x):
    """(H, W, C) or (H, W) -> (1, C, H, W)."""
    return x.reshape(*x.shape[:2], -1).permute(2, 0, 1)[None].contiguous()


def stages_of(path, given):
    """Stage -> module and inputs."""
    model, mean, std = load(path)
    names = ("image", "noisy", "content")
    image, noisy, content = (batch_of(given[f"in/{name}"]) for name in names)
    width, unit = noisy.shape[3], 2 ** (len(model.unet.down) - 1)
    read, denoise = split_reading(model.unet), Denoise(model.unet, width)
    tokens, pooled = given["in/tokens"][None], given["in/pooled"][None]
    profile = given["in/profile"]
    rows = content.shape[2]
    profile = profile.reshape(rows, profile.numel() // rows).T[None, ..., None]
    stages = {
        "encode": (Encode(model.encoder, mean, std), (image,)),
        "compute the style tokens of one window": (Style(model.style), (image,)),
        "precompute a style, once for all steps": (read, (tokens, pooled, profile)),
        "decode": (Decode(model.decoder, mean, std), (content,)),
    }
    # The second conditioning has no style.
    style = [torch.cat([x, torch.zeros_like(x)]) for x in (tokens, pooled, profile)]
    for name, batch in {"denoise, one step": 1, "denoise, one guided step": 2}.items():
        # The denoiser halves its input repeatedly, so its width must be a multiple of `unit`.
        padding = (0, -width % unit, 0, 0)
        latents = [F.pad(x, padding, mode="replicate") for x in (noisy, content)]
        latents = [x.repeat(batch, 1, 1, 1) for x in latents]
        mask = networks.mask_of(batch, *latents[0].shape[2:], [0] * batch, [1] * batch).float()
        timestep = given["in/timestep"].repeat(batch)
        inputs = (*latents, mask, timestep, *read(*(part[:batch] for part in style)))
        stages[name] = (denoise, inputs)
    return stages


def pytorch(module, inputs, memory_format):
    module = copy.deepcopy(module).to(memory_format=memory_format)
    inputs = [x.contiguous(memory_format=memory_format) if x.dim() == 4 else x for x in inputs]
    return lambda: module(*inputs)


def onnx_runtime(module, inputs, threads):
    exported = io.BytesIO()
    # The newer exporter needs another package.
    with warnings.catch_warnings(action="ignore", category=DeprecationWarning):
        torch.onnx.export(module, inputs, exported, dynamo=False)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    session = onnxruntime.InferenceSession(
        exported.getvalue(), options, providers=["CPUExecutionProvider"]
    )
    feed = {place.name: x.numpy() for place, x in zip(session.get_inputs(), inputs, strict=True)}
    return lambda: [torch.from_numpy(x) for x in session.run(None, feed)]


def difference(call, ours):
    """Largest difference from our outputs, which are in the engine's order."""
    found = [x.permute(0, 2, 3, 1) if x.dim() == 4 else x for x in call()]
    return (torch.cat([x.flatten() for x in found]) - ours).abs().max()


def median_ms(calls, repeats):
    """Median time of the calls in sequence, in milliseconds."""
    times = []
    for _ in range(repeats + 1):
        start = time.perf_counter()
        for call in calls:
            call()
        times.append((time.perf_counter() - start) * 1e3)
    return statistics.median(times[1:])


def frameworks_of(stages, repeats, threads):
    """Name -> stage -> call. PyTorch uses the faster of two memory formats."""
    formats = torch.contiguous_format, torch.channels_last
    eager, exported = {}, {}
    for stage, (module, inputs) in stages.items():
        ways = [pytorch(module, inputs, memory_format) for memory_format in formats]
        eager[stage] = min(ways, key=lambda call: median_ms([call], repeats))
        exported[stage] = onnx_runtime(module, inputs, threads)
    return {
        f"PyTorch {torch.__version__.partition('+')[0]}": eager,
        f"ONNX Runtime {onnxruntime.__version__}": exported,
    }


def furthest(calls, given):
    """Largest difference from our outputs over all stages; NaN if any value is NaN."""
    shown = [stage for stage in calls if f"out/{stage}" in given]
    differences = [difference(calls[stage], given[f"out/{stage}"]) for stage in shown]
    return float(torch.stack(differences).max())


def main():
    model, given, repeats, threads = sys.argv[1:]
    repeats, threads = int(repeats), int(threads)
    torch.set_num_threads(threads)
    with safe_open(given, "pt") as file:
        given = {name: file.get_tensor(name) for name in file.keys()}
    with torch.inference_mode():
        frameworks = frameworks_of(stages_of(model, given), repeats, threads)
        found = [
            {"name": name, "furthest": furthest(calls, given)} for name, calls in frameworks.items()
        ]
        answer({"frameworks": found})
        for line in sys.stdin:
            stages = json.loads(line)
            times = [
                median_ms([calls[stage] for stage in stages], repeats)
                for calls in frameworks.values()
            ]
            answer(times)


if __name__ == "__main__":
    main()
