"""Boxes by second, measured many answers at once. For `tasks.batch`."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Annotated, Any, TypeAlias

import msgspec
import numpy as np
from numpy.typing import NDArray

from onethinker.measure import boxes, spans, tracks
from onethinker.tasks.batch_numbers import (
    Asked,
    Floats,
    Four,
    Kept,
    Row,
    Scored,
    Together,
    Two,
    bounded,
    plain_reader,
    remembered,
    upright,
)
from onethinker.tasks.reading import MAX_NUMBER
from onethinker.tasks.tracking import FRAME_SIZE

Ints: TypeAlias = NDArray[np.int64]
Bools: TypeAlias = NDArray[np.bool_]

# ---- reading ----------------------------------------------------------------------------------------------------

Second: TypeAlias = Annotated[int, msgspec.Meta(ge=0, le=999_999_999)]
"""A key: msgspec takes one in plain form only, no leading zero, no plus; `-0` is told by its minus."""


class _Path(msgspec.Struct, forbid_unknown_fields=True):
    boxes: dict[Second, Four]


class _Tube(msgspec.Struct, forbid_unknown_fields=True):
    boxes: dict[Second, Four]
    time: Two


@dataclass(frozen=True, slots=True)
class _Track:
    """boxes: four numbers a key. seconds: the keys. span: zeros where the task has none."""

    boxes: array[float]
    seconds: array[int]
    span: Two = (0.0, 0.0)


_NOTHING = _Track(array("d"), array("q"))
"""Measures exactly 0 beside any truth."""


def _reader(record: type[_Path | _Tube]) -> Callable[[str], _Track | None]:
    """Reads a track in plain form, None for any other text."""
    plain, quotes = plain_reader(record), 2 * len(record.__struct_fields__)

    def read(text: str) -> _Track | None:
        found = plain(text)
        if found is None or not found.boxes or '"-' in text or text.count('"') != quotes + 2 * len(found.boxes):
            return None
        numbers = array("d", list(chain.from_iterable(found.boxes.values())))
        return _Track(numbers, array("q", list(found.boxes)), getattr(found, "time", (0.0, 0.0)))

    return read


# ---- laying side by side ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Laid:
    """N tracks of M keys in all, one after another.

    boxes_M4, second_M: of each key. count_N: keys a track. span_N2: zeros where the task has none.
    """

    boxes_M4: Floats
    second_M: Ints
    count_N: Ints
    span_N2: Floats

    @classmethod
    def of(cls, said: Sequence[_Track]) -> _Laid:
        numbers, seconds = array("d"), array("q")
        for track in said:
            numbers += track.boxes
            seconds += track.seconds
        return cls(
            np.frombuffer(numbers).reshape(-1, 4),
            np.frombuffer(seconds, dtype=np.int64),
            np.array([len(track.seconds) for track in said], dtype=np.int64),
            np.array([track.span for track in said]),
        )

    @property
    def row_M(self) -> Ints:
        """Whose key it is."""
        return np.repeat(np.arange(len(self.count_N)), self.count_N)

    def codes(self) -> Ints:
        """One number for row and second of each key."""
        return (self.row_M << 30) | self.second_M  # a second has fewer bits


@dataclass(frozen=True)
class _Pairs:
    """N answers' tracks beside their truths' K keys.

    pred_K4: the answer's box at each true key, without area where it has none. has_K: whether it has one.
    row_K: whose key it is.
    """

    pred: _Laid
    true: _Laid
    pred_K4: Floats
    has_K: Bools
    row_K: Ints

    @classmethod
    def of(cls, pred: _Laid, true: _Laid) -> _Pairs:
        pred_codes, true_codes = pred.codes(), true.codes()
        order = np.argsort(pred_codes, kind="stable")
        sorted_codes = np.append(pred_codes[order], -1)  # what is beyond all
        place_K = np.searchsorted(sorted_codes[:-1], true_codes)
        has_K, pred_K4 = sorted_codes[place_K] == true_codes, np.zeros_like(true.boxes_M4)
        pred_K4[has_K] = pred.boxes_M4[order[place_K[has_K]]]
        return cls(pred, true, pred_K4, has_K, true.row_M)

    def sums(self, values_K: NDArray[Any]) -> Floats:
        """By row, over its true keys."""
        return np.bincount(self.row_K, values_K, len(self.true.count_N)).astype(np.float64, copy=False)

    def none(self, fault_M: Bools) -> Bools:
        """Rows of whose answer no key has the fault."""
        return np.bincount(self.pred.row_M, fault_M, len(self.pred.count_N)) == 0

    def bounded(self) -> Bools:
        """Answers without a number beyond bounds."""
        return self.none(~bounded(self.pred.boxes_M4)) & bounded(self.pred.span_N2)

    def same(self) -> Bools:
        """Answers that a lenient reading leaves as they are."""
        return self.none(~upright(self.pred.boxes_M4)) & (self.pred.span_N2[:, 0] <= self.pred.span_N2[:, 1])


# ---- scores -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Tracked:
    """A task whose answer is boxes by second, and a span if it is timed.

    read: an answer in plain form; true: a truth.
    """

    task: str
    read: Callable[[str], _Track | None]
    true: Callable[[str], _Track | None]
    measure: Callable[[_Pairs], Iterable[Row]]

    def __call__(self, asked: Sequence[Asked]) -> list[Scored | None]:
        kept, pred, true = Kept.of(self.task, asked, self.read, self.true, _NOTHING)
        if not kept.places:
            return [None] * len(asked)
        pairs = _Pairs.of(_Laid.of(pred), _Laid.of(true))
        with np.errstate(over="ignore", invalid="ignore"):
            return kept.scores(asked, self.measure(pairs), pairs.same(), pairs.bounded())


def _tracked(task: str, record: type[_Path | _Tube], measure: Callable[[_Pairs], Iterable[Row]]) -> _Tracked:
    read = _reader(record)

    def true(text: str) -> _Track | None:
        found = read(text)
        return found if found and max(map(abs, (*found.boxes, *found.span))) <= MAX_NUMBER else None

    return _Tracked(task, read, remembered(true), measure)


def _structure(pairs: _Pairs, has_N: Floats) -> Floats:
    return 0.25 + 0.25 * (has_N / pairs.true.count_N)


def _rows(*columns: Floats) -> Iterable[Any]:
    return zip(*(column.tolist() for column in columns))


def _tracking(pairs: _Pairs) -> Iterable[Row]:
    pred, true = pairs.pred, pairs.true
    first_N = np.minimum.reduceat(true.second_M, np.cumsum(true.count_N) - true.count_N)
    later_K = true.second_M != first_N[pairs.row_K]
    searched_K = (true.second_M != 1) | (true.count_N == 1)[pairs.row_K]
    given_N = ~pairs.none(pred.second_M == 1) & (true.count_N > 1)
    either_N = pairs.sums(searched_K) + pred.count_N - given_N - pairs.sums(pairs.has_K & searched_K)
    iou_K = boxes.iou(pairs.pred_K4, true.boxes_M4)
    clipped_K = boxes.iou(tracks.clip(pairs.pred_K4, FRAME_SIZE), tracks.clip(true.boxes_M4, FRAME_SIZE)) * later_K
    columns = _rows(
        _structure(pairs, pairs.sums(pairs.has_K)), pairs.sums(iou_K) / true.count_N,
        pairs.sums(iou_K * searched_K) / np.maximum(either_N, 1), pairs.sums(later_K), pairs.sums(clipped_K),
        pairs.sums(clipped_K > 0.5), pairs.sums(clipped_K > 0.75), true.count_N.astype(np.float64),
        pairs.sums(iou_K > 0.5), pairs.sums(iou_K > 0.75),
    )  # fmt: skip
    for structure, miou, hardened, frames, total, over50, over75, seconds, seconds50, seconds75 in columns:
        evidence = {
            "got10k": {"frames": frames, "iou": total, "above_0.5": over50, "above_0.75": over75},
            "seconds": {"frames": seconds, "above_0.5": seconds50, "above_0.75": seconds75},
        }
        yield structure, miou, {"miou": miou}, evidence, miou, hardened


def _tube(pairs: _Pairs) -> Iterable[Row]:
    pred_N2, true_N2, second_K = pairs.pred.span_N2, pairs.true.span_N2, pairs.true.second_M
    iou_K, has_N = boxes.iou(pairs.pred_K4, pairs.true.boxes_M4), pairs.sums(pairs.has_K)
    total_N, tiou_N = pairs.sums(iou_K), spans.iou(pred_N2, true_N2)
    common_N = total_N / np.maximum(has_N, 1)
    union_N = total_N / (pairs.true.count_N + pairs.pred.count_N - has_N)
    starts_2N, ends_2N = np.ceil([pred_N2[:, 0], true_N2[:, 0]]), np.floor([pred_N2[:, 1], true_N2[:, 1]])
    first_N, last_N = starts_2N.max(axis=0), ends_2N.min(axis=0)
    lengths_2N = np.maximum(ends_2N - starts_2N + 1, 0)
    seconds_N = lengths_2N.sum(axis=0) - np.maximum(last_N - first_N + 1, 0)
    within_K = (first_N[pairs.row_K] <= second_K) & (second_K <= last_N[pairs.row_K])
    columns = _rows(
        _structure(pairs, has_N), tiou_N, common_N, 0.5 * tiou_N + 0.5 * common_N, tiou_N + common_N, tiou_N + union_N,
        spans.iou_official(pred_N2, true_N2), total_N / pairs.true.count_N, union_N,
        pairs.sums(iou_K * within_K) / np.maximum(seconds_N, 1),
    )  # fmt: skip
    for structure, tiou, common, accuracy, paper, hardened, official, true, union, viou in columns:
        evidence = {"tiou_official": official, "siou_true": true, "siou_union": union, "viou": viou}
        yield structure, accuracy, {"tiou": tiou, "siou": common}, evidence, paper, hardened


TRACKED: dict[str, Together] = {
    "spatial_temporal_grounding": _tracked("spatial_temporal_grounding", _Tube, _tube),
    "tracking": _tracked("tracking", _Path, _tracking),
}
