"""Regression: a number, the nearer to the truth the better (mean relative accuracy)."""

from __future__ import annotations

import math
from collections.abc import Sequence

from onethinker.measure import text as measure
from onethinker.sample import Sample
from onethinker.tasks.base import ANY_MODALITY, Measured, MetricProfile, Score, Task, Terms, make_templates
from onethinker.tasks.numerical import parse_number


class Regression(Task[float]):
    """Rewards take MRA with `<`, the official metric with `≤`."""

    name = "regression"
    title = "Regression"
    modalities = ANY_MODALITY
    example = "42.7"
    nothing = math.nan
    scenes = ("still", "clip")
    example_truth = "42.7"
    templates = make_templates(
        "estimate: {question}", "The answer is your best estimate as one number, without words or units.", "NUMBER"
    )

    def parse(self, text: str, sample: Sample, *, lenient: bool = False) -> float:
        return parse_number(text, lenient=lenient)

    def measure(self, pred: Sequence[float], true: Sequence[float], samples: Sequence[Sample]) -> Measured:
        mra = [measure.mra(p, t, "released") for p, t in zip(pred, true, strict=True)]
        official = [measure.mra(p, t, "official") for p, t in zip(pred, true, strict=True)]
        return Measured(mra, {"mra": mra}, {"mra_official": official})

    def terms(self, score: Score, profile: MetricProfile) -> Terms:
        mra = score.accuracy if profile == "released" else score.evidence.get("mra_official", 0.0)
        return {"MRA": (mra, 1.0)}
