"""Numerical: a number, right when it equals the truth after rounding to two decimals."""

from __future__ import annotations

import math
from collections.abc import Sequence

from onethinker.measure import text as measure
from onethinker.sample import Sample
from onethinker.tasks.base import ANY_MODALITY, Malformed, Measured, MetricProfile, Score, Task, Terms, make_templates
from onethinker.tasks.reading import read_text


def parse_number(text: str, *, lenient: bool) -> float:
    """A finite number. Raises Malformed."""
    read = measure.number_lenient if lenient else measure.number
    value = read(read_text(text))
    if value is None:
        raise Malformed(f"expected a number, found {text[:60]!a}")
    return value


class Numerical(Task[float]):
    name = "numerical"
    title = "Numerical answer"
    modalities = ANY_MODALITY
    example = "3.14"
    nothing = math.nan
    scenes = ("still", "clip")
    example_truth = "1,234.5"
    templates = make_templates("number: {question}", "The answer is one number, without words or units.", "NUMBER")

    def parse(self, text: str, sample: Sample, *, lenient: bool = False) -> float:
        return parse_number(text, lenient=lenient)

    def measure(self, pred: Sequence[float], true: Sequence[float], samples: Sequence[Sample]) -> Measured:
        return Measured([float(measure.same_number(p, t)) for p, t in zip(pred, true, strict=True)])

    def terms(self, score: Score, profile: MetricProfile) -> Terms:
        return {"accuracy": (score.accuracy, 1.0)}
