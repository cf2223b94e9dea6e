"""Multiple choice: which option the answer names, in any usual dress."""

from __future__ import annotations

from collections.abc import Sequence

from onethinker.measure import text as measure
from onethinker.sample import Sample
from onethinker.tasks.base import ANY_MODALITY, Malformed, Measured, MetricProfile, Score, Task, Terms, make_templates
from onethinker.tasks.drawing import LABELS, Picture
from onethinker.tasks.reading import read_text


class MultipleChoice(Task[str]):
    """The parsed answer is the option's letter, A–Z."""

    name = "multiple_choice"
    title = "Multiple choice"
    modalities = ANY_MODALITY
    example = "A"
    nothing = ""
    scenes = ("still", "clip", "still", "clip", "pair", "clip")
    example_truth = "B"
    example_options = ("A. red", "B. green", "C. blue", "D. cannot be seen")
    templates = make_templates(
        "choice: {question}\n{options}", "The answer is the letter of the one right option.", "LETTER"
    )

    def parse(self, text: str, sample: Sample, *, lenient: bool = False) -> str:
        read = measure.choice_lenient if lenient else measure.choice
        letter = read(read_text(text), sample.options)
        if letter is None:
            raise Malformed(f"expected the letter of one option, found {text[:60]!a}")
        return letter

    def measure(self, pred: Sequence[str], true: Sequence[str], samples: Sequence[Sample]) -> Measured:
        return Measured([float(p == t) for p, t in zip(pred, true, strict=True)])

    def paint(self, picture: Picture, value: str, colour: str, sample: Sample) -> None:
        """The option as the question has it, with its letter."""
        place = ord(value) - ord("A") if len(value) == 1 else -1
        option = sample.options[place] if 0 <= place < len(sample.options) else value
        lettered = option == value or option.startswith((f"{value}.", f"{value})", f"({value})", f"{value}:"))
        picture.note(f"{LABELS[colour]}: {option if lettered else f'{value}. {option}'}", colour)

    def terms(self, score: Score, profile: MetricProfile) -> Terms:
        return {"accuracy": (score.accuracy, 1.0)}
