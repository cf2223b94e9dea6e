"""Pointing: a point on every instance of what is asked for, or where to click on a screen."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Any, ClassVar

import msgspec
import numpy as np

from onethinker.measure import detection, masks, points
from onethinker.sample import DataError, Sample
from onethinker.tasks.asking import Ask, Scene, compact, name, norm, norm_box, wanted
from onethinker.tasks.base import Malformed, Measured, MetricProfile, Score, Task, Terms, make_templates
from onethinker.tasks.drawing import TRUTH, Picture
from onethinker.tasks.found import Found, FoundPoint, label_of
from onethinker.tasks.plain_json import Bools, Four, Two, not_fractions, plain_reader
from onethinker.tasks.reading import Box, Point, read_box, read_list, read_point_list

MAX_POINTS = 1000
_TAGGED = re.compile(r'x\d{0,4}\s*=\s*"\s*(\d{1,3}(?:\.\d{1,6})?)\s*"\s+y\d{0,4}\s*=\s*"\s*(\d{1,3}(?:\.\d{1,6})?)\s*"')
"""Molmo's `<points x1="10.5" y1="20" x2=… alt=…>`, in percent of width and height."""


@dataclass(frozen=True, slots=True)
class Pointed:
    """points: 0–1000. boxes: of a truth, the box around each instance, where its masks are not given."""

    points: tuple[Point, ...] = ()
    boxes: tuple[Box, ...] = ()


class _Plain(msgspec.Struct, forbid_unknown_fields=True):
    """An answer, or a truth that has boxes too."""

    points: list[Two]
    boxes: list[Four] | msgspec.UnsetType = msgspec.UNSET


_plain = plain_reader(_Plain, lambda found: -1 if found.boxes is msgspec.UNSET else 0)


def every(rng: Random, scene: Scene) -> Ask:
    """Point to all red shapes → the middle of each."""
    what, fits = wanted(rng, scene)
    return _ask("every", f"all {what}", what, fits)


def click(rng: Random, scene: Scene) -> Ask:
    """Click on the red circle → its middle."""
    it = rng.choice(scene.things)
    return _ask("click", f"click on the {name(it)}", name(it), lambda thing: name(thing) == name(it), exact=name(it))


def _ask(kind: str, question: str, what: str, fits: Any, exact: str = "") -> Ask:
    def solve(seen: Scene) -> tuple[str, str]:
        found = [thing for thing in seen.things if fits(thing)]
        return f"{what}: {', '.join(map(name, found)) or 'none'}", compact({"points": _middles(found, seen.side)})

    def truth(scene: Scene) -> str:
        found = [thing for thing in scene.things if fits(thing)]
        boxes = [norm_box(thing.box, scene.side) for thing in found]
        return compact({"points": _middles(found, scene.side), "boxes": boxes})

    return Ask(kind, question, solve, truth=truth)


def _middles(things: Sequence[Any], side: int) -> list[list[int]]:
    return [[norm((t.box[0] + t.box[2]) / 2, side), norm((t.box[1] + t.box[3]) / 2, side)] for t in things]


