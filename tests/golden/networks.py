"""Creates tests/golden/networks.safetensors: the networks of engine/src/models in PyTorch.

    pip install -r tests/golden/requirements.txt
    python tests/golden/networks.py

torch==2.15.0 safetensors==0.8.0 numpy==2.4.6

Weights (`weight/...`, with torch's shapes and a checkpoint's names) and inputs are f32 values from
one seed. torch computes in f64, so that differences are our rounding. Inputs (`in/...`) and
outputs (`out/...`) are in the engine's order (B, H, W, C), tokens in (B, 1, N, dim), input images
are bytes (value * 255). Gradients are those of sum(output * probe): complete gradients of some
weights (`grad/whole/...`), and `[|g|, g . w]` of every weight (`grad/sum/...`). The metadata
contain the model's config.
"""

import json
import math
import pathlib

import numpy
import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import nn

GROUPS = 8
N_MELS = 128
TIMESTEP_DIM = 128
MASK_CHANNELS = 2
# Statistics of each band in a spectral profile: quantiles of its level, and its mean change.
QUANTILES = [0.1, 0.5, 0.9, 1.0]
BAND_STATISTICS = len(QUANTILES) + 1
CHANGE_SCALE = 20

# All widths differ, so that no two can be confused.
CONFIG = {
    "autoencoder": {"latent_channels": 6, "channels": [8, 24, 16]},
    "style": {
        "channels": [8, 16, 8, 16, 24, 16],
        "token_levels": 3,
        "dim": 20,
        "frequency_channels": 6,
        "instruments": ["piano", "guitar", "harp", "violin"],
    },
    "unet": {
        "channels": [16, 24, 16],
        "attention": [False, True, True],
        "res_blocks": 2,
        "heads": 4,
        "embedding": 32,
        "frequency_channels": 8,
        "profile_channels": 12,
    },
}

# Weights with a complete gradient: each kind of layer, at each end of the networks.
WHOLE_GRADIENTS = [
    "encoder.linear.weight",
    "encoder.down.0.weight",
    "encoder.res.0.conv2.weight",
    "encoder.out.weight",
    "decoder.linear.weight",
    "decoder.up.1.weight",
    "decoder.norm.weight",
    "decoder.out.bias",
    "style.down.1.weight",
    "style.position.weight",
    "style.norm.3.weight",
    "style.token.4.weight",
    "style.pool.weight",
    "style.label.bias",
    "unet.time.1.weight",
    "unet.style.weight",
    "unet.input.weight",
    "unet.profile.0.weight",
    "unet.profile.out.weight",
    "unet.down.0.out.weight",
    "unet.down.1.res.0.norm1.weight",
    "unet.up.1.res.0.skip.weight",
    "unet.down.1.res.0.embedding.weight",
    "unet.down.1.res.0.norm2.bias",
    "unet.down.1.self_attention.query.weight",
    "unet.down.1.self_attention.key.weight",
    "unet.down.1.cross_attention.key.weight",
    "unet.down.1.cross_attention.value.weight",
    "unet.up.1.cross_attention.out.weight",
    "unet.up.1.cross_attention.norm.weight",
    "unet.up.0.in.bias",
    "unet.norm.bias",
    "unet.out.bias",
]


