"""Intervals over seeds and questions at once, and paired tests.

An arm has S runs, its seeds, which all answer the same N questions; another run would have other luck, another exam
other questions. The mean over seeds varies with both: V = V_questions + max(0, V_seeds − V_mixed), where V_questions is
the bootstrap's over questions, V_seeds = s²/S the variance between seeds, and V_mixed the part of it that is luck in
single questions (most of it the sampling of answers), which V_questions has already. Resampling seeds and questions in
one bootstrap counts that part three times (Owen, "The pigeonhole bootstrap", 2007). V is V_seeds at least, since only
noise makes V_questions less than its part V_mixed.

Quantiles are Student's. The degrees of freedom are Satterthwaite's, at least those of V_seeds, which are S − 1, and
finite also where V_seeds is below V_mixed, which S seeds alone say. Far out in the tail, where p values to be corrected
lie, they are too sure of themselves: `p_far` has those of V_seeds. Of one seed nothing is known but its questions.

A few seeds say little of their own spread and nothing far out in the tail. Where K arms are compared with one another,
`pooled` takes V_seeds and V_mixed as the mean over all their differences, with (K − 1)(S − 1) degrees of freedom: the
residual of a randomized block design, seeds its blocks (Montgomery, "Design and Analysis of Experiments", ch. 4). That
takes luck to be of one size in all arms; V is at least the average pair's V_seeds then, on the safe side.

All arms see the same draws, so that the difference of two arms is paired in seeds and in questions.

S seeds, N questions, R resamples. Terms are the numerator and denominator of a metric, as `Task.terms` has them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from onethinker.evaluate.bootstrap import LEVEL, Bootstrap
from onethinker.scoring.results import RESULTS, current, is_error, score_of
from onethinker.studies.pages.page import SURE
from onethinker.tasks import get_task
from onethinker.tasks.base import RewardProfile
from onethinker.util.runs import JsonLines

Floats = NDArray[np.float64]
Measure = Literal["headline", "reward"]
"""headline: the first metric of the task, of greedy answers, 0–1. reward: mean reward of sampled answers."""

MEASURES: tuple[Measure, ...] = ("headline", "reward")

Terms = dict[str, dict[str, tuple[float, float]]]
"""By kind and id of the question."""


class Luck(NamedTuple):
    """What seeds say of how far their mean may be off."""

    seeds: float
    """V_seeds."""

    mixed: float
    """V_mixed."""

    freedom: float
    """Degrees of freedom of V_seeds."""


@dataclass(frozen=True)
class Crossed:
    """One number of one arm. by_seed_S: on all questions. draws_RS: on resampled questions, the same for every seed.
    shared: the luck of its kind, where `pooled` knows that better than its own seeds."""

    by_seed_S: Floats
    draws_RS: Floats
    shared: Luck | None = None

    @property
    def value(self) -> float:
        """The mean over seeds."""
        return float(self.by_seed_S.mean())

    @cached_property
    def luck(self) -> Luck:
        """Of its own seeds, unless shared."""
        seeds = len(self.by_seed_S)
        if self.shared:
            return self.shared
        if seeds == 1:
            return Luck(0.0, 0.0, np.inf)
        between = float(self.by_seed_S.var(ddof=1)) / seeds
        apart_RS = self.draws_RS - np.nanmean(self.draws_RS, axis=1, keepdims=True)
        return Luck(between, float(np.nanvar(apart_RS, axis=0).sum()) / (seeds * (seeds - 1)), seeds - 1)

    @cached_property
    def spread(self) -> tuple[float, float]:
        """Standard error of the mean over seeds, and its degrees of freedom."""
        between, mixed, freedom = self.luck
        of_questions = float(np.nanvar(np.nanmean(self.draws_RS, axis=1)))
        total = max(between, of_questions + max(0.0, between - mixed))
        return total**0.5, (total / between) ** 2 * freedom if between else np.inf

    def row(self) -> dict[str, Any]:
        """{value, low, high, seeds}: the mean over seeds, its 95 % interval, and every seed's own."""
        error, freedom = self.spread
        reach = error * float(stats.t.isf((1 - LEVEL) / 2, freedom))
        low, high = self.value - reach, self.value + reach
        return {"value": self.value, "low": low, "high": high, "seeds": self.by_seed_S.tolist()}

    def p(self) -> float:
        """Two-sided, of no difference from 0; 1 where there is none in any draw."""
        return self._p(self.spread[1])

    def p_far(self) -> float:
        """`p` with the degrees of freedom that seeds give: what a correction for many tests is to be told."""
        return self._p(self.luck.freedom)

    def visible(self, level: float) -> float:
        """The least difference from 0 whose `p_far` would be below that level."""
        return self.spread[0] * float(stats.t.isf(level / 2, self.luck.freedom))

    def _p(self, freedom: float) -> float:
        error = self.spread[0]
        return 2 * float(stats.t.sf(abs(self.value) / error, freedom)) if error else float(self.value == 0)

    def __sub__(self, other: Crossed) -> Crossed:
        """The paired difference of two arms with the same seeds and questions."""
        return Crossed(self.by_seed_S - other.by_seed_S, self.draws_RS - other.draws_RS)


