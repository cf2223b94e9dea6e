"""Tracks: a mapping from a moment (a whole second, or a frame's index) to a box `x1, y1, x2, y2`.

All measures but `got10k` take a pair of tracks, return 0 where the truth has no boxes, and range from 0 to 1.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from onethinker.measure import boxes

Floats = NDArray[np.float64]
Box = Sequence[float]
Track = Mapping[int, Box]
NO_BOX = (0.0, 0.0, 0.0, 0.0)


def overlaps(pred: Track, true: Track, keys: Iterable[int]) -> Floats:
    """Box IoU at each key, in order; 0 where either track has no box."""
    wanted = list(keys)
    if not wanted:
        return np.zeros(0)
    return boxes.iou([pred.get(k, NO_BOX) for k in wanted], [true.get(k, NO_BOX) for k in wanted])


def mean_over_true_seconds(pred: Track, true: Track) -> float:
    """Σ IoU over the true keys / their number; a missing box counts 0.

    Source: the tracking reward of arXiv 2512.03043.
    """
    return _sum_over(pred, true, true.keys()) / max(len(true), 1)


def mean_over_common(pred: Track, true: Track) -> float:
    """Σ IoU over the common keys / their number: sIoU. One right box of eleven is a perfect track here.

    Source: LLaVA-ST's spatial IoU; the published run's spatial-temporal reward.
    """
    common = pred.keys() & true.keys()
    return _sum_over(pred, true, common) / max(len(common), 1)


def mean_over_union(pred: Track, true: Track) -> float:
    """Σ IoU over the common keys / number of keys of either: stIoU, where missing and surplus boxes cost.

    Source: the spatio-temporal tube IoU of ST-VG benchmarks, boxes as the tube's slices.
    """
    either = pred.keys() | true.keys()
    return _sum_over(pred, true, pred.keys() & true.keys()) / max(len(either), 1)


def viou(pred: Track, true: Track, pred_span: Sequence[float], true_span: Sequence[float]) -> float:
    """vIoU: Σ IoU over the keys in both spans / number of whole keys in either span; each span's ends belong to it.

    Keys and spans share a unit, seconds or frames. vIoU@R is the share of clips with vIoU > R (strictly).
    Source: HC-STVG, Tang et al. 2021, as TubeDETR's evaluation computes it over sampled frames; a span of frames ends
    there before its last number.
    """
    spans = [(math.ceil(start), math.floor(end)) for start, end in (pred_span, true_span)]
    first, last = max(start for start, _ in spans), min(end for _, end in spans)
    union = sum(_length(*span) for span in spans) - _length(first, last)
    return _sum_over(pred, true, [k for k in pred.keys() & true.keys() if first <= k <= last]) / max(union, 1)


def key_overlap(pred: Collection[int], true: Collection[int]) -> float:
    """Share of the true keys that have a box in the prediction. Source: the published run's structure reward."""
    return len(set(pred) & set(true)) / max(len(set(true)), 1)


def interpolate(track: Mapping[float, Box], times_F: ArrayLike) -> Floats:
    """Boxes at other times, linear between neighbours and held before the first and after the last, shape (F, 4).

    track: seconds → box. times_F: seconds. An empty track gives boxes without area.
    """
    times = np.asarray(times_F, dtype=np.float64)
    if not track:
        return np.zeros((len(times), 4))
    known = np.array(sorted(track), dtype=np.float64)
    values = np.array([track[k] for k in sorted(track)], dtype=np.float64)
    return np.stack([np.interp(times, known, values[:, side]) for side in range(4)], axis=1)


def got10k(
    pred_F4: ArrayLike, true_F4: ArrayLike, size: tuple[float, float], cover_F: ArrayLike | None = None
) -> dict[str, float]:
    """One clip's evidence for AO, SR0.5 and SR0.75: number of judged frames, sum of IoU, frames above 0.5 and 0.75.

    pred_F4, true_F4: a box a frame; size: width and height in the boxes' unit; cover_F: how visible the object is in
    each frame, frames with 0 are not judged, nor is the first. Boxes are clipped to the image as GOT-10k's toolkit
    does: the corner first, then width and height to what is left (a box that begins outside keeps its width).
    """
    pred, true = (np.asarray(x, dtype=np.float64).reshape(-1, 4) for x in (pred_F4, true_F4))
    if pred.shape != true.shape:
        raise ValueError(f"GOT-10k compares frame by frame: {len(pred)} predicted boxes, {len(true)} true ones")
    judged = np.ones(len(true), dtype=bool) if cover_F is None else np.asarray(cover_F) > 0
    if judged.shape != (len(true),):
        raise ValueError(f"expected one cover value a frame, {len(true)}, got shape {judged.shape}")
    ious = boxes.iou(clip(pred, size), clip(true, size))[1:][judged[1:]]
    return {
        "frames": float(ious.size),
        "iou": float(ious.sum()),
        "above_0.5": float((ious > 0.5).sum()),
        "above_0.75": float((ious > 0.75).sum()),
    }


def got10k_pool(evidence: Iterable[Mapping[str, Any]]) -> dict[str, float]:
    """AO, SR0.5 and SR0.75 over the frames of all clips together, each 0 to 1; NaN without frames.

    Source: GOT-10k, Huang et al. 2019, and its toolkit: mean IoU, and share of frames strictly above the threshold.
    """
    rows = list(evidence)
    frames = sum(row["frames"] for row in rows)
    total = {key: sum(row[key] for row in rows) for key in ("iou", "above_0.5", "above_0.75")}
    names = {"AO": "iou", "SR0.5": "above_0.5", "SR0.75": "above_0.75"}
    return {name: total[key] / frames if frames else math.nan for name, key in names.items()}


def _sum_over(pred: Track, true: Track, keys: Iterable[int]) -> float:
    return float(overlaps(pred, true, keys).sum())


def _length(first: int, last: int) -> int:
    """How many whole numbers from first to last, ends included."""
    return max(last - first + 1, 0)


def clip(boxes_F4: Floats, size: tuple[float, float]) -> Floats:
    """Boxes cut to the image as GOT-10k's toolkit cuts them; see `got10k`. size: width and height."""
    x1_F, y1_F, x2_F, y2_F = boxes_F4.T
    width, height = size
    left_F, top_F = np.clip(x1_F, 0.0, width), np.clip(y1_F, 0.0, height)
    right_F = left_F + np.clip(x2_F - x1_F, 0.0, width - left_F)
    return np.stack([left_F, top_F, right_F, top_F + np.clip(y2_F - y1_F, 0.0, height - top_F)], axis=1)
