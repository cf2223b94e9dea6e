"""Spans of time `start, end` in seconds, many pairs at once. 0/0 is 0: a measure of a pair is never NaN."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]


def _pairs(a_N2: ArrayLike, b_N2: ArrayLike) -> tuple[Floats, Floats]:
    a, b = (np.asarray(x, dtype=np.float64) for x in (a_N2, b_N2))
    a, b = (x.reshape(-1, 2) if x.ndim == 1 and x.size in (0, 2) else x for x in (a, b))
    if a.ndim != 2 or a.shape[1] != 2 or a.shape != b.shape:
        raise ValueError(f"expected two arrays of spans of one shape (N, 2), got {a.shape} and {b.shape}")
    return a, b


def _ratio(part_N: Floats, whole_N: Floats) -> Floats:
    usable = np.isfinite(whole_N) & (whole_N > 1e-12)
    return np.divide(part_N, whole_N, out=np.zeros_like(part_N), where=usable)


def _intersection(a: Floats, b: Floats) -> Floats:
    with np.errstate(over="ignore"):
        return np.maximum(np.minimum(a[:, 1], b[:, 1]) - np.maximum(a[:, 0], b[:, 0]), 0.0)


def iou(a_N2: ArrayLike, b_N2: ArrayLike) -> Floats:
    """Overlap over hull: max(0, min e − max s) / (max e − min s), shape (N,), 0 to 1. A reversed span scores 0.

    Where spans overlap the hull is their union. Source: the reward of the published run, and the tools that the
    benchmarks are evaluated with: TimeChat's for Charades-STA (metrics/tvg/eval_tvg.py, `iou`), VTimeLLM's for
    ActivityNet (vtimellm/eval/eval.py, `iou`, which then rounds to two decimals), LLaVA-ST's for STVG
    (inference/src/utils.py, `temporal_iou`). None orders or cuts a span; where they divide by 0 this is 0.
    """
    a, b = _pairs(a_N2, b_N2)
    with np.errstate(over="ignore"):
        return _ratio(_intersection(a, b), np.maximum(a[:, 1], b[:, 1]) - np.minimum(a[:, 0], b[:, 0]))


def iou_ordered(a_N2: ArrayLike, b_N2: ArrayLike, duration: ArrayLike | None = None) -> Floats:
    """|A∩B| / (|A| + |B| − |A∩B|) of ordered spans, cut to [0, duration] where it is given; shape (N,), 0 to 1.

    duration: seconds, one number or one a pair, NaN where it is not known. Source: ANet-RTL's tool, which orders and
    cuts what a model says (lita/eval/eval_model_rtl.py of NVlabs/LITA). No other benchmark's does.
    """
    a, b = (np.sort(x, axis=1) for x in _pairs(a_N2, b_N2))
    if duration is not None:
        end = np.broadcast_to(np.asarray(duration, dtype=np.float64), len(a))[:, None]
        unknown, begin = np.isnan(end), np.where(np.isnan(end), -np.inf, 0.0)
        a, b = (np.clip(x, begin, np.where(unknown, np.inf, end)) for x in (a, b))
    inter = _intersection(a, b)
    with np.errstate(over="ignore", invalid="ignore"):
        return _ratio(inter, (a[:, 1] - a[:, 0]) + (b[:, 1] - b[:, 0]) - inter)


def recall_at(ious_N: ArrayLike, m: float) -> float:
    """R@m (R1@m): share of pairs with IoU ≥ m, 0 to 1; NaN without pairs. Source: Charades-STA's tool, with ≥."""
    ious = np.asarray(ious_N, dtype=np.float64)
    return float(np.mean(ious >= m)) if ious.size else float("nan")


def mean_iou(ious_N: ArrayLike) -> float:
    """Mean IoU over pairs, 0 to 1; NaN without pairs."""
    ious = np.asarray(ious_N, dtype=np.float64)
    return float(np.mean(ious)) if ious.size else float("nan")
