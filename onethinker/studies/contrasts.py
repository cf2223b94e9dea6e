"""How studies compare: one rule, fixed before a study's runs and the same for all of them.

1. A study declares its contrasts in its module: pairs of arms that share seeds and held-out questions.
2. A contrast's number is the mean over its own S seeds of the paired difference. Its 95 % interval and its p are
   Student's, of these S differences alone (`scipy.stats.ttest_1samp`, S − 1 degrees of freedom). Nothing is borrowed
   from other contrasts, no seed is left out, none is added for some contrasts because of what was seen.
3. p is corrected for all contrasts of the study, those of all measures together (Holm 1979). A difference is called
   sure where the corrected p is below 0.05, and not sure otherwise, wherever its interval lies. A question that comes
   up once runs have been seen declares its contrasts before its own runs and is corrected by itself.
4. Intervals of single arms, and of gains over the checkpoint that all start from, are those of point 2 without a
   correction. They describe; no conclusion rests on them. One that would leave the metric's scale (0 to 100 %) is made
   on the logit scale, so that it cannot.

So a number speaks of other seeds of the same training, on the same questions, from the same checkpoint: how much other
questions would move it is not in it. One seed, or seeds that do not differ at all, have neither interval nor p.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any, Literal

from scipy import stats

LEVEL, SURE = 0.95, 0.05
"""Of the intervals; the corrected p below which a difference is called sure."""

Measure = Literal["headline", "accuracy", "reward"]
"""headline: the first metric of a task, of greedy answers, 0–1. accuracy: of sampled answers, 0–1. reward: the mean
reward of sampled answers."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean over seeds. low, high, p: None where the seeds do not tell. p: two-sided, against 0, not corrected."""

    seeds: tuple[float, ...]
    value: float
    low: float | None = None
    high: float | None = None
    p: float | None = None

    @property
    def excludes_zero(self) -> bool:
        return self.low is not None and self.high is not None and (self.low > 0 or self.high < 0)


@dataclass(frozen=True, slots=True)
class Contrast:
    """Arm `a` minus arm `b` on `target` (a task, a kind of question, a setting). holm: p corrected for all contrasts
    of the study, None where there is no p."""

    a: str
    b: str
    target: str
    measure: Measure
    estimate: Estimate
    holm: float | None

    @property
    def sure(self) -> bool:
        return self.holm is not None and self.holm < SURE


def estimate(seeds: Sequence[float], scale: tuple[float, float] | None = None) -> Estimate:
    """The mean over seeds with Student's interval and p.

    scale: the least and the most that a seed can have. An interval that would leave it is made on the logit scale.
    """
    value = fmean(seeds)
    if len(set(seeds)) < 2:
        return Estimate(tuple(seeds), value)
    test = stats.ttest_1samp(seeds, 0.0)
    interval = test.confidence_interval(LEVEL)
    low, high = float(interval.low), float(interval.high)
    if scale and not scale[0] <= low <= high <= scale[1] and scale[0] < value < scale[1]:
        low, high = _within(scale, value, (high - low) / 2)
    return Estimate(tuple(seeds), value, low, high, float(test.pvalue))


def scale(measure: str, *, change: bool = False) -> tuple[float, float] | None:
    """What a metric or an accuracy, or the change of one, lies within; None for rewards, whose profiles differ."""
    return None if measure == "reward" else (-1.0, 1.0) if change else (0.0, 1.0)


def _within(scale: tuple[float, float], value: float, half: float) -> tuple[float, float]:
    """`value` ± `half` as an interval that stays within the scale: half of it is carried to logits by their slope at
    the value, d logit(p) / dp = 1 / (p (1 − p))."""
    least, reach = scale[0], scale[1] - scale[0]
    share = (value - least) / reach
    logit, wide = math.log(share / (1 - share)), half / reach / (share * (1 - share))
    low, high = (1 / (1 + math.exp(-min(max(end, -700.0), 700.0))) for end in (logit - wide, logit + wide))
    return least + low * reach, least + high * reach


def paired(a: Sequence[float], b: Sequence[float]) -> list[float]:
    """a − b on the first seeds, which both have, to six decimals, so that equal seeds are equal."""
    return [round(x - y, 6) for x, y in zip(a, b, strict=False)]


def gain(a: Sequence[float], start: Sequence[float]) -> list[float]:
    """a minus the one value of the checkpoint that every seed started from."""
    return paired(a, [start[0]] * len(a))


def contrast_row(a: str, b: str, target: str, measure: Measure, seeds: Sequence[float]) -> dict[str, Any]:
    """A contrast as `study.json` keeps it. seeds: the paired differences; all else follows from them."""
    return {"a": a, "b": b, "target": target, "measure": measure, "seeds": list(seeds)}


def read_contrasts(study: Mapping[str, Any], question: str = "contrasts") -> list[Contrast]:
    """The contrasts of a `study.json`, each tested and corrected for all of them, in the study's order. question: the
    key of those that a study declared for a question of its own, which are corrected among themselves."""
    rows = study[question]
    estimates = [estimate(row["seeds"], scale(row["measure"], change=True)) for row in rows]
    corrected = holm([e.p for e in estimates])
    return [
        Contrast(row["a"], row["b"], row["target"], row["measure"], found, p)
        for row, found, p in zip(rows, estimates, corrected, strict=True)
    ]


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """p values corrected for their number by Holm's step-down procedure. One that is not known counts in the number."""
    corrected: list[float | None] = [None] * len(p_values)
    least = 0.0
    for rank, (p, at) in enumerate(sorted((p, at) for at, p in enumerate(p_values) if p is not None)):
        least = max(least, min(1.0, (len(p_values) - rank) * p))
        corrected[at] = least
    return corrected
