"""The matching of three points against scipy's assignment."""

import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist

from onethinker.measure import points


def test_matching_is_scipys():
    rng = np.random.default_rng(0)
    pred, true = rng.uniform(0, 1000, (2, 1000, 3, 2))
    expected, in_order = [], []
    for p, t in zip(pred, true):
        distance = cdist(p, t)
        rows, columns = linear_sum_assignment(distance)
        expected.append(distance[rows, columns].mean())
        in_order.append(np.diagonal(distance).mean())
    assert np.mean(np.array(in_order) > np.array(expected) + 1) > 0.5
    np.testing.assert_allclose(points.matched_distance(pred, true), expected, rtol=1e-12)


def test_order_does_not_matter():
    true = [[10, 10], [500, 20], [30, 900]]
    assert points.matched_distance(true[::-1], true).tolist() == [0]


def test_similarity_by_hand():
    np.testing.assert_allclose(points.similarity([0, 50, 100]), [1, np.exp(-0.5), np.exp(-2)])
    assert points.similarity(1e308) == 0
    assert points.similarity(7, sigma=7) == points.similarity(50)


def test_far_points_score_0():
    far = points.matched_distance([[[1e308, -1e308]] * 3], [[[-1e308, 1e308]] * 3])
    assert points.similarity(far).tolist() == [0]


def test_shapes_are_checked():
    with pytest.raises(ValueError, match=r"\(N, 3, 2\)"):
        points.matched_distance(np.zeros((1, 2, 2)), np.zeros((1, 2, 2)))
