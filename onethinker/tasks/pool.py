"""Pooling: a metric of many answers is Σ numerators / Σ denominators of the single answers' terms."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TypeAlias

Terms = dict[str, tuple[float, float]]
"""Metric → one answer's (numerator, denominator)."""
MetricProfile: TypeAlias = str
METRIC_PROFILES: tuple[MetricProfile, ...] = ("official", "released")
"""official: each benchmark's own tool. released: what the release meant to compute."""


def known_metric_profile(name: str) -> MetricProfile:
    """The name of a profile, as it is. Raises ValueError for any other."""
    if name not in METRIC_PROFILES:
        raise ValueError(f"no metric profile {name!r}; expected one of {', '.join(METRIC_PROFILES)}")
    return name


@dataclass(slots=True)
class TermSums:
    """Sums of terms as they come, in constant memory. answers: how many were added."""

    answers: int = 0
    _sums: dict[str, tuple[float, float, int]] = field(default_factory=dict)

    @classmethod
    def of(cls, terms: Iterable[Terms]) -> TermSums:
        made = cls()
        for one in terms:
            made.add(one)
        return made

    def add(self, terms: Terms) -> None:
        """Count one answer's terms."""
        self.answers += 1
        for name, (part, whole) in terms.items():
            parts, wholes, count = self._sums.get(name, (0.0, 0.0, 0))
            self._sums[name] = parts + part, wholes + whole, count + 1

    def merge(self, other: TermSums) -> None:
        """Count the answers of other sums too."""
        self.answers += other.answers
        for name, (part, whole, more) in other._sums.items():
            parts, wholes, count = self._sums.get(name, (0.0, 0.0, 0))
            self._sums[name] = parts + part, wholes + whole, count + more

    def ratios(self) -> dict[str, float]:
        """The metrics that every answer has terms for, NaN where the denominators add up to 0."""
        return {
            name: part / whole if whole else math.nan
            for name, (part, whole, count) in self._sums.items()
            if count == self.answers
        }
