"""Confidence intervals by the bootstrap over questions (percentile method, Efron 1979).

Every metric is a ratio of sums, Σ numerators / Σ denominators over questions (`tasks.base.Terms`); a mean is the case
in which every denominator is 1. So a resample of N questions is a vector of N counts, and a metric on it two products.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

LEVEL = 0.95


@dataclass(frozen=True, slots=True)
class Bootstrap:
    """How to resample. The same number of questions, the same resamples and seed draw the same questions."""

    resamples: int = 1000
    seed: int = 0
    name: str = ""

    def of(self, name: str) -> Bootstrap:
        """A stream of its own, so that tasks are resampled independently and always the same way."""
        return replace(self, name=name)

    def counts(self, n: int) -> Iterator[Floats]:
        """How often each of n questions is in each resample, (n,)."""
        rng = np.random.default_rng([self.seed, zlib.crc32(self.name.encode())])
        for _ in range(self.resamples):
            yield np.bincount(rng.integers(n, size=n), minlength=n).astype(np.float64)


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


def ratio(terms_N2: ArrayLike, bootstrap: Bootstrap) -> Estimate:
    """Σ numerators / Σ denominators of N questions. NaN terms are left out."""
    terms = np.asarray(terms_N2, dtype=np.float64).reshape(-1, 2)
    terms = terms[np.isfinite(terms).all(1)]
    sums_R2 = np.full((bootstrap.resamples, 2), np.nan)
    if len(terms) > 1:
        for sums_2, count_N in zip(sums_R2, bootstrap.counts(len(terms)), strict=True):
            sums_2[:] = count_N @ terms
    part, whole = terms.sum(0)
    with np.errstate(invalid="ignore", divide="ignore"):
        draws_R = sums_R2[:, 0] / sums_R2[:, 1]
    return Estimate(float(part / whole) if whole else np.nan, np.where(np.isfinite(draws_R), draws_R, np.nan))


def ratios(terms: Sequence[Mapping[str, tuple[float, float]]], bootstrap: Bootstrap) -> dict[str, Estimate]:
    """Every metric that all questions have terms for, in the first one's order."""
    names = [name for name in terms[0] if all(name in row for row in terms)] if terms else []
    return {name: ratio([row[name] for row in terms], bootstrap) for name in names}


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
