"""Answers of a fixed number of numbers (a box, a span, points), measured many at once. For `tasks.batch`."""

from __future__ import annotations

import json
import math
from array import array
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain
from typing import Any, TypeAlias, TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from onethinker.measure import boxes, points, spans
from onethinker.sample import DataError, Sample
from onethinker.sample.answer import Answer, Status
from onethinker.tasks import TASKS
from onethinker.tasks.base import Score
from onethinker.tasks.reading import MAX_NUMBER, NO_BOX

Floats: TypeAlias = NDArray[np.float64]
Result: TypeAlias = Score | DataError
Asked: TypeAlias = tuple[Sample, Answer]
Scored: TypeAlias = tuple[Result, bool]
"""A score, and whether lenient reading is known to give the same."""
Together: TypeAlias = Callable[[Sequence[Asked]], list[Scored | None]]
"""The scores of answers to one task, None in place of one that is to be scored alone."""
Row: TypeAlias = tuple[float, float, dict[str, float], dict[str, Any], float, float]
"""What is measured of one answer: structure, accuracy, components, evidence, R_acc of `paper` and of `hardened`."""
Two: TypeAlias = tuple[float, float]
Four: TypeAlias = tuple[float, float, float, float]

OK = Status.OK
T = TypeVar("T")


# ---- reading ----------------------------------------------------------------------------------------------------


class _Box(msgspec.Struct, forbid_unknown_fields=True):
    boxes: Four


class _Span(msgspec.Struct, forbid_unknown_fields=True):
    time: Two


class _Prompts(msgspec.Struct, forbid_unknown_fields=True):
    boxes: Four
    positive_points: tuple[Two, Two, Two]
    negative_points: tuple[Two, Two, Two]


class _TimedPrompts(_Prompts, forbid_unknown_fields=True):
    time: float


def _flat(found: _Prompts) -> tuple[float, ...]:
    return *found.boxes, *chain(*found.positive_points, *found.negative_points)


def plain_reader(record: type[msgspec.Struct]) -> Callable[[str], Any]:
    """Reads JSON of exactly a record's keys and types; None for any other text.

    msgspec takes only finite JSON numbers for floats and rounds them as Python does. Of keys that stand twice it takes
    the last: the caller counts them.
    """
    decode = msgspec.json.Decoder(record).decode

    def read(text: str) -> Any:
        try:
            return decode(text)
        except (ValueError, RecursionError):
            return None

    return read


def remembered(read: Callable[[str], T]) -> Callable[[str], T]:
    """`read`, remembering what it made of the last texts of usual length."""
    known = lru_cache(maxsize=1024)(read)

    def recall(text: str) -> T:
        return known(text) if len(text) <= 10_000 else read(text)

    return recall


def unread_status(task: str, sample: Sample, answer: Answer) -> Status | None:
    """The status of an answer of which nothing can be read; None where `Task.score` finds more in it."""
    try:
        json.loads(answer.text)
    except json.JSONDecodeError:  # most often: it was cut short
        return Status.MALFORMED if answer.status is OK else answer.status
    except (ValueError, RecursionError):
        pass  # the task's own reading tells
    status, value = TASKS[task].read(sample, answer)
    return status if value is None else None


# ---- scores -----------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Kept:
    """The answers that are measured together: their places, statuses (not OK: nothing could be read) and rows."""

    places: list[int]
    statuses: list[Status]

    @classmethod
    def of(
        cls,
        task: str,
        asked: Sequence[Asked],
        read: Callable[[str], T | None],
        true: Callable[[str], T | None],
        nothing: T,
    ) -> tuple[Kept, list[T], list[T]]:
        """Those that can be measured, what each says and each truth. nothing: said where nothing could be read."""
        kept, pred, truths = cls([], []), list[T](), list[T]()
        for place, (sample, answer) in enumerate(asked):
            said, known = read(answer.text) if answer.status is OK else None, true(sample.truth)
            status = OK if said is not None else unread_status(task, sample, answer)
            if known is not None and status is not None:
                kept.places.append(place)
                kept.statuses.append(status)
                pred.append(nothing if said is None else said)
                truths.append(known)
        return kept, pred, truths

    def scores(
        self, asked: Sequence[Asked], rows: Iterable[Row], same_N: NDArray[np.bool_], bounded_N: NDArray[np.bool_]
    ) -> list[Scored | None]:
        """rows: what was measured. same_N: a lenient reading is equal. bounded_N: no number is beyond bounds."""
        made: list[Scored | None] = [None] * len(asked)
        each = zip(self.places, self.statuses, rows, same_N.tolist(), bounded_N.tolist(), strict=True)
        for place, status, (structure, accuracy, components, evidence, paper, hardened), same, bounded in each:
            answer, ok = asked[place][1], status is OK
            if bounded or not ok:
                form, r_acc = answer.format, {"paper": paper, "hardened": hardened}
                given = structure if ok and form else 0.0
                score = Score(status, accuracy, form, given, components, evidence, r_acc, answer.tidy)
                made[place] = score, same and ok
        return made


@dataclass(frozen=True)
class _Fixed:
    """A task whose answer is some numbers.

    read: them, from a text in plain form whose keys stand once; else None. nothing: those that measure exactly 0.
    measure: (asked, pred_NW, true_NW) → a row each, and whether a lenient reading is equal.
    """

    task: str
    read: Callable[[str], Sequence[float] | None]
    nothing: Sequence[float]
    true: Callable[[str], Sequence[float] | None]
    measure: Callable[[Sequence[Asked], Floats, Floats], tuple[Iterable[Row], NDArray[np.bool_]]]

    def __call__(self, asked: Sequence[Asked]) -> list[Scored | None]:
        kept, *sides = Kept.of(self.task, asked, self.read, self.true, self.nothing)
        pred_NW, true_NW = (
            np.frombuffer(array("d", chain.from_iterable(side))).reshape(-1, len(self.nothing)) for side in sides
        )
        with np.errstate(over="ignore", invalid="ignore"):
            rows, same_N = self.measure([asked[place] for place in kept.places], pred_NW, true_NW)
        return kept.scores(asked, rows, same_N, bounded(pred_NW))


