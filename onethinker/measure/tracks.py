"""Tracks: mappings from a moment (a whole second, or a frame's index, 0 to 2³⁰ − 1) to a box `x1, y1, x2, y2`.

Measures take the `Pairs` of N tracks beside N true ones, which `pair` makes, and return an array (N,), 0 to 1, 0 where
the truth has no boxes. Shapes: N tracks, M keys of all of them one after another, K keys of all the true ones.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from onethinker.measure import boxes

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
Box = Sequence[float]
Track = Mapping[int, Box]


# ---- many tracks as arrays --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Tracks:
    """N tracks end to end, the keys of each ascending. boxes_M4, key_M: of each key. count_N: keys a track."""

    boxes_M4: Floats
    key_M: Ints
    count_N: Ints

    @classmethod
    def of(cls, tracks: Sequence[Track]) -> Tracks:
        count_N = np.fromiter(map(len, tracks), np.int64, len(tracks))
        total = int(count_N.sum())
        key_M = np.fromiter(chain.from_iterable(tracks), np.int64, total)
        values = chain.from_iterable(track.values() for track in tracks)
        boxes_M4 = np.fromiter(chain.from_iterable(values), np.float64, 4 * total).reshape(-1, 4)
        made = cls(boxes_M4, key_M, count_N)
        if (made.code_M[1:] > made.code_M[:-1]).all():
            return made
        order_M = np.argsort(made.code_M, kind="stable")
        return cls(boxes_M4[order_M], key_M[order_M], count_N)

    @cached_property
    def row_M(self) -> Ints:
        """Which track a key is of."""
        return np.repeat(np.arange(len(self.count_N)), self.count_N)

    @cached_property
    def code_M(self) -> Ints:
        """One number for a track and its key; ascending."""
        return (self.row_M << 30) | self.key_M

    def at(self, keep_M: Bools) -> Tracks:
        """The same tracks at some of their keys."""
        count_N = np.bincount(self.row_M[keep_M], minlength=len(self.count_N))
        return Tracks(self.boxes_M4[keep_M], self.key_M[keep_M], count_N)

    def all(self, holds_M: Bools) -> Bools:
        """Whether something holds at every key of a track, (N,)."""
        return np.bincount(self.row_M, ~holds_M, len(self.count_N)) == 0


@dataclass(frozen=True)
class Pairs:
    """N tracks beside N true ones. pred_K4: the box at each true key, without area where there is none. has_K: whether
    there is one. iou_K: box IoU at each true key, 0 where the track has no box."""

    pred: Tracks
    true: Tracks
    pred_K4: Floats
    has_K: Bools
    iou_K: Floats

    @cached_property
    def common_N(self) -> Floats:
        """How many keys both have."""
        return self.sums(self.has_K)

    def sums(self, values_K: NDArray[Any]) -> Floats:
        """Sums over the true keys of each pair, (N,)."""
        return np.bincount(self.true.row_M, values_K, len(self.true.count_N)).astype(np.float64, copy=False)


def pair(pred: Tracks, true: Tracks) -> Pairs:
    """Lay tracks beside the true ones, key by key. Raises ValueError unless there are as many of both."""
    if len(pred.count_N) != len(true.count_N):
        raise ValueError(f"tracks are compared pair by pair: {len(pred.count_N)} and {len(true.count_N)} true ones")
    place_K = np.searchsorted(pred.code_M, true.code_M)
    has_K = np.append(pred.code_M, -1)[place_K] == true.code_M
    pred_K4 = np.zeros_like(true.boxes_M4)
    pred_K4[has_K] = pred.boxes_M4[place_K[has_K]]
    return Pairs(pred, true, pred_K4, has_K, boxes.iou(pred_K4, true.boxes_M4))


# ---- measures ---------------------------------------------------------------------------------------------------


def mean_over_true_seconds(pairs: Pairs) -> Floats:
    """Σ IoU over the true keys / their number; a missing box counts 0.

    Source: the tracking reward of arXiv 2512.03043.
    """
    return pairs.sums(pairs.iou_K) / np.maximum(pairs.true.count_N, 1)


def mean_over_common(pairs: Pairs) -> Floats:
    """Σ IoU over the common keys / their number: sIoU. One right box of eleven is a perfect track here.

    Source: LLaVA-ST's spatial IoU; the published run's spatial-temporal reward.
    """
    return pairs.sums(pairs.iou_K) / np.maximum(pairs.common_N, 1)


def mean_over_union(pairs: Pairs) -> Floats:
    """Σ IoU over the common keys / number of keys of either: stIoU, where missing and surplus boxes cost.

    Source: the spatio-temporal tube IoU of ST-VG benchmarks, boxes as the tube's slices.
    """
    either_N = pairs.true.count_N + pairs.pred.count_N - pairs.common_N
    return pairs.sums(pairs.iou_K) / np.maximum(either_N, 1)


def viou(pairs: Pairs, pred_span_N2: ArrayLike, true_span_N2: ArrayLike) -> Floats:
    """vIoU: Σ IoU over the keys in both spans / number of whole keys in either span; each span's ends belong to it.

    Keys and spans share a unit, seconds or frames. vIoU@R is the share of clips with vIoU > R (strictly).
    Source: HC-STVG, Tang et al. 2021, as TubeDETR's evaluation computes it over sampled frames; a span of frames ends
    there before its last number.
    """
    spans_2N2 = np.stack([np.asarray(span, np.float64).reshape(-1, 2) for span in (pred_span_N2, true_span_N2)])
    starts_2N, ends_2N = np.ceil(spans_2N2[..., 0]), np.floor(spans_2N2[..., 1])
    first_N, last_N = starts_2N.max(axis=0), ends_2N.min(axis=0)
    either_N = np.maximum(ends_2N - starts_2N + 1, 0).sum(axis=0) - np.maximum(last_N - first_N + 1, 0)
    row_K, key_K = pairs.true.row_M, pairs.true.key_M
    within_K = (first_N[row_K] <= key_K) & (key_K <= last_N[row_K])
    return pairs.sums(pairs.iou_K * within_K) / np.maximum(either_N, 1)


def key_overlap(pairs: Pairs) -> Floats:
    """Share of the true keys that have a box in the prediction. Source: the published run's structure reward."""
    return pairs.common_N / np.maximum(pairs.true.count_N, 1)


