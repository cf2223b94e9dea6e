"""Image segmentation: a box and points that prompt a segmenter (`onethinker.segment` makes the mask)."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from onethinker.measure import boxes, masks, points
from onethinker.sample import DataError, Sample
from onethinker.tasks.base import Malformed, Measured, MetricProfile, Score, Task, Terms, make_templates, meta_number
from onethinker.tasks.drawing import TRUTH, Picture
from onethinker.tasks.reading import Box, Points, read_box, read_number, read_object, read_points

POINTS = '"positive_points": [[x, y], [x, y], [x, y]], "negative_points": [[x, y], [x, y], [x, y]]'


@dataclass(frozen=True, slots=True)
class Prompts:
    """What prompts the segmenter, None where it was not readable. time: a clip's keyframe in seconds."""

    box: Box | None = None
    positive: Points | None = None
    negative: Points | None = None
    time: float | None = None


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


def true_mask(sample: Sample, second: float = 0.0) -> NDArray[np.bool_] | None:
    """The true mask (H, W) of an image, or of a clip's frame at `second`; None where none is given. Raises DataError.

    `meta["segmentation"]`: COCO run lengths as published, `{"segmentation_rle": …}` as an object or as its JSON, for a
    clip by frame name beside `frames`, the names in order, at `meta["fps"]`.
    """
    given = sample.meta.get("segmentation")
    if given is None:
        return None
    try:
        record = json.loads(given) if isinstance(given, str) else given
        rle = record["segmentation_rle"]
        if "frames" in record:
            fps = meta_number(sample, "fps")
            if fps is None:
                raise KeyError("fps")
            last = len(record["frames"]) - 1
            rle = rle.get(record["frames"][min(round(second * fps), last)])
        return None if rle is None else masks.decode(rle)
    except (AttributeError, KeyError, IndexError, TypeError, ValueError) as error:
        raise DataError(f"sample {sample.id}: meta['segmentation'] is not the published form: {error!r}") from error


def overlap(pred: Prompts, true: Prompts) -> dict[str, float]:
    """IoU of the boxes, and G(d) of the positive and of the negative points, 0 for a part that is missing."""
    iou = float(boxes.iou(pred.box, true.box)[0]) if pred.box and true.box else 0.0
    return {
        "iou": iou,
        "positive": _near(pred.positive, true.positive),
        "negative": _near(pred.negative, true.negative),
    }


def _near(pred: Points | None, true: Points | None) -> float:
    if pred is None or true is None:
        return 0.0
    return float(points.similarity(points.matched_distance(pred, true))[0])


def prompt_terms(score: Score, *more: str) -> Terms:
    """Means of the accuracy and of its parts. more: parts besides box and points."""
    parts = ("iou", "positive", "negative", *more)
    return {"accuracy": (score.accuracy, 1.0)} | {part: (score.components.get(part, 0.0), 1.0) for part in parts}


def mask_evidence(score: Score) -> Mapping[str, float] | None:
    """What evaluation added from the segmenter's masks: `inter`, `union` (pixels, an image), `j`, `f` (0–1, a clip)."""
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
    templates = make_templates(
        "segment: {question}",
        "The answer is JSON that prompts a segmenter: the object's box (left, top, right, bottom), three points on "
        "the object and three points near it that are not on it. Numbers run from 0 to 1000 of width and height.",
        example,
    )

    def parse(self, text: str, sample: Sample, *, lenient: bool = False) -> Prompts:
        return parse_prompts(text, timed=False, lenient=lenient)

    def measure(self, pred: Prompts, true: Prompts, sample: Sample) -> Measured:
        parts = overlap(pred, true)
        iou, positive, negative = parts.values()
        if pred.positive is None or pred.negative is None:
            return Measured(0.0, parts)
        return Measured(0.5 * iou + 0.25 * positive + 0.25 * negative, parts, paper=iou + positive + negative)

    def terms(self, score: Score, profile: MetricProfile) -> Terms:
        """cIoU = ΣI/ΣU and gIoU over masks where evaluation made them; an empty mask of nothing is right."""
        mask = mask_evidence(score)
        if mask is None:
            return prompt_terms(score)
        inter, union = mask["inter"], mask["union"]
        return {"cIoU": (inter, union), "gIoU": (inter / union if union else 1.0, 1.0)} | prompt_terms(score)

    def paint(self, picture: Picture, value: Prompts, colour: str, sample: Sample) -> None:
        if colour == TRUTH:
            paint_mask(picture, sample)
        paint_prompts(picture, value, colour)


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
