"""Axis-aligned boxes `x1, y1, x2, y2`, many pairs at once.

A box whose right or lower edge does not lie beyond its left or upper edge has no area. 0/0 is 0, and so is a ratio
whose area is too large for a float: a measure of a pair is never NaN.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]


def _boxes(boxes_N4: ArrayLike) -> Floats:
    array = np.asarray(boxes_N4, dtype=np.float64)
    if array.ndim == 1 and array.size in (0, 4):
        array = array.reshape(-1, 4)
    if array.ndim != 2 or array.shape[1] != 4:
        raise ValueError(f"expected boxes of shape (N, 4) as x1, y1, x2, y2, got shape {array.shape}")
    return array


def _pairs(a_N4: ArrayLike, b_N4: ArrayLike) -> tuple[Floats, Floats]:
    a, b = _boxes(a_N4), _boxes(b_N4)
    if a.shape != b.shape:
        raise ValueError(f"boxes are compared pair by pair: {len(a)} on one side, {len(b)} on the other")
    return a, b


def _ratio(part_N: Floats, whole_N: Floats) -> Floats:
    """part / whole, 0 where the whole is 0 or not finite."""
    usable = np.isfinite(whole_N) & (whole_N > 0)
    return np.divide(part_N, whole_N, out=np.zeros_like(part_N), where=usable)


def area(boxes_N4: ArrayLike) -> Floats:
    """max(0, x2 − x1) · max(0, y2 − y1), in squared units of the coordinates, shape (N,)."""
    return _area(*_boxes(boxes_N4).T)


def _area(x1_N: Floats, y1_N: Floats, x2_N: Floats, y2_N: Floats) -> Floats:
    with np.errstate(over="ignore", invalid="ignore"):
        return np.maximum(x2_N - x1_N, 0.0) * np.maximum(y2_N - y1_N, 0.0)


def intersection_union(a_N4: ArrayLike, b_N4: ArrayLike) -> tuple[Floats, Floats]:
    """Areas of the intersection and of the union of each pair, both of shape (N,)."""
    a_4N, b_4N = (side.T.copy() for side in _pairs(a_N4, b_N4))
    common = _area(*np.maximum(a_4N[:2], b_4N[:2]), *np.minimum(a_4N[2:], b_4N[2:]))
    area_a, area_b = _area(*a_4N), _area(*b_4N)
    inter = np.where((area_a > 0) & (area_b > 0), common, 0.0)
    with np.errstate(over="ignore", invalid="ignore"):
        return inter, area_a + area_b - inter


def iou(a_N4: ArrayLike, b_N4: ArrayLike) -> Floats:
    """Intersection over union |A∩B| / |A∪B| of each pair, shape (N,), 0 to 1.

    Source: the Jaccard index, as pycocotools computes it for boxes without a crowd flag.
    """
    return _ratio(*intersection_union(a_N4, b_N4))


def accuracy_at(ious_N: ArrayLike, threshold: float = 0.5) -> float:
    """Share of pairs with IoU ≥ threshold, 0 to 1; NaN without pairs.

    Source: RefCOCO's Acc@0.5 with ≥, as the evaluations of MDETR and Qwen-VL count it.
    """
    ious = np.asarray(ious_N, dtype=np.float64)
    return float(np.mean(ious >= threshold)) if ious.size else float("nan")
