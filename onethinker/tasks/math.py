"""Mathematics: a number or LaTeX, right when it is equivalent to the truth, or to any of `meta["accepted"]`.

Accepted answers are those of MMMU's open questions; as its authors' tool does (`normalize_str` in
mmmu/utils/eval_utils.py), they are also compared as numbers of two decimals and as text in any case. That tool also
takes a longer text that holds one, which is not done here: `not 5 m` holds `5 m`.
"""

from __future__ import annotations

from collections.abc import Sequence

from onethinker.measure import text as measure
from onethinker.sample import Sample
from onethinker.tasks.base import ANY_MODALITY, Measured, MetricProfile, Score, Task, Terms, make_templates
from onethinker.tasks.numerical import accepted, same_as_accepted
from onethinker.tasks.reading import read_text


def _right(said: str, true: str, sample: Sample) -> bool:
    if measure.math_equal(said, true):
        return True
    answers = accepted(sample)
    if not answers:
        return False
    number = measure.number(said)
    return (
        (number is not None and same_as_accepted(number, sample))
        or said.casefold() in (answer.strip().casefold() for answer in answers)
        or any(measure.math_equal(said, answer) for answer in answers)
    )


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
        return Measured([float(bool(p) and _right(p, t, s)) for p, t, s in zip(pred, true, samples, strict=True)])

    def terms(self, score: Score, profile: MetricProfile) -> Terms:
        return {"accuracy": (score.accuracy, 1.0)}
