"""A judge's grades for free-text answers, asked in batches as the answers come."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from onethinker.engines.base import EngineError
from onethinker.judge import JUDGED, Graded, Judge, JudgeError, regrade
from onethinker.rollout import Rollout
from onethinker.tasks.base import Score

AT_ONCE = 64
"""Questions whose answers are graded together; a run that is killed loses at most their rows."""

Answered = tuple[int, list[Rollout]]
GradedAnswers = tuple[int, list[tuple[Rollout, Graded | None]]]


def graded(answered: Iterator[Answered], judge: Judge | None) -> Iterator[GradedAnswers]:
    """Each position's answers with the judge's score, None where nothing is to be judged.

    What was answered before the engine fails is graded before the failure is raised.
    """
    waiting: list[Answered] = []
    try:
        for position, rollouts in answered:
            if judge is None or not any(r.sample.task in JUDGED for r in rollouts):
                yield position, [(r, None) for r in rollouts]
                continue
            waiting.append((position, rollouts))
            if len(waiting) == AT_ONCE:
                yield from _grade(waiting, judge)
                waiting = []
    except EngineError:
        if judge is not None:
            yield from _grade(waiting, judge)
        raise
    if judge is not None:
        yield from _grade(waiting, judge)


def _grade(waiting: list[Answered], judge: Judge) -> Iterator[GradedAnswers]:
    flat = [r for _, rollouts in waiting for r in rollouts]
    scores = regrade([r.sample for r in flat], [r.answer for r in flat], [r.score for r in flat], judge)
    found = iter(zip(flat, scores, strict=True))
    for position, rollouts in waiting:
        yield position, [next(found) for _ in rollouts]


def as_judged(lenient: Score, grade: Graded) -> Score:
    """The lenient reading with the same grade: it is of the same text."""
    assert not isinstance(grade, JudgeError)
    return replace(lenient, accuracy=grade.accuracy, components={**lenient.components, **grade.components})
