"""Masks of one image (H, W) or of a clip (T, H, W): run lengths, overlap, and DAVIS's J and F.

Masks are boolean; anything not 0 counts as inside. Two empty masks agree: they score 1.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

Mask = NDArray[np.bool_]
Floats = NDArray[np.float64]
MAX_PIXELS = 100_000_000
_LONGEST_NUMBER = 7  # characters of 5 bits: as many as pycocotools writes for 32-bit runs
BOUNDARY_SHARE, RELEASED_SHARE = 0.008, 0.0075
"""DAVIS's tolerance: a boundary pixel is found within ceil(0.008 · diagonal) pixels; the published run's share."""


# ---- COCO run lengths -------------------------------------------------------------------------------------------


def decode(rle: Mapping[str, Any]) -> Mask:
    """COCO run lengths → mask (H, W). rle: `size` [H, W], `counts` as COCO's text or as a list of run lengths.

    Raises ValueError for a size above 100 million pixels and for counts that do not fill the size exactly.
    """
    height, width = _size(rle)
    counts = _counts(rle.get("counts"), height * width)
    if counts.min(initial=0) < 0 or counts.max(initial=0) > height * width or counts.sum() != height * width:
        raise ValueError(
            f"run lengths must be ≥ 0 and add up to {height}×{width} pixels; these add up to {counts.sum()}"
        )
    inside = np.zeros(len(counts), dtype=bool)
    inside[1::2] = True
    return np.repeat(inside, counts).reshape(width, height).T


def encode(mask_HW: ArrayLike) -> dict[str, Any]:
    """Mask (H, W) → COCO run lengths with `counts` as text. Source: pycocotools."""
    from pycocotools import mask as coco

    mask = np.asarray(mask_HW)
    if mask.ndim != 2:
        raise ValueError(f"expected one mask of shape (H, W), got {mask.shape}")
    rle = coco.encode(np.asfortranarray(mask != 0, dtype=np.uint8))
    return {"size": [int(side) for side in rle["size"]], "counts": rle["counts"].decode("ascii")}


def _size(rle: Mapping[str, Any]) -> tuple[int, int]:
    match rle.get("size"):
        case [int(height), int(width)] if height > 0 and width > 0 and height * width <= MAX_PIXELS:
            return height, width
        case size:
            raise ValueError(f"expected a size [height, width] of at most {MAX_PIXELS:,} pixels, got {size!r:.80}")


def _counts(counts: Any, pixels: int) -> NDArray[np.int64]:
    if isinstance(counts, list | tuple):
        if len(counts) > pixels + 1 or not all(type(run) is int and 0 <= run <= pixels for run in counts):
            raise ValueError(f"run lengths in a list must be whole numbers from 0 to {pixels}, at most {pixels + 1}")
        return np.array(counts, dtype=np.int64)
    data = counts.encode() if isinstance(counts, str) and counts.isascii() else counts
    if not isinstance(data, bytes):
        raise ValueError(f"run lengths' counts must be a list or COCO's ASCII text, got {type(counts).__name__}")
    if len(data) > _LONGEST_NUMBER * (pixels + 1):
        raise ValueError(f"{len(data)} characters of run lengths are too many for {pixels} pixels")
    return _read_text_counts(np.frombuffer(data, dtype=np.uint8), pixels)


def _read_text_counts(chars: NDArray[np.uint8], pixels: int) -> NDArray[np.int64]:
    """COCO's text: little-endian groups of 5 bits from "0" on, 32 marks "more follow", the last one's 16 the sign.

    From the fourth on, a run is stored as its difference to the run two before.
    """
    digits = chars.astype(np.int64) - ord("0")
    last = np.flatnonzero((digits & 32) == 0)
    if len(digits) == 0 or digits.min() < 0 or digits.max() > 63 or len(last) == 0 or last[-1] != len(digits) - 1:
        raise ValueError("run lengths' counts are not COCO's text form")
    if len(last) > pixels + 1:
        raise ValueError(f"{len(last)} run lengths for {pixels} pixels")
    first = np.concatenate([[0], last[:-1] + 1])
    place = np.arange(len(digits)) - np.repeat(first, last - first + 1)
    if place.max() >= _LONGEST_NUMBER:
        raise ValueError(f"run lengths' counts hold a number of more than {_LONGEST_NUMBER} characters")
    values = np.add.reduceat((digits & 31) << (5 * place), first)
    values -= np.where(digits[last] & 16, 1 << (5 * (place[last] + 1)), 0)
    runs = values.copy()
    runs[1::2] = np.cumsum(values[1::2])
    runs[2::2] = np.cumsum(values[2::2])
    return runs


# ---- overlap ----------------------------------------------------------------------------------------------------


def _pair(pred: ArrayLike, true: ArrayLike) -> tuple[Mask, Mask]:
    a, b = (np.asarray(mask) for mask in (pred, true))
    a, b = (mask if mask.dtype == bool else mask != 0 for mask in (a, b))
    if a.shape != b.shape or a.ndim not in (2, 3):
        raise ValueError(f"expected two masks of one shape (H, W) or (T, H, W), got {a.shape} and {b.shape}")
    return a, b


def intersection_union(pred: ArrayLike, true: ArrayLike) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Pixels in both and pixels in either, a number for (H, W), an array (T,) for (T, H, W)."""
    a, b = _pair(pred, true)
    inter = np.count_nonzero(a & b, axis=(-2, -1))
    return np.asarray(inter), np.asarray(
        np.count_nonzero(a, axis=(-2, -1)) + np.count_nonzero(b, axis=(-2, -1)) - inter
    )


