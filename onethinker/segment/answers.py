"""The masks of a segmentation answer, to be drawn: what a segmenter makes of its box and points."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from onethinker.media import MediaBudget, open_clip, open_image, probe
from onethinker.sample import Sample
from onethinker.segment.base import Mask, Segmenter
from onethinker.tasks import get_task
from onethinker.tasks.image_segmentation import Prompts
from onethinker.tasks.reading import Box, Points

_PIXELS, _FRAMES = 320 * 240, 96
"""Of a clip that is segmented to be drawn, at most, so that it takes seconds; measured masks have full size."""


def parts_of(sample: Sample, value: Prompts | None) -> tuple[Box, Points, Points] | None:
    """The box, the points on the object and those beside it that prompt the segmenter, 0–1000; None of a task without
    masks and of an answer that lacks one of them."""
    if not get_task(sample.task).masks or value is None:
        return None
    if value.box is None or value.positive is None or value.negative is None:
        return None
    return value.box, value.positive, value.negative


def masks_of(
    segmenter: Segmenter, sample: Sample, file: Path, values: Sequence[Prompts | None], times: Sequence[float]
) -> list[Mask]:
    """A mask (H, W) a frame, of an image one, of a clip one at each of `times` in seconds; sizes may differ from the
    frames'. Of several answers the `majority`, of those that lack no part; empty without any, and for other tasks. The
    file is opened once. Raises MediaError."""
    whole = [(value.time, parts) for value in values if value is not None and (parts := parts_of(sample, value))]
    if not whole:
        return []
    if get_task(sample.task).masks == "image":
        picture = open_image(file)
        return [majority(segmenter.segment_image(picture, *parts) for _, parts in whole)]
    budget = MediaBudget(frame_pixels=_PIXELS, fps=min(probe(file).fps or 1.0, 10.0), max_frames=_FRAMES)
    clip = open_clip(file, budget)
    masks_T = majority(segmenter.segment_clip(clip, time or 0.0, *parts, clip.times) for time, parts in whole)
    return [masks_T[np.abs(clip.times - time).argmin()] for time in times]


def majority(masks: Iterable[Mask]) -> Mask:
    """The pixels that more than half of the masks hold, all of one shape; of one mask itself."""
    first, *rest = masks
    held = first.astype(np.uint16)
    for mask in rest:
        held += mask
    return 2 * held > 1 + len(rest)
