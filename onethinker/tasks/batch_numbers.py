"""Answers of a fixed number of numbers (a box, a span, points), measured many at once. For `tasks.batch`."""

from __future__ import annotations

import json
from array import array
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from onethinker.answer import Answer, Status
from onethinker.measure import boxes, points, spans
from onethinker.sample import DataError, Sample
from onethinker.tasks.base import Score
from onethinker.tasks.reading import MAX_NUMBER

Floats: TypeAlias = NDArray[np.float64]
Result: TypeAlias = Score | DataError

NUMBERS = frozenset((int, float))
UNREADABLE = (ValueError, KeyError, TypeError, OverflowError, RecursionError)
"""What reading a text that is not in plain form may raise."""
_decode = json.JSONDecoder().raw_decode


@dataclass(frozen=True, slots=True)
class Asked:
    """One answer to score, with its sample."""

    sample: Sample
    answer: Answer


def _four(found: Mapping[str, Any]) -> Sequence[float]:
    return found["boxes"]


def _two(found: Mapping[str, Any]) -> Sequence[float]:
    return found["time"]


def _prompts(found: Mapping[str, Any]) -> Sequence[float]:
    (a, b), (c, d), (e, f) = found["positive_points"]
    (g, h), (i, j), (k, m) = found["negative_points"]
    return [*found["boxes"], a, b, c, d, e, f, g, h, i, j, k, m]


def _timed_prompts(found: Mapping[str, Any]) -> Sequence[float]:
    return [*_prompts(found), found["time"]]


@dataclass(frozen=True, slots=True)
class _Form:
    """keys: how many the object has. width: how many numbers it holds. flat: them, from the object."""

    keys: int
    width: int
    flat: Callable[[Mapping[str, Any]], Sequence[float]]

    def read(self, text: str) -> array[float] | None:
        """The numbers of an answer in plain form; None for any other."""
        try:
            found = plain_object(text, self.keys)
            return None if found is None else packed_numbers(self.flat(found), self.width)
        except UNREADABLE:
            return None


_FORMS = {
    "spatial_grounding": _Form(1, 4, _four),
    "temporal_grounding": _Form(1, 2, _two),
    "image_segmentation": _Form(3, 16, _prompts),
    "video_segmentation": _Form(4, 17, _timed_prompts),
}


def plain_object(text: str, keys: int) -> dict[str, Any] | None:
    """The JSON object with that many keys, each once: no string but its keys stands in the text (tracks add theirs)."""
    found, end = _decode(text)
    if end != len(text) or type(found) is not dict or len(found) != keys:
        return None
    inner = found.get("boxes")
    names = keys + (len(inner) if type(inner) is dict else 0)
    return found if text.count('"') == 2 * names else None


def packed_numbers(flat: Sequence[float], width: int) -> array[float] | None:
    """The numbers, none of them a bool or a text; None for another width."""
    if type(flat) is not list or len(flat) != width or not NUMBERS.issuperset(map(type, flat)):
        return None
    return array("d", flat)


@lru_cache(maxsize=8192)
def _true_numbers(task: str, truth: str) -> array[float] | None:
    return _FORMS[task].read(truth)


Fixed: TypeAlias = Callable[[list[Asked], Floats, Floats], tuple[Iterable[tuple[Any, ...]], NDArray[np.bool_]]]
"""(asked, pred_NW, true_NW) → per row accuracy, components, evidence, both R_acc; whether lenient reading is equal."""


def _fixed(task: str, measure: Fixed) -> Callable[[list[Asked]], list[tuple[Result, bool] | None]]:
    form = _FORMS[task]

    def score(asked: list[Asked]) -> list[tuple[Result, bool] | None]:
        made: list[tuple[Result, bool] | None] = [None] * len(asked)
        pred, true, kept = array("d"), array("d"), []
        for place, one in enumerate(asked):
            said, known = form.read(one.answer.text), _true_numbers(task, one.sample.truth)
            if said is not None and known is not None:
                pred += said
                true += known
                kept.append(place)
        if not kept:
            return made
        pred_NW, true_NW = (np.frombuffer(side).reshape(-1, form.width) for side in (pred, true))
        usable = np.abs(np.hstack([pred_NW, true_NW])).max(axis=1) <= MAX_NUMBER
        kept = [place for place, good in zip(kept, usable.tolist()) if good]
        rows, same_N = measure([asked[p] for p in kept], pred_NW[usable], true_NW[usable])
        for place, row, same in zip(kept, rows, same_N.tolist(), strict=True):
            answer = asked[place].answer
            made[place] = ok_score(answer, 0.5, *row), same
        return made

    return score


