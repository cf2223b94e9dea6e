"""Open-ended questions: a free text, by its overlap in words with the truth (a judge may score it instead, later)."""

from __future__ import annotations

from collections.abc import Sequence

from onethinker.measure import text as measure
from onethinker.sample import Sample
from onethinker.tasks.base import ANY_MODALITY, Measured, MetricProfile, Score, Task, Terms, make_templates
from onethinker.tasks.reading import read_text


class OpenEnded(Task[str]):
    """Accuracy is the mean F of ROUGE-1, ROUGE-2 and ROUGE-L; a truth of one word has no ROUGE-2 and can earn 2/3."""

    name = "open_ended"
    title = "Open-ended question"
    modalities = ANY_MODALITY
    example = "The dog brings the ball back."
    nothing = ""
    published = "open-ended"
    judged = True
    scenes = ("still", "clip")
    example_truth = "The dog brings the red ball back to the woman."
    templates = make_templates("answer: {question}", "The answer is a short text that answers the question.", "TEXT")

    def parse(self, text: str, sample: Sample, *, lenient: bool = False) -> str:
        return read_text(text)

    def measure(self, pred: Sequence[str], true: Sequence[str], samples: Sequence[Sample]) -> Measured:
        one, two, longest = zip(*map(measure.rouge, true, pred), strict=True)
        mean = [sum(parts) / 3 for parts in zip(one, two, longest, strict=True)]
        return Measured(mean, {"rouge1": one, "rouge2": two, "rougeL": longest})

    def terms(self, score: Score, profile: MetricProfile) -> Terms:
        """A judge's grade, where there is one, and ROUGE."""
        found = score.components
        judged = {"judge": (found["judge"], 1.0)} if "judge" in found else {}
        parts = {name: (found.get(key, 0.0), 1.0) for name, key in _PARTS.items()}
        rouge = sum(value for value, _ in parts.values()) / len(parts)
        return {**judged, "ROUGE": (rouge, 1.0), **parts}


_PARTS = {"ROUGE-1": "rouge1", "ROUGE-2": "rouge2", "ROUGE-L": "rougeL"}
