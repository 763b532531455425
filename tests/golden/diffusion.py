"""Creates tests/golden/diffusion.safetensors: reference numbers of the diffusion.

    pip install diffusers==0.35.2 torch==2.15.0 scipy==1.17.1 numpy==2.4.6 safetensors==0.8.0
    python tests/golden/diffusion.py

Schedules, timesteps and DDIM trajectories are from diffusers, normal quantiles from scipy. The
keyed noise is a second implementation in numpy.
"""
import pathlib

import numpy
import scipy.special
import torch
from diffusers import DDIMScheduler
from safetensors.numpy import save_file

OUT = pathlib.Path(__file__).parent / "diffusion.safetensors"
LATENT = 24
ALL_STEPS = list(range(1, 65)) + [100, 250, 333, 999, 1000]
# Only counts that divide T. For others diffusers steps to `timestep - T // steps`, which is not
# its next timestep.
TRAJECTORY_STEPS = [1, 4, 10, 50]
golden = {}


def scheduler(schedule, zero_snr, train_timesteps, prediction="v_prediction"):
    return DDIMScheduler(
        num_train_timesteps=train_timesteps,
        beta_start=1e-4,
        beta_end=0.02,
        beta_schedule={"linear": "linear", "cosine": "squaredcos_cap_v2"}[schedule],
        clip_sample=False,
        prediction_type=prediction,
        timestep_spacing="trailing",
        rescale_betas_zero_snr=zero_snr,
    )


def denoiser(prediction, x, t):
    """An artificial network: linear in x, smooth in t and in the position.

    For epsilon it is close to the exact answer, because the first step divides its error by
    sqrt(alpha_bar)."""
    phase = numpy.pi / 2 * (t + 1) / 1000
    place = numpy.sin(0.7 * numpy.arange(LATENT))
    if prediction == "epsilon":
        slope, offset = numpy.sin(phase), 0.01
    else:
        slope, offset = 0.3 * numpy.sin(2 * phase), 0.5
    offsets = torch.tensor(offset * place, dtype=torch.float32)
    return torch.tensor(slope, dtype=torch.float32) * x + offsets


def key(schedule, zero_snr):
    return schedule + ("-zero-snr" if zero_snr else "")


rng = numpy.random.default_rng(20)
start = rng.standard_normal(LATENT).astype(numpy.float32)
clean = rng.standard_normal(LATENT).astype(numpy.float32)
golden |= {"start": start, "clean": clean}

for schedule in ["linear", "cosine"]:
    for zero_snr in [False, True]:
        for train_timesteps in [200, 1000]:
            name = f"alphas_cumprod.{key(schedule, zero_snr)}.{train_timesteps}"
            golden[name] = scheduler(schedule, zero_snr, train_timesteps).alphas_cumprod.numpy()

for train_timesteps in [200, 1000]:
    for steps in ALL_STEPS:
        if steps <= train_timesteps:
            ddim = scheduler("cosine", True, train_timesteps)
            ddim.set_timesteps(steps)
            # numpy's arange may return one element too many, which is timestep -1.
            timesteps = ddim.timesteps.numpy()[:steps]
            golden[f"timesteps.{train_timesteps}.{steps}"] = timesteps.astype(numpy.int32)

forward_at = torch.tensor([0, 1, 250, 500, 998, 999])
golden["forward.timesteps"] = forward_at.numpy().astype(numpy.int32)
for schedule, zero_snr in [("linear", False), ("cosine", True)]:
    ddim = scheduler(schedule, zero_snr, 1000)
    x0 = torch.tensor(clean).repeat(len(forward_at), 1)
    noise = torch.tensor(start).repeat(len(forward_at), 1)
    name = key(schedule, zero_snr)
    golden[f"forward.q_sample.{name}"] = ddim.add_noise(x0, noise, forward_at).numpy()
    golden[f"forward.v.{name}"] = ddim.get_velocity(x0, noise, forward_at).numpy()

for schedule, zero_snr, prediction in [
    ("linear", False, "epsilon"),
    ("linear", False, "v_prediction"),
    ("linear", True, "v_prediction"),
    ("cosine", True, "v_prediction"),
]:
    for steps in TRAJECTORY_STEPS:
        ddim = scheduler(schedule, zero_snr, 1000, prediction)
        ddim.set_timesteps(steps)
        x, trajectory = torch.tensor(start), []
        for t in ddim.timesteps:
            x = ddim.step(denoiser(prediction, x, int(t)), t, x).prev_sample
            trajectory.append(x.numpy())
        golden[f"trajectory.{key(schedule, zero_snr)}.{prediction}.{steps}"] = numpy.stack(trajectory)

# Normal quantiles: centre, both switches of AS 241 (|q| = 0.425 and p = exp(-25)) and the far tail.
p = numpy.concatenate(
    [
        numpy.linspace(0.001, 0.999, 199),
        [0.0749, 0.0751, 0.9249, 0.9251],
        10.0 ** -numpy.arange(1, 301, 7),
        [1.38e-11, 1.39e-11],
    ]
)
golden["quantile.p"] = p
golden["quantile.x"] = scipy.special.ndtri(p)

# Second implementation of the keyed noise.
GOLDEN_RATIO, ALL = 0x9E3779B97F4A7C15, 2**64 - 1


def mix(z):
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9 & ALL
    z = (z ^ z >> 27) * 0x94D049BB133111EB & ALL
    return z ^ z >> 31


def keyed(seed, column, row, channel):
    key = mix(seed + GOLDEN_RATIO & ALL)
    for part in [column, row, channel]:
        key = mix(key + part * GOLDEN_RATIO & ALL)
    return scipy.special.ndtri(((key >> 12) + 0.5) / 2**52)


rows = [[keyed(2025, 42, row, channel) for channel in range(8)] for row in range(16)]
golden["noise.2025.42"] = numpy.array(rows)

save_file(golden, OUT)
print(f"{OUT.name}: {len(golden)} tensors, {OUT.stat().st_size} bytes")
