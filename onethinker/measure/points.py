"""Three points against three points `x, y`, many pairs at once."""

from __future__ import annotations

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
