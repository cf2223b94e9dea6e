"""MT-GRPO: GRPO's advantages, with tasks drawn and kept by weights that move towards the worst. arXiv 2602.05547.

The weights z = softmax(ξ) play against the policy. After every step, with J the mean reward of each task (smoothed:
J ← ½·J + ½·mean) and I = J − its last value how much it improved, ξ descends on the policy's gain Σ z·(I + λ·J):

    ξ_k ← (1 − decay)·ξ_k − η·z_k·(s_k − Σ_j z_j·s_j),   s = I + λ·J

so that tasks that earn little and improve little gain weight; λ trades the worst task (large) for balanced progress.

Ratio-preserving sampling: groups of equal rewards have no gradient, and a task that has many of them would train less
than its weight. With ρ the smoothed share of a task's groups that were lost (ρ ← 0.9·ρ + 0.1·share, from 0), a step
draws tasks by z/(1 − ρ), at most `inflation` times z; while it refills, by what each lacks of its share z of the
step. `select` then keeps, among the groups that have a gradient, as many of each task as its weight asks for.

The authors' code (github.com/rsshyam/MT-GRPO) differs from its paper's plain step: Adam at 0.025 moves ξ, J starts at
0, and I is estimated from probability ratios after the update and cut at ±0.1. λ, decay, both smoothings and the limit
of inflation are its settings.

Order: `select` reads J and ρ off all candidates; the next call uses J (or its own rewards where nothing was selected),
then moves ξ. A task that is absent keeps ξ, J and ρ; a new one starts at the mean ξ. All three survive a restart.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from onethinker.tasks import statistics_of
from onethinker.train.algorithms.base import Candidate, places
from onethinker.train.algorithms.grpo import GRPO

LOST_MEMORY = 0.9
"""Of ρ."""


class MtGRPO(GRPO):
    """trade: λ. rate: η. decay: of ξ towards equal weights. inflation: at most by ρ. sample: as in GRPO."""

    def __init__(
        self,
        trade: float = 0.2,
        rate: float = 1.0,
        decay: float = 1e-5,
        inflation: float = 5.0,
        sample: bool = False,
    ) -> None:
        super().__init__(sample)
        if inflation < 1:
            raise ValueError(f"inflation {inflation}; expected at least 1, which draws tasks by their weights alone")
        self.trade, self.rate, self.decay, self.inflation = trade, rate, decay, inflation
        self.logits: dict[str, float] = {}
        self.means: dict[str, float] = {}
        self.lost: dict[str, float] = {}
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
        weights = self.shares()
        share = sum(weights[task] for task in signal)
        average = sum(weights[task] * s for task, s in signal.items()) / share
        for task, s in signal.items():
            self.logits[task] = (1 - self.decay) * self.logits[task] - self.rate * weights[task] * (s - average)

    def _add(self, tasks: Mapping[str, float]) -> None:
        start = float(np.mean(list(self.logits.values()))) if self.logits else 0.0
        for task in tasks:
            self.logits.setdefault(task, start)

    def shares(self) -> dict[str, float]:
        """z by task: how much of a step each is to have. Empty before the first step."""
        if not self.logits:
            return {}
        logits = np.array(list(self.logits.values()))
        weights = np.exp(logits - logits.max())
        return dict(zip(self.logits, (weights / weights.sum()).tolist(), strict=True))

    def task_weights(self, kept: Sequence[str] = (), count: int = 1) -> dict[str, float]:
        shares = self.shares()
        have = Counter(statistics_of(task) for task in kept)
        lacks = {task: max(0.0, share * count - have[task]) for task, share in shares.items()}
        if not any(lacks.values()):
            lacks = shares
        drawn = {task: lack * self._inflated(task) for task, lack in lacks.items()}
        total = sum(drawn.values())
        return {task: weight / total for task, weight in drawn.items()}

    def _inflated(self, task: str) -> float:
        return 1 / max(1 - self.lost.get(task, 0.0), 1 / self.inflation)

    def select(self, candidates: Sequence[Candidate], count: int) -> list[int]:
        """Of the groups with a gradient, the earliest of each task in the ratio of the weights, at most `count`."""
        rewards: dict[str, list[float]] = {}
        queues: dict[str, list[int]] = {}
        asked: Counter[str] = Counter()
        for index, group in enumerate(candidates):
            task = statistics_of(group.task)
            asked[task] += 1
            rewards.setdefault(task, []).extend(r for r in group.rewards if not math.isnan(r))
            if group.informative:
                queues.setdefault(task, []).append(index)
        self._seen = {task: float(np.mean(values)) for task, values in rewards.items() if values}
        self._add(self._seen)
        for task in self._seen:
            lost = 1 - len(queues.get(task, ())) / asked[task]
            self.lost[task] = LOST_MEMORY * self.lost.get(task, 0.0) + (1 - LOST_MEMORY) * lost
        weights = self.shares()
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
        return {"logits": dict(self.logits), "means": dict(self.means), "lost": dict(self.lost)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.logits = {task: float(value) for task, value in state["logits"].items()}
        self.means = {task: float(value) for task, value in state["means"].items()}
        self.lost = {task: float(value) for task, value in state["lost"].items()}
        self._seen = {}

    def stats(self) -> dict[str, float]:
        lost = {f"task_lost/{task}": share for task, share in self.lost.items()}
        return {f"task_weight/{task}": weight for task, weight in self.shares().items()} | lost
