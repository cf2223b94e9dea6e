"""The answer that the others agree with, worked by hand for each kind of answer, and its calibration."""

from __future__ import annotations

import pytest

from onethinker.sample import DataError, Sample
from onethinker.sample.answer import read_answer
from onethinker.scoring.consensus import calibration, consensus


def said(*texts: str):
    return [read_answer(f"<think>t</think><answer>{text}</answer>") for text in texts]


def question(task: str, **fields) -> Sample:
    return Sample("q", task, "image", "?", "", **fields)


def test_letters_are_voted_on_and_boxes_taken_from_the_middle() -> None:
    letters = question("multiple_choice", options=("A. red", "B. green", "C. blue"))
    (found,) = consensus([letters], [said("A", "(B)", "B. green", "nonsense that is none", "B")])
    assert (found.index, found.agreement) == (1, pytest.approx(2 / 4))
    boxes = [
        '{"boxes":[0,0,100,100]}',
        '{"boxes":[0,0,100,110]}',
        '{"boxes":[0,0,100,120]}',
        '{"boxes":[500,500,600,600]}',
    ]
    (found,) = consensus([question("spatial_grounding")], [said(*boxes)])
    assert found.index == 1 and found.agreement == pytest.approx((100 / 110 + 110 / 120 + 0) / 3)
    spans = [f'{{"time":[{s},{s + 2}]}}' for s in (1.0, 1.5, 3.0)]
    (found,) = consensus([question("temporal_grounding")], [said(*spans)])
    assert found.index == 1


def test_what_cannot_be_read_agrees_with_none() -> None:
    letters = question("multiple_choice", options=("A. red", "B. green"))
    found = consensus([letters, letters], [said("no letter at all", "neither"), said("no letter at all", "A")])
    assert [(c.index, c.agreement) for c in found] == [(0, 0.0), (1, 0.0)]  # one that can be read, where there is one
    assert consensus([letters], [said("A")])[0].agreement == 0.0
    assert consensus([], []) == []
    with pytest.raises(DataError, match="without answers"):
        consensus([letters], [[]])


def test_calibration_by_hand() -> None:
    found = calibration([0.95, 0.85, 0.15, 0.15], [1, 0, 0, 1])
    assert found["bins"] == [(0.15, 0.5, 2), (0.85, 0.0, 1), (0.95, 1.0, 1)]
    assert found["ece"] == pytest.approx((2 * 0.35 + 0.85 + 0.05) / 4)
    assert found["coverage"] == {"0.25": 1.0, "0.5": 0.5, "0.75": pytest.approx(1 / 3), "1": 0.5}
    assert calibration([1.0], [1.0])["ece"] == 0.0
