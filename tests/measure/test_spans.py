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
    np.testing.assert_allclose(spans.iou_ordered(a, b), expected, atol=1e-9)


def timechat(a: list[float], b: list[float]) -> float:
    """IoU as TimeChat's, VTimeLLM's and LLaVA-ST's tools define it, span by span."""
    return max(0.0, min(a[1], b[1]) - max(a[0], b[0])) / (max(a[1], b[1]) - min(a[0], b[0]))


def lita(a: list[float], b: list[float], duration: float) -> float:
    """IoU as LITA's tool has it, of times as its parser leaves them."""
    first = sorted(min(max(x, 0), duration) for x in a)
    inter = max(min(first[1], b[1]) - max(first[0], b[0]), 0)
    union = first[1] - first[0] + b[1] - b[0] - inter
    return inter / union if union else 0.0


def test_any_span_is_measured_as_the_tools_do():
    """In any order, beyond the clip, before its start."""
    rng = np.random.default_rng(1)
    a, b = rng.uniform(-20, 80, (500, 2)).round(1), np.sort(rng.uniform(0, 60, (500, 2)).round(1), axis=1)
    b[:, 1] += 0.1
    pairs = list(zip(a.tolist(), b.tolist()))
    np.testing.assert_allclose(spans.iou(a, b), [timechat(x, y) for x, y in pairs], atol=1e-12)
    np.testing.assert_allclose(spans.iou_ordered(a, b, 61), [lita(x, y, 61) for x, y in pairs], atol=1e-12)


def test_a_reversed_span_scores_in_litas_tool_alone():
    assert spans.iou([[20, 10]], [[10, 20]]).tolist() == [0]
    assert spans.iou_ordered([[20, 10]], [[10, 20]]).tolist() == [1]


def test_ordered_spans_are_cut_to_the_clip():
    assert spans.iou_ordered([[-5, 100]], [[0, 10]], 10).tolist() == [1]
    assert spans.iou_ordered([[0, 20], [0, 20]], [[0, 10], [0, 10]], [10, 20]).tolist() == [1, 0.5]


@pytest.mark.parametrize(
    "pair", [([3, 3], [3, 3]), ([0, 1], [1, 2]), ([0, 1], [5, 6]), ([-1e308, 1e308], [-1e308, 1e308])]
)
def test_no_overlap_and_no_length_are_0(pair):
    assert spans.iou([pair[0]], [pair[1]]).tolist() == [0]
    assert spans.iou_ordered([pair[0]], [pair[1]]).tolist() == [0]


def test_recall_counts_the_threshold_itself():
    assert spans.recall_at([0.3, 0.29, 0.7, 0.3], 0.3) == 0.75
    assert spans.mean_iou([0.25, 0.75]) == 0.5
    assert np.isnan(spans.recall_at([], 0.5)) and np.isnan(spans.mean_iou([]))


def test_shapes_are_checked():
    with pytest.raises(ValueError, match=r"shape \(N, 2\)"):
        spans.iou([[1, 2, 3]], [[1, 2, 3]])
