"""Creates tests/golden/optim.json: torch's AdamW, clip_grad_norm_ and ReduceLROnPlateau.

    python tests/golden/optim.py

torch==2.15.0
"""

import json
import pathlib

import torch

torch.manual_seed(7)
STEPS = 30
SHAPES = {"bias": [5], "matrix": [4, 3], "kernel": [2, 3, 3, 2]}

params = {name: torch.nn.Parameter(torch.randn(shape)) for name, shape in SHAPES.items()}
start = {name: p.detach().flatten().tolist() for name, p in params.items()}
optimiser = torch.optim.AdamW(
    [
        {"params": [p for p in params.values() if p.dim() >= 2], "weight_decay": 0.05},
        {"params": [p for p in params.values() if p.dim() < 2], "weight_decay": 0.0},
    ],
    lr=1e-2,
    betas=(0.9, 0.999),
    eps=1e-8,
)
steps = []
for step in range(STEPS):
    # Large and small gradients, so that some are clipped at 1.
    scale = 2.0 if step % 3 == 0 else 0.05
    lr = 1e-2 * (1 - step / STEPS)
    for group in optimiser.param_groups:
        group["lr"] = lr
    gradients = {name: torch.randn(shape) * scale for name, shape in SHAPES.items()}
    for name, p in params.items():
        p.grad = gradients[name].clone()
    norm = torch.nn.utils.clip_grad_norm_(list(params.values()), 1.0)
    optimiser.step()
    values = {name: gradient.flatten().tolist() for name, gradient in gradients.items()}
    steps.append({"lr": lr, "norm": float(norm), "gradients": values})
end = {name: p.detach().flatten().tolist() for name, p in params.items()}

plateau_optimiser = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=8e-6)
plateau = torch.optim.lr_scheduler.ReduceLROnPlateau(
    plateau_optimiser, factor=0.5, patience=10, min_lr=1e-6
)
metrics, rates = [], []
value = 1.0
for epoch in range(150):
    # Falls, then falls by less than the threshold, rises, falls again, stays constant.
    phases = {0: value * 0.95, 1: value * (1 - 5e-5), 2: value * 1.02}
    value = phases.get(epoch // 15, 0.3 if epoch < 60 else value)
    metrics.append(value)
    plateau.step(value)
    rates.append(plateau_optimiser.param_groups[0]["lr"])

plateau_run = {"lr": 8e-6, "metrics": metrics, "rates": rates}
out = {"shapes": SHAPES, "start": start, "steps": steps, "end": end, "plateau": plateau_run}
pathlib.Path(__file__).with_suffix(".json").write_text(json.dumps(out))