def mean_of(parts: Sequence[Crossed]) -> Crossed:
    """The plain mean over tasks or groups of one arm."""
    return Crossed(np.mean([p.by_seed_S for p in parts], axis=0), np.mean([p.draws_RS for p in parts], axis=0))


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
    left_out, found = 0, {arm: dict[str, Crossed]() for arm in arms}
    for kind in cells[0]:
        asked = set.union(*(set(cell[kind]) for cell in cells))
        questions = sorted(asked.intersection(*(cell[kind] for cell in cells)))
        left_out += len(asked) - len(questions)
        for arm, of_arm in arms.items():
            same = list(of_arm) * (seeds if len(of_arm) == 1 else 1)
            terms_SN2 = np.array([[cell[kind][q] for q in questions] for cell in same]).reshape(seeds, -1, 2)
            if questions:
                found[arm][kind] = _crossed(terms_SN2, bootstrap.of(kind))
    return found, left_out


def _crossed(terms_SN2: Floats, bootstrap: Bootstrap) -> Crossed:
    seeds, questions, _ = terms_SN2.shape
    sums_RS2 = bootstrap.sums(terms_SN2.transpose(1, 0, 2).reshape(questions, -1)).reshape(-1, seeds, 2)
    totals_S2 = terms_SN2.sum(1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return Crossed(totals_S2[:, 0] / totals_S2[:, 1], sums_RS2[..., 0] / sums_RS2[..., 1])


def pooled(differences: Sequence[Crossed], arms: int) -> list[Crossed]:
    """The differences between that many arms, each with the luck of them all; of one seed there is none to share."""
    if not differences or len(differences[0].by_seed_S) == 1:
        return list(differences)
    between, mixed, freedom = zip(*(d.luck for d in differences), strict=True)
    shared = Luck(float(np.mean(between)), float(np.mean(mixed)), (arms - 1) * freedom[0])
    return [replace(d, shared=shared) for d in differences]


def paired_test(difference: Crossed) -> dict[str, Any]:
    """A paired difference with its interval, its p and how many seeds are above 0."""
    return {"difference": difference.row(), "p": difference.p(), "won": int((difference.by_seed_S > 0).sum())}


def told_apart(differences: Sequence[Crossed]) -> list[dict[str, float]]:
    """What each is worth among all of them. holm: p corrected for their number. visible: how far from 0 it would have
    to lie to be sure by itself, at the level that Holm's procedure begins with."""
    corrected = holm([difference.p_far() for difference in differences])
    return [
        {"holm": p, "visible": difference.visible(SURE / len(differences))}
        for difference, p in zip(differences, corrected, strict=True)
    ]


def holm(p_values: Sequence[float]) -> list[float]:
    """p values, `p_far`s, corrected for their number: Holm's step-down procedure (1979)."""
    order = np.argsort(p_values, kind="stable")
    corrected, least = np.empty(len(p_values)), 0.0
    for rank, at in enumerate(order):
        least = max(least, min(1.0, (len(p_values) - rank) * p_values[at]))
        corrected[at] = least
    return corrected.tolist()
