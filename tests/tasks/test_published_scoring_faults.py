"""What the published code gets wrong in reading and scoring answers, each shown not to happen here."""

from __future__ import annotations

import json
import math

import pytest
from msgspec.structs import replace

from onethinker.engines.base import Completion
from onethinker.sample.answer import Status, read_answer
from onethinker.scoring.rollout import score_completions
from onethinker.tasks import TASKS, score
from tests.tasks.examples import respond, sample_of


@pytest.mark.parametrize("text", ["12/24", "a / b", "x < y > z", "km/h <b> 3 / 4"])
def test_white_space_around_slashes_and_brackets_stays(text: str) -> None:
    assert score(sample_of("ocr", truth=text), respond(text)).accuracy == 1.0


def test_two_well_formed_boxes_have_an_iou() -> None:
    found = score(sample_of("spatial_grounding"), respond('{"boxes": [100, 200, 500, 500]}'))
    assert found.components["iou"] == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("answer", "right"),
    [("Don't know", False), ("ERROR", False), ("Dog", False), ("(D)", True), ("D.", True), ("**D**", True),
     ("Option D", True), ("A or D", False), ("cannot be seen", True)],
)  # fmt: skip
def test_a_choice_is_not_its_first_letter(answer: str, right: bool) -> None:
    assert score(sample_of("multiple_choice", truth="D"), respond(answer)).accuracy == float(right)
    if answer == "ERROR":
        assert score(sample_of("multiple_choice", truth="E", options=()), respond(answer)).accuracy == 0.0


def test_an_answer_inside_the_thinking_is_not_taken() -> None:
    sample = sample_of("multiple_choice", truth="B")
    inside = "<think>perhaps <answer>B</answer>, no</think>"
    assert score(sample, inside + "<answer>C</answer>").accuracy == 0.0
    assert score(sample, inside).status is Status.NO_ANSWER
    assert score(sample, inside).accuracy == 0.0
    assert score(sample, "<think>perhaps <answer>C</answer></think><answer>B</answer>").accuracy == 1.0


def test_a_failed_batch_is_an_error_not_an_answer() -> None:
    for name in TASKS:
        rollout = score_completions([sample_of(name)], [[Completion("", "error", error="out of memory")]])[0][0]
        assert rollout.score.status is Status.ERROR
        assert math.isnan(rollout.score.reward())


def test_unparsed_segmentations_count_in_the_average() -> None:
    task, sample = TASKS["image_segmentation"], sample_of("image_segmentation")
    right, wrong = score(sample, respond(sample.truth)), score(sample, respond("no idea"))
    assert task.metrics([right, wrong])["accuracy"] == pytest.approx(0.5)
    masked = [
        replace(right, evidence={"mask": {"inter": 90, "union": 100}}),
        replace(wrong, evidence={"mask": {"inter": 0, "union": 300}}),
    ]
    metrics = task.metrics(masked)
    assert next(iter(metrics)) == "cIoU"
    assert (metrics["cIoU"], metrics["gIoU"]) == (pytest.approx(90 / 400), pytest.approx(0.45))


def test_one_right_box_of_eleven_is_no_perfect_tube() -> None:
    box = [100, 200, 300, 400]
    truth = {"time": [0.0, 10.0], "boxes": {str(k): box for k in range(11)}}
    sample = sample_of("spatial_temporal_grounding", truth=json.dumps(truth))
    found = score(sample, respond(json.dumps({"time": [0.0, 10.0], "boxes": {"5": box}})))
    task = TASKS["spatial_temporal_grounding"]
    assert task.metrics([found], "released")["sIoU"] == 1.0
    assert task.metrics([found], "official")["sIoU"] == pytest.approx(1 / 11)
    assert found.reward("paper") == pytest.approx(3.0)
    assert found.reward("hardened") == pytest.approx(2 + 1 / 11)


@pytest.mark.parametrize("answer", ["inf", "Infinity", "1e999", "nan", "-inf"])
def test_numbers_are_finite(answer: str) -> None:
    for name in ("numerical", "regression"):
        assert score(sample_of(name, truth="3"), respond(answer)).status is Status.MALFORMED
    if answer != "1e999":  # a number like any other to mathematics
        assert score(sample_of("math", truth=answer), respond(answer)).accuracy == 0.0


@pytest.mark.parametrize("answer", ["triangle", "Triangle", "$\\text{triangle}$"])
def test_a_word_equals_itself_in_mathematics(answer: str) -> None:
    assert score(sample_of("math", truth="triangle"), respond(answer)).accuracy == 1.0


def test_one_malformed_part_does_not_raise_the_rest_away() -> None:
    sample = sample_of("spatial_temporal_grounding")
    boxes = json.loads(sample.truth)["boxes"]
    found = score(sample, respond(json.dumps({"time": "soon", "boxes": boxes})))
    assert (found.status, found.accuracy) == (Status.MALFORMED, pytest.approx(0.5))
    points = {k: v for k, v in json.loads(sample_of("image_segmentation").truth).items() if k != "boxes"}
    found = score(sample_of("image_segmentation"), respond(json.dumps(points)))
    assert (found.status, found.accuracy) == (Status.MALFORMED, pytest.approx(0.5))
    assert found.reward("paper") == 0.0


def test_lenient_reading_is_a_second_column() -> None:
    task, sample = TASKS["temporal_grounding"], sample_of("temporal_grounding")
    answer = read_answer(respond("```json\n{'time': ['00:03.5', '9.25s'],}\n```"))
    strict, lenient = task.score(sample, answer), task.score(sample, answer, lenient=True)
    assert (strict.status, strict.accuracy) == (Status.MALFORMED, 0.0)
    assert (lenient.status, lenient.accuracy) == (Status.OK, pytest.approx(1.0))
