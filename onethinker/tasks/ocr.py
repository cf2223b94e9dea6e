"""OCR: text as it stands in the picture, by word error rate."""

from __future__ import annotations

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
    templates = make_templates(
        "read: {question}", "The answer is the text exactly as it is written, nothing added.", "TEXT"
    )

    def parse(self, text: str, sample: Sample, *, lenient: bool = False) -> str:
        return read_text(text)

    def measure(self, pred: str, true: str, sample: Sample) -> Measured:
        words, rate = len(true.split()), measure.wer(true, pred)
        accuracy = max(0.0, 1.0 - rate)
        return Measured(accuracy, {"1-WER": accuracy}, {"words": words, "errors": round(rate * words)})

    def terms(self, score: Score, profile: MetricProfile) -> Terms:
        words = score.evidence.get("words", 0)
        return {
            "1-WER": (score.accuracy, 1.0),
            "1-WER pooled": (words - score.evidence.get("errors", words), words),
        }
