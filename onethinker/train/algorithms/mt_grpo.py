"""MT-GRPO: GRPO's advantages, with tasks drawn and kept by weights that move towards the worst. arXiv 2602.05547.

The weights z = softmax(ξ) play against the policy. After every step, with J the mean reward of each task (smoothed:
J ← ½·J + ½·mean) and I = J − its last value how much it improved, ξ descends on the policy's gain Σ z·(I + λ·J):

    ξ_k ← (1 − decay)·ξ_k − η·z_k·(s_k − Σ_j z_j·s_j),   s = I + λ·J

so that tasks that earn little and improve little gain weight; λ trades the worst task (large) for balanced progress.
Groups of equal rewards have no gradient and would bend the shares, so `select` keeps, among the groups that have one,
as many of each task as its weight asks for (ratio-preserving sampling). `task_weights` gives the sampler these shares.

Order: `select` reads J off all candidates; the next call uses it (or its own rewards where nothing was selected), then
moves ξ. A task that is absent keeps ξ and J; a new one starts at the mean ξ. Both survive a restart.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from onethinker.train.algorithms.base import SHARED_STATISTICS, Candidate, places
from onethinker.train.algorithms.grpo import GRPO


class MtGRPO(GRPO):
    """trade: λ. rate: η. decay: of ξ towards equal weights. sample: as in GRPO."""

    def __init__(self, trade: float = 0.2, rate: float = 1.0, decay: float = 1e-5, sample: bool = False) -> None:
        super().__init__(sample)
        self.trade, self.rate, self.decay = trade, rate, decay
        self.logits: dict[str, float] = {}
        self.means: dict[str, float] = {}
        self._seen: dict[str, float] = {}

    def advantages(self, rewards_N: np.ndarray, groups_N: np.ndarray, tasks_N: np.ndarray) -> np.ndarray:
        self._update(self._seen or {task: float(rewards_N[at].mean()) for task, at in places(tasks_N)})
        self._seen = {}
        return super().advantages(rewards_N, groups_N, tasks_N)

    def _update(self, rewards: Mapping[str, float]) -> None:
        self._add(rewards)
        signal = {}
        for task, mean in rewards.items():
            old = self.means.get(task, mean)
            self.means[task] = 0.5 * old + 0.5 * mean
            signal[task] = self.means[task] - old + self.trade * self.means[task]
        weights = self.task_weights()
        share = sum(weights[task] for task in signal)
        average = sum(weights[task] * s for task, s in signal.items()) / share
        for task, s in signal.items():
            self.logits[task] = (1 - self.decay) * self.logits[task] - self.rate * weights[task] * (s - average)

    def _add(self, tasks: Mapping[str, float]) -> None:
        start = float(np.mean(list(self.logits.values()))) if self.logits else 0.0
        for task in tasks:
            self.logits.setdefault(task, start)

    def task_weights(self) -> dict[str, float]:
        """Shares by task, empty before the first step."""
        if not self.logits:
            return {}
        logits = np.array(list(self.logits.values()))
        weights = np.exp(logits - logits.max())
        return dict(zip(self.logits, (weights / weights.sum()).tolist(), strict=True))

    def select(self, candidates: Sequence[Candidate], count: int) -> list[int]:
        """Of the groups with a gradient, the earliest of each task in the ratio of the weights, at most `count`."""
        rewards: dict[str, list[float]] = {}
        queues: dict[str, list[int]] = {}
        for index, group in enumerate(candidates):
            task = SHARED_STATISTICS.get(group.task, group.task)
            rewards.setdefault(task, []).extend(r for r in group.rewards if not math.isnan(r))
            if group.informative:
                queues.setdefault(task, []).append(index)
        self._seen = {task: float(np.mean(values)) for task, values in rewards.items() if values}
        self._add(self._seen)
        weights = self.task_weights()
        chosen: list[int] = []
        taken = dict.fromkeys(queues, 0)
        while len(chosen) < count and queues:
            task = max(queues, key=lambda t: (weights[t] / (taken[t] + 1), t))
            chosen.append(queues[task].pop(0))
            taken[task] += 1
            if not queues[task]:
                del queues[task]
        return sorted(chosen)

    def state_dict(self) -> dict[str, Any]:
        return {"logits": dict(self.logits), "means": dict(self.means)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.logits = {task: float(value) for task, value in state["logits"].items()}
        self.means = {task: float(value) for task, value in state["means"].items()}
        self._seen = {}

    def stats(self) -> dict[str, float]:
        return {f"task_weight/{task}": weight for task, weight in self.task_weights().items()}
