"""Grades come in batches and every answer gets its own."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from onethinker.engines.base import Completion, EngineError, Sampling
from onethinker.evaluate.benchmarks import BENCHMARKS
from onethinker.evaluate.bootstrap import Bootstrap
from onethinker.evaluate.grading import AT_ONCE, batches, graded
from onethinker.evaluate.headline import measured
from onethinker.media import MediaBudget
from onethinker.sample import Sample, Samples
from onethinker.sample.answer import Status
from onethinker.scoring.judge import JudgeError
from onethinker.scoring.results import Settings, score_row
from onethinker.scoring.rollout import score_all
from onethinker.tasks.base import Score


class Lengths:
    """Grades an answer by its length; one that is `away` cannot be graded."""

    identity = "lengths"

    def __init__(self):
        self.batches = []

    def grade(self, asks):
        self.batches.append(len(asks))
        return [JudgeError("away") if ask.candidate == "away" else float(len(ask.candidate)) for ask in asks]

    def absolute(self, grade):
        return grade / 100


def question(name: str, task: str) -> Sample:
    return Sample(name, task, "text", "?", "3" if task == "numerical" else "a truth")


def said(text: str) -> list[Completion]:
    return [Completion(f"<think>.</think><answer>{text}</answer>", "stop")]


def test_every_answer_gets_its_own_grade_in_bounded_batches():
    count = AT_ONCE + 6
    samples = Samples((*(question(str(i), "caption") for i in range(count)), question("n", "numerical")), Path())
    answered = [(i, said("x" * (i % 7 + 1))) for i in range(count)]
    answered.insert(3, (count, said("3")))
    judge, found = Lengths(), {}
    for batch in batches(iter(answered), samples, judge):
        rollouts = [r for position, completions in batch for r in score_all(samples[position], completions)]
        found |= {p: pair for (p, _), pair in zip(batch, graded(rollouts, judge), strict=True)}
    assert judge.batches == [AT_ONCE, 6]
    assert next(iter(found)) == count and found.keys() == {position for position, _ in answered}
    number, none = found.pop(count)
    assert none is None and number.score.accuracy == 1.0
    for position, (same, grade) in found.items():
        assert same.sample.id == str(position)
        assert grade.accuracy == pytest.approx((position % 7 + 1) / 100)


def test_a_failed_grade_is_said_and_without_a_judge_nothing_waits():
    samples = Samples((question("0", "caption"),), Path())
    ((_, grade),) = graded(score_all(samples[0], said("away")), Lengths())
    assert isinstance(grade, JudgeError)
    endless = batches(((0, said("four")) for _ in iter(int, 1)), samples, None)
    ((position, completions),) = next(endless)
    assert position == 0 and graded(score_all(samples[0], completions), None)[0][1] is None


def test_what_was_answered_before_the_engine_failed_is_graded():
    def dying():
        yield 0, said("four")
        raise EngineError("gone")

    found = batches(dying(), Samples((question("0", "caption"),), Path()), Lengths())
    assert next(found) == [(0, said("four"))]
    with pytest.raises(EngineError, match="gone"):
        next(found)


def test_the_judge_is_part_of_a_results_identity():
    def digest(judge):
        return Settings("e", "p", Sampling(), MediaBudget(), "official", "", judge).digest()

    assert len({digest(""), digest("one"), digest("two")}) == 3


def row(name: str, score: Score, task: str = "multiple_choice") -> dict:
    return {"id": name, "task": task, "decoding": "greedy"} | score_row(score)


def test_a_benchmarks_number_is_over_questions_of_whatever_task():
    right = Score(Status.OK, 1.0)
    rows = [row("a", right), row("b", Score(Status.OK, 0.0)), row("c", right, "numerical"),
            row("d", Score(Status.NO_ANSWER, 1.0)), row("e", Score(Status.ERROR)), row("other", right)]  # fmt: skip
    samples = [Sample(name, "multiple_choice", "text", "?", "A") for name in "abcde"]
    found = measured(BENCHMARKS["mathvista"], rows, samples, "official", Bootstrap(50))
    assert (found["value"], found["n"], found["errors"], found["questions"]) == (0.5, 4, 1, 5)
    assert measured(BENCHMARKS["mathvista"], rows, samples, "released", Bootstrap(50))["value"] == 0.75


def test_masks_that_nobody_made_are_no_number():
    score = Score(Status.OK, 0.9, components={"iou": 0.9, "positive": 1.0, "negative": 1.0})
    samples = [Sample("a", "image_segmentation", "image", "?", "{}")]
    found = measured(BENCHMARKS["seg_refcoco"], [row("a", score, "image_segmentation")], samples, "official",
                     Bootstrap(50))  # fmt: skip
    assert (found["metric"], found["value"], found["low"]) == ("cIoU", None, None)
    assert not any(math.isnan(v) for v in found["published"].values())
