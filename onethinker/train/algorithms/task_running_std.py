"""Running standard deviation of each task: A = (R − mean of the group) / (std of all the task's rewards so far + 1e-6).

Per-domain running moments as ROLL (arXiv 2506.06122) keeps them, every reward with the same weight for ever:
with n rewards seen of mean m and sum of squared deviations S, a batch of k with mean μ and sum of squares s about it
gives S ← S + s + (μ − m)²·n·k/(n + k), m ← m + (μ − m)·k/(n + k), n ← n + k (Chan, Golub and LeVeque 1979).
Updated before use. n, m and S of every task survive a restart.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from onethinker.train.algorithms.base import EPS, Algorithm, centred, places


class TaskRunningStd(Algorithm):
    """No options."""

    def __init__(self) -> None:
        self.moments: dict[str, tuple[float, float, float]] = {}

    def advantages(self, rewards_N: np.ndarray, groups_N: np.ndarray, tasks_N: np.ndarray) -> np.ndarray:
        out_N = centred(rewards_N, groups_N)
        for task, at in places(tasks_N):
            self._update(task, rewards_N[at])
            out_N[at] /= self.std(task) + EPS
        return out_N

    def _update(self, task: str, rewards: np.ndarray) -> None:
        seen, mean, squares = self.moments.get(task, (0.0, 0.0, 0.0))
        new, shift = len(rewards), float(rewards.mean()) - mean
        squares += float(rewards.var()) * new + shift**2 * seen * new / (seen + new)
        self.moments[task] = (seen + new, mean + shift * new / (seen + new), squares)

    def std(self, task: str) -> float:
        seen, _, squares = self.moments[task]
        return (squares / seen) ** 0.5

    def state_dict(self) -> dict[str, Any]:
        return {"moments": {task: list(values) for task, values in self.moments.items()}}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.moments = {task: (float(n), float(m), float(s)) for task, (n, m, s) in state["moments"].items()}

    def stats(self) -> dict[str, float]:
        return {f"running_std/{task}": self.std(task) for task in self.moments}