def _or_one(inter: ArrayLike, union: ArrayLike) -> Floats:
    """inter / union, 1 where both masks are empty."""
    inter, union = np.asarray(inter, dtype=np.float64), np.asarray(union, dtype=np.float64)
    return np.divide(inter, union, out=np.ones_like(inter), where=union > 0)


def iou(pred: ArrayLike, true: ArrayLike) -> Floats:
    """|A∩B| / |A∪B| of masks, 0 to 1, a number for (H, W), an array (T,) for (T, H, W)."""
    return _or_one(*intersection_union(pred, true))


def ciou(inter_N: ArrayLike, union_N: ArrayLike) -> float:
    """Cumulative IoU ΣI / ΣU over images, 0 to 1; 1 where all are empty, NaN without images.

    Source: the referring segmentation benchmarks (RefCOCO's oIoU; cIoU in LISA).
    """
    inter = np.asarray(inter_N, dtype=np.float64)
    return float(_or_one(inter.sum(), np.sum(union_N))) if inter.size else math.nan


def giou(inter_N: ArrayLike, union_N: ArrayLike) -> float:
    """Mean of the images' IoU, 0 to 1, an image empty on both sides counts 1; NaN without images.

    Source: gIoU of ReasonSeg, Lai et al. 2023 (LISA). No kin of the boxes' generalised IoU.
    """
    return float(_or_one(inter_N, union_N).mean()) if np.size(inter_N) else math.nan


# ---- J and F ----------------------------------------------------------------------------------------------------


class JF(NamedTuple):
    """Region J, boundary F and their mean, each 0 to 1."""

    j: float
    f: float
    jf: float


def region_j(pred_THW: ArrayLike, true_THW: ArrayLike) -> Floats:
    """J, the IoU of each frame, shape (T,), 0 to 1. Source: Perazzi et al. 2016 (DAVIS)."""
    return iou(pred_THW, true_THW)


def boundary_f(pred: ArrayLike, true: ArrayLike) -> Floats:
    """F = 2PR / (P + R) of the boundaries, 0 to 1, a number for (H, W), an array (T,) for (T, H, W).

    P: share of predicted boundary pixels with a true one at most ceil(0.008 · diagonal) pixels away, R the other way
    round. Without a boundary on one side F is 0, on both 1. Source: DAVIS 2017's evaluation, `f_measure`.
    """
    a, b = _pair(pred, true)
    if a.ndim == 2:
        return np.asarray(_frame_f(a, b))
    return np.array([_frame_f(x, y) for x, y in zip(a, b)])


def j_and_f(pred_THW: ArrayLike, true_THW: ArrayLike, *, drop_ends: bool = False) -> JF:
    """Means of J and of F over a clip's frames, and J&F = (J + F) / 2.

    Over every frame, as MeViS and Ref-YouTube-VOS count; drop_ends leaves out the first and the last, as DAVIS does.
    A clip that has no prediction at all counts 0 where it is averaged: it is not a clip of empty masks.
    """
    pred, true = _pair(pred_THW, true_THW)
    frames = slice(1, -1) if drop_ends else slice(None)
    pred, true = pred[frames], true[frames]
    if pred.ndim != 3 or len(pred) == 0:
        raise ValueError(f"J&F needs frames (T, H, W){' beside first and last' if drop_ends else ''}, got {pred.shape}")
    j, f = float(region_j(pred, true).mean()), float(boundary_f(pred, true).mean())
    return JF(j, f, (j + f) / 2)


