"""Mathematics: a number or LaTeX, right when it is equivalent to the truth."""

from __future__ import annotations

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
    templates = make_templates("math: {question}", "The answer is only the final result, a number or LaTeX.", "RESULT")

    def parse(self, text: str, sample: Sample, *, lenient: bool = False) -> str:
        return read_text(text)

    def measure(self, pred: str, true: str, sample: Sample) -> Measured:
        return Measured(float(bool(pred) and measure.math_equal(pred, true)))

    def terms(self, score: Score, profile: MetricProfile) -> Terms:
        return {"accuracy": (score.accuracy, 1.0)}
