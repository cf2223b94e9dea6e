"""95 % intervals over questions: the bootstrap (percentile method, Efron 1979), and Wilson's where that is better.

A share of right answers, and whatever stands at an end of its scale, has Wilson's score interval (1927): ten right of
ten say that at least 72 % are, where all resamples of them say 100 %. No interval leaves its scale.

Every metric is a ratio of sums, Σ numerators / Σ denominators over questions (`tasks.base.Terms`); a mean is the case
in which every denominator is 1. So a resample of N questions is a vector of N counts, and a metric on it two products.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from onethinker.tasks import get_task
from onethinker.tasks.base import MetricProfile, Score
from onethinker.tasks.rewards import REWARDS, RewardProfile

Floats = NDArray[np.float64]

LEVEL = 0.95
_NORMAL = 1.959963984540054
"""The normal distribution's quantile at (1 + LEVEL) / 2."""
_SAME = 1e-12
"""Numbers closer than this are equal."""
POOLED = 200
"""Resamples of a metric that has to be measured anew on each."""
_BLOCK = 4_000_000
"""Counts held in memory at once."""


@dataclass(frozen=True, slots=True)
class Bootstrap:
    """How to resample. The same number of questions, the same resamples and seed draw the same questions."""

    resamples: int = 1000
    seed: int = 0
    name: str = ""

    def of(self, name: str) -> Bootstrap:
        """A stream of its own, so that tasks are resampled independently and always the same way."""
        return replace(self, name=name)

    def sums(self, values_NK: Floats) -> Floats:
        """The sum of each column over every resample's questions, (R, K)."""
        n = len(values_NK)
        rng = np.random.default_rng([self.seed, zlib.crc32(self.name.encode())])
        blocks = []
        for start in range(0, self.resamples, step := max(1, _BLOCK // n)):
            counts_BN = rng.multinomial(n, np.full(n, 1 / n), size=min(step, self.resamples - start))
            blocks.append(counts_BN @ values_NK)
        return np.concatenate(blocks)


STANDARD = Bootstrap()


Bounds = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Estimate:
    """A number measured on all questions, and on R resamples of them (NaN where it is not defined).

    count: questions. bounds: the least and the most that it can be. binary: every question has 0 or 1. change: it is a
    difference of two others, between −1 and 1 times their range.
    """

    value: float
    draws_R: Floats
    count: int = 0
    bounds: Bounds = (0.0, 1.0)
    binary: bool = False
    change: bool = False

    def row(self) -> dict[str, float | None]:
        """`value` with the 95 % interval `low` … `high`; null where undefined, and for the interval of one question."""
        low, high = self._interval()
        return {"value": _null(self.value), "low": _null(low), "high": _null(high)}

    def _interval(self) -> Bounds:
        draws = self.draws_R[np.isfinite(self.draws_R)]
        if not draws.size or not np.isfinite(self.value):
            return np.nan, np.nan
        least, most = self.bounds
        if self.binary:
            return wilson(self.value, self.count)
        if np.ptp(draws) < _SAME and self.count:
            if self.change and abs(self.value) < _SAME:  # no question changed: some of those not asked may
                unseen = most * wilson(0.0, self.count)[1]
                return -unseen, unseen
            if min(abs(self.value - end) for end in (least, most)) < _SAME:
                return self._at_end()
        low, high = np.quantile(draws, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
        return float(low), float(high)

    def _at_end(self) -> Bounds:
        """Of a value that is the least or the most of its scale on every question."""
        least, most = self.bounds
        if self.change:
            far, near = most * wilson(1.0, self.count)[0], most
            return (far, near) if self.value > 0 else (-near, -far)
        low, high = wilson(float(self.value > least), self.count)
        return least + low * (most - least), least + high * (most - least)


def wilson(share: float, count: int) -> Bounds:
    """Wilson's score interval of a share of `count` questions; within 0 … 1."""
    squared = _NORMAL**2
    centre = (share + squared / (2 * count)) / (1 + squared / count)
    half = _NORMAL / (1 + squared / count) * np.sqrt(share * (1 - share) / count + squared / (4 * count**2))
    low = 0.0 if share == 0 else max(centre - half, 0.0)  # exact at the ends, whatever rounding says
    high = 1.0 if share == 1 else min(centre + half, 1.0)
    return float(low), float(high)


def _null(number: float) -> float | None:
    return float(number) if np.isfinite(number) else None


def ratios(terms: Sequence[Mapping[str, tuple[float, float]]], bootstrap: Bootstrap) -> dict[str, Estimate]:
    """Σ numerators / Σ denominators of every metric that all N questions have, in the first one's order.

    Terms that are NaN are left out; a metric with fewer than two terms has no draws.
    """
    names = [name for name in terms[0] if all(name in row for row in terms)] if terms else []
    if not names:
        return {}
    terms_NM2 = np.array([[row[name] for name in names] for row in terms], dtype=np.float64)
    defined_NM = np.asarray(np.isfinite(terms_NM2).all(2))
    terms_NM2[~defined_NM] = 0.0
    sums_RM2 = bootstrap.sums(terms_NM2.reshape(len(terms), -1)).reshape(-1, len(names), 2)
    with np.errstate(invalid="ignore", divide="ignore"):
        values_M = np.divide(*np.moveaxis(terms_NM2.sum(0), 1, 0))
        draws_RM = sums_RM2[..., 0] / sums_RM2[..., 1]
    draws_RM[~np.isfinite(draws_RM) | (defined_NM.sum(0) < 2)] = np.nan
    values_M[~np.isfinite(values_M)] = np.nan
    binary_M = _binary(terms_NM2, defined_NM)
    count_M = defined_NM.sum(0)
    return {
        name: Estimate(float(values_M[m]), draws_RM[:, m], int(count_M[m]), binary=bool(binary_M[m]))
        for m, name in enumerate(names)
    }


def pooled(task: str, scores: Sequence[Score], profile: MetricProfile, bootstrap: Bootstrap) -> dict[str, Estimate]:
    """The task's metrics that are no ratios of sums (`Task.pooled`), measured anew on POOLED resamples."""
    kind = get_task(task)
    values = kind.pooled(scores, profile)
    if not values:
        return {}
    rng = np.random.default_rng([bootstrap.seed, zlib.crc32(task.encode())])
    places_RN = rng.integers(0, len(scores), (min(POOLED, bootstrap.resamples), len(scores)))
    draws = [kind.pooled([scores[n] for n in places_N], profile) for places_N in places_RN]
    return {name: Estimate(v, np.array([draw[name] for draw in draws]), len(scores)) for name, v in values.items()}


def _binary(terms_NM2: Floats, defined_NM: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Which metrics are right or wrong on every question, each of which weighs 1, (M,)."""
    part_NM, whole_NM = terms_NM2[..., 0], terms_NM2[..., 1]
    return np.asarray((((part_NM == 0) | (part_NM == 1)) & (whole_NM == 1) | ~defined_NM).all(0))


def ratio(terms_N2: Sequence[tuple[float, float]], bootstrap: Bootstrap) -> Estimate:
    """Σ numerators / Σ denominators of N questions."""
    found = ratios([{"": (part, whole)} for part, whole in terms_N2], bootstrap)
    return found.get("", Estimate(np.nan, np.full(bootstrap.resamples, np.nan)))


def mean(values: Sequence[float], bootstrap: Bootstrap, bounds: Bounds = (0.0, 1.0)) -> Estimate:
    """The mean of one number a question, each within `bounds`."""
    found = ratio([(value, 1.0) for value in values], bootstrap)
    return replace(found, bounds=bounds, binary=found.binary and bounds == (0.0, 1.0))


def reward_bounds(profile: RewardProfile, task: str) -> Bounds:
    """The least and the most that a profile pays for an answer to a task."""
    reward = REWARDS[profile]
    return reward.least, reward.most(get_task(task).paper_max)


def average(estimates: Sequence[Estimate]) -> Estimate:
    """The plain mean of independent estimates, such as over tasks, each resampled by itself; undefined ones left out.

    One that has a value but no draws (a single question) counts as certain, which makes the interval too narrow.
    """
    defined = [e for e in estimates if np.isfinite(e.value)]
    if not defined:
        return Estimate(np.nan, np.full(0, np.nan))
    draws_ER = np.stack([np.where(np.isfinite(e.draws_R), e.draws_R, e.value) for e in defined])
    return Estimate(
        float(np.mean([e.value for e in defined])),
        draws_ER.mean(0),
        sum(e.count for e in defined),
        (float(np.mean([e.bounds[0] for e in defined])), float(np.mean([e.bounds[1] for e in defined]))),
        change=defined[0].change,
    )


def difference(a: Estimate, b: Estimate, *, alike: bool = False) -> Estimate:
    """b − a, resample by resample: paired if both were drawn over the same questions with the same seed.

    alike: every question has the same answer on both sides, so that no difference is certain, not only unseen.
    """
    reach = a.bounds[1] - a.bounds[0]
    return Estimate(
        b.value - a.value, b.draws_R - a.draws_R, 0 if alike else min(a.count, b.count), (-reach, reach), change=True
    )
