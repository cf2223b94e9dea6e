"""Spans against shapely's lengths on a line, and at the edges of the definition."""

import numpy as np
import pytest
import shapely

from onethinker.measure import spans


def peer(a: list[float], b: list[float]) -> float:
    """IoU as lengths of line segments."""
    first, second = (shapely.LineString([(x[0], 0), (x[1], 0)]) for x in (a, b))
    return first.intersection(second).length / first.union(second).length


def test_both_formulas_are_the_lengths_of_line_segments():
    rng = np.random.default_rng(0)
    a, b = (np.sort(rng.uniform(0, 60, (500, 2)), axis=1) for _ in range(2))
    expected = [peer(x, y) for x, y in zip(a.tolist(), b.tolist())]
    np.testing.assert_allclose(spans.iou(a, b), expected, atol=1e-9)
    np.testing.assert_allclose(spans.iou_official(a, b), expected, atol=1e-9)


def test_reversed_span_scores_only_officially():
    assert spans.iou([[8, 2]], [[2, 8]]).tolist() == [0]
    assert spans.iou_official([[8, 2]], [[2, 8]]).tolist() == [1]


def test_official_spans_are_cut_to_the_clip():
    assert spans.iou_official([[-5, 100]], [[0, 10]], 10).tolist() == [1]
    assert spans.iou_official([[0, 20], [0, 20]], [[0, 10], [0, 10]], [10, 20]).tolist() == [1, 0.5]


@pytest.mark.parametrize(
    "pair", [([3, 3], [3, 3]), ([0, 1], [1, 2]), ([0, 1], [5, 6]), ([-1e308, 1e308], [-1e308, 1e308])]
)
def test_no_overlap_and_no_length_are_0(pair):
    assert spans.iou([pair[0]], [pair[1]]).tolist() == [0]
    assert spans.iou_official([pair[0]], [pair[1]]).tolist() == [0]


def test_recall_counts_the_threshold_itself():
    assert spans.recall_at([0.3, 0.29, 0.7, 0.3], 0.3) == 0.75
    assert spans.mean_iou([0.25, 0.75]) == 0.5
    assert np.isnan(spans.recall_at([], 0.5)) and np.isnan(spans.mean_iou([]))


def test_shapes_are_checked():
    with pytest.raises(ValueError, match=r"shape \(N, 2\)"):
        spans.iou([[1, 2, 3]], [[1, 2, 3]])