def at_keys(pairs: Pairs, pred_M: Bools, true_K: Bools) -> Pairs:
    """The same pairs at some of the keys; a key that both have is kept in both or in neither."""
    sides = pairs.pred.at(pred_M), pairs.true.at(true_K)
    return Pairs(*sides, pairs.pred_K4[true_K], pairs.has_K[true_K], pairs.iou_K[true_K])


# ---- frame by frame ---------------------------------------------------------------------------------------------


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
    pred_F4: ArrayLike,
    true_F4: ArrayLike,
    size: tuple[float, float],
    cover_F: ArrayLike | None = None,
    frames_N: Ints | None = None,
) -> dict[str, Floats]:
    """Evidence for AO, SR0.5 and SR0.75, each (N,): number of judged frames, sum of IoU, frames above 0.5 and 0.75.

    pred_F4, true_F4: a box a frame, clip after clip; frames_N: how many each clip has, one clip of all unless given.
    size: width and height in the boxes' unit. cover_F: how visible the object is in each frame, frames with 0 are not
    judged, nor is a clip's first. Boxes are clipped to the image as GOT-10k's toolkit does: the corner first, then
    width and height to what is left (a box that begins outside keeps its width).
    """
    pred, true = (np.asarray(x, dtype=np.float64).reshape(-1, 4) for x in (pred_F4, true_F4))
    if pred.shape != true.shape:
        raise ValueError(f"GOT-10k compares frame by frame: {len(pred)} predicted boxes, {len(true)} true ones")
    clip_F = np.zeros(len(true), np.int64) if frames_N is None else np.repeat(np.arange(len(frames_N)), frames_N)
    judged_F = np.diff(clip_F, prepend=-1) == 0
    if cover_F is not None:
        cover = np.asarray(cover_F)
        if cover.shape != (len(true),):
            raise ValueError(f"expected one cover value a frame, {len(true)}, got shape {cover.shape}")
        judged_F &= cover > 0
    iou_F = boxes.iou(clip(pred, size), clip(true, size)) * judged_F
    clips = 1 if frames_N is None else len(frames_N)
    columns = {"frames": judged_F, "iou": iou_F, "above_0.5": iou_F > 0.5, "above_0.75": iou_F > 0.75}
    return {name: np.bincount(clip_F, values, clips).astype(np.float64, copy=False) for name, values in columns.items()}


def got10k_pool(evidence: Iterable[Mapping[str, Any]]) -> dict[str, float]:
    """AO, SR0.5 and SR0.75 over the frames of all clips together, each 0 to 1; NaN without frames.

    Source: GOT-10k, Huang et al. 2019, and its toolkit: mean IoU, and share of frames strictly above the threshold.
    """
    rows = list(evidence)
    frames = float(sum(np.sum(row["frames"]) for row in rows))
    names = {"AO": "iou", "SR0.5": "above_0.5", "SR0.75": "above_0.75"}
    total = {name: float(sum(np.sum(row[key]) for row in rows)) for name, key in names.items()}
    return {name: value / frames if frames else math.nan for name, value in total.items()}


def clip(boxes_F4: Floats, size: tuple[float, float]) -> Floats:
    """Boxes cut to the image as GOT-10k's toolkit cuts them; see `got10k`. size: width and height."""
    x1_F, y1_F, x2_F, y2_F = boxes_F4.T
    width, height = size
    left_F, top_F = _between(x1_F, width), _between(y1_F, height)
    right_F = left_F + _between(x2_F - x1_F, width - left_F)
    return np.stack([left_F, top_F, right_F, top_F + _between(y2_F - y1_F, height - top_F)], axis=1)


def _between(values_F: Floats, most: float | Floats) -> Floats:
    """Held within 0 and `most`."""
    return np.minimum(np.maximum(values_F, 0.0), most)
