"""Numerical: a number, right when it equals the truth after rounding to two decimals.

Some questions' owners compare otherwise, which their meta says. `accepted`: texts, of which any that is a number will
do (MMMU's open questions; mmmu/utils/eval_utils.py of MMMU-Benchmark/MMMU). `answer_type` "float" with a `precision`:
the answer is rounded to that many decimals and is then to be the truth (evaluation/calculate_score.py of
lupantech/MathVista).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from onethinker.measure import text as measure
from onethinker.sample import DataError, Sample
from onethinker.tasks.base import ANY_MODALITY, Malformed, Measured, MetricProfile, Score, Task, Terms, make_templates
from onethinker.tasks.reading import read_text


def parse_number(text: str, *, lenient: bool) -> float:
    """A finite number. Raises Malformed."""
    read = measure.number_lenient if lenient else measure.number
    value = read(read_text(text))
    if value is None:
        raise Malformed(f"expected a number, found {text[:60]!a}")
    return value


def accepted(sample: Sample) -> list[str]:
    """`meta["accepted"]`, the texts that an open question takes for an answer. Raises DataError."""
    found = sample.meta.get("accepted", [])
    if not isinstance(found, list) or not all(isinstance(text, str) for text in found):
        raise DataError(f"sample {sample.id}: meta['accepted'] is {found!r:.60}; expected a list of texts")
    return found


def same_as_accepted(said: float, sample: Sample) -> bool:
    """Whether a number is one of the accepted answers, to two decimals. Raises DataError."""
    numbers = map(measure.number, accepted(sample))
    return any(number is not None and measure.same_number(said, number) for number in numbers)


def _decimals(sample: Sample) -> int | None:
    """How many decimals the owner compares, None where nothing is said. Raises DataError."""
    if sample.meta.get("answer_type") != "float" or sample.meta.get("precision") in (None, ""):
        return None
    given = sample.meta["precision"]
    decimals = measure.number(given) if isinstance(given, str) else given
    if not isinstance(decimals, int | float) or decimals not in range(16):
        raise DataError(f"sample {sample.id}: meta['precision'] is {given!r:.60}; expected 0 to 15 decimals")
    return int(decimals)


def _right(said: float, true: float, sample: Sample) -> bool:
    if not sample.meta:  # of an owner who compares in no way of his own, as most are
        return measure.same_number(said, true)
    decimals = _decimals(sample)
    if decimals is not None:
        return round(said, decimals) == true
    return measure.same_number(said, true) or same_as_accepted(said, sample)


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
        return Measured([float(_right(p, t, s)) for p, t, s in zip(pred, true, samples, strict=True)])

    def terms(self, score: Score, profile: MetricProfile) -> Terms:
        return {"accuracy": (score.accuracy, 1.0)}
