"""Many answers at once: the same scores as `Task.score` gives one by one, many times faster on the structured tasks.

Answers in plain strict form are read by msgspec straight into numbers and measured together, task by task; so are those
of which nothing can be read, each as its task's `nothing`. Whatever is neither (an extra key, a duplicate, a number
beyond bounds, an answer that is readable in part) goes to `Task.score`, which stays the one authority.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from onethinker.sample import DataError, Sample
from onethinker.sample.answer import Answer, Status
from onethinker.tasks import TASKS, get_task
from onethinker.tasks.batch_numbers import FIXED, Result
from onethinker.tasks.batch_tracks import TRACKED
from onethinker.tasks.reading import MAX_JSON

_TOGETHER = FIXED | TRACKED
_UNREAD = (Status.MALFORMED, Status.ERROR)


def score_many(samples: Sequence[Sample], answers: Sequence[Answer]) -> list[Result]:
    """The score of each answer, in order; a DataError in place of one whose sample's truth is not usable.

    Equal to `Task.score` up to the order of floating-point sums.
    """
    return [score for score, _ in _score(samples, answers)]


def score_both(samples: Sequence[Sample], answers: Sequence[Answer]) -> list[tuple[Result, Result]]:
    """As `score_many`, each with its score under lenient reading: the same object where reading is the same."""
    made: list[tuple[Result, Result]] = []
    for sample, answer, (score, same) in zip(samples, answers, _score(samples, answers), strict=True):
        made.append((score, score if same else _one(sample, answer, lenient=True)))
    return made


def _score(samples: Sequence[Sample], answers: Sequence[Answer]) -> list[tuple[Result, bool]]:
    """The strict scores, and whether lenient reading is known to give the same."""
    made: list[tuple[Result, bool] | None] = [None] * len(samples)
    by_task: dict[str, list[int]] = {task: [] for task in _TOGETHER}
    for place, (sample, answer) in enumerate(zip(samples, answers, strict=True)):
        places = by_task.get(sample.task)
        if places is not None and answer.status not in _UNREAD and _ordinary(sample, answer):
            places.append(place)
    for task, places in by_task.items():
        asked = [(samples[place], answers[place]) for place in places]
        for place, result in zip(places, _TOGETHER[task](asked), strict=True):
            made[place] = result
    return [_alone(s, a) if m is None else m for s, a, m in zip(samples, answers, made, strict=True)]


def _ordinary(sample: Sample, answer: Answer) -> bool:
    """Whether nothing but the answer's own form can keep it from being measured with others."""
    if len(answer.text) > MAX_JSON:
        return False
    if not sample.meta:
        return True
    end = sample.meta.get("duration")
    known = end is None or (type(end) in (int, float) and 0 < end < math.inf)
    return known and sample.meta.get("frame_boxes") is None


def _alone(sample: Sample, answer: Answer) -> tuple[Result, bool]:
    score = _one(sample, answer, lenient=False)
    if isinstance(score, DataError) or score.status is Status.ERROR:
        return score, True
    return score, score.status is Status.OK and not TASKS[sample.task].structured


def _one(sample: Sample, answer: Answer, lenient: bool) -> Result:
    try:
        return get_task(sample.task).score(sample, answer, lenient=lenient)
    except DataError as error:
        return error