def released_j_and_f(pred_THW: ArrayLike, true_THW: ArrayLike, annotated_T: ArrayLike) -> JF:
    """J, F and J&F as the published run measures them, for a comparison with its numbers; 0 without annotated frames.

    annotated_T: frames that have a truth, the others are skipped. J is 0 where both masks are empty, F is 1. A boundary
    is what of a mask has a pixel outside it among its 8 neighbours, the picture's edge included; it is found within a
    square of max(1, round(0.0075 · diagonal)) pixels to each side. Source: tulerfeng/OneThinker,
    Evaluation/Eval/seg_post_sam2.py.
    """
    pred, true = _pair(pred_THW, true_THW)
    keep_T = np.asarray(annotated_T, dtype=bool)
    if pred.ndim != 3 or keep_T.shape != pred.shape[:1]:
        raise ValueError(f"expected masks (T, H, W) and T flags, got {pred.shape} and {keep_T.shape}")
    pred, true = pred[keep_T], true[keep_T]
    if not len(pred):
        return JF(0.0, 0.0, 0.0)
    inter_T, union_T = intersection_union(pred, true)
    j = float(np.mean(inter_T / np.maximum(union_T, 1)))
    f = float(np.mean([_released_frame_f(a, b) for a, b in zip(pred, true)]))
    return JF(j, f, (j + f) / 2)


def _released_frame_f(pred: Mask, true: Mask) -> float:
    reach = max(1, round(RELEASED_SHARE * math.hypot(*pred.shape)))
    window = _around(pred, true)
    if window is None:
        return 1.0
    square = np.ones((2 * reach + 1, 2 * reach + 1), np.uint8)
    return _edges_f(_inner_edge(pred[window]), _inner_edge(true[window]), square)


def _inner_edge(mask_HW: Mask) -> Mask:
    """Pixels of a mask that have one outside it, or outside the picture, among their 8 neighbours."""
    whole = cv2.erode(
        mask_HW.astype(np.uint8), np.ones((3, 3), np.uint8), borderType=cv2.BORDER_CONSTANT, borderValue=0
    )
    return mask_HW & (whole == 0)


def _frame_f(pred: Mask, true: Mask) -> float:
    radius = math.ceil(BOUNDARY_SHARE * math.hypot(*pred.shape))
    window = _around(pred, true)
    if window is None:
        return 1.0
    return _edges_f(boundary(pred[window]), boundary(true[window]), _disk(radius))


def _edges_f(edge_pred: Mask, edge_true: Mask, reach: NDArray[np.uint8]) -> float:
    """2PR / (P + R) of boundaries, whose pixels are found where the other, dilated by `reach`, is."""
    n_pred, n_true = np.count_nonzero(edge_pred), np.count_nonzero(edge_true)
    if n_pred == 0 or n_true == 0:
        return float(n_pred == n_true)
    precision = np.count_nonzero(edge_pred & _near(edge_true, reach)) / n_pred
    recall = np.count_nonzero(edge_true & _near(edge_pred, reach)) / n_true
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def _around(a: Mask, b: Mask) -> tuple[slice, slice] | None:
    """The window that holds both masks and their boundaries, which lie up to a pixel above and to the left."""
    either = a | b
    rows, columns = np.flatnonzero(either.any(axis=1)), np.flatnonzero(either.any(axis=0))
    if len(rows) == 0:
        return None
    return slice(max(rows[0] - 1, 0), rows[-1] + 2), slice(max(columns[0] - 1, 0), columns[-1] + 2)


def boundary(mask_HW: Mask) -> Mask:
    """Pixels that differ from their right, lower or lower right neighbour (seg2bmap); outside the image is no change.

    Source: David Martin's boundary map in the Berkeley segmentation benchmark, as DAVIS uses it.
    """
    edge = np.zeros_like(mask_HW)
    edge[:, :-1] = mask_HW[:, :-1] ^ mask_HW[:, 1:]
    edge[:-1] |= mask_HW[:-1] ^ mask_HW[1:]
    edge[:-1, :-1] |= mask_HW[:-1, :-1] ^ mask_HW[1:, 1:]
    return edge


def _disk(radius: int) -> NDArray[np.uint8]:
    reach = np.arange(-radius, radius + 1)
    return np.asarray(reach[:, None] ** 2 + reach**2 <= radius**2, dtype=np.uint8)


def _near(edge: Mask, reach: NDArray[np.uint8]) -> Mask:
    """Pixels within reach of an edge pixel: dilation."""
    return cv2.dilate(edge.view(np.uint8), reach).view(bool)
