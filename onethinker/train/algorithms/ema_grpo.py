"""EMA-GRPO: A = (R − mean of the group) / (σ of the task + 1e-6). OneThinker, arXiv 2512.03043, equations 9–12.

For each task τ, over the rewards of the step that are trained on:

    m1 ← β·m1 + (1 − β)·mean(R),   m2 ← β·m2 + (1 − β)·mean(R²),   σ = √max(m2 − m1², 1e-6)

Both moments start at the task's first batch and are updated before use. With `sigma="within"` σ² is the moving average
of the groups' own variances instead, mean((R − mean of the group)²): what the advantages really spread by, free of how
much harder one prompt is than another. With `sigma="deviation"` σ is that of mean |R − mean of the group|: a task's
part in the gradient is the sum of its |A|, which this makes alike for all tasks, to the letter with `beta=0`.

Guard, where an advantage of a group exceeds `clip`: `clip` cuts it at ±clip (the paper), `group_std` divides that whole
group by its own population std + 1e-6 instead (the released code), `none` lets it be.

The moments of every task survive a restart; a task that is absent keeps its own, a new one starts at its first batch.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np

from onethinker.train.algorithms.base import EPS, Algorithm, centred, places

MIN_VARIANCE = 1e-6


class EmaGRPO(Algorithm):
    """beta: memory of the moments. clip: the guard's bound. sigma: `raw` moments as published, the variance `within`
    groups, or the absolute `deviation` from them."""

    def __init__(
        self,
        beta: float = 0.99,
        clip: float = 5.0,
        guard: Literal["clip", "group_std", "none"] = "clip",
        sigma: Literal["raw", "within", "deviation"] = "raw",
    ) -> None:
        if not 0 <= beta < 1 or not clip > 0:
            raise ValueError(f"beta {beta}, clip {clip}; expected 0 <= beta < 1 and clip > 0")
        if guard not in ("clip", "group_std", "none"):
            raise ValueError(f"guard {guard!r}; expected clip, group_std or none")
        if sigma not in ("raw", "within", "deviation"):
            raise ValueError(f"sigma {sigma!r}; expected raw, within or deviation")
        self.beta, self.clip, self.guard, self.sigma = beta, clip, guard, sigma
        self.moments: dict[str, tuple[float, float]] = {}

    def advantages(self, rewards_N: np.ndarray, groups_N: np.ndarray, tasks_N: np.ndarray) -> np.ndarray:
        centred_N = centred(rewards_N, groups_N)
        measured_N = {"raw": rewards_N, "within": centred_N, "deviation": np.abs(centred_N)}[self.sigma]
        out_N = np.zeros_like(rewards_N)
        for task, at in places(tasks_N):
            self._update(task, measured_N[at])
            out_N[at] = centred_N[at] / (self.std(task) + EPS)
        if self.guard == "clip":
            return out_N.clip(-self.clip, self.clip)
        if self.guard == "group_std":
            for _, at in places(groups_N):
                if np.abs(out_N[at]).max() > self.clip:
                    out_N[at] = centred_N[at] / (rewards_N[at].std() + EPS)
        return out_N

    def _update(self, task: str, values: np.ndarray) -> None:
        """Residuals have mean 0 in every group, so `within` is the same update over them."""
        new = (float(values.mean()), float((values**2).mean()))
        old = self.moments.get(task, new)
        m1, m2 = (self.beta * a + (1 - self.beta) * b for a, b in zip(old, new, strict=True))
        self.moments[task] = (m1, m2)

    def std(self, task: str) -> float:
        """σ, whatever it is of."""
        m1, m2 = self.moments[task]
        return max(m1**2 if self.sigma == "deviation" else m2 - m1**2, MIN_VARIANCE) ** 0.5

    def state_dict(self) -> dict[str, Any]:
        return {"moments": {task: list(values) for task, values in self.moments.items()}}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.moments = {task: (float(m1), float(m2)) for task, (m1, m2) in state["moments"].items()}

    def stats(self) -> dict[str, float]:
        return {f"ema_std/{task}": self.std(task) for task in self.moments} | {
            f"ema_mean/{task}": m1 for task, (m1, _) in self.moments.items() if self.sigma == "raw"
        }
