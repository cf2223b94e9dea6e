"""The optimiser, AdamW or Muon, and its learning rate over the run."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

from onethinker.models.forward import has_fast_bfloat16, unwrap
from onethinker.recipes.base import OptimizerConfig
from onethinker.train.muon import Float32Muon


class CombinedOptimizer:
    """Two optimisers that step as one: Muon for the matrices inside the layers, AdamW for everything else."""

    def __init__(self, *members: torch.optim.Optimizer) -> None:
        self.members = members

    @property
    def param_groups(self) -> list[dict[str, Any]]:
        return [group for member in self.members for group in member.param_groups]

    def step(self) -> None:
        for member in self.members:
            member.step()

    def zero_grad(self, set_to_none: bool = True) -> None:
        for member in self.members:
            member.zero_grad(set_to_none=set_to_none)

    def state_dict(self) -> dict[str, Any]:
        return {"members": [member.state_dict() for member in self.members]}


Optimizer = torch.optim.Optimizer | CombinedOptimizer


def make_optimizer(model: nn.Module, config: OptimizerConfig) -> Optimizer:
    """The recipe's optimiser over the weights that train; vectors (norms, biases) are not decayed.

    adamw: one rate for all. muon: `torch.optim.Muon` (K. Jordan, 2024; update RMS matched to AdamW's, 2502.16982),
    in float32 where bfloat16 is slow, at `matrix_lr` for the matrices of the layers, AdamW at `lr` for embeddings,
    head, convolution and vectors.
    """
    named = [(name, p) for name, p in unwrap(model).named_parameters() if p.requires_grad]
    matrices = [p for name, p in named if config.kind == "muon" and is_layer_matrix(name, p)]
    rest = [p for _, p in named if not any(p is m for m in matrices)]
    groups: list[dict[str, Any]] = [
        {"params": [p for p in rest if p.dim() > 1], "weight_decay": config.weight_decay},
        {"params": [p for p in rest if p.dim() <= 1], "weight_decay": 0.0},
    ]
    adamw = torch.optim.AdamW(groups, lr=config.lr, betas=config.betas, fused=True)
    made: Optimizer = adamw
    if matrices:
        decay = config.weight_decay
        kind = torch.optim.Muon if has_fast_bfloat16(matrices[0].device) else Float32Muon
        muon = kind(matrices, lr=config.matrix_lr, weight_decay=decay, adjust_lr_fn="match_rms_adamw")
        made = CombinedOptimizer(muon, adamw)
    for group in made.param_groups:
        group["peak_lr"] = group["lr"]
    return made


def is_layer_matrix(name: str, parameter: Tensor) -> bool:
    """Whether Muon takes the weight of this name."""
    return parameter.dim() == 2 and not any(part in name for part in ("embed", "lm_head"))


def schedule(config: OptimizerConfig, step: int, steps: int) -> float:
    """The share of the peak rate, 0–1, at update number `step` (from 0) of `steps`."""
    warm = math.ceil(config.warmup * steps)
    if step < warm:
        return (step + 1) / warm
    if config.schedule == "constant":
        return 1.0
    done = (step - warm) / max(1, steps - warm)
    shape = 1 - done if config.schedule == "linear" else 0.5 * (1 + math.cos(math.pi * done))
    return config.final + (1 - config.final) * shape


def update(model: nn.Module, optimizer: Optimizer, config: OptimizerConfig, share: float) -> float:
    """One clipped update at a share of the peak rates; returns the gradient's norm.

    An update whose norm is not finite is skipped: the weights stay as they are.
    """
    total: Any = nn.utils.clip_grad_norm_([p for p in model.parameters() if p.requires_grad], config.max_grad_norm)
    norm = float(total.full_tensor() if hasattr(total, "full_tensor") else total)
    for group in optimizer.param_groups:
        group["lr"] = group["peak_lr"] * share
    if math.isfinite(norm):
        optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    return norm
