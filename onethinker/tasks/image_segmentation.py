"""Image segmentation: a box and points that prompt a segmenter (`onethinker.segment` makes the mask)."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from onethinker.measure import boxes, masks, points
from onethinker.sample import DataError, Sample
from onethinker.tasks.base import Malformed, Measured, MetricProfile, Score, Task, Terms, make_templates, meta_number
from onethinker.tasks.drawing import TRUTH, Picture
from onethinker.tasks.found import Found, FoundBox, FoundPoint, label_of
from onethinker.tasks.plain_json import Bools, Floats, Four, Two, not_fractions, plain_reader, rows_of_numbers, upright
from onethinker.tasks.reading import NO_BOX, Box, Points, read_box, read_number, read_object, read_points

EXAMPLE_POINTS = (
    '"positive_points": [[300, 300], [350, 420], [400, 500]], "negative_points": [[90, 90], [600, 100], [90, 700]]'
)
POINTS = '"positive_points": [[x, y], [x, y], [x, y]], "negative_points": [[x, y], [x, y], [x, y]]'


@dataclass(frozen=True, slots=True)
class Prompts:
    """What prompts the segmenter, None where it was not readable. time: a clip's keyframe in seconds."""

    box: Box | None = None
    positive: Points | None = None
    negative: Points | None = None
    time: float | None = None


class PlainPrompts(msgspec.Struct, forbid_unknown_fields=True):
    """As the answer's JSON has them."""

    boxes: Four
    positive_points: tuple[Two, Two, Two]
    negative_points: tuple[Two, Two, Two]


_plain = plain_reader(PlainPrompts)
_PARTS: tuple[tuple[str, str, Callable[..., Any]], ...] = (
    ("box", "boxes", read_box),
    ("positive", "positive_points", read_points),
    ("negative", "negative_points", read_points),
    ("time", "time", read_number),
)


def parse_prompts(text: str, *, timed: bool, lenient: bool) -> Prompts:
    """Read every part; if one is not readable, raise Malformed with the others as its partial."""
    found = read_object(text, lenient=lenient)
    parts: dict[str, Any] = {}
    faults: list[Malformed] = []
    for part, key, read in _PARTS if timed else _PARTS[:3]:
        try:
            parts[part] = read(found.get(key), lenient=lenient)
        except Malformed as fault:
            faults.append(Malformed(f"{key}: {fault}"))
    if faults:
        raise Malformed(str(faults[0]), Prompts(**parts))
    return Prompts(**parts)


def mask_record(sample: Sample) -> Any:
    """`meta["segmentation"]`, parsed where it is JSON. Raises ValueError."""
    given = sample.meta.get("segmentation")
    return json.loads(given) if isinstance(given, str) else given


def true_mask(sample: Sample, second: float = 0.0) -> NDArray[np.bool_] | None:
    """The true mask (H, W) of an image, or of a clip's frame at `second`; None where none is given. Raises DataError.

    `meta["segmentation"]`: COCO run lengths as published, `{"segmentation_rle": …}` as an object or as its JSON, for a
    clip by frame name beside `frames`, the names in order, at `meta["fps"]`. A frame without them has no mask.
    """
    try:
        record = mask_record(sample)
        if record is None:
            return None
        rle = record["segmentation_rle"]
        if "frames" in record:
            fps = meta_number(sample, "fps")
            if fps is None:
                raise KeyError("fps")
            last = len(record["frames"]) - 1
            rle = rle.get(record["frames"][min(round(second * fps), last)])
        return masks.decode(rle) if rle else None
    except (AttributeError, KeyError, IndexError, TypeError, ValueError) as error:
        raise DataError(f"sample {sample.id}: meta['segmentation'] is not the published form: {error!r}") from error


_FAR: Points = ((math.inf, math.inf),) * 3
"""Stand where there are no points: they are near to none."""


def prompt_arrays(values: Sequence[Prompts]) -> Floats:
    """(N, 17): box, positive points, negative points, time; a part that is missing overlaps with nothing."""
    return rows_of_numbers(
        [
            (
                *(value.box or NO_BOX),
                *chain(*(value.positive or _FAR), *(value.negative or _FAR)),
                math.inf if value.time is None else value.time,
            )
            for value in values
        ],
        17,
    )


def overlap(pred: Floats, true: Floats) -> tuple[dict[str, Floats], Bools]:
    """IoU of the boxes, and G(d) of the positive and of the negative points, each (N,), 0 for a part that is missing;
    and which answers have both sorts of points. pred, true: as `prompt_arrays` gives them."""
    pred_P32, true_P32 = (values[:, 4:16].reshape(-1, 3, 2) for values in (pred, true))  # P: positive, negative, …
    near_N2 = points.similarity(points.matched_distance(pred_P32, true_P32)).reshape(-1, 2)
    parts = {"iou": boxes.iou(pred[:, :4], true[:, :4]), "positive": near_N2[:, 0], "negative": near_N2[:, 1]}
    return parts, np.asarray(np.isfinite(pred[:, 4:16]).all(axis=1))


