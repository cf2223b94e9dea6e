"""Counts and metric totals of scores as they come, in constant memory: what `onethinker score --metrics` prints."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from onethinker.sample.answer import Status
from onethinker.tasks import TASKS
from onethinker.tasks.base import METRIC_PROFILES, MetricProfile, RewardProfile, Score
from onethinker.tasks.pool import TermSums

_UNREAD = "unread"
"""Stands for the task of lines that could not be read as a sample."""


def _by_profile() -> dict[MetricProfile, TermSums]:
    return {profile: TermSums() for profile in METRIC_PROFILES}


@dataclass(slots=True)
class _Totals:
    """One task's. scored: answers without errors. needed: those that read otherwise leniently. lenient: their headline
    in the first metric profile."""

    status: Counter[str] = field(default_factory=Counter)
    scored: int = 0
    needed: int = 0
    accuracy: float = 0.0
    reward: float = 0.0
    metrics: dict[MetricProfile, TermSums] = field(default_factory=_by_profile)
    lenient: TermSums = field(default_factory=TermSums)

    def add(self, other: _Totals) -> None:
        self.status += other.status
        self.scored += other.scored
        self.needed += other.needed
        self.accuracy += other.accuracy
        self.reward += other.reward
        for profile, sums in other.metrics.items():
            self.metrics[profile].merge(sums)
        self.lenient.merge(other.lenient)

    def summary(self) -> dict[str, Any]:
        found = {profile: sums.ratios() for profile, sums in self.metrics.items()}
        names = dict.fromkeys(name for ratios in found.values() for name in ratios)
        return {
            "n": self.scored,
            "status": {status.value: self.status[status.value] for status in Status},
            "accuracy": self.accuracy / self.scored if self.scored else math.nan,
            "reward": self.reward / self.scored if self.scored else math.nan,
            "metrics": {name: {p: ratios[name] for p, ratios in found.items() if name in ratios} for name in names},
            "lenient": {"needed": self.needed, "value": next(iter(self.lenient.ratios().values()), math.nan)},
        }


class MetricTotals:
    """Totals by task; those of two parts add up to those of the whole."""

    def __init__(self) -> None:
        self._tasks: dict[str, _Totals] = {}

    def count(self, task: str | None, score: Score, lenient: Score, profile: RewardProfile) -> None:
        """Count one score. task: None for a line that was no sample."""
        totals = self._tasks.setdefault(task or _UNREAD, _Totals())
        totals.status[score.status.value] += 1
        if task is None or score.status is Status.ERROR:
            return
        totals.scored += 1
        totals.needed += (lenient.status, lenient.accuracy) != (score.status, score.accuracy)
        totals.accuracy += score.accuracy
        totals.reward += score.reward(profile)
        for metrics, sums in totals.metrics.items():
            sums.add(TASKS[task].counted(score, metrics))
        headline, term = next(iter(TASKS[task].counted(lenient, METRIC_PROFILES[0]).items()))
        totals.lenient.add({headline: term})

    def add(self, other: MetricTotals) -> None:
        """Count what another part counted."""
        for task, totals in other._tasks.items():
            self._tasks.setdefault(task, _Totals()).add(totals)

    @property
    def errors(self) -> int:
        return sum(totals.status[Status.ERROR.value] for totals in self._tasks.values())

    @property
    def total(self) -> int:
        return sum(totals.status.total() for totals in self._tasks.values())

    def summary(self) -> dict[str, dict[str, Any]]:
        """Per task: n (scored), status counts, accuracy, reward, metrics by profile and name, how many answers read
        otherwise leniently, and the official headline then. NaN where nothing was scored."""
        order = [name for name in (*TASKS, _UNREAD) if name in self._tasks]
        return {task: self._tasks[task].summary() for task in order}
