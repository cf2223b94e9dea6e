"""Which prompts a step of RL asks. The order follows from the seed and a few counters, which a checkpoint holds."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from onethinker.sample import DataError
from onethinker.sample.stream import SampleStream, TrainingSet
from onethinker.tasks import statistics_of
from onethinker.train.algorithms.base import AlgorithmError

KINDS = ("uniform", "task_balanced", "modality_balanced", "curriculum")


class Sampler:
    """Draws positions of samples from pools, in each pool every sample once before any comes again.

    uniform: one pool. task_balanced: a pool a task, in turn. modality_balanced: image and video pools, in turn (the
    paper's balance). curriculum: one pool, where a sample that was all right or all wrong when last tried is passed
    over with probability 3/4, so that prompts of middling difficulty come more often. Before it is tried its
    `pass_rate` counts, where it has one. Raises DataError for a stream of no sample.
    """

    def __init__(self, kind: str, samples: TrainingSet, seed: int) -> None:
        if kind not in KINDS:
            raise ValueError(f"sampler {kind!r}; expected one of {', '.join(KINDS)}")
        self.kind, self.samples, self.seed = kind, samples, seed
        self._task_of: list[str | None] = samples.column("task")
        keys: Sequence[str | None] = ["all"] * len(samples)
        if kind == "task_balanced":
            keys = self._task_of
        elif kind == "modality_balanced":
            keys = ["video" if (name or "").startswith("video") else "image" for name in samples.column("modality")]
        self.pools: dict[str, list[int]] = {}
        for position, key in enumerate(keys):
            if key is not None:  # a row of a stream that is no sample, and has no task
                self.pools.setdefault(key, []).append(position)
        if not self.pools:
            told = samples.head(1).left_out
            raise DataError(f"none of {len(samples)} rows can be read" + (f"; {told[0]}" if told else ""))
        self.tasks = sorted({task for task in self._task_of if task is not None})
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
            self._orders[pool, epoch] = self._order(members, key)
        return int(self._orders[pool, epoch][place])

    def _order(self, members: Sequence[int], seed: Sequence[int]) -> np.ndarray:
        """A pool's positions for an epoch: all at random, of a large stream as far as its buffer reaches."""
        if not isinstance(self.samples, SampleStream) or self.samples.fits:
            return np.array(members)[np.random.default_rng(seed).permutation(len(members))]
        belongs = np.zeros(len(self.samples), dtype=bool)
        belongs[members] = True
        order = self.samples.order(seed)
        return order[belongs[order]]

    def _chances(self, weights: Mapping[str, float]) -> dict[str, float]:
        """How likely a sample of each task is taken; tasks that have no weight yet always are.

        Raises AlgorithmError for a weight that is none, by which nothing might ever be taken.
        """
        if wrong := {task: weight for task, weight in weights.items() if not 0 <= weight < math.inf}:
            raise AlgorithmError(f"task_weights gave {wrong}; expected finite numbers of at least 0")
        found = {task: weights.get(statistics_of(task)) for task in self.tasks}
        top = max((w for w in found.values() if w is not None), default=0.0)
        return {task: 1.0 if w is None or top <= 0 else w / top for task, w in found.items()}

    def _takes(self, position: int, chances: Mapping[str, float]) -> bool:
        task = self._task_of[position]
        chance = 1.0 if task is None else chances[task]
        if self.kind == "curriculum" and self._known(position) in (0.0, 1.0):
            chance *= 0.25
        return chance >= 1.0 or np.random.default_rng([self.seed, 7, self.turn]).random() < chance

    def _known(self, position: int) -> float:
        """How often the sample was right when last tried, or before; 0.5 where that is not known."""
        try:
            sample = self.samples[position]
        except DataError:
            return 0.5  # of a stream; whoever asks it counts it as unreadable
        rate = self.accuracy.get(sample.id, sample.pass_rate)
        return 0.5 if rate is None else rate

    def state_dict(self) -> dict[str, Any]:
        return {"drawn": dict(self.drawn), "turn": self.turn, "accuracy": dict(self.accuracy)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.drawn, self.turn, self.accuracy = dict(state["drawn"]), state["turn"], dict(state["accuracy"])
