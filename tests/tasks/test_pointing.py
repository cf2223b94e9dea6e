"""Pointing: inside boxes and masks, one point an instance, as Molmo's and ScreenSpot's evaluations count."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist

from onethinker.measure import masks as measure_masks
from onethinker.sample import DataError
from onethinker.sample.answer import Status, read_answer
from onethinker.tasks import TASKS, score
from tests.amount import many
from tests.tasks.examples import respond, sample_of

TASK = TASKS["pointing"]


def peer(said: np.ndarray, true: np.ndarray, inside: np.ndarray) -> tuple[float, float, float]:
    """Precision, recall and F1 as Molmo's `PointingEval` has them, written afresh: matched by distance, then tested."""
    if not len(true):
        return (float(not len(said)),) * 3
    if not len(said):
        return 0.0, 0.0, 0.0
    rows, columns = linear_sum_assignment(cdist(said, true))
    right = sum(inside[i, j] for i, j in zip(rows, columns))
    precision, recall = right / len(said), right / len(true)
    return precision, recall, 2 * precision * recall / (precision + recall + 1e-10) if right else 0.0


def test_rates_are_molmos() -> None:
    rng = np.random.default_rng(2)
    some, cases = 0, many(300, 60)
    for _ in range(cases):
        true = rng.integers(100, 900, (rng.integers(0, 5), 2))
        near = true[rng.random(len(true)) < 0.8] + rng.normal(0, 40, 2).round()
        said = np.concatenate([near, rng.integers(0, 1000, (rng.integers(0, 3), 2))])
        boxes = np.concatenate([true - 60, true + 60], axis=1)
        inside = np.array([[all(b[:2] <= p) and all(p <= b[2:]) for b in boxes] for p in said])
        truth = json.dumps({"points": true.tolist(), "boxes": boxes.tolist()})
        found = score(sample_of("pointing", truth), respond(json.dumps({"points": said.tolist()})))
        metrics = TASK.metrics([found])
        expected = peer(said, true, inside.reshape(len(said), len(true)))
        assert (metrics["precision"], metrics["recall"], metrics["F1"]) == pytest.approx(expected, abs=1e-9)
        assert found.accuracy >= metrics["F1"] - 1e-12, "the best matching is no worse than that by distance"
        some += 0 < found.accuracy < 1
    assert some > cases // 6


def test_a_point_counts_inside_its_mask_at_the_nearest_pixel() -> None:
    mask = np.zeros((50, 100), bool)
    mask[10:20, 40:60] = True
    sample = sample_of("pointing", '{"points": [[500, 300]]}', meta={"masks": [measure_masks.encode(mask)]})
    inside, outside = ([500, 300], [400, 200], [589, 389]), ([596, 300], [500, 100], [-5, 300])
    for point, expected in [*((p, 1) for p in inside), *((p, 0) for p in outside)]:
        assert score(sample, respond(json.dumps({"points": [point]}))).accuracy == expected, point


def test_one_click_is_in_the_box_or_not_edges_included() -> None:
    """ScreenSpot's: left ≤ x ≤ right and top ≤ y ≤ bottom, of the first point; other questions have no such metric."""
    truth = '{"points": [[200, 300]], "boxes": [[100, 200, 300, 400]]}'
    for points, click, accuracy in (
        ([[100, 200]], 1, 1), ([[300, 400]], 1, 1), ([[301, 300]], 0, 0), ([], 0, 0),
        ([[150, 250], [900, 900]], 1, 2 / 3), ([[900, 900], [150, 250]], 0, 2 / 3),
    ):  # fmt: skip
        found = score(sample_of("pointing", truth), respond(json.dumps({"points": points})))
        assert (TASK.metrics([found])["click"], found.accuracy) == (click, pytest.approx(accuracy))
    assert "click" not in TASK.metrics([score(sample_of("pointing"), respond('{"points": [[1, 2]]}'))])


def test_a_point_too_many_costs() -> None:
    fair = score(sample_of("pointing"), respond('{"points": [[200, 300]]}')).accuracy
    for more in ([[210, 310]], [[5, 5]], [[x, y] for x in range(0, 1000, 100) for y in range(0, 1000, 100)]):
        assert score(sample_of("pointing"), respond(json.dumps({"points": [[200, 300], *more]}))).accuracy < fair


def test_nothing_there_is_right_to_say() -> None:
    none: dict[str, list[Any]] = {"points": [], "boxes": []}
    assert score(sample_of("pointing", json.dumps(none)), respond('{"points": []}')).accuracy == 1
    assert score(sample_of("pointing", json.dumps(none)), respond('{"points": [[1, 2]]}')).accuracy == 0


@pytest.mark.parametrize(
    ("truth", "meta"),
    [
        ('{"points": [[1, 2]]}', {}),
        ('{"points": [[1, 2]], "boxes": [[0, 0, 5, 5], [1, 1, 9, 9]]}', {}),
        ('{"points": [[1, 2]], "boxes": [[0, 0, 5]]}', {}),
        ('{"points": [[1, 2]]}', {"masks": [{"size": [2, 2], "counts": [9]}]}),
    ],
)
def test_a_truth_needs_a_region_a_point(truth: str, meta: dict[str, Any]) -> None:
    with pytest.raises(DataError, match="sample pointing-1"):
        score(sample_of("pointing", truth, meta=meta), respond('{"points": [[1, 2]]}'))


@pytest.mark.parametrize(
    "text",
    [
        '<points x1="20.0" y1="30.0" x2="70" y2="65" alt="cats">cats</points>',
        '[{"point_2d": [200, 300], "label": "a"}, {"point_2d": [700, 650]}]',
        '{"points": [[0.2, 0.3], [0.7, 0.65]]}',
        "```json\n{'points': [[200, 300], [700, 650]]}\n```",
    ],
)
def test_lenient_reading_takes_the_forms_of_other_models(text: str) -> None:
    answer = read_answer(respond(text))
    assert TASK.score(sample_of("pointing"), answer).accuracy < 1
    found = TASK.score(sample_of("pointing"), answer, lenient=True)
    assert (found.status, found.accuracy) == (Status.OK, 1)
