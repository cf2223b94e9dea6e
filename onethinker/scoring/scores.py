"""Answers → scores: the one way for training, evaluation, saved responses and use, with a judge's grades if asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec
from msgspec.structs import replace

from onethinker.sample import DataError, Sample
from onethinker.sample.answer import Answer, Status
from onethinker.scoring.judge import Ask, Judge, JudgeError
from onethinker.tasks import get_task
from onethinker.tasks.base import Result, Score


class Scored(msgspec.Struct, frozen=True):
    """One answer's scores. lenient: under lenient reading, the same object where reading is the same or was not asked.

    failure: why both are of status `error`, where it is not the engine: a truth that is not usable, a grade that could
    not be had.
    """

    score: Score
    lenient: Score
    failure: DataError | JudgeError | None = None

    @property
    def problem(self) -> str:
        """The failure in words, empty where there is none."""
        prefix = "judge: " if isinstance(self.failure, JudgeError) else ""
        return f"{prefix}{self.failure}" if self.failure else ""


def score_many(
    samples: Sequence[Sample],
    answers: Sequence[Answer],
    *,
    lenient: bool = False,
    judge: Judge | None = None,
    in_group: bool = False,
) -> list[Scored]:
    """The scores of N answers to N samples, in order; those to one task are measured together.

    lenient: read leniently too. judge: its grade is the accuracy of free-text answers, in place of ROUGE, asked for all
    at once; an answer that reads as nothing keeps its 0 unasked. in_group: grades become (g − min) / (max − min) among
    the answers to one sample, 1 where all are equal, as the published run does; a group with a failure is normalised
    over the rest. Else a grade counts by itself. Raises TaskError for a sample of no task.
    """
    places: dict[str, list[int]] = {}
    for place, sample in enumerate(samples):
        places.setdefault(sample.task, []).append(place)
    made: dict[int, Scored] = {}
    for name, of_task in places.items():
        task, asked = get_task(name), ([samples[p] for p in of_task], [answers[p] for p in of_task])
        both = task.score_both(*asked) if lenient else [(found, found) for found in task.score_many(*asked)]
        made |= {place: _scored(*pair) for place, pair in zip(of_task, both, strict=True)}
    scored = [made[place] for place in range(len(samples))]
    return scored if judge is None else _judged(samples, answers, scored, judge, in_group)


def _scored(score: Result, lenient: Result) -> Scored:
    if isinstance(score, DataError):
        return _failed(score)
    return _failed(lenient) if isinstance(lenient, DataError) else Scored(score, lenient)


def _failed(error: DataError | JudgeError) -> Scored:
    return Scored(Score(Status.ERROR), Score(Status.ERROR), error)


# ---- a judge's grades -------------------------------------------------------------------------------------------


def _judged(
    samples: Sequence[Sample], answers: Sequence[Answer], scored: list[Scored], judge: Judge, in_group: bool
) -> list[Scored]:
    """With a judge's accuracy in the tasks that are judged, others as they are. ROUGE stays beside it."""
    made, places, asks = list(scored), [], []
    for place, (sample, answer, found) in enumerate(zip(samples, answers, scored, strict=True)):
        task = get_task(sample.task)
        if not task.judged or found.score.status is Status.ERROR:
            continue
        said = task.read(sample, answer).value
        if said is None:
            made[place] = _with(found, 0.0)
        else:
            places.append(place)
            asks.append(Ask(sample.question, sample.truth, said))
    grades = dict(zip(places, judge.grade(asks), strict=True)) if asks else {}
    good = {place: grade for place, grade in grades.items() if not isinstance(grade, JudgeError)}
    accuracy = _in_group(good, samples) if in_group else {p: judge.absolute(g) for p, g in good.items()}
    for place, grade in grades.items():
        made[place] = _failed(grade) if isinstance(grade, JudgeError) else _with(scored[place], accuracy[place])
    return made


def _with(found: Scored, accuracy: float) -> Scored:
    """A judge's accuracy in both readings, which are of the same text; R_acc is it too where the answer is ok."""

    def graded(score: Score) -> Score:
        earned = accuracy if score.status is Status.OK else 0.0
        parts = dict(score.components) | {"judge": accuracy}
        return replace(score, accuracy=accuracy, components=parts, r_acc=dict.fromkeys(score.r_acc, earned))

    score = graded(found.score)
    return Scored(score, score if found.lenient is found.score else graded(found.lenient))


def _in_group(grades: Mapping[int, float], samples: Sequence[Sample]) -> dict[int, float]:
    groups: dict[str, list[int]] = {}
    for place in grades:
        groups.setdefault(samples[place].digest(), []).append(place)
    made: dict[int, float] = {}
    for places in groups.values():
        low, high = min(grades[p] for p in places), max(grades[p] for p in places)
        made |= {p: (grades[p] - low) / (high - low) if high > low else 1.0 for p in places}
    return made
