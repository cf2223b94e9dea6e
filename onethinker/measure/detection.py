"""Many boxes with labels against many: who finds whom, a smooth F1, and COCO's average precision.

Boxes are `x1, y1, x2, y2`; P predicted ones stand against T true ones.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from onethinker.measure import boxes

Floats = NDArray[np.float64]
Pairs = tuple[NDArray[np.intp], NDArray[np.intp]]

THRESHOLDS = np.linspace(0.5, 0.95, 10)
"""COCO's, of IoU."""
MOST = 100
"""Boxes of one class in one image that COCO counts, those with the highest scores."""
NEAR = 0.25
"""IoU up to which a box has found nothing; from there to 1 its credit rises to 1."""
_RECALLS = np.linspace(0.0, 1.0, 101)

Found = Sequence[tuple[float, int]]
"""Of the boxes of one class in one image: score, and a bit for every threshold at which the box finds a true one."""
Image = Mapping[str, tuple[int, Found]]
"""Class → how many boxes are true, and those found."""


def iou_matrix(pred_P4: ArrayLike, true_T4: ArrayLike) -> Floats:
    """IoU of every predicted with every true box, (P, T)."""
    pred, true = (np.asarray(side, dtype=np.float64).reshape(-1, 4) for side in (pred_P4, true_T4))
    pairs = boxes.iou(np.repeat(pred, len(true), axis=0), np.tile(true, (len(pred), 1)))
    return pairs.reshape(len(pred), len(true))


def credit(iou: ArrayLike) -> Floats:
    """0 up to an IoU of 0.25, then straight up to 1 at IoU 1: what is placed at random earns nothing, and a tighter box
    always earns more."""
    return np.clip((np.asarray(iou, dtype=np.float64) - NEAR) / (1 - NEAR), 0.0, 1.0)


def assign(worth_PT: Floats) -> Pairs:
    """The one-to-one matching whose worth adds up to the most (the Hungarian method): rows and columns."""
    if min(worth_PT.shape, default=0) == 0:
        return np.empty(0, np.intp), np.empty(0, np.intp)
    if min(worth_PT.shape) == 1:  # most often; scipy need not be loaded for it
        row, column = np.unravel_index(np.argmax(worth_PT), worth_PT.shape)
        return np.array([row]), np.array([column])
    from scipy.optimize import linear_sum_assignment

    rows, columns = linear_sum_assignment(worth_PT, maximize=True)
    return rows, columns


def f1(found: float, pred: int, true: int) -> float:
    """2·found / (pred + true), 0 to 1; 1 where there is nothing to find and nothing was claimed."""
    return 2 * found / (pred + true) if pred + true else 1.0


def coco_found(iou_PT: Floats, scores_P: ArrayLike) -> list[tuple[float, int]]:
    """What COCO counts of one class in one image: `Found`, the highest scores first, at most MOST.

    Source: pycocotools' COCOeval.evaluateImg without crowds and area ranges. Each box in turn takes the free true box
    with which its IoU is largest, the last of equals; boxes of one score keep their order.
    """
    scores_P = np.asarray(scores_P, dtype=np.float64)
    order = np.argsort(-scores_P, kind="stable")[:MOST]
    limits_K = np.minimum(THRESHOLDS, 1 - 1e-10)
    free_KT = np.ones((len(limits_K), iou_PT.shape[1]), dtype=bool)
    rows_K = np.arange(len(limits_K))
    found = []
    for p in order:
        bits = 0
        if iou_PT.shape[1]:
            open_KT = np.where(free_KT, iou_PT[p], -1.0)
            best_K = open_KT.shape[1] - 1 - np.argmax(open_KT[:, ::-1], axis=1)
            hit_K = open_KT[rows_K, best_K] >= limits_K
            free_KT[rows_K[hit_K], best_K[hit_K]] = False
            bits = sum(1 << k for k in rows_K[hit_K].tolist())
        found.append((float(scores_P[p]), bits))
    return found


def average_precision(images: Sequence[Image]) -> dict[str, float]:
    """COCO's AP (mean over IoU 0.50…0.95), AP50 and AP75 of many images, each the mean over the classes that have a
    true box; NaN without any.

    Source: pycocotools' COCOeval.accumulate and summarize, area `all`, at most MOST boxes of a class in an image. Of
    equal scores those of an earlier image come first.
    """
    classes = dict.fromkeys(name for image in images for name, (true, _) in image.items() if true)
    curves_CK = np.array([_precisions(images, name) for name in classes]).reshape(-1, len(THRESHOLDS))
    if not len(curves_CK):
        return dict.fromkeys(("AP", "AP50", "AP75"), np.nan)
    mean_K = curves_CK.mean(axis=0)
    return {"AP": float(mean_K.mean()), "AP50": float(mean_K[0]), "AP75": float(mean_K[5])}


def _precisions(images: Sequence[Image], name: str) -> Floats:
    """One class's interpolated precision, the mean over 101 recalls, at each threshold, (K,)."""
    of_class = [image[name] for image in images if name in image]
    true = sum(count for count, _ in of_class)
    rows = [one for _, found in of_class for one in found]
    if not rows:
        return np.zeros(len(THRESHOLDS))
    scores_P, bits_P = np.array([row[0] for row in rows]), np.array([row[1] for row in rows], dtype=np.int64)
    bits_P = bits_P[np.argsort(-scores_P, kind="stable")]
    hit_KP = (bits_P[None] >> np.arange(len(THRESHOLDS))[:, None]) & 1
    right_KP = np.cumsum(hit_KP, axis=1)
    precision_KP = right_KP / np.arange(1, len(rows) + 1)
    precision_KP = np.maximum.accumulate(precision_KP[:, ::-1], axis=1)[:, ::-1]
    means = np.zeros(len(THRESHOLDS))
    for k, (recall_P, precision_P) in enumerate(zip(right_KP / true, precision_KP)):
        at = np.searchsorted(recall_P, _RECALLS, side="left")
        means[k] = precision_P[at[at < len(rows)]].sum() / len(_RECALLS)
    return means
