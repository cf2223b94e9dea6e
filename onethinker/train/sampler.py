"""Which prompts a step of RL asks. The order follows from the seed and a few counters, which a checkpoint holds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from onethinker.sample import Sample
from onethinker.tasks import statistics_of


class Sampler:
    """Draws positions of samples from pools, in each pool every sample once before any comes again.

    uniform: one pool. task_balanced: a pool a task, in turn. modality_balanced: image and video pools, in turn (the
    paper's balance). curriculum: one pool, where a sample that was all right or all wrong when last tried is passed
    over with probability 3/4, so that prompts of middling difficulty come more often. Before it is tried its
    `pass_rate` counts, where it has one.
    """

    def __init__(self, kind: str, samples: Sequence[Sample], seed: int) -> None:
        keys = {
            "uniform": lambda s: "all",
            "curriculum": lambda s: "all",
            "task_balanced": lambda s: s.task,
            "modality_balanced": lambda s: "video" if s.modality.startswith("video") else "image",
        }
        if kind not in keys:
            raise ValueError(f"sampler {kind!r}; expected one of {', '.join(keys)}")
        self.kind, self.samples, self.seed = kind, samples, seed
        self.pools: dict[str, list[int]] = {}
        for position, sample in enumerate(samples):
            self.pools.setdefault(keys[kind](sample), []).append(position)
        self.tasks = sorted({sample.task for sample in samples})
        self.drawn = dict.fromkeys(self.pools, 0)
        self.turn = 0
        self.accuracy: dict[str, float] = {}
        self._orders: dict[tuple[str, int], np.ndarray] = {}

    def draw(self, count: int, task_weights: Mapping[str, float] | None = None) -> list[int]:
        """The next `count` positions. task_weights: how often to take a task, relative to the largest weight."""
        names, chances = list(self.pools), self._chances(task_weights or {})
        chosen: list[int] = []
        while len(chosen) < count:
            position = self._next(names[self.turn % len(names)])
            self.turn += 1
            if self._takes(position, chances):
                chosen.append(position)
        return chosen

    def observe(self, position: int, accuracy: float) -> None:
        """Tell the mean accuracy of a group, for the curriculum."""
        if self.kind == "curriculum":
            self.accuracy[self.samples[position].id] = accuracy

    def _next(self, pool: str) -> int:
        members, count = self.pools[pool], self.drawn[pool]
        self.drawn[pool] += 1
        epoch, place = divmod(count, len(members))
        if (pool, epoch) not in self._orders:
            key = [self.seed, list(self.pools).index(pool), epoch]
            self._orders = {k: v for k, v in self._orders.items() if k[0] != pool}
            self._orders[pool, epoch] = np.random.default_rng(key).permutation(len(members))
        return members[self._orders[pool, epoch][place]]

    def _chances(self, weights: Mapping[str, float]) -> dict[str, float]:
        """How likely a sample of each task is taken; tasks that have no weight yet always are."""
        found = {task: weights.get(statistics_of(task)) for task in self.tasks}
        top = max((w for w in found.values() if w is not None), default=0.0)
        return {task: 1.0 if w is None or top <= 0 else w / top for task, w in found.items()}

    def _takes(self, position: int, chances: Mapping[str, float]) -> bool:
        sample = self.samples[position]
        chance = chances[sample.task]
        if self.accuracy.get(sample.id, self._known(sample)) in (0.0, 1.0):
            chance *= 0.25
        return chance >= 1.0 or np.random.default_rng([self.seed, 7, self.turn]).random() < chance

    def _known(self, sample: Sample) -> float:
        rate = sample.pass_rate if self.kind == "curriculum" else None
        return 0.5 if rate is None else rate

    def state_dict(self) -> dict[str, Any]:
        return {"drawn": dict(self.drawn), "turn": self.turn, "accuracy": dict(self.accuracy)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.drawn, self.turn, self.accuracy = dict(state["drawn"]), state["turn"], dict(state["accuracy"])
