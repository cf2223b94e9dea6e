"""AdamW and its learning rate over the run."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import nn

from onethinker.recipes.base import OptimizerConfig


def make_optimizer(model: nn.Module, config: OptimizerConfig) -> torch.optim.Optimizer:
    """AdamW over the weights that train; vectors (norms, biases) are not decayed."""
    trained = [p for p in model.parameters() if p.requires_grad]
    groups: list[dict[str, Any]] = [
        {"params": [p for p in trained if p.dim() > 1], "weight_decay": config.weight_decay},
        {"params": [p for p in trained if p.dim() <= 1], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=config.lr, betas=config.betas, fused=True)


def learning_rate(config: OptimizerConfig, step: int, steps: int) -> float:
    """The rate of update number `step` (from 0) of `steps`."""
    warm = math.ceil(config.warmup * steps)
    if step < warm:
        return config.lr * (step + 1) / warm
    done = (step - warm) / max(1, steps - warm)
    shape = {"constant": 1.0, "linear": 1 - done, "cosine": 0.5 * (1 + math.cos(math.pi * done))}[config.schedule]
    return config.lr * (config.final + (1 - config.final) * shape) if config.schedule != "constant" else config.lr


def update(model: nn.Module, optimizer: torch.optim.Optimizer, config: OptimizerConfig, lr: float) -> float:
    """One clipped update; returns the gradient's norm. An update with a norm that is not finite is skipped."""
    norm = float(nn.utils.clip_grad_norm_([p for p in model.parameters() if p.requires_grad], config.max_grad_norm))
    for group in optimizer.param_groups:
        group["lr"] = lr
    if math.isfinite(norm):
        optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    return norm
