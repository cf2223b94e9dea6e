"""OCR: text as it stands in the picture, by word error rate."""

from __future__ import annotations

from collections.abc import Sequence

from onethinker.measure import text as measure
from onethinker.sample import Sample
from onethinker.tasks.base import SEEN, Measured, MetricProfile, Score, Task, Terms, make_templates
from onethinker.tasks.reading import read_text


class OCR(Task[str]):
    """Accuracy is 1 − WER, not below 0."""

    name = "ocr"
    title = "Text recognition"
    modalities = SEEN
    example = "Hello World"
    nothing = ""
    published = "OCR"
    scenes = ("words",)
    example_truth = "TOTAL 12/24 <open> a/b"
    templates = make_templates(
        "read: {question}", "The answer is the text exactly as it is written, nothing added.", "TEXT"
    )

    def parse(self, text: str, sample: Sample, *, lenient: bool = False) -> str:
        return read_text(text)

    def measure(self, pred: Sequence[str], true: Sequence[str], samples: Sequence[Sample]) -> Measured:
        words, rates = [len(text.split()) for text in true], list(map(measure.wer, true, pred))
        errors = [round(rate * count) for rate, count in zip(rates, words)]
        accuracy = [max(0.0, 1.0 - rate) for rate in rates]
        return Measured(accuracy, {"1-WER": accuracy}, {"words": words, "errors": errors})

    def terms(self, score: Score, profile: MetricProfile) -> Terms:
        words = score.evidence.get("words", 0)
        return {
            "1-WER": (score.accuracy, 1.0),
            "1-WER pooled": (words - score.evidence.get("errors", words), words),
        }
