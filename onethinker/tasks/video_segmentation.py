"""Video segmentation: a keyframe's second, and the box and points in it that prompt a segmenter for the whole clip."""

from __future__ import annotations

import math

from onethinker.sample import Sample
from onethinker.tasks.base import Measured, MetricProfile, Score, Task, Terms, make_templates
from onethinker.tasks.drawing import TRUTH, Picture
from onethinker.tasks.image_segmentation import (
    POINTS,
    Prompts,
    mask_evidence,
    overlap,
    paint_mask,
    paint_prompts,
    parse_prompts,
    prompt_terms,
)


class VideoSegmentation(Task[Prompts]):
    """The time kernel is exp(−|Δt| / 2) in `released` and exp(−Δt² / 2) in `paper` and `hardened`."""

    name = "video_segmentation"
    title = "Video segmentation"
    modalities = ("video",)
    example = f'{{"time": t, "boxes": [x1, y1, x2, y2], {POINTS}}}'
    paper_max = 4.0
    nothing = Prompts()
    structured = True
    templates = make_templates(
        "segment: {question}",
        "The answer is JSON that prompts a segmenter: a moment in seconds at which the object is seen well, and at "
        "that moment the object's box (left, top, right, bottom), three points on the object and three points near "
        "it that are not on it, numbers from 0 to 1000 of width and height.",
        example,
    )

    def parse(self, text: str, sample: Sample, *, lenient: bool = False) -> Prompts:
        return parse_prompts(text, timed=True, lenient=lenient)

    def measure(self, pred: Prompts, true: Prompts, sample: Sample) -> Measured:
        away = math.inf if pred.time is None or true.time is None else abs(pred.time - true.time)
        parts = overlap(pred, true) | {"time": math.exp(-away / 2)}
        if pred.positive is None or pred.negative is None or pred.time is None:
            return Measured(0.0, parts)
        iou, positive, negative, near = parts.values()
        return Measured(
            0.3 * iou + 0.3 * near + 0.2 * positive + 0.2 * negative,
            parts,
            paper=iou + math.exp(-(away**2) / 2) + positive + negative,
        )

    def terms(self, score: Score, profile: MetricProfile) -> Terms:
        """J&F, J and F over masks where evaluation made them."""
        mask = mask_evidence(score)
        if mask is None:
            return prompt_terms(score, "time")
        j, f = mask["j"], mask["f"]
        return {"J&F": ((j + f) / 2, 1.0), "J": (j, 1.0), "F": (f, 1.0)} | prompt_terms(score, "time")

    def paint(self, picture: Picture, value: Prompts, colour: str, sample: Sample) -> None:
        if colour == TRUTH:
            paint_mask(picture, sample)
        if value.time is not None:
            picture.span(value.time, value.time, colour)
        if value.time is None or picture.is_nearest(value.time):
            paint_prompts(picture, value, colour)
