"""Video segmentation: a keyframe's second, and the box and points in it that prompt a segmenter for the whole clip."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from onethinker.sample import Sample
from onethinker.tasks.base import Measured, MetricProfile, Score, Task, Terms, make_templates
from onethinker.tasks.drawing import TRUTH, Picture
from onethinker.tasks.found import Found
from onethinker.tasks.image_segmentation import (
    EXAMPLE_POINTS,
    POINTS,
    PlainPrompts,
    Prompts,
    found_prompts,
    mask_evidence,
    overlap,
    paint_mask,
    paint_prompts,
    parse_prompts,
    prompt_arrays,
    prompt_terms,
    prompts_read_alike,
)
from onethinker.tasks.plain_json import Bools, Floats, Number, plain_reader


class _Plain(PlainPrompts, forbid_unknown_fields=True):
    time: Number


_plain = plain_reader(_Plain)


class VideoSegmentation(Task[Prompts]):
    """The time kernel is exp(−|Δt| / 2) in `released` and exp(−Δt² / 2) in `paper` and `hardened`."""

    name = "video_segmentation"
    title = "Video segmentation"
    modalities = ("video",)
    example = f'{{"time": t, "boxes": [x1, y1, x2, y2], {POINTS}}}'
    paper_max = 4.0
    nothing = Prompts()
    structured = True
    published = "segmentation"
    group = "Segmentation"
    masks = "clip"
    scenes = ("clip",)
    example_truth = '{"time": 4.5, "boxes": [200, 200, 500, 600], ' + EXAMPLE_POINTS + "}"
    templates = make_templates(
        "segment: {question}",
        "The answer is JSON that prompts a segmenter: a moment in seconds at which the object is seen well, and at "
        "that moment the object's box (left, top, right, bottom), three points on the object and three points near "
        "it that are not on it, numbers from 0 to 1000 of width and height.",
        example,
    )

    def parse(self, text: str, sample: Sample, *, lenient: bool = False) -> Prompts:
        return parse_prompts(text, timed=True, lenient=lenient)

    def plain(self, text: str) -> Prompts | None:
        found = _plain(text)
        if found is None:
            return None
        return Prompts(found.boxes, found.positive_points, found.negative_points, found.time)

    def arrays(self, values: Sequence[Prompts]) -> Floats:
        return prompt_arrays(values)

    def measure(self, pred: Floats, true: Floats, samples: Sequence[Sample]) -> Measured:
        parts, pointed_N = overlap(pred, true)
        iou_N, positive_N, negative_N = parts.values()
        away_N = np.abs(pred[:, 16] - true[:, 16])
        near_N = np.exp(-away_N / 2)
        accuracy_N = 0.3 * iou_N + 0.3 * near_N + 0.2 * positive_N + 0.2 * negative_N
        return Measured(
            accuracy_N * (pointed_N & np.isfinite(away_N)),
            parts | {"time": near_N},
            paper=iou_N + np.exp(-np.square(away_N) / 2) + positive_N + negative_N,
        )

    def reads_alike(self, pred: Floats) -> Bools:
        return prompts_read_alike(pred)

    def terms(self, score: Score, profile: MetricProfile) -> Terms:
        """J&F, J and F over masks where evaluation made them, by the profile's formulas."""
        mask, of = mask_evidence(score), "released_" if profile == "released" else ""
        if mask is None or f"{of}j" not in mask:
            return prompt_terms(score, "time")
        j, f = mask[f"{of}j"], mask[f"{of}f"]
        return {"J&F": ((j + f) / 2, 1.0), "J": (j, 1.0), "F": (f, 1.0)} | prompt_terms(score, "time")

    def found(self, value: Prompts, sample: Sample) -> Found:
        return found_prompts(value, sample)

    def paint(self, picture: Picture, value: Prompts, colour: str, sample: Sample) -> None:
        if colour == TRUTH:
            paint_mask(picture, sample)
        if value.time is not None:
            picture.span(value.time, value.time, colour)
        if value.time is None or picture.is_nearest(value.time):
            paint_prompts(picture, value, colour)
