"""Points `x, y`: three against three, many pairs at once; and many of one answer in boxes and masks."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import permutations

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

_ORDERS_P3 = np.array(list(permutations(range(3))))


def matched_distance(pred_N32: ArrayLike, true_N32: ArrayLike) -> Floats:
    """Mean distance of the one-to-one matching with the least total distance, shape (N,), ≥ 0, in coordinate units.

    Source: arXiv 2512.03043, segmentation reward; the least of the six matchings is what the Hungarian method finds.
    """
    pred, true = (np.asarray(x, dtype=np.float64) for x in (pred_N32, true_N32))
    pred, true = (x[None] if x.shape == (3, 2) else x for x in (pred, true))
    if pred.ndim != 3 or pred.shape[1:] != (3, 2) or pred.shape != true.shape:
        raise ValueError(f"expected two arrays of three points, shape (N, 3, 2), got {pred.shape} and {true.shape}")
    with np.errstate(over="ignore"):
        offset_N332 = pred[:, :, None] - true[:, None]
        distance_N33 = np.hypot(offset_N332[..., 0], offset_N332[..., 1])
        totals_NP = distance_N33[:, np.arange(3), _ORDERS_P3].sum(axis=2)
    return totals_NP.min(axis=1) / 3.0


def similarity(distance_N: ArrayLike, sigma: float = 50.0) -> Floats:
    """Gaussian kernel exp(−d² / 2σ²), 0 to 1, of the shape of the distances; sigma in coordinate units.

    Source: arXiv 2512.03043, segmentation reward, σ = 50 of 1000.
    """
    with np.errstate(over="ignore", under="ignore"):
        return np.exp(-np.square(np.asarray(distance_N, dtype=np.float64) / sigma) / 2.0)


def in_boxes(points_P2: ArrayLike, boxes_T4: ArrayLike) -> NDArray[np.bool_]:
    """Which point lies in which box, its edges included, (P, T)."""
    points_P12 = np.asarray(points_P2, dtype=np.float64).reshape(-1, 1, 2)
    boxes = np.asarray(boxes_T4, dtype=np.float64).reshape(1, -1, 4)
    inside = (points_P12 >= boxes[..., :2]) & (points_P12 <= boxes[..., 2:])
    return np.asarray(inside.all(axis=2))


def in_masks(points_P2: ArrayLike, masks: Sequence[NDArray[np.bool_]]) -> NDArray[np.bool_]:
    """Which point (0–1000 of width and height) lies in which mask (H, W), at its nearest pixel, (P, T).

    Source: `is_point_in_region` of Molmo's evaluators, which rounds and counts nothing outside the picture.
    """
    points = np.asarray(points_P2, dtype=np.float64).reshape(-1, 2)
    inside = np.zeros((len(points), len(masks)), dtype=bool)
    for t, mask in enumerate(masks):
        height, width = mask.shape
        x_P, y_P = (np.rint(points[:, axis] / 1000 * side) for axis, side in ((0, width), (1, height)))
        there_P = (x_P >= 0) & (x_P < width) & (y_P >= 0) & (y_P < height)
        inside[there_P, t] = mask[y_P[there_P].astype(int), x_P[there_P].astype(int)] != 0
    return inside


def distances(pred_P2: ArrayLike, true_T2: ArrayLike) -> Floats:
    """The distance of every predicted from every true point, (P, T), in coordinate units."""
    pred, true = (np.asarray(side, dtype=np.float64).reshape(-1, 2) for side in (pred_P2, true_T2))
    with np.errstate(over="ignore"):
        return np.hypot(pred[:, None, 0] - true[None, :, 0], pred[:, None, 1] - true[None, :, 1])


def rates(inside_PT: NDArray[np.bool_], pairs: tuple[NDArray[np.intp], NDArray[np.intp]]) -> tuple[float, float, float]:
    """F1, precision and recall of points matched with instances, each 0 to 1; all 1 where there is neither.

    Source: `PointingEval` of Molmo's evaluators, but for its 1e-10 in F1's denominator.
    """
    said, true = inside_PT.shape
    if not said and not true:
        return 1.0, 1.0, 1.0
    right = int(inside_PT[pairs].sum())
    return 2 * right / (said + true), right / said if said else 0.0, right / true if true else 0.0
