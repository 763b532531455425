"""Times PyTorch and ONNX Runtime on a model file's networks, for `cargo xtask bench --python PYTHON`, which runs it.

    pip install -r tests/bench/requirements.txt
    python tests/bench/frameworks.py MODEL GIVEN REPEATS THREADS

The networks are those of tests/golden/networks.py, which our own are tested against. GIVEN (.safetensors) holds what our
engine was given (`in/...`) and what it made of it (`out/STAGE`), in the engine's order (H, W, C). The first line printed is
JSON that names the frameworks and says how far the furthest of their values lies from ours; or what is missing. Then, for
every line that is read, a JSON list of stages, it prints each framework's median time of those stages in a row, in
milliseconds: so all take turns, stage by stage.

What a stage is, on every side: one window, inputs in memory to outputs in memory, median of the repeats after one more that
does not count. The latent is standardised and the image clipped, as the model does it. A style is read once for all steps, by
every side: its keys, its values and the pooled vector's part of the embedding are a stage of their own, and a step is given
them. A guided step is a batch of two, with the style and without. A step of ours also lays out its inputs (a copy of the
latent, the mask), which the others are given laid out; one of PyTorch's also computes the sines of its rows.

PyTorch runs eagerly, in inference mode, in its own memory format or with channels last, whichever is faster for the stage.
ONNX Runtime runs what `torch.onnx.export` makes, with all of its graph optimisations, on its CPU provider.
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
    import onnx  # noqa: F401, what torch.onnx.export needs
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
    """networks.CrossAttention, with the keys and values read before."""

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
    """A style -> its part of the embedding, what its profile adds to each row, keys and values of every cross-attention."""

    def __init__(self, pooled, profile, attentions):
        super().__init__()
        self.pooled, self.profile, self.attentions = pooled, profile, nn.ModuleList(attentions)

    def forward(self, tokens, pooled, profile):
        memory = (part for attention in self.attentions for part in attention.read(tokens))
        return self.pooled(pooled), profile if self.profile is None else self.profile(profile), *memory


class Denoise(nn.Module):
    """The UNet on a style that `Read` has read; of its columns, the first `width`."""

    def __init__(self, unet, width):
        super().__init__()
        self.unet, self.width = unet, width

    def forward(self, noisy, content, mask, timestep, pooled, profile, *memory):
        return (self.unet(noisy, content, mask, timestep, memory, pooled, profile)[..., : self.width],)


def split_reading(unet):
    """Takes what reads the style out of the UNet."""
    stages = [stage for stage in [*unet.down, *unet.up.values()] if stage.attends]
    for number, stage in enumerate(stages):
        stage.cross_attention = ReadAttention(stage.cross_attention, number)
    read = Read(unet.style, unet.profile, [stage.cross_attention for stage in stages])
    unet.style = nn.Identity()
    if unet.profile is not None:
        unet.profile = nn.Identity()
    return read


def load(path):
    """A model file's networks, and the latent's mean and deviation."""
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
    image, noisy, content = (batch_of(given[f"in/{name}"]) for name in ("image", "noisy", "content"))
    width, unit = noisy.shape[3], 2 ** (len(model.unet.down) - 1)
    read, denoise = split_reading(model.unet), Denoise(model.unet, width)
    tokens, pooled = given["in/tokens"][None], given["in/pooled"][None]
    profile = given["in/profile"]
    profile = profile.reshape(content.shape[2], profile.numel() // content.shape[2]).T[None, ..., None]
    stages = {
        "encode": (Encode(model.encoder, mean, std), (image,)),
        "style tokens of one window": (Style(model.style), (image,)),
        "read a style, once for all steps": (read, (tokens, pooled, profile)),
        "decode": (Decode(model.decoder, mean, std), (content,)),
    }
    # The second conditioning has no style.
    style = [torch.cat([x, torch.zeros_like(x)]) for x in (tokens, pooled, profile)]
    for name, batch in {"denoise, one step": 1, "denoise, one guided step": 2}.items():
        # The denoiser halves its input: columns are padded up to what divides.
        latents = [F.pad(x, (0, -width % unit, 0, 0), mode="replicate").repeat(batch, 1, 1, 1) for x in (noisy, content)]
        mask = networks.mask_of(batch, *latents[0].shape[2:], [0] * batch, [1] * batch).float()
        timestep = given["in/timestep"].repeat(batch)
        stages[name] = (denoise, (*latents, mask, timestep, *read(*(part[:batch] for part in style))))
    return stages


def pytorch(module, inputs, memory_format):
    module = copy.deepcopy(module).to(memory_format=memory_format)
    inputs = [x.contiguous(memory_format=memory_format) if x.dim() == 4 else x for x in inputs]
    return lambda: module(*inputs)


def onnx_runtime(module, inputs, threads):
    exported = io.BytesIO()
    # The newer exporter needs one more package.
    with warnings.catch_warnings(action="ignore", category=DeprecationWarning):
        torch.onnx.export(module, inputs, exported, dynamo=False)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    session = onnxruntime.InferenceSession(exported.getvalue(), options, providers=["CPUExecutionProvider"])
    feed = {place.name: x.numpy() for place, x in zip(session.get_inputs(), inputs, strict=True)}
    return lambda: [torch.from_numpy(x) for x in session.run(None, feed)]


def difference(call, ours):
    """How far the furthest value lies from ours, which are in the engine's order."""
    found = [x.permute(0, 2, 3, 1) if x.dim() == 4 else x for x in call()]
    return (torch.cat([x.flatten() for x in found]) - ours).abs().max()


def median_ms(calls, repeats):
    """Of the calls, one after the other."""
    taken = []
    for _ in range(repeats + 1):
        start = time.perf_counter()
        for call in calls:
            call()
        taken.append((time.perf_counter() - start) * 1e3)
    return statistics.median(taken[1:])


def frameworks_of(stages, repeats, threads):
    """Name -> stage -> call. Of PyTorch's two ways, the one that is faster when both are tried."""
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
    """Of all values, how far the one lies from ours that is furthest off; not a number if one is none."""
    shown = [stage for stage in calls if f"out/{stage}" in given]
    return float(torch.stack([difference(calls[stage], given[f"out/{stage}"]) for stage in shown]).max())


def main():
    model, given, repeats, threads = sys.argv[1:]
    repeats, threads = int(repeats), int(threads)
    torch.set_num_threads(threads)
    with safe_open(given, "pt") as file:
        given = {name: file.get_tensor(name) for name in file.keys()}
    with torch.inference_mode():
        frameworks = frameworks_of(stages_of(model, given), repeats, threads)
        found = [{"name": name, "furthest": furthest(calls, given)} for name, calls in frameworks.items()]
        answer({"frameworks": found})
        for line in sys.stdin:
            stages = json.loads(line)
            answer([median_ms([calls[stage] for stage in stages], repeats) for calls in frameworks.values()])


if __name__ == "__main__":
    main()
