"""Many answers at once: the same scores as `Task.score` gives one by one, many times faster on the structured tasks.

Answers in plain strict form are read by the standard library's C scanner alone and measured together, task by task.
Whatever is not plain (another key, a duplicate, a number beyond bounds, a status that is not ok) goes to `Task.score`,
which stays the one authority.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from onethinker.answer import Answer, Status
from onethinker.sample import DataError, Sample
from onethinker.tasks import TASKS, get_task
from onethinker.tasks.batch_numbers import FIXED, NUMBERS, Asked, Result
from onethinker.tasks.batch_tracks import TRACKED
from onethinker.tasks.reading import MAX_JSON

_TOGETHER = FIXED | TRACKED


def score_many(samples: Sequence[Sample], answers: Sequence[Answer]) -> list[Result]:
    """The score of each answer, in order; a DataError in place of one whose sample's truth is not usable.

    Equal to `Task.score` up to the order of floating-point sums.
    """
    return [score for score, _ in _score(samples, answers)]


def score_both(samples: Sequence[Sample], answers: Sequence[Answer]) -> list[tuple[Result, Result]]:
    """As `score_many`, each with its score under lenient reading: the same object where reading is the same."""
    made: list[tuple[Result, Result]] = []
    for sample, answer, (score, same) in zip(samples, answers, _score(samples, answers), strict=True):
        made.append((score, score if same else _one(Asked(sample, answer), lenient=True)))
    return made


def _score(samples: Sequence[Sample], answers: Sequence[Answer]) -> list[tuple[Result, bool]]:
    """The strict scores, and whether lenient reading is known to give the same."""
    made: list[tuple[Result, bool] | None] = [None] * len(samples)
    by_task: dict[str, list[int]] = {}
    for place, (sample, answer) in enumerate(zip(samples, answers, strict=True)):
        if sample.task in _TOGETHER and answer.status is Status.OK and _ordinary(sample, answer):
            by_task.setdefault(sample.task, []).append(place)
    for task, places in by_task.items():
        asked = [Asked(samples[p], answers[p]) for p in places]
        for place, result in zip(places, _TOGETHER[task](asked), strict=True):
            made[place] = result
    return [_alone(Asked(s, a)) if m is None else m for s, a, m in zip(samples, answers, made, strict=True)]


def _ordinary(sample: Sample, answer: Answer) -> bool:
    """Whether nothing but the answer's own form can keep it from being measured with others."""
    end = sample.meta.get("duration")
    known = end is None or (type(end) in NUMBERS and 0 < end < math.inf)
    return known and sample.meta.get("frame_boxes") is None and len(answer.text) <= MAX_JSON


def _alone(asked: Asked) -> tuple[Result, bool]:
    score = _one(asked, lenient=False)
    if isinstance(score, DataError) or score.status is Status.ERROR:
        return score, True
    return score, score.status is Status.OK and not TASKS[asked.sample.task].structured


def _one(asked: Asked, lenient: bool) -> Result:
    try:
        return get_task(asked.sample.task).score(asked.sample, asked.answer, lenient=lenient)
    except DataError as error:
        return error
