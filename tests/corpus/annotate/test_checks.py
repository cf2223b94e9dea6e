"""Each check refuses what it is there for, and lets good thinking pass."""

from __future__ import annotations

import pytest

from onethinker.corpus.annotate.checks import CHECKS, Candidate, failed_checks
from onethinker.corpus.annotate.settings import load_settings
from onethinker.sample import Sample
from onethinker.sample.answer import read_answer
from tests.amount import many

RULES = load_settings().rules
GOOD = "There is a large red circle on the left and a small blue square beside it, so two shapes can be counted."


def candidate(thinking: str, answer: str = "A", task: str = "multiple_choice", **known) -> Candidate:
    given = {k: known.pop(k) for k in ("given", "seconds") if k in known}
    fields = {"modality": "image", "question": "Which?", "truth": "A", "media": ("a.png",)} | known
    sample = Sample("s", task, options=("A. red", "B. blue", "C. green"), **fields)
    return Candidate(sample, read_answer(f"<think>{thinking}</think><answer>{answer}</answer>"), **given)


def failed(thinking: str, answer: str = "A", task: str = "multiple_choice", **known) -> list[str]:
    return list(failed_checks(candidate(thinking, answer, task, **known), RULES))


@pytest.mark.parametrize("claim", ["", " The answer is A.", " So the answer is (A) red.", " Answer: A, the red one."])
def test_good_thinking_passes(claim):
    assert failed(GOOD + claim) == []


@pytest.mark.parametrize(
    ("name", "thinking"),
    [
        ("length", "Red."),
        ("length", " ".join(f"word{i}" for i in range(1501))),
        ("language", GOOD + " Эта фигура больше, чем все остальные фигуры на картинке."),
        ("language", "图中有一个很大的红色圆形在左边还有一个很小的蓝色正方形"),
        ("repeats", "it is on the left side of it " * 8),
        ("leak", GOOD + " This matches the given answer."),
        ("leak", GOOD + " The ground truth says red."),
        ("leak", GOOD + " I was told it is red."),
        ("refusal", GOOD + " I cannot see the colours."),
        ("refusal", GOOD + " As an AI model I do not look."),
        ("own_answer", GOOD + " The answer is B."),
        ("own_answer", GOOD + " So option C is right."),
        ("visible", GOOD + " In the third image it is gone."),
        ("visible", GOOD + " In the video it moves."),
    ],
)
def test_each_check_refuses_what_it_is_there_for(name, thinking):
    assert failed(thinking) == [name]


def test_a_script_of_the_question_may_be_used():
    assert failed(GOOD + " 红色 红色 红色", question="图中哪个是红色?") == []


def test_an_answer_that_the_thinking_names_is_read_and_measured_as_the_task_does():
    assert failed(GOOD + " The answer is 3.140.", "3.14", "numerical", truth="1") == []
    assert failed(GOOD + " The answer is 4.", "3.14", "numerical", truth="4") == ["own_answer"]
    box = '{"boxes": [100, 100, 500, 500]}'
    assert failed(GOOD + ' The answer is {"boxes": [110, 100, 500, 500]}.', box, "spatial_grounding", truth=box) == []
    far = GOOD + ' The answer is {"boxes": [600, 600, 700, 700]}.'
    assert failed(far, box, "spatial_grounding", truth=box) == ["own_answer"]
    assert failed(GOOD + " The answer is near the middle.", box, "spatial_grounding", truth=box) == []


def test_answers_in_words_of_their_own_are_not_compared():
    assert failed(GOOD + " The answer is that he sleeps.", "A man lies in bed.", "open_ended", truth="x") == []


def test_what_cannot_be_seen_is_refused_where_it_can_be_checked():
    span = '{"time": [1, 2]}'
    clip = {"task": "temporal_grounding", "modality": "video", "media": ("a.mp4",), "truth": span, "answer": span}
    assert failed(GOOD + " It starts at 3.5 s.", seconds=4.0, **clip) == []
    assert failed(GOOD + " It starts at 45 seconds.", seconds=4.0, **clip) == ["visible"]
    assert failed(GOOD + " It starts at 45 seconds.", **clip) == []  # nobody knows how long the clip is
    box = '{"boxes": [1, 2, 3, 4]}'
    spot = {"task": "spatial_grounding", "truth": box, "answer": box}
    assert failed(GOOD + " Its box is [10, 20, 1000, 40].", **spot) == []
    assert failed(GOOD + " Its box is [10, 20, 1800, 40].", **spot) == ["visible"]


def test_a_truth_that_was_shown_may_not_begin_the_thinking():
    words = "The answer is 12 since twelve of them stand in three rows of four each."
    assert failed(words, "12", "numerical", truth="12") == []
    assert failed(words, "12", "numerical", truth="12", given=True) == ["leak"]


def test_checks_can_be_left_out_by_name():
    rules = load_settings(rules=RULES.model_dump() | {"skip": list(CHECKS)}).rules
    assert failed_checks(candidate("I cannot see it. The answer is B."), rules) == {}


def test_hostile_thinking_is_read_in_time():
    for piece in ("a", "[", "the answer is ", "1, ", "\\frac{"):
        failed(piece * (many(300_000, 100_000) // len(piece)), seconds=3.0)
