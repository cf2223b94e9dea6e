"""Boxes against pycocotools, and at the edges of the definition."""

import numpy as np
import pytest
from pycocotools import mask as coco

from onethinker.measure import boxes


def some_boxes(count: int, seed: int, spread: float = 1000.0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    corner = rng.uniform(0, spread, (count, 2))
    return np.concatenate([corner, corner + rng.uniform(1, spread / 2, (count, 2))], axis=1)


def test_iou_is_pycocotools():
    a, b = some_boxes(2000, 1), some_boxes(2000, 2)
    wide = [np.concatenate([x[:, :2], x[:, 2:] - x[:, :2]], axis=1) for x in (a, b)]
    peer = np.array([coco.iou([x], [y], [0])[0, 0] for x, y in zip(*wide)])
    assert (peer > 0.1).sum() > 100
    np.testing.assert_allclose(boxes.iou(a, b), peer, atol=1e-12)


def test_area_and_pieces():
    assert boxes.area([[0, 0, 3, 2], [3, 2, 0, 0], [1, 1, 1, 9]]).tolist() == [6, 0, 0]
    inter, union = boxes.intersection_union([[0, 0, 4, 4]], [[2, 2, 6, 6]])
    assert (inter.tolist(), union.tolist()) == ([4], [28])


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ([5, 5, 5, 5], [5, 5, 5, 5]),
        ([9, 9, 1, 1], [1, 1, 9, 9]),
        ([9, 9, 1, 1], [9, 9, 1, 1]),
        ([0, 0, 1, 1], [1, 0, 2, 1]),
        ([-1e308, -1e308, 1e308, 1e308], [-1e308, -1e308, 1e308, 1e308]),
    ],
)
def test_no_overlap_and_no_area_are_0(a, b):
    assert boxes.iou([a], [b]).tolist() == [0.0]


def test_iou_stays_within_0_and_1():
    rng = np.random.default_rng(5)
    a, b = (rng.choice([-1e300, -1.5, 0, 1e-300, 1 / 3, 7, 1e160, 1e300], (5000, 4)) for _ in range(2))
    values = boxes.iou(a, b)
    assert values.min() >= 0 and values.max() <= 1


def test_accuracy_counts_the_threshold_itself():
    assert boxes.accuracy_at([0.5, 0.49, 1.0, 0.0], 0.5) == 0.5
    assert np.isnan(boxes.accuracy_at([], 0.5))


def test_shapes_are_checked():
    assert boxes.iou(np.zeros((0, 4)), np.zeros((0, 4))).shape == (0,)
    with pytest.raises(ValueError, match=r"shape \(N, 4\)"):
        boxes.iou([[1, 2, 3]], [[1, 2, 3]])
    with pytest.raises(ValueError, match="2 on one side, 1 on the other"):
        boxes.iou([[0, 0, 1, 1]] * 2, [[0, 0, 1, 1]])
