"""Mathematics: a number or LaTeX, right when it is equivalent to the truth."""

from __future__ import annotations

from collections.abc import Sequence

from onethinker.measure import text as measure
from onethinker.sample import Sample
from onethinker.tasks.base import ANY_MODALITY, Measured, MetricProfile, Score, Task, Terms, make_templates
from onethinker.tasks.reading import read_text


class Math(Task[str]):
    """The parsed answer is its text; what it means is decided when it is compared."""

    name = "math"
    title = "Mathematics"
    modalities = ANY_MODALITY
    example = r"$\frac{3}{2}$"
    nothing = ""
    scenes = ("digits", "plot")
    example_truth = r"$\frac{3}{2}$"
    templates = make_templates("math: {question}", "The answer is only the final result, a number or LaTeX.", "RESULT")

    def parse(self, text: str, sample: Sample, *, lenient: bool = False) -> str:
        return read_text(text)

    def measure(self, pred: Sequence[str], true: Sequence[str], samples: Sequence[Sample]) -> Measured:
        return Measured([float(bool(p) and measure.math_equal(p, t)) for p, t in zip(pred, true, strict=True)])

    def terms(self, score: Score, profile: MetricProfile) -> Terms:
        return {"accuracy": (score.accuracy, 1.0)}
