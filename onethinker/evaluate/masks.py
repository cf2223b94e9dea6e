"""Masks from segmentation answers: the segmenter is prompted with the parsed answer and its masks are scored."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from onethinker.answer import Answer, Status
from onethinker.measure import masks
from onethinker.media import open_image
from onethinker.sample import DataError, Sample
from onethinker.tasks import get_task
from onethinker.tasks.base import Score

Mask = NDArray[np.bool_]
Spots = Sequence[tuple[float, float]]
SEGMENTATION = ("image_segmentation", "video_segmentation")


class Segmenter(Protocol):
    """Box and points (0–1000 of width and height) → masks. name: part of a result's identity."""

    name: str

    def segment_image(self, image: Image.Image, box: Sequence[float], positive: Spots, negative: Spots) -> Mask:
        """The mask (H, W) at the image's size."""
        ...

    def segment_clip(
        self, path: Path, time: float, box: Sequence[float], positive: Spots, negative: Spots, times: Sequence[float]
    ) -> Mask:
        """The masks (T, H, W) on screen at `times` (seconds), prompted at `time`."""
        ...


def with_mask(
    sample: Sample, root: Path, answer: Answer, score: Score, segmenter: Segmenter, *, lenient: bool = False
) -> Score:
    """The score with `evidence["mask"]`: `inter`, `union` (pixels) of an image, `j`, `f` (0–1) of a clip.

    Scores of other tasks come back as they are. An answer that could not be read has no mask: it overlaps nothing,
    and an image's truth is all of the union. Raises DataError where the sample has no mask to compare with.
    """
    if sample.task not in SEGMENTATION or score.status is Status.ERROR:
        return score
    _, prompts = get_task(sample.task).read(sample, answer, lenient=lenient)
    readable = score.status is Status.OK and prompts is not None
    path = sample.paths(root)[0]
    if sample.task == "image_segmentation":
        true = true_mask(sample)
        pred = np.zeros_like(true)
        if readable:
            pred = segmenter.segment_image(open_image(path), prompts.box, prompts.positive, prompts.negative)
        inter, union = masks.intersection_union(pred, true)
        found = {"inter": int(inter), "union": int(union)}
    elif readable:
        times, true = true_masks(sample)
        pred = segmenter.segment_clip(path, prompts.time, prompts.box, prompts.positive, prompts.negative, times)
        j, f, _ = masks.j_and_f(pred, true)
        found = {"j": j, "f": f}
    else:
        found = {"j": 0.0, "f": 0.0}
    return replace(score, evidence={**score.evidence, "mask": found})


def true_mask(sample: Sample) -> Mask:
    """The mask (H, W) of an image's truth. Raises DataError."""
    found = sample.meta.get("segmentation") or {}
    try:
        return masks.decode(found["segmentation_rle"])
    except (KeyError, TypeError, ValueError) as error:
        raise _no_mask(sample, error) from error


def true_masks(sample: Sample) -> tuple[list[float], Mask]:
    """The seconds (T) and masks (T, H, W) of a clip's truth; frame k of `frames` is on screen at k / fps."""
    found = sample.meta.get("segmentation") or {}
    try:
        names, fps = list(found["frames"]), float(sample.meta["fps"])
        return [k / fps for k in range(len(names))], np.stack(
            [masks.decode(found["segmentation_rle"][n]) for n in names]
        )
    except (KeyError, TypeError, ValueError, ZeroDivisionError) as error:
        raise _no_mask(sample, error) from error


def _no_mask(sample: Sample, error: Exception) -> DataError:
    return DataError(
        f"sample {sample.id}: its truth has no readable masks ({type(error).__name__}: {error}); expected the "
        "published `segmentation_output` with `segmentation_rle`, for a clip also `frames` and `fps`"
    )