def ok_score(
    answer: Answer,
    structure: float,
    accuracy: float,
    components: dict[str, float],
    evidence: dict[str, Any],
    paper: float,
    hardened: float,
) -> Score:
    r_acc = {"paper": paper, "hardened": hardened}
    given = structure if answer.format else 0.0
    return Score(Status.OK, accuracy, answer.format, given, components, evidence, r_acc, answer.tidy)


def upright(boxes_N4: Floats) -> NDArray[np.bool_]:
    """Boxes that lenient reading leaves as they are: corners in order, and not all of 0–1."""
    ordered = (boxes_N4[:, 0] <= boxes_N4[:, 2]) & (boxes_N4[:, 1] <= boxes_N4[:, 3])
    upright: NDArray[np.bool_] = ordered & _not_fractions(boxes_N4)
    return upright


def _not_fractions(numbers_NW: Floats) -> NDArray[np.bool_]:
    outside: NDArray[np.bool_] = (numbers_NW.min(axis=1) < 0) | (numbers_NW.max(axis=1) > 1)
    return outside


def _spatial(asked: list[Asked], pred_N4: Floats, true_N4: Floats) -> Any:
    iou = boxes.iou(pred_N4, true_N4).tolist()
    return ((v, {"iou": v}, {}, v, v) for v in iou), upright(pred_N4)


def _temporal(asked: list[Asked], pred_N2: Floats, true_N2: Floats) -> Any:
    tiou = spans.iou(pred_N2, true_N2).tolist()
    official_N = spans.iou_official(pred_N2, true_N2)
    clips = [n for n, one in enumerate(asked) if one.sample.meta.get("duration") is not None]
    if clips:
        ends = [asked[n].sample.meta["duration"] for n in clips]
        official_N[clips] = spans.iou_official(pred_N2[clips], true_N2[clips], ends)
    rows = zip(tiou, official_N.tolist())
    return ((v, {"tiou": v}, {"tiou_official": w}, v, v) for v, w in rows), pred_N2[:, 0] <= pred_N2[:, 1]


def _parts(pred_NW: Floats, true_NW: Floats) -> tuple[list[Floats], NDArray[np.bool_]]:
    """IoU and the nearness of positive and of negative points, and whether a lenient reading is equal."""
    found, same = [boxes.iou(pred_NW[:, :4], true_NW[:, :4])], upright(pred_NW[:, :4])
    for side in (slice(4, 10), slice(10, 16)):
        pred_N32, true_N32 = (x[:, side].reshape(-1, 3, 2) for x in (pred_NW, true_NW))
        found.append(points.similarity(points.matched_distance(pred_N32, true_N32)))
        same &= _not_fractions(pred_NW[:, side])
    return found, same


def _image(asked: list[Asked], pred_NW: Floats, true_NW: Floats) -> Any:
    (iou, near, off), same = _parts(pred_NW, true_NW)
    columns = [iou, near, off, 0.5 * iou + 0.25 * near + 0.25 * off, iou + near + off]
    rows = zip(*(column.tolist() for column in columns))
    return ((a, {"iou": i, "positive": p, "negative": n}, {}, r, r) for i, p, n, a, r in rows), same


def _video(asked: list[Asked], pred_NW: Floats, true_NW: Floats) -> Any:
    (iou, near, off), same = _parts(pred_NW, true_NW)
    away = np.abs(pred_NW[:, 16] - true_NW[:, 16])
    when = np.exp(-away / 2)
    accuracy = 0.3 * iou + 0.3 * when + 0.2 * near + 0.2 * off
    columns = [iou, near, off, when, accuracy, iou + np.exp(-(away**2) / 2) + near + off]
    rows = zip(*(column.tolist() for column in columns))
    return ((a, {"iou": i, "positive": p, "negative": n, "time": t}, {}, r, r) for i, p, n, t, a, r in rows), same


FIXED: dict[str, Callable[[list[Asked]], list[tuple[Result, bool] | None]]] = {
    "spatial_grounding": _fixed("spatial_grounding", _spatial),
    "temporal_grounding": _fixed("temporal_grounding", _temporal),
    "image_segmentation": _fixed("image_segmentation", _image),
    "video_segmentation": _fixed("video_segmentation", _video),
}
"""Task → score together; None in place of an answer or truth that is not in plain form."""
