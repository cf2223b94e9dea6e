"""Which of an annotator's answers are kept: those that score the task's threshold and whose thinking passes the checks.

Nothing here asks anybody: what is kept follows from the journal, the corpus and the settings, so that other thresholds
or rules cost a second run nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from onethinker.corpus.annotate.checks import Candidate, failed_checks
from onethinker.corpus.annotate.settings import Settings
from onethinker.media import MediaError, is_clip, probe
from onethinker.sample import DataError, Sample
from onethinker.sample.answer import Answer, Status, read_answer
from onethinker.scoring.scores import score_many


@dataclass(frozen=True, slots=True)
class Verdict:
    """One answer, judged. index: its place among the sample's. reasons: why it is refused, by the check's name;
    `error`, `answer` and `score` stand beside those of `checks.CHECKS`. Empty where it passes."""

    index: int
    text: str
    finish: str
    answer: Answer
    accuracy: float
    reasons: Mapping[str, str] = field(default_factory=dict)

    @property
    def response(self) -> str:
        """Thinking and answer in the one form that SFT teaches."""
        return f"<think>{self.answer.thinking}</think><answer>{self.answer.text}</answer>"


Choices = Sequence[Mapping[str, Any]]


def judge(
    samples: Sequence[Sample],
    choices: Sequence[Choices],
    settings: Settings,
    root: Path,
    given: frozenset[str] = frozenset(),
) -> list[list[Verdict]]:
    """Verdicts on every answer to each sample; the answers to one task are measured together.

    root: of the media. given: tasks whose prompts showed the truth.
    """
    asked = [(s, i, choice) for s, found in zip(samples, choices, strict=True) for i, choice in enumerate(found)]
    answers = [read_answer(choice["text"], choice["finish"]) for _, _, choice in asked]
    scored = score_many([sample for sample, _, _ in asked], answers)
    made = []
    for (sample, index, choice), answer, found in zip(asked, answers, scored, strict=True):
        if found.score.status is Status.ERROR:
            reasons = {"error": choice.get("error") or found.problem or "an engine's failure"}
        else:
            candidate = Candidate(sample, answer, sample.task in given, seconds_of(sample, root))
            reasons = _reasons(candidate, found.score.status, found.score.accuracy, settings)
        made.append(Verdict(index, choice["text"], choice["finish"], answer, found.score.accuracy, reasons))
    verdicts = iter(made)
    return [[next(verdicts) for _ in found] for found in choices]


def _reasons(candidate: Candidate, status: Status, accuracy: float, settings: Settings) -> dict[str, str]:
    if status is not Status.OK:
        return {"answer": f"is {status.value}"}
    least = settings.threshold(candidate.sample.task)
    reasons = {} if accuracy >= least - 1e-9 else {"score": f"{accuracy:.3f}, below {least:g}"}
    return reasons | failed_checks(candidate, settings.rules)


def best(verdicts: Sequence[Verdict]) -> Verdict | None:
    """The answer that is kept: of those that pass the most accurate, of equals the first; None where none passes."""
    passed = [verdict for verdict in verdicts if not verdict.reasons]
    return max(passed, key=lambda verdict: (verdict.accuracy, -verdict.index), default=None)


def seconds_of(sample: Sample, root: Path) -> float | None:
    """How long the sample's one clip is; None where it has none, several, or one that cannot be read."""
    try:
        clips = [path for path in sample.paths(root) if is_clip(path)]
        return _duration(clips[0]) if len(clips) == 1 else None
    except (DataError, MediaError, OSError):
        return None


@lru_cache(maxsize=4096)
def _duration(path: Path) -> float:
    return float(probe(path).duration)
