"""Boxes by second, measured many answers at once. For `tasks.batch`."""

from __future__ import annotations

import re
from array import array
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from onethinker.measure import boxes, spans, tracks
from onethinker.tasks.batch_numbers import (
    UNREADABLE,
    Asked,
    Floats,
    Result,
    ok_score,
    packed_numbers,
    plain_object,
    upright,
)
from onethinker.tasks.reading import MAX_NUMBER
from onethinker.tasks.tracking import FRAME_SIZE

_KEY = re.compile(r"0|[1-9]\d{0,8}", re.ASCII)


@dataclass(frozen=True, slots=True)
class _Tracked:
    """boxes: four numbers a key, in the order of the keys, which are whole seconds in plain form. span: or none."""

    keys: tuple[str, ...]
    boxes: array[float]
    span: tuple[float, float]


def _read_track(text: str, timed: bool) -> _Tracked | None:
    try:
        found = plain_object(text, 2 if timed else 1)
        if found is None:
            return None
        track = found["boxes"]
        if type(track) is not dict or not track or set(map(len, track.values())) != {4}:
            return None
        if not all(map(_KEY.fullmatch, track)):
            return None
        packed = packed_numbers(list(chain.from_iterable(track.values())), 4 * len(track))
        span = packed_numbers(found["time"], 2) if timed else array("d", (0.0, 0.0))
    except UNREADABLE:
        return None
    if packed is None or span is None or not max(map(abs, span)) <= MAX_NUMBER:
        return None
    return _Tracked(tuple(track), packed, (span[0], span[1]))


_true_track = lru_cache(maxsize=8192)(_read_track)


@dataclass(frozen=True, slots=True)
class _Pairs:
    """N answers' tracks laid beside their truths' K keys in all, row by row.

    pred_K4, true_K4: boxes, without area where the answer has none. has_K: whether it has one. row_K: whose key it is.
    key_K: the second. counts: of keys a row.
    """

    pred_K4: Floats
    true_K4: Floats
    has_K: NDArray[np.bool_]
    row_K: NDArray[np.int64]
    key_K: Floats
    true_N: NDArray[np.int64]
    pred_N: NDArray[np.int64]
    same_N: NDArray[np.bool_]

    def sums(self, values_K: NDArray[Any]) -> Floats:
        return np.bincount(self.row_K, values_K, len(self.true_N)).astype(np.float64, copy=False)


def _lay(said: list[_Tracked], known: list[_Tracked]) -> tuple[_Pairs, NDArray[np.bool_]]:
    """The pairs, and which rows' numbers are all within bounds."""
    given, true, index, keys = array("d"), array("d"), array("q"), array("d")
    for pred, truth in zip(said, known, strict=True):
        first = len(given) // 4
        if pred.keys == truth.keys:
            index.extend(range(first, first + len(pred.keys)))
        else:
            place = dict(zip(pred.keys, range(first, first + len(pred.keys))))
            index.extend([place.get(key, -1) for key in truth.keys])
        given += pred.boxes
        true += truth.boxes
        keys.extend(map(float, truth.keys))
    given_M4 = np.vstack([np.frombuffer(given).reshape(-1, 4), np.zeros((1, 4))])
    true_K4 = np.frombuffer(true).reshape(-1, 4)
    index_K = np.frombuffer(index, dtype=np.int64)
    pred_N, true_N = (np.array([len(t.keys) for t in side]) for side in (said, known))
    owner_M, row_K = (np.repeat(np.arange(len(n)), n) for n in (pred_N, true_N))
    bounded = np.ones(len(said), dtype=bool)
    for boxes_X4, owner_X in ((given_M4[:-1], owner_M), (true_K4, row_K)):
        bounded[owner_X[~(np.abs(boxes_X4) <= MAX_NUMBER).all(axis=1)]] = False
    same = np.bincount(owner_M, ~upright(given_M4[:-1]), len(said)) == 0
    pairs = _Pairs(
        given_M4[index_K], true_K4, index_K >= 0, row_K, np.frombuffer(keys), true_N, pred_N, same
    )  # fmt: skip
    return pairs, bounded


def _tracked(timed: bool, measure: Callable[..., Any]) -> Callable[[list[Asked]], list[tuple[Result, bool] | None]]:
    def score(asked: list[Asked]) -> list[tuple[Result, bool] | None]:
        made: list[tuple[Result, bool] | None] = [None] * len(asked)
        kept, said, known = [], [], []
        for place, one in enumerate(asked):
            pred, truth = _read_track(one.answer.text, timed), _true_track(one.sample.truth, timed)
            if pred is not None and truth is not None:
                kept.append(place)
                said.append(pred)
                known.append(truth)
        if not kept:
            return made
        pairs, bounded = _lay(said, known)
        rows = measure(pairs, said, known)
        for place, good, (structure, same, *row) in zip(kept, bounded.tolist(), rows, strict=True):
            if good:
                made[place] = ok_score(asked[place].answer, structure, *row), same
        return made

    return score


