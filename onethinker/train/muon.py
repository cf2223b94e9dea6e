"""Muon with a Newton–Schulz iteration in float32, for devices whose bfloat16 matrix products are slow.

`torch.optim.Muon` always iterates in bfloat16. A processor without instructions for it (AVX2, most laptops) emulates
every product, which makes the optimiser many times as expensive as the passes it follows.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor


class Float32Muon(torch.optim.Muon):
    """`torch.optim.Muon` (K. Jordan, 2024; update RMS matched to AdamW's, arXiv 2502.16982) in float32 throughout.

    Only `adjust_lr_fn="match_rms_adamw"`. The state is that of `torch.optim.Muon`: either goes on from the other's.
    """

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """One update of every matrix that has a gradient."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            matrices, gradients, momenta = list[Tensor](), list[Tensor](), list[Tensor]()
            self._init_group(group, matrices, gradients, momenta)
            for matrix, gradient, momentum in zip(matrices, gradients, momenta, strict=True):
                momentum.lerp_(gradient, 1 - group["momentum"])
                direction = gradient.lerp(momentum, group["momentum"]) if group["nesterov"] else momentum
                update = orthogonalised(direction, group["ns_coefficients"], group["ns_steps"], group["eps"])
                matrix.mul_(1 - group["lr"] * group["weight_decay"])
                # RMS of an orthogonal A×B matrix is 1/√max(A, B); 0.2 is about that of AdamW's updates.
                matrix.add_(update, alpha=-group["lr"] * 0.2 * math.sqrt(max(matrix.shape)))
        return loss


def orthogonalised(matrix_AB: Tensor, coefficients: tuple[float, float, float], steps: int, eps: float) -> Tensor:
    """The matrix with its singular values brought near 1 by the quintic Newton–Schulz iteration, (A, B) float32."""
    a, b, c = coefficients
    tall = matrix_AB.size(0) > matrix_AB.size(1)
    x = matrix_AB.float().T if tall else matrix_AB.float()  # the Gram matrix is then the smaller one
    x = x / x.norm().clamp(min=eps)
    for _ in range(steps):
        gram = x @ x.T
        x = torch.addmm(x, torch.addmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x.T if tall else x
