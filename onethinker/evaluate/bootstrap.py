"""Confidence intervals by the bootstrap over questions (percentile method, Efron 1979).

Every metric is a ratio of sums, Σ numerators / Σ denominators over questions (`tasks.base.Terms`); a mean is the case
in which every denominator is 1. So a resample of N questions is a vector of N counts, and a metric on it two products.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

LEVEL = 0.95
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


@dataclass(frozen=True, slots=True)
class Estimate:
    """A number measured on all questions, and on R resamples of them (NaN where it is not defined)."""

    value: float
    draws_R: Floats

    def row(self) -> dict[str, float | None]:
        """`value` with the 95 % interval `low` … `high`; null where undefined, and for the interval of one question."""
        draws = self.draws_R[np.isfinite(self.draws_R)]
        low, high = np.quantile(draws, [(1 - LEVEL) / 2, (1 + LEVEL) / 2]) if draws.size else (np.nan, np.nan)
        return {"value": _null(self.value), "low": _null(low), "high": _null(high)}


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
    defined_NM = np.isfinite(terms_NM2).all(2)
    terms_NM2[~defined_NM] = 0.0
    sums_RM2 = bootstrap.sums(terms_NM2.reshape(len(terms), -1)).reshape(-1, len(names), 2)
    with np.errstate(invalid="ignore", divide="ignore"):
        values_M = np.divide(*np.moveaxis(terms_NM2.sum(0), 1, 0))
        draws_RM = sums_RM2[..., 0] / sums_RM2[..., 1]
    draws_RM[~np.isfinite(draws_RM) | (defined_NM.sum(0) < 2)] = np.nan
    values_M[~np.isfinite(values_M)] = np.nan
    return {name: Estimate(float(values_M[m]), draws_RM[:, m]) for m, name in enumerate(names)}


def ratio(terms_N2: Sequence[tuple[float, float]], bootstrap: Bootstrap) -> Estimate:
    """Σ numerators / Σ denominators of N questions."""
    found = ratios([{"": (part, whole)} for part, whole in terms_N2], bootstrap)
    return found.get("", Estimate(np.nan, np.full(bootstrap.resamples, np.nan)))


def mean(values: Sequence[float], bootstrap: Bootstrap) -> Estimate:
    """The mean of one number a question."""
    return ratio([(value, 1.0) for value in values], bootstrap)


def average(estimates: Sequence[Estimate]) -> Estimate:
    """The plain mean of independent estimates, such as over tasks, each resampled by itself; undefined ones left out.

    One that has a value but no draws (a single question) counts as certain, which makes the interval too narrow.
    """
    defined = [e for e in estimates if np.isfinite(e.value)]
    if not defined:
        return Estimate(np.nan, np.full(0, np.nan))
    draws_ER = np.stack([np.where(np.isfinite(e.draws_R), e.draws_R, e.value) for e in defined])
    return Estimate(float(np.mean([e.value for e in defined])), draws_ER.mean(0))


def difference(a: Estimate, b: Estimate) -> Estimate:
    """b − a, resample by resample: paired if both were drawn over the same questions with the same seed."""
    return Estimate(b.value - a.value, b.draws_R - a.draws_R)
