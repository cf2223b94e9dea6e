"""Detection: labels, scores, what a box too many costs, and the pooled metrics of answers."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from onethinker.sample.answer import Status, read_answer
from onethinker.tasks import TASKS, score
from tests.tasks.examples import respond, sample_of

TASK = TASKS["detection"]
BOXES = ([100, 200, 500, 800], [500, 100, 900, 400])


def said(*objects: tuple[str, list[int]]) -> str:
    return json.dumps({"objects": [{"label": label, "box": box} for label, box in objects]})


def earned(answer: str, truth: str | None = None, profile: str = "hardened") -> float:
    return score(sample_of("detection", truth), respond(answer)).reward(profile)


def test_labels_are_compared_without_case_and_space() -> None:
    assert earned(said((" CAT", BOXES[0]), ("Dog", BOXES[1]))) == 2
    found = score(sample_of("detection"), respond(said(("dog", BOXES[0]), ("dog", BOXES[1]))))
    assert found.accuracy == pytest.approx(0.5) and found.components["recall"] == pytest.approx(0.5)


def test_nothing_to_find_is_right_to_say() -> None:
    none = '{"objects": []}'
    assert earned(none, none) == 2 and earned(said(("cat", BOXES[0])), none) == 1 == earned(none)
    assert TASK.metrics([score(sample_of("detection", none), respond(none))])["F1@0.5"] == 1


def test_more_boxes_never_pay_but_for_what_they_find() -> None:
    """An honest answer and the same with doubles, a grid, the whole picture, small random boxes or more labels."""
    rng = np.random.default_rng(1)
    truth = said(("cat", BOXES[0]), ("dog", BOXES[1]))
    honest = [("cat", [110, 190, 520, 790])]
    grid = [("dog", [x, y, x + 250, y + 250]) for x in range(0, 1000, 250) for y in range(0, 1000, 250)]
    noise = [("dog", [x, y, x + 60, y + 60]) for x, y in rng.integers(0, 900, (30, 2)).tolist()]
    fair = earned(said(*honest), truth)
    for spam in (honest, grid, noise, [("dog", [0, 0, 1000, 1000])], [("cow", BOXES[1])]):
        assert earned(said(*honest, *spam), truth) < fair
    assert earned(said(*honest, ("dog", [520, 110, 880, 420])), truth) > fair
    assert earned(said(*grid), truth) < 1.05, "all over the picture is worth no more than nothing"


def test_a_tighter_box_earns_more() -> None:
    one = said(("cat", [100, 100, 500, 500]))
    rewards = [earned(said(("cat", [100 + d, 100, 500 + d, 500])), one) for d in range(0, 400, 20)]
    assert rewards == sorted(rewards, reverse=True) and rewards[0] == 2 and rewards[-1] == 1


def test_metrics_are_pooled_over_answers() -> None:
    right, half, none = (
        score(sample_of("detection"), respond(answer))
        for answer in (said(("cat", BOXES[0]), ("dog", BOXES[1])), said(("cat", BOXES[0])), "sorry")
    )
    found = TASK.metrics([right, half, none])
    assert none.status is Status.MALFORMED
    assert found["F1@0.5"] == pytest.approx(2 * 3 / (3 + 6))
    assert (found["precision@0.5"], found["recall@0.5"]) == (1, pytest.approx(0.5))
    assert list(found) == ["F1@0.5", "precision@0.5", "recall@0.5", "AP", "AP50", "AP75"]
    assert 0.3 < found["AP50"] < 0.6 and found["AP"] == found["AP75"]


def test_official_counts_only_answers_that_are_ok() -> None:
    bare = score(sample_of("detection"), said(("cat", BOXES[0]), ("dog", BOXES[1])))
    assert bare.status is Status.NO_ANSWER
    assert TASK.metrics([bare], "official")["AP"] == 0 and TASK.metrics([bare], "released")["AP"] == pytest.approx(1)
    assert all(math.isnan(value) for value in TASK.metrics([]).values())


def test_scores_rank_boxes_where_they_are_given() -> None:
    truth = said(("cat", BOXES[0]))
    pair = [{"label": "cat", "box": [0, 0, 50, 50], "score": 0.1}, {"label": "cat", "box": BOXES[0], "score": 0.9}]
    for objects, expected in ((pair, 1.0), ([{k: v for k, v in o.items() if k != "score"} for o in pair], 0.5)):
        found = score(sample_of("detection", truth), respond(json.dumps({"objects": objects})))
        assert TASK.metrics([found])["AP"] == pytest.approx(expected, abs=0.01)


@pytest.mark.parametrize(
    "text",
    [
        '[{"bbox_2d": [100, 200, 500, 800], "label": "cat"}, {"bbox_2d": [500, 100, 900, 400], "label": "dog"}]',
        '```json\n[{"bbox": [100, 200, 500, 800], "label": "cat"}, {"box": [900, 400, 500, 100], "label": "dog"}]\n```',
        "{'objects': [{'label': 'cat', 'box': [100, 200, 500, 800]}, {'label': 'dog', 'box': [500, 100, 900, 400]},]}",
    ],
)
def test_lenient_reading_takes_qwens_form(text: str) -> None:
    answer = read_answer(respond(text))
    assert TASK.score(sample_of("detection"), answer).status is Status.MALFORMED
    assert TASK.score(sample_of("detection"), answer, lenient=True).accuracy == pytest.approx(1)


@pytest.mark.parametrize(
    "text",
    [
        '{"objects": {"label": "cat"}}',
        '{"objects": [{"box": [1, 2, 3, 4]}]}',
        '{"objects": [{"label": 3, "box": [1, 2, 3, 4]}]}',
        '{"objects": [{"label": "cat", "box": [1, 2, 3]}]}',
        json.dumps({"objects": [{"label": "x" * 201, "box": [1, 2, 3, 4]}]}),
        json.dumps({"objects": [{"label": "x", "box": [1, 2, 3, 4]}] * 1001}),
        '{"objects": [{"label": "\\ud800", "box": [1, 2, 3, 4]}]}',
    ],
)
def test_other_forms_are_malformed(text: str) -> None:
    assert score(sample_of("detection"), respond(text)).status is Status.MALFORMED
