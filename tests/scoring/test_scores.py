"""Scores of answers to all sorts of tasks, with a judge and without."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from onethinker.engines.base import Completion
from onethinker.sample import DataError
from onethinker.sample.answer import Status, read_answer
from onethinker.scoring.judge import Ask, JudgeError
from onethinker.scoring.rollout import score_completions
from onethinker.scoring.scores import Scored, score_many
from onethinker.tasks import TASKS, TaskError, get_task, score
from tests.tasks.examples import respond, sample_of


def test_mixed_tasks_keep_their_order() -> None:
    samples = [sample_of(task, "12" if task == "math" else None) for task in TASKS] * 3
    answers = [read_answer(respond(s.truth if n % 2 else "7")) for n, s in enumerate(samples)]
    for sample, one, found in zip(samples, answers, score_many(samples, answers, lenient=True), strict=True):
        for given, lenient in ((found.score, False), (found.lenient, True)):
            expected = get_task(sample.task).score(sample, one, lenient=lenient)
            assert (given.status, given.format, given.tidy) == (expected.status, expected.format, expected.tidy)
            assert given.accuracy == pytest.approx(expected.accuracy, abs=1e-12)
            assert given.reward("hardened") == pytest.approx(expected.reward("hardened"), abs=1e-12)
    assert score_many([], []) == []


def test_a_bad_truth_is_its_own_rows_failure() -> None:
    samples = [sample_of("tracking"), sample_of("tracking", "{}"), sample_of("ocr")]
    found = score_many(samples, [read_answer(respond(sample.truth)) for sample in samples], lenient=True)
    assert [one.score.status for one in found] == [Status.OK, Status.ERROR, Status.OK]
    assert isinstance(found[1].failure, DataError) and found[1].problem.startswith("sample tracking-1")
    assert found[0].problem == ""
    with pytest.raises(TaskError, match="nearest is 'ocr'"):
        score_many([replace(sample_of("ocr"), task="orc")], [read_answer("x")])


def test_a_score_knows_how_long_its_answer_was() -> None:
    response = respond("TOTAL")
    [[found]] = score_completions([sample_of("ocr")], [[Completion(response, "stop", tokens=9)]])
    assert (found.score.characters, found.score.tokens) == (len(response), 9)
    for text in (response, "no tags", "<think>cut", "x" * 1_000_001):
        assert score(sample_of("ocr"), text).characters == len(text)
        assert score(sample_of("ocr"), text).tokens is None


# ---- a judge's grades -------------------------------------------------------------------------------------------


class Fixed:
    """Grades by the candidate's own words; "fail" fails."""

    identity = "fixed"

    def __init__(self) -> None:
        self.asked: list[Ask] = []

    def grade(self, asks: Any) -> list[float | JudgeError]:
        self.asked += asks
        return [JudgeError("no") if a.candidate == "fail" else float(a.candidate.split()[0]) for a in asks]

    def absolute(self, grade: float) -> float:
        return grade / 10


def graded(responses: list[str], task: str = "caption", **options: Any) -> tuple[list[Scored], Fixed]:
    samples, judge = [sample_of(task) for _ in responses], Fixed()
    return score_many(samples, [read_answer(r) for r in responses], judge=judge, **options), judge


def test_accuracy_is_the_judges_and_rouge_stays_beside_it() -> None:
    [scored], judge = graded([respond("8 dogs")], lenient=True)
    found = scored.score
    assert found.accuracy == 0.8 and found.components["judge"] == 0.8 and "rougeL" in found.components
    assert found.reward("released") == pytest.approx(0.9 * 0.8 + 0.1 + 0.5)
    assert found.reward("paper") == found.reward("hardened") == pytest.approx(1.8)
    assert scored.lenient is found
    assert judge.asked == [Ask("What is it?", sample_of("caption").truth, "8 dogs")]


def test_what_says_nothing_is_not_asked_and_bare_text_keeps_partial_credit() -> None:
    scored, judge = graded([respond(""), "9 cats", respond("8")], lenient=True)
    found = [one.score for one in scored]
    assert [s.status for s in found] == [Status.MALFORMED, Status.NO_ANSWER, Status.OK]
    assert [s.accuracy for s in found] == [0.0, 0.9, 0.8] and [s.components["judge"] for s in found] == [0.0, 0.9, 0.8]
    assert [s.reward("paper") for s in found] == [0.0, 0.0, 1.8]
    assert [(s.lenient.status, s.lenient.accuracy) for s in scored][1] == (Status.OK, 0.9)
    assert [a.candidate for a in judge.asked] == ["9 cats", "8"]


def test_other_tasks_and_errors_are_left_alone() -> None:
    [same], judge = graded([respond("5")], task="numerical")
    assert judge.asked == [] and same.score.accuracy == 0.0
    [failed] = score_many([sample_of("caption")], [read_answer("", "error")], judge=judge)
    assert failed.score.status is Status.ERROR and failed.problem == ""
    assert judge.asked == []


def test_in_its_group_a_grade_is_relative() -> None:
    found, _ = graded([respond(text) for text in ("2", "4", "fail", "6")], in_group=True)
    assert isinstance(found[2].failure, JudgeError) and found[2].problem == "judge: no"
    assert [s.score.accuracy for s in found if not s.failure] == [0.0, 0.5, 1.0]
    found, _ = graded([respond("3"), respond("3")], in_group=True)
    assert [s.score.accuracy for s in found] == [1.0, 1.0]
    samples = [sample_of("caption", id=str(n), question=f"{n}?") for n in (1, 1, 2, 2)]
    responses = [respond(text) for text in ("1", "2", "8", "9")]
    apart = score_many(samples, [read_answer(r) for r in responses], judge=Fixed(), in_group=True)
    assert [s.score.accuracy for s in apart] == [0.0, 1.0, 0.0, 1.0]


def test_each_completion_gets_its_own_grade_and_a_failure_is_said() -> None:
    samples = [sample_of("caption", id="a"), sample_of("numerical", "3"), sample_of("caption", id="b")]
    texts = [("2", "4"), ("3",), ("fail", "6")]
    completions = [[Completion(respond(text), "stop") for text in each] for each in texts]
    rollouts = score_completions(samples, completions, judge=Fixed())
    assert [[r.index for r in each] for each in rollouts] == [[0, 1], [0], [0, 1]]
    assert [[r.score.accuracy for r in each] for each in rollouts] == [[0.2, 0.4], [1.0], [0.0, 0.6]]
    failed = rollouts[2][0]
    assert (failed.score.status, failed.problem, failed.row()["error"]) == (Status.ERROR, "judge: no", "judge: no")
