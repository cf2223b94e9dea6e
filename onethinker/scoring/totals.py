"""Counts and metric sums of scores as they stream by: what `onethinker score --metrics` prints, in constant memory."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from onethinker.sample.answer import Status
from onethinker.tasks import TASKS
from onethinker.tasks.base import METRIC_PROFILES, MetricProfile, RewardProfile, Score

_UNREAD = "unread"
"""Stands for the task of lines that could not be read as a sample."""


@dataclass(slots=True)
class _Sums:
    """One task. terms: (metric profile, metric) → Σ numerators, Σ denominators. lenient: the same, read leniently."""

    status: Counter[str] = field(default_factory=Counter)
    scored: int = 0
    needed: int = 0
    accuracy: float = 0.0
    reward: float = 0.0
    terms: dict[tuple[MetricProfile, str], list[float]] = field(default_factory=dict)
    lenient: list[float] = field(default_factory=lambda: [0.0, 0.0])

    def add(self, other: _Sums) -> None:
        self.status += other.status
        self.scored += other.scored
        self.needed += other.needed
        self.accuracy += other.accuracy
        self.reward += other.reward
        for name, (part, whole) in other.terms.items():
            mine = self.terms.setdefault(name, [0.0, 0.0])
            mine[0], mine[1] = mine[0] + part, mine[1] + whole
        self.lenient = [a + b for a, b in zip(self.lenient, other.lenient)]


class Tally:
    """Sums by task; two tallies add up to the tally of both."""

    def __init__(self) -> None:
        self._tasks: dict[str, _Sums] = {}

    def count(self, task: str | None, score: Score, lenient: Score, profile: RewardProfile) -> None:
        """Count one score. task: None for a line that was no sample."""
        sums = self._tasks.setdefault(task or _UNREAD, _Sums())
        sums.status[score.status.value] += 1
        if task is None or score.status is Status.ERROR:
            return
        sums.scored += 1
        sums.needed += (lenient.status, lenient.accuracy) != (score.status, score.accuracy)
        sums.accuracy += score.accuracy
        sums.reward += score.reward(profile)
        for metrics in METRIC_PROFILES:
            for name, (part, whole) in TASKS[task].counted(score, metrics).items():
                total = sums.terms.setdefault((metrics, name), [0.0, 0.0])
                total[0], total[1] = total[0] + part, total[1] + whole
        part, whole = next(iter(TASKS[task].counted(lenient, METRIC_PROFILES[0]).values()))
        sums.lenient = [sums.lenient[0] + part, sums.lenient[1] + whole]

    def add(self, other: Tally) -> None:
        for task, sums in other._tasks.items():
            self._tasks.setdefault(task, _Sums()).add(sums)

    @property
    def errors(self) -> int:
        return sum(sums.status[Status.ERROR.value] for sums in self._tasks.values())

    @property
    def total(self) -> int:
        return sum(sums.status.total() for sums in self._tasks.values())

    def summary(self) -> dict[str, dict[str, Any]]:
        """Per task: n (scored), status counts, accuracy, reward, metrics by profile and name, how many answers read
        otherwise leniently, and the official headline then. NaN where nothing was scored."""
        order = [name for name in (*TASKS, _UNREAD) if name in self._tasks]
        return {task: _summary(self._tasks[task]) for task in order}


def _summary(sums: _Sums) -> dict[str, Any]:
    metrics: dict[str, dict[str, float]] = {}
    for (profile, name), (part, whole) in sums.terms.items():
        metrics.setdefault(name, {})[profile] = part / whole if whole else math.nan
    part, whole = sums.lenient
    return {
        "n": sums.scored,
        "status": {status.value: sums.status[status.value] for status in Status},
        "accuracy": sums.accuracy / sums.scored if sums.scored else math.nan,
        "reward": sums.reward / sums.scored if sums.scored else math.nan,
        "metrics": metrics,
        "lenient": {"needed": sums.needed, "value": part / whole if whole else math.nan},
    }