def _fixed(task: str, record: type[msgspec.Struct], flat: Any, nothing: Sequence[float], measure: Any) -> _Fixed:
    plain, quotes = plain_reader(record), 2 * len(record.__struct_fields__)

    def read(text: str) -> Sequence[float] | None:
        found = plain(text)
        return None if found is None or text.count('"') != quotes else flat(found)

    def true(text: str) -> Sequence[float] | None:
        found = read(text)
        return None if found is None or max(map(abs, found)) > MAX_NUMBER else found

    return _Fixed(task, read, nothing, remembered(true), measure)


# ---- measures ---------------------------------------------------------------------------------------------------


def upright(boxes_N4: Floats) -> NDArray[np.bool_]:
    """Boxes that lenient reading leaves as they are: corners in order, and not all of 0–1."""
    ordered = (boxes_N4[:, 0] <= boxes_N4[:, 2]) & (boxes_N4[:, 1] <= boxes_N4[:, 3])
    upright: NDArray[np.bool_] = ordered & _not_fractions(boxes_N4)
    return upright


def _not_fractions(numbers_NW: Floats) -> NDArray[np.bool_]:
    numbers_WN = numbers_NW.T.copy()
    outside: NDArray[np.bool_] = (numbers_WN.min(axis=0) < 0) | (numbers_WN.max(axis=0) > 1)
    return outside


def bounded(numbers_NW: Floats) -> NDArray[np.bool_]:
    """Rows without a number beyond MAX_NUMBER."""
    beyond_NW = np.abs(numbers_NW) > MAX_NUMBER
    within: NDArray[np.bool_] = np.ones(len(numbers_NW), dtype=bool)
    if beyond_NW.any():
        within[beyond_NW.any(axis=1)] = False
    return within


def _spatial(asked: Sequence[Asked], pred_N4: Floats, true_N4: Floats) -> Any:
    iou = boxes.iou(pred_N4, true_N4).tolist()
    return [(0.5, v, {"iou": v}, {}, v, v) for v in iou], upright(pred_N4)


def _temporal(asked: Sequence[Asked], pred_N2: Floats, true_N2: Floats) -> Any:
    tiou = spans.iou(pred_N2, true_N2).tolist()
    official_N = spans.iou_official(pred_N2, true_N2)
    clips = [n for n, (sample, _) in enumerate(asked) if sample.meta.get("duration") is not None]
    if clips:
        ends = [asked[n][0].meta["duration"] for n in clips]
        official_N[clips] = spans.iou_official(pred_N2[clips], true_N2[clips], ends)
    rows = [(0.5, v, {"tiou": v}, {"tiou_official": w}, v, v) for v, w in zip(tiou, official_N.tolist())]
    return rows, pred_N2[:, 0] <= pred_N2[:, 1]


def _parts(pred_NW: Floats, true_NW: Floats) -> tuple[list[Floats], NDArray[np.bool_]]:
    """IoU and the nearness of positive and of negative points, and whether a lenient reading is equal."""
    found, same = [boxes.iou(pred_NW[:, :4], true_NW[:, :4])], upright(pred_NW[:, :4])
    for side in (slice(4, 10), slice(10, 16)):
        pred_N32, true_N32 = (x[:, side].reshape(-1, 3, 2) for x in (pred_NW, true_NW))
        found.append(points.similarity(points.matched_distance(pred_N32, true_N32)))
        same &= _not_fractions(pred_NW[:, side])
    return found, same


def _image(asked: Sequence[Asked], pred_NW: Floats, true_NW: Floats) -> Any:
    (iou, near, off), same = _parts(pred_NW, true_NW)
    columns = [iou, near, off, 0.5 * iou + 0.25 * near + 0.25 * off, iou + near + off]
    rows = zip(*(column.tolist() for column in columns))
    return [(0.5, a, {"iou": i, "positive": p, "negative": n}, {}, r, r) for i, p, n, a, r in rows], same


def _video(asked: Sequence[Asked], pred_NW: Floats, true_NW: Floats) -> Any:
    (iou, near, off), same = _parts(pred_NW, true_NW)
    away = np.abs(pred_NW[:, 16] - true_NW[:, 16])
    when = np.exp(-away / 2)
    accuracy = 0.3 * iou + 0.3 * when + 0.2 * near + 0.2 * off
    columns = [iou, near, off, when, accuracy, iou + np.exp(-(away**2) / 2) + near + off]
    rows = zip(*(column.tolist() for column in columns))
    return [(0.5, a, {"iou": i, "positive": p, "negative": n, "time": t}, {}, r, r) for i, p, n, t, a, r in rows], same


_FAR = [math.inf] * 12
FIXED: dict[str, Together] = {
    "spatial_grounding": _fixed("spatial_grounding", _Box, lambda found: found.boxes, NO_BOX, _spatial),
    "temporal_grounding": _fixed("temporal_grounding", _Span, lambda found: found.time, (0.0, 0.0), _temporal),
    "image_segmentation": _fixed("image_segmentation", _Prompts, _flat, (*NO_BOX, *_FAR), _image),
    "video_segmentation": _fixed(
        "video_segmentation",
        _TimedPrompts,
        lambda found: (*_flat(found), found.time),
        (*NO_BOX, *_FAR, math.inf),
        _video,
    ),
}