def _structure(pairs: _Pairs, has_N: Floats) -> list[float]:
    return (0.25 + 0.25 * (has_N / pairs.true_N)).tolist()


def _tracking(pairs: _Pairs, said: list[_Tracked], known: list[_Tracked]) -> Iterable[tuple[Any, ...]]:
    iou_K = boxes.iou(pairs.pred_K4, pairs.true_K4)
    clipped_K = boxes.iou(tracks.clip(pairs.pred_K4, FRAME_SIZE), tracks.clip(pairs.true_K4, FRAME_SIZE))
    has_N, miou_N = pairs.sums(pairs.has_K), pairs.sums(iou_K) / pairs.true_N
    first_K = pairs.key_K == np.minimum.reduceat(pairs.key_K, np.cumsum(pairs.true_N) - pairs.true_N)[pairs.row_K]
    searched_K = (pairs.key_K != 1) | (pairs.true_N == 1)[pairs.row_K]
    one_N = np.array(["1" in pred.keys for pred in said]) & (pairs.true_N > 1)
    true_N, pred_N = pairs.sums(searched_K), pairs.pred_N - one_N
    either_N = np.maximum(true_N + pred_N - pairs.sums(pairs.has_K & searched_K), 1)
    frames_K = ~first_K
    columns = [
        miou_N, pairs.sums(iou_K * searched_K) / either_N,
        pairs.sums(frames_K), pairs.sums(clipped_K * frames_K), pairs.sums((clipped_K > 0.5) & frames_K),
        pairs.sums((clipped_K > 0.75) & frames_K), pairs.sums(iou_K > 0.5), pairs.sums(iou_K > 0.75),
    ]  # fmt: skip
    numbers = zip(*(column.tolist() for column in columns))
    lengths = pairs.true_N.astype(float).tolist()
    heads = zip(_structure(pairs, has_N), pairs.same_N.tolist(), lengths)
    for (structure, same, length), (miou, hard, frames, total, over50, over75, secs50, secs75) in zip(heads, numbers):
        evidence = {
            "got10k": {"frames": frames, "iou": total, "above_0.5": over50, "above_0.75": over75},
            "seconds": {"frames": length, "above_0.5": secs50, "above_0.75": secs75},
        }
        yield structure, same, miou, {"miou": miou}, evidence, miou, hard


def _tube(pairs: _Pairs, said: list[_Tracked], known: list[_Tracked]) -> Iterable[tuple[Any, ...]]:
    pred_N2, true_N2 = (np.array([t.span for t in side]) for side in (said, known))
    iou_K, has_N = boxes.iou(pairs.pred_K4, pairs.true_K4), pairs.sums(pairs.has_K)
    total_N, tiou_N = pairs.sums(iou_K), spans.iou(pred_N2, true_N2)
    common_N = total_N / np.maximum(has_N, 1)
    union_N = total_N / np.maximum(pairs.true_N + pairs.pred_N - has_N, 1)
    starts_2N, ends_2N = np.ceil([pred_N2[:, 0], true_N2[:, 0]]), np.floor([pred_N2[:, 1], true_N2[:, 1]])
    first_N, last_N = starts_2N.max(axis=0), ends_2N.min(axis=0)
    lengths_2N = np.maximum(ends_2N - starts_2N + 1, 0)
    seconds_N = lengths_2N.sum(axis=0) - np.maximum(last_N - first_N + 1, 0)
    within_K = (first_N[pairs.row_K] <= pairs.key_K) & (pairs.key_K <= last_N[pairs.row_K])
    columns = [
        tiou_N, common_N, 0.5 * tiou_N + 0.5 * common_N, tiou_N + common_N, tiou_N + union_N,
        spans.iou_official(pred_N2, true_N2), total_N / pairs.true_N, union_N,
        pairs.sums(iou_K * within_K) / np.maximum(seconds_N, 1),
    ]  # fmt: skip
    same_N = pairs.same_N & (pred_N2[:, 0] <= pred_N2[:, 1])
    numbers = zip(*(column.tolist() for column in columns))
    for structure, same, row in zip(_structure(pairs, has_N), same_N.tolist(), numbers):
        tiou, common, accuracy, paper, hardened, official, true, union, viou = row
        evidence = {"tiou_official": official, "siou_true": true, "siou_union": union, "viou": viou}
        yield structure, same, accuracy, {"tiou": tiou, "siou": common}, evidence, paper, hardened


TRACKED: dict[str, Callable[[list[Asked]], list[tuple[Result, bool] | None]]] = {
    "spatial_temporal_grounding": _tracked(True, _tube),
    "tracking": _tracked(False, _tracking),
}
"""Task → score together; None in place of an answer or truth that is not in plain form."""
