"""Intervals over seeds and questions at once, and paired tests: a bootstrap crossed in both.

Every draw resamples the seeds and, kind of question by kind, the questions; all arms of a study see the same draws, so
that the difference of two arms is paired in both. Resampling S seeds underrates the variance of their mean by
(S − 1)/S: their weights are spread by √(S/(S − 1)) to make up for it. Of one seed nothing is known but its questions.

S seeds, N questions, R resamples. Terms are the numerator and denominator of a metric, as `Task.terms` has them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import NormalDist
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from onethinker.evaluate.bootstrap import Bootstrap, Estimate
from onethinker.evaluate.results import current, is_error, score_of
from onethinker.evaluate.run import RESULTS
from onethinker.runs import JsonLines
from onethinker.tasks import get_task
from onethinker.tasks.base import RewardProfile

Floats = NDArray[np.float64]
Measure = Literal["headline", "reward"]
"""headline: the first metric of the task, of greedy answers, 0–1. reward: mean reward of sampled answers."""

MEASURES: tuple[Measure, ...] = ("headline", "reward")

Terms = dict[str, dict[str, tuple[float, float]]]
"""By kind and id of the question."""


@dataclass(frozen=True)
class Crossed:
    """One number of one arm. by_seed_S. draws_R: resampled in seeds and questions."""

    by_seed_S: Floats
    draws_R: Floats

    def row(self) -> dict[str, Any]:
        """{value, low, high, seeds}: the mean over seeds, its 95 % interval, and every seed's own."""
        return Estimate(float(self.by_seed_S.mean()), self.draws_R).row() | {"seeds": self.by_seed_S.tolist()}

    def __sub__(self, other: Crossed) -> Crossed:
        """The paired difference of two arms with the same seeds and questions."""
        return Crossed(self.by_seed_S - other.by_seed_S, self.draws_R - other.draws_R)


def mean_of(parts: Sequence[Crossed]) -> Crossed:
    """The plain mean over tasks or groups of one arm."""
    return Crossed(np.mean([p.by_seed_S for p in parts], axis=0), np.mean([p.draws_R for p in parts], axis=0))


def read_terms(folder: Path, kinds: Mapping[str, str], measure: Measure, reward: RewardProfile = "released") -> Terms:
    """Terms of every scored question of an evaluation's folder. kinds: of questions by id, which also gives the kinds'
    order; other questions are passed over."""
    rows = [r for r in current(JsonLines(folder / RESULTS).rows()).values() if r["id"] in kinds and not is_error(r)]
    found: Terms = {kind: {} for kind in kinds.values()}
    if measure == "headline":
        for row in (r for r in rows if r["decoding"] == "greedy"):
            counted = get_task(row["task"]).counted(score_of(row), "official")
            found[kinds[row["id"]]][row["id"]] = next(iter(counted.values()))
        return found
    for row in (r for r in rows if r["decoding"] == "sampled"):
        of_kind = found[kinds[row["id"]]]
        total, count = of_kind.get(row["id"], (0.0, 0.0))
        of_kind[row["id"]] = (total + score_of(row).reward(reward), count + 1.0)
    return {kind: {q: (a / b, 1.0) for q, (a, b) in terms.items()} for kind, terms in found.items()}


def cross(arms: Mapping[str, Sequence[Terms]], resamples: int) -> tuple[dict[str, dict[str, Crossed]], int]:
    """Arm → kind → its number, and how many questions were left out because some cell has no score for them.

    arms: the terms of every seed's cell, all arms with the same seeds; an arm of one cell, such as the model that all
    start from, counts as the same for every seed.
    """
    cells = [cell for of_arm in arms.values() for cell in of_arm]
    seeds = max(map(len, arms.values()))
    bootstrap = Bootstrap(resamples)
    weights_RS = seed_weights(seeds, bootstrap)
    left_out, found = 0, {arm: dict[str, Crossed]() for arm in arms}
    for kind in cells[0]:
        asked = set.union(*(set(cell[kind]) for cell in cells))
        questions = sorted(asked.intersection(*(cell[kind] for cell in cells)))
        left_out += len(asked) - len(questions)
        for arm, of_arm in arms.items():
            same = list(of_arm) * (seeds if len(of_arm) == 1 else 1)
            terms_SN2 = np.array([[cell[kind][q] for q in questions] for cell in same]).reshape(seeds, -1, 2)
            if questions:
                found[arm][kind] = _crossed(terms_SN2, weights_RS, bootstrap.of(kind))
    return found, left_out


def _crossed(terms_SN2: Floats, weights_RS: Floats, bootstrap: Bootstrap) -> Crossed:
    seeds, questions, _ = terms_SN2.shape
    sums_RS2 = bootstrap.sums(terms_SN2.transpose(1, 0, 2).reshape(questions, -1)).reshape(-1, seeds, 2)
    totals_S2 = terms_SN2.sum(1)
    with np.errstate(invalid="ignore", divide="ignore"):
        draws_R = (weights_RS * (sums_RS2[..., 0] / sums_RS2[..., 1])).sum(1)
        return Crossed(totals_S2[:, 0] / totals_S2[:, 1], draws_R)


def seed_weights(seeds: int, bootstrap: Bootstrap) -> Floats:
    """(R, S), rows that sum to 1: how much each seed counts in a draw."""
    if seeds == 1:
        return np.ones((bootstrap.resamples, 1))
    shares_RS = bootstrap.of("seeds").sums(np.eye(seeds)) / seeds
    return 1 / seeds + (shares_RS - 1 / seeds) * (seeds / (seeds - 1)) ** 0.5


def paired_test(a: Crossed, b: Crossed) -> dict[str, Any]:
    """b − a with its interval, its two-sided p and how many seeds say so.

    p is that of a normal variable with the draws' standard deviation; 1 where the arms are the same. With few seeds it
    is somewhat too sure, as is the interval.
    """
    found = b - a
    value, spread = float(found.by_seed_S.mean()), float(np.nanstd(found.draws_R))
    p = 2 * NormalDist().cdf(-abs(value) / spread) if spread else float(value == 0)
    return {"difference": found.row(), "p": p, "won": int((found.by_seed_S > 0).sum())}


def holm(p_values: Sequence[float]) -> list[float]:
    """p values corrected for their number: Holm's step-down procedure (1979)."""
    order = np.argsort(p_values, kind="stable")
    corrected, least = np.empty(len(p_values)), 0.0
    for rank, at in enumerate(order):
        least = max(least, min(1.0, (len(p_values) - rank) * p_values[at]))
        corrected[at] = least
    return corrected.tolist()