def conv(c_in, c_out, kernel, stride=1):
    return nn.Conv2d(c_in, c_out, kernel, stride=stride, padding=kernel // 2)


def norm(channels):
    return nn.GroupNorm(GROUPS, channels, eps=1e-5)


def over_channels(linear, x):
    """A linear layer at every position of (B, C, H, W)."""
    return linear(x.movedim(1, 3)).movedim(3, 1)


def upsample2(x):
    return F.interpolate(x, scale_factor=2, mode="nearest")


def flatten(x):
    """(B, C, H, W) -> (B, H * W, C)."""
    return x.flatten(2).transpose(1, 2)


class SinusoidalPositionEmbedding:
    """Sines of all frequencies, then cosines."""

    @staticmethod
    def embed(position, dim):
        frequency = 10000.0 ** (-torch.arange(dim // 2, dtype=torch.float64) / (dim // 2))
        angle = position.double()[:, None] * frequency
        return torch.cat([angle.sin(), angle.cos()], dim=1)

    @staticmethod
    def rows(rows, channels):
        """(rows, channels): sin and cos of pi 2^i y at the rows' centres y in [0, 1]."""
        centre = (torch.arange(rows, dtype=torch.float64) + 0.5) / rows
        angle = math.pi * centre[:, None] * 2.0 ** torch.arange(channels // 2)
        return torch.cat([angle.sin(), angle.cos()], dim=1)


class ResBlock(nn.Module):
    """An embedding's scale and shift are between the second norm's affine map and its SiLU."""

    def __init__(self, c_in, c_out, embedding=None):
        super().__init__()
        self.norm1, self.conv1 = norm(c_in), conv(c_in, c_out, 3)
        self.norm2, self.conv2 = norm(c_out), conv(c_out, c_out, 3)
        self.embedding = nn.Linear(embedding, 2 * c_out) if embedding else None
        self.skip = conv(c_in, c_out, 1) if c_in != c_out else None

    def forward(self, x, embedding=None):
        h = self.norm2(self.conv1(F.silu(self.norm1(x))))
        if self.embedding is not None:
            scale, shift = self.embedding(embedding)[:, :, None, None].chunk(2, dim=1)
            h = h * (1 + scale) + shift
        h = self.conv2(F.silu(h))
        return h + (x if self.skip is None else self.skip(x))


class CrossAttention(nn.Module):
    """torch's own multi-head attention, with a norm before it and a residual around it."""

    def __init__(self, channels, token_dim, heads):
        super().__init__()
        self.heads, self.norm = heads, norm(channels)
        self.query = nn.Linear(channels, channels, bias=False)
        self.key = nn.Linear(token_dim, channels, bias=False)
        self.value = nn.Linear(token_dim, channels, bias=False)
        self.out = nn.Linear(channels, channels)

    def forward(self, x, tokens=None):
        b, c, h, w = x.shape
        queries = flatten(self.norm(x))
        tokens = queries if tokens is None else tokens.expand(b, -1, -1)
        attended, _ = F.multi_head_attention_forward(
            query=queries.transpose(0, 1),
            key=tokens.transpose(0, 1),
            value=tokens.transpose(0, 1),
            embed_dim_to_check=c,
            num_heads=self.heads,
            in_proj_weight=None,
            in_proj_bias=None,
            bias_k=None,
            bias_v=None,
            add_zero_attn=False,
            dropout_p=0.0,
            out_proj_weight=self.out.weight,
            out_proj_bias=self.out.bias,
            need_weights=False,
            use_separate_proj_weight=True,
            q_proj_weight=self.query.weight,
            k_proj_weight=self.key.weight,
            v_proj_weight=self.value.weight,
        )
        return x + attended.permute(1, 2, 0).reshape(b, c, h, w)


class SpectrogramEncoder(nn.Module):
    def __init__(self, channels, latent_channels):
        super().__init__()
        self.reduction = 2 ** len(channels)
        self.linear = nn.Linear(self.reduction**2, latent_channels)
        self.down = nn.ModuleList(conv(a, b, 3, stride=2) for a, b in zip([1, *channels], channels))
        self.res = nn.ModuleList(ResBlock(c, c) for c in channels)
        self.norm, self.out = norm(channels[-1]), conv(channels[-1], latent_channels, 1)

    def forward(self, image):
        h = image
        for down, res in zip(self.down, self.res):
            h = res(down(h))
        linear = over_channels(self.linear, F.pixel_unshuffle(image, self.reduction))
        return linear + self.out(F.silu(self.norm(h)))


class SpectrogramDecoder(nn.Module):
    def __init__(self, channels, latent_channels):
        super().__init__()
        self.reduction = 2 ** len(channels)
        self.linear = nn.Linear(latent_channels, self.reduction**2)
        self.first = conv(latent_channels, channels[-1], 3)
        self.res = nn.ModuleList(ResBlock(c, c) for c in channels)
        up = {str(i): conv(channels[i], channels[i - 1], 3) for i in range(1, len(channels))}
        self.up = nn.ModuleDict(up)
        self.norm, self.out = norm(channels[0]), conv(channels[0], 4, 3)

    def forward(self, latent):
        h = self.first(latent)
        for i in reversed(range(len(self.res))):
            h = self.res[i](h)
            if i > 0:
                h = self.up[str(i)](upsample2(h))
        h = F.pixel_shuffle(self.out(F.silu(self.norm(h))), 2)
        return F.pixel_shuffle(over_channels(self.linear, latent), self.reduction) + h


class StyleEncoder(nn.Module):
    def __init__(self, channels, token_levels, dim, instruments, frequency_channels=0):
        super().__init__()
        self.frequency_channels = frequency_channels
        self.position = nn.Linear(frequency_channels, channels[0]) if frequency_channels else None
        token = range(len(channels) - token_levels, len(channels))
        self.down = nn.ModuleList(conv(a, b, 3, stride=2) for a, b in zip([1, *channels], channels))
        self.norm = nn.ModuleList(norm(c) for c in channels)
        self.mix = ResBlock(channels[-1], channels[-1])
        self.token_norm = nn.ModuleDict({str(i): norm(channels[i]) for i in token})
        self.token = nn.ModuleDict({str(i): nn.Linear(channels[i], dim) for i in token})
        self.pool, self.label = nn.Linear(channels[-1], dim), nn.Linear(dim, len(instruments))

    def forward(self, image):
        h, tokens = image, []
        for i, down in enumerate(self.down):
            h = F.silu(self.norm[i](down(h)))
            if i == 0 and self.position is not None:
                rows = SinusoidalPositionEmbedding.rows(h.shape[2], self.frequency_channels)
                h = h + self.position(rows.to(h.dtype)).T[None, :, :, None]
            if i == len(self.down) - 1:
                h = self.mix(h)
            if str(i) in self.token:
                tokens.append(self.token[str(i)](flatten(self.token_norm[str(i)](h))))
        pooled = self.pool(h.mean(dim=(2, 3)))
        return torch.cat(tokens, dim=1), pooled, self.label(pooled)


def spectral_profile(images, reduction):
    """(B, 1, n_mels, frames) -> (B, statistics of a row, rows of a latent, 1), sorted by band."""
    levels, frames = images[:, 0].sort(dim=2).values, images.shape[3]
    quantiles = [levels[:, :, math.floor((frames - 1) * share + 0.5)] for share in QUANTILES]
    change = CHANGE_SCALE * images[:, 0].diff(dim=2).abs().mean(dim=2)
    bands = torch.stack([*quantiles, change], dim=2)
    return bands.unflatten(1, (-1, reduction)).flatten(2).transpose(1, 2)[..., None]


class ProfileReader(nn.ModuleDict):
    def __init__(self, c_in, width, c_out):
        layers = {"0": conv(c_in, width, 3), "1": conv(width, width, 3)}
        super().__init__({**layers, "out": nn.Linear(width, c_out)})

    def forward(self, profile):
        return over_channels(self["out"], F.silu(self["1"](F.silu(self["0"](profile)))))


class Stage(nn.Module):
    def __init__(self, c_in, c, style_dim, unet, attends):
        super().__init__()
        inputs = [c_in if i == 0 else c for i in range(unet["res_blocks"])]
        blocks = [ResBlock(a, c, unet["embedding"]) for a in inputs]
        self.res, self.attends = nn.ModuleList(blocks), attends
        if attends:
            self.self_attention = CrossAttention(c, c, unet["heads"])
            self.cross_attention = CrossAttention(c, style_dim, unet["heads"])

    def forward(self, h, embedding, tokens):
        for i, block in enumerate(self.res):
            h = block(h, embedding)
            if i == 0 and self.attends:
                h = self.cross_attention(self.self_attention(h), tokens)
        return h


class UNet(nn.Module):
    def __init__(self, unet, latent, reduction, style_dim):
        super().__init__()
        c, e = unet["channels"], unet["embedding"]
        self.frequency_channels, last = unet["frequency_channels"], len(c) - 1
        self.time = nn.ModuleList([nn.Linear(TIMESTEP_DIM, e), nn.Linear(e, e)])
        self.style = nn.Linear(style_dim, e)
        self.input = conv(2 * latent + MASK_CHANNELS + self.frequency_channels, c[0], 3)
        width = unet.get("profile_channels", 0)
        self.profile = ProfileReader(reduction * BAND_STATISTICS, width, c[0]) if width else None
        self.down, self.up = nn.ModuleList(), nn.ModuleDict()
        for i in range(len(c)):
            stage = Stage(c[i], c[i], style_dim, unet, unet["attention"][i])
            if i < last:
                stage.add_module("out", conv(c[i], c[i + 1], 3, stride=2))
            self.down.append(stage)
        for i in range(last):
            stage = Stage(2 * c[i], c[i], style_dim, unet, unet["attention"][i])
            stage.add_module("in", conv(c[i + 1], c[i], 3))
            self.up[str(i)] = stage
        self.norm, self.out = norm(c[0]), conv(c[0], latent, 3)

    def forward(self, noisy, content, mask, timestep, tokens, pooled, profile=None):
        time = SinusoidalPositionEmbedding.embed(timestep, TIMESTEP_DIM).to(noisy.dtype)
        embedding = F.silu(self.time[1](F.silu(self.time[0](time))) + self.style(pooled))
        b, _, height, width = noisy.shape
        rows = SinusoidalPositionEmbedding.rows(height, self.frequency_channels)
        rows = rows.T[None, :, :, None].to(noisy.dtype)
        h = self.input(torch.cat([noisy, content, mask, rows.expand(b, -1, -1, width)], dim=1))
        if self.profile is not None:
            h = h + self.profile(profile)
        skips = []
        for stage in self.down:
            h = stage(h, embedding, tokens)
            if hasattr(stage, "out"):
                skips.append(h)
                h = stage.out(h)
        for i in reversed(range(len(self.up))):
            stage = self.up[str(i)]
            h = stage.get_submodule("in")(upsample2(h))
            h = stage(torch.cat([h, skips.pop()], dim=1), embedding, tokens)
        return self.out(F.silu(self.norm(h)))


class Networks(nn.Module):
    """All networks of a model with this config."""

    def __init__(self, config):
        super().__init__()
        self.encoder = SpectrogramEncoder(**config["autoencoder"])
        self.decoder = SpectrogramDecoder(**config["autoencoder"])
        self.style = StyleEncoder(**config["style"])
        autoencoder = config["autoencoder"]
        reduction = 2 ** len(autoencoder["channels"])
        latent, style_dim = autoencoder["latent_channels"], config["style"]["dim"]
        self.unet = UNet(config["unet"], latent, reduction, style_dim)


random = numpy.random.Generator(numpy.random.PCG64(20_240_607))
REDUCTION = 2 ** len(CONFIG["autoencoder"]["channels"])
LATENT = CONFIG["autoencoder"]["latent_channels"]
DIM = CONFIG["style"]["dim"]


def draw(*shape):
    """f32 values as f64 tensors."""
    return torch.from_numpy(random.standard_normal(shape).astype(numpy.float32)).double()


def draw_image(batch, frames):
    """Values k / 255, so that a byte represents them exactly."""
    values = torch.from_numpy(random.integers(0, 256, (batch, 1, N_MELS, frames)))
    return (values.float() / 255).double()


def draw_weights(networks):
    """No weight is zero, because a layer with zero weights would hide errors of earlier layers."""
    with torch.no_grad():
        for name, weight in networks.named_parameters():
            if weight.dim() > 1:
                values = draw(*weight.shape) / math.sqrt(weight[0].numel())
            elif "norm" in name and name.endswith("weight"):
                values = 1 + 0.3 * draw(*weight.shape)
            else:
                values = 0.2 * draw(*weight.shape)
            weight.copy_(values.float())


def mask_of(batch, height, width, prefixes, has_content):
    mask = torch.zeros(batch, MASK_CHANNELS, height, width, dtype=torch.float64)
    for i in range(batch):
        mask[i, 0, :, : prefixes[i]] = 1
        mask[i, 1] = has_content[i]
    return mask


tensors = {}


def keep(name, x):
    """Stores images as (B, H, W, C), tokens as (B, 1, N, C), vectors of an item as (B, 1, 1, C)."""
    x = x.detach()
    if x.dim() == 4:
        x = x.permute(0, 2, 3, 1)
    elif x.dim() == 3:
        x = x[:, None]
    elif x.dim() == 2:
        x = x[:, None, None]
    is_image = name.endswith("image")
    tensors[name] = ((x * 255).round().byte() if is_image else x.float()).contiguous()


def keep_position():
    timesteps = torch.tensor([0, 1, 7, 321, 999])
    keep("in/position.timesteps", timesteps)
    keep("out/position.embed", SinusoidalPositionEmbedding.embed(timesteps, TIMESTEP_DIM))
    for rows in (16, 5):
        embedding = SinusoidalPositionEmbedding.rows(rows, CONFIG["unet"]["frequency_channels"])
        keep(f"out/position.rows.{rows}", embedding)


def keep_attention(networks):
    """An image of odd sizes, with different tokens for each item, and with equal ones."""
    stage = networks.unet.down[1]
    x, tokens = draw(2, CONFIG["unet"]["channels"][1], 3, 5), draw(2, 7, DIM)
    keep("in/attention.x", x)
    keep("in/attention.tokens", tokens)
    keep("out/attention.self", stage.self_attention(x))
    keep("out/attention.cross", stage.cross_attention(x, tokens))
    keep("out/attention.cross_repeated", stage.cross_attention(x, tokens[:1]))


def keep_window(networks, frames, batch, timesteps, prefixes, has_content):
    """Every network on windows of one size. The denoiser's inputs are outputs of the others."""
    image = draw_image(batch, frames)
    latent = networks.encoder(image)
    decoded = networks.decoder(latent.detach())
    tokens, pooled, logits = networks.style(image)
    profile = spectral_profile(image, REDUCTION)
    _, _, height, width = latent.shape
    noisy, mask = draw(*latent.shape), mask_of(batch, height, width, prefixes, has_content)
    content = (latent.detach() * mask[:, 1:]).float().double()
    timesteps = torch.tensor(timesteps)
    prediction = networks.unet(noisy, content, mask, timesteps, tokens, pooled, profile)
    inputs = {"image": image, "noisy": noisy, "content": content, "mask": mask}
    for name, x in {**inputs, "timesteps": timesteps}.items():
        keep(f"in/{frames}.{name}", x)
    outputs = {"latent": latent, "decoded": decoded, "prediction": prediction}
    style = {"tokens": tokens, "pooled": pooled, "profile": profile, "logits": logits}
    for name, x in {**outputs, **style}.items():
        keep(f"out/{frames}.{name}", x)
    return image, prediction, logits


def keep_gradients(networks, image, prediction, logits):
    """Gradients of all networks in one loss. The autoencoder's part maps image to image."""
    decoded = networks.decoder(networks.encoder(image))
    loss = 0
    for name, x in {"decoded": decoded, "prediction": prediction, "logits": logits}.items():
        probe = draw(*x.shape)
        keep(f"in/probe.{name}", probe)
        loss = loss + (x * probe).sum()
    loss.backward()
    weights = dict(networks.named_parameters())
    for name, weight in weights.items():
        summary = torch.stack([weight.grad.norm(), (weight.grad * weight).sum()])
        tensors[f"grad/sum/{name}"] = summary.detach().float()
    for name in WHOLE_GRADIENTS:
        tensors[f"grad/whole/{name}"] = weights[name].grad.float()


def keep_model(networks, references, frames, timestep):
    """A complete model: standardised latents, padding, three conditionings and a clipped image."""
    image = draw_image(1, frames)
    mean, std = 0.3 * draw(LATENT), 0.5 + draw(LATENT).abs()
    mean, std = mean.float().double(), std.float().double()
    latent = (networks.encoder(image) - mean[:, None, None]) / std[:, None, None]
    tokens, pooled, logits = networks.style(references)
    tokens, pooled = tokens.reshape(1, -1, DIM), pooled.mean(0, keepdim=True)
    profile = spectral_profile(references, REDUCTION).mean(0, keepdim=True)
    noisy = draw(*latent.shape)
    unit = 2 ** (len(CONFIG["unet"]["channels"]) - 1)
    width = latent.shape[3]
    padding = (0, -width % unit, 0, 0)
    content = F.pad(latent, padding, mode="replicate")
    _, _, height, wide_width = content.shape
    # With all conditions, without style, without content.
    prefix = 3
    predictions = networks.unet(
        F.pad(noisy, padding, mode="replicate").expand(3, -1, -1, -1),
        torch.cat([content, content, torch.zeros_like(content)]),
        mask_of(3, height, wide_width, [prefix, prefix, 0], [1, 1, 0]),
        torch.full((3,), timestep),
        torch.cat([tokens, torch.zeros_like(tokens), tokens]),
        torch.cat([pooled, torch.zeros_like(pooled), pooled]),
        torch.cat([profile, torch.zeros_like(profile), profile]),
    )[..., :width]
    decoded = networks.decoder(latent * std[:, None, None] + mean[:, None, None]).clamp(0, 1)
    for name, x in {"mean": mean, "std": std, "image": image, "noisy": noisy}.items():
        keep(f"in/model.{name}", x)
    keep("in/model.timestep", torch.tensor([timestep]))
    keep("in/model.prefix", torch.tensor([prefix]))
    style = {"tokens": tokens, "pooled": pooled, "profile": profile}
    outputs = {"latent": latent, **style, "predictions": predictions, "decoded": decoded}
    for name, x in {**outputs, "instruments": logits.softmax(1).mean(0, keepdim=True)}.items():
        keep(f"out/model.{name}", x)


def main():
    networks = Networks(CONFIG).double()
    draw_weights(networks)
    for name, weight in networks.state_dict().items():
        tensors[f"weight/{name}"] = weight.float()
    keep_position()
    keep_attention(networks)
    keep_window(networks, 128, 1, [999], [3], [1])
    image, prediction, logits = keep_window(networks, 64, 2, [40, 700], [2, 0], [1, 0])
    keep_gradients(networks, image, prediction, logits)
    keep_model(networks, image, 200, 321)
    path = pathlib.Path(__file__).with_suffix(".safetensors")
    save_file(tensors, path, {"config": json.dumps(CONFIG)})


if __name__ == "__main__":
    main()