def prompts_read_alike(pred: Floats) -> Bools:
    """Answers that lenient reading leaves as they are."""
    positive_N, negative_N = not_fractions(pred[:, 4:10]), not_fractions(pred[:, 10:16])
    return np.asarray(upright(pred[:, :4]) & positive_N & negative_N)


def prompt_terms(score: Score, *more: str) -> Terms:
    """Means of the accuracy and of its parts. more: parts besides box and points."""
    parts = ("iou", "positive", "negative", *more)
    return {"accuracy": (score.accuracy, 1.0)} | {part: (score.components.get(part, 0.0), 1.0) for part in parts}


def mask_evidence(score: Score) -> Mapping[str, float] | None:
    """What evaluation added from the segmenter's masks: `inter`, `union` (pixels, an image), `j`, `f` and, by
    the published run's formulas, `released_j`, `released_f` (0–1, a clip)."""
    return score.evidence.get("mask")


class ImageSegmentation(Task[Prompts]):
    """Both sorts of points are needed; a box that is missing costs its own part only, as published."""

    name = "image_segmentation"
    title = "Image segmentation"
    modalities = ("image",)
    example = f'{{"boxes": [x1, y1, x2, y2], {POINTS}}}'
    paper_max = 3.0
    nothing = Prompts()
    structured = True
    published = "segmentation"
    group = "Segmentation"
    masks = "image"
    scenes = ("still",)
    example_truth = '{"boxes": [200, 200, 500, 600], ' + EXAMPLE_POINTS + "}"
    templates = make_templates(
        "segment: {question}",
        "The answer is JSON that prompts a segmenter: the object's box (left, top, right, bottom), three points on "
        "the object and three points near it that are not on it. Numbers run from 0 to 1000 of width and height.",
        example,
    )

    def parse(self, text: str, sample: Sample, *, lenient: bool = False) -> Prompts:
        return parse_prompts(text, timed=False, lenient=lenient)

    def plain(self, text: str) -> Prompts | None:
        found = _plain(text)
        return None if found is None else Prompts(found.boxes, found.positive_points, found.negative_points)

    def arrays(self, values: Sequence[Prompts]) -> Floats:
        return prompt_arrays(values)

    def measure(self, pred: Floats, true: Floats, samples: Sequence[Sample]) -> Measured:
        parts, pointed_N = overlap(pred, true)
        iou_N, positive_N, negative_N = parts.values()
        accuracy_N = 0.5 * iou_N + 0.25 * positive_N + 0.25 * negative_N
        return Measured(accuracy_N * pointed_N, parts, paper=iou_N + positive_N + negative_N)

    def reads_alike(self, pred: Floats) -> Bools:
        return prompts_read_alike(pred)

    def terms(self, score: Score, profile: MetricProfile) -> Terms:
        """cIoU = ΣI/ΣU and gIoU over masks where evaluation made them; an empty mask of nothing is right officially."""
        mask = mask_evidence(score)
        if mask is None:
            return prompt_terms(score)
        inter, union = mask["inter"], mask["union"]
        empty = 0.0 if profile == "released" else 1.0
        return {"cIoU": (inter, union), "gIoU": (inter / union if union else empty, 1.0)} | prompt_terms(score)

    def found(self, value: Prompts, sample: Sample) -> Found:
        return found_prompts(value, sample)

    def paint(self, picture: Picture, value: Prompts, colour: str, sample: Sample) -> None:
        if colour == TRUTH:
            paint_mask(picture, sample)
        paint_prompts(picture, value, colour)


def found_prompts(value: Prompts, sample: Sample) -> Found:
    """Box and points, at the keyframe's second in a clip."""
    label, sorts = label_of(sample), ((value.positive or (), True), (value.negative or (), False))
    points = tuple(FoundPoint(x, y, label, positive, value.time) for some, positive in sorts for x, y in some)
    return Found((FoundBox(value.box, label, value.time),) if value.box else (), points)


def paint_mask(picture: Picture, sample: Sample) -> None:
    """Tint the true mask at the picture's second."""
    mask = true_mask(sample, picture.second)
    if mask is not None:
        picture.mask(mask, TRUTH)


def paint_prompts(picture: Picture, value: Prompts, colour: str) -> None:
    """Box, plus signs and crosses."""
    if value.box:
        picture.box(value.box, colour)
    if value.positive:
        picture.points(value.positive, colour, positive=True)
    if value.negative:
        picture.points(value.negative, colour, positive=False)