class Pointing(Task[Pointed]):
    """The truth has a point on each instance and its box (`"boxes"`, in the same order), or its mask: COCO run lengths
    in `meta["masks"]`. A point is right inside a box or mask, its edge included, and no instance counts twice.

    Accuracy is F1 over the matching with the most right points, so that a point too many costs. Metrics: official are
    Molmo's precision, recall and F1, the mean over questions, where points and instances are first matched by their
    distance (olmo's `PointingEval`); `click` is ScreenSpot's accuracy, of questions with one instance: whether the
    first point is in its box (SeeClick's `screenspot_test.py`).
    """

    name = "pointing"
    title = "Pointing"
    modalities = ("image",)
    example = '{"points": [[x, y], [x, y]]}'
    nothing = Pointed()
    structured = True
    released = False
    group = "Objects"
    scenes = ("still",)
    asks: ClassVar = {"still": (every, click)}
    example_truth = '{"points": [[200, 300], [700, 650]], "boxes": [[100, 200, 300, 400], [600, 500, 800, 800]]}'
    templates = make_templates(
        "point: {question}",
        "The answer is JSON with a point on each thing asked for, from 0 to 1000 of width and height; one only where "
        "it is asked where to click. The list is empty where there is none.",
        example,
    )

    def parse(self, text: str, sample: Sample, *, lenient: bool = False) -> Pointed:
        if lenient and (tagged := _TAGGED.findall(text)):
            return Pointed(tuple((10 * float(x), 10 * float(y)) for x, y in tagged[:MAX_POINTS]))
        entries = read_list(text, "points", lenient=lenient)
        if len(entries) > MAX_POINTS:
            raise Malformed(f"expected at most {MAX_POINTS} points, found {len(entries)}")
        return Pointed(read_point_list(entries, lenient=lenient))

    def plain(self, text: str) -> Pointed | None:
        found = _plain(text)
        return Pointed(tuple(found.points)) if found is not None and len(found.points) <= MAX_POINTS else None

    def truth(self, sample: Sample) -> Pointed:
        """Its points and boxes. Raises DataError where the form is another, or neither boxes nor masks are as many."""
        found = super().truth(sample)
        try:
            entries = read_list(sample.truth, "boxes") if '"boxes"' in sample.truth else []
            boxes = tuple(read_box(entry) for entry in entries)
        except Malformed as error:
            raise DataError(f"sample {sample.id} ({self.name}): the boxes of its truth: {error}") from error
        regions = len(boxes) or len(sample.meta.get("masks") or ())
        if regions != len(found.points):
            raise DataError(
                f"sample {sample.id} ({self.name}): {len(found.points)} points and {regions} boxes or masks; expected "
                'a box in the truth\'s "boxes" or a mask in meta["masks"] for each point'
            )
        return Pointed(found.points, boxes)

    def measure(self, pred: Sequence[Pointed], true: Sequence[Pointed], samples: Sequence[Sample]) -> Measured:
        rows = [_compare(*row) for row in zip(pred, true, samples, strict=True)]
        f1, precision, recall, evidence = zip(*rows, strict=True)
        columns = {key: [one.get(key) for one in evidence] for key in ("precision", "recall", "f1", "click")}
        return Measured(f1, {"f1": f1, "precision": precision, "recall": recall}, columns)

    def reads_alike(self, pred: Sequence[Pointed]) -> Bools:
        flat = [np.array(one.points, dtype=np.float64).reshape(1, -1) for one in pred]
        return np.array([not one.size or bool(not_fractions(one)[0]) for one in flat], dtype=bool)

    def terms(self, score: Score, profile: MetricProfile) -> Terms:
        found = score.evidence
        terms = {name: (float(found.get(key, 0.0)), 1.0) for name, key in _METRICS.items()}
        return terms if found.get("click") is None else terms | {"click": (float(found["click"]), 1.0)}

    def found(self, value: Pointed, sample: Sample) -> Found:
        label = label_of(sample)
        return Found(points=tuple(FoundPoint(x, y, label, thing=n) for n, (x, y) in enumerate(value.points, 1)))

    def paint(self, picture: Picture, value: Pointed, colour: str, sample: Sample) -> None:
        if colour == TRUTH:
            for mask in _masks(sample) if not value.boxes else ():
                picture.mask(mask, colour)
            for box in value.boxes:
                picture.box(box, colour)
            return
        picture.points(value.points, colour, positive=True)
        if not value.points:
            picture.note("answer: none", colour)


_METRICS = {"F1": "f1", "precision": "precision", "recall": "recall"}


def _masks(sample: Sample) -> list[masks.Mask]:
    """Raises DataError."""
    given = sample.meta.get("masks") or []
    try:
        return [masks.decode(one) for one in given]
    except (AttributeError, TypeError, ValueError) as error:
        raise DataError(f"sample {sample.id}: meta['masks'] is not a list of COCO run lengths: {error!r}") from error


def _compare(said: Pointed, true: Pointed, sample: Sample) -> tuple[float, float, float, dict[str, Any]]:
    """F1, precision and recall by the best matching, and as the official tools count."""
    pred_P2, true_T2 = (np.array(one.points, dtype=np.float64).reshape(-1, 2) for one in (said, true))
    if true.boxes:
        inside_PT = points.in_boxes(pred_P2, true.boxes)
    else:
        inside_PT = points.in_masks(pred_P2, _masks(sample))
    rates = points.rates(inside_PT, detection.assign(inside_PT.astype(np.float64)))
    by_distance = points.rates(inside_PT, detection.assign(-points.distances(pred_P2, true_T2)))
    official: dict[str, Any] = dict(zip(("f1", "precision", "recall"), by_distance))
    if len(true_T2) == 1:
        official["click"] = float(len(pred_P2) > 0 and inside_PT[0, 0])
    return *rates, official
