"""A judge's grades for free-text answers, asked in batches as the answers come."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from onethinker.engines.base import Completion, EngineError
from onethinker.sample import Samples
from onethinker.scoring.judge import JUDGED, Graded, Judge, JudgeError, regrade
from onethinker.scoring.rollout import Rollout
from onethinker.tasks.base import Score

AT_ONCE = 64
"""Questions whose answers are graded together; a run that is killed loses those that wait for it."""

Answered = tuple[int, list[Completion]]
"""A question's position and its answers."""


def batches(answered: Iterable[Answered], samples: Samples, judge: Judge | None) -> Iterator[list[Answered]]:
    """What is to be scored together: each question by itself as it comes, but those that the judge grades up to
    `AT_ONCE`. What was answered before the engine fails is given before the failure is raised."""
    waiting: list[Answered] = []
    try:
        for position, completions in answered:
            if judge is None or samples[position].task not in JUDGED:
                yield [(position, completions)]
                continue
            waiting.append((position, completions))
            if len(waiting) == AT_ONCE:
                yield waiting
                waiting = []
    except EngineError:
        if waiting:
            yield waiting
        raise
    if waiting:
        yield waiting


def graded(rollouts: Sequence[Rollout], judge: Judge | None) -> list[tuple[Rollout, Graded | None]]:
    """Each with the judge's score, asked for all at once; None where nothing is to be judged."""
    if judge is None or not any(r.sample.task in JUDGED for r in rollouts):
        return [(r, None) for r in rollouts]
    scores = regrade([r.sample for r in rollouts], [r.answer for r in rollouts], [r.score for r in rollouts], judge)
    return list(zip(rollouts, scores, strict=True))


def as_judged(lenient: Score, grade: Graded) -> Score:
    """The lenient reading with the same grade: it is of the same text."""
    assert not isinstance(grade, JudgeError)
    return replace(lenient, accuracy=grade.accuracy, components={**lenient.components, **grade.components})
