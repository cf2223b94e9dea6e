"""Masks from segmentation answers: the segmenter is prompted with the parsed answer and its masks are scored."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from onethinker.measure import masks
from onethinker.media import open_image
from onethinker.sample import DataError, Sample
from onethinker.sample.answer import Answer, Status
from onethinker.segment import Segmenter
from onethinker.tasks import get_task
from onethinker.tasks import image_segmentation as segmentation
from onethinker.tasks.base import Score
from onethinker.tasks.image_segmentation import Prompts
from onethinker.tasks.reading import Box, Points

Mask = NDArray[np.bool_]


def with_mask(
    sample: Sample, root: Path, answer: Answer, score: Score, segmenter: Segmenter, *, lenient: bool = False
) -> Score:
    """The score with `evidence["mask"]`: `inter`, `union` (pixels) of an image, `j`, `f` (0–1) of a clip.

    Scores of other tasks and of errors come back as they are. An answer that could not be read has no mask: it overlaps
    nothing, and an image's truth is all of the union. Raises DataError where the sample has no mask to compare with,
    MediaError where its media cannot be read.
    """
    task = get_task(sample.task)
    if not task.masks or score.status is Status.ERROR:
        return score
    measure = _image_mask if task.masks == "image" else _clip_masks
    prompts = task.read(sample, answer, lenient=lenient).value if score.status is Status.OK else None
    return replace(
        score, evidence={**score.evidence, "mask": measure(sample, sample.paths(root)[0], prompts, segmenter)}
    )


def _image_mask(sample: Sample, path: Path, prompts: Prompts | None, segmenter: Segmenter) -> dict[str, float]:
    true = true_mask(sample)
    if prompts is None:
        return {"inter": 0, "union": int(true.sum())}
    pred = segmenter.segment_image(open_image(path), *_parts(prompts))
    if pred.shape != true.shape:
        raise _no_mask(sample, f"mask of {true.shape} for a picture of {pred.shape}")
    inter, union = masks.intersection_union(pred, true)
    return {"inter": int(inter), "union": int(union)}


def _clip_masks(sample: Sample, path: Path, prompts: Prompts | None, segmenter: Segmenter) -> dict[str, float]:
    if prompts is None:
        return {"j": 0.0, "f": 0.0}
    times, true = true_masks(sample)
    pred = segmenter.segment_clip(path, prompts.time or 0.0, *_parts(prompts), times)
    if pred.shape != true.shape:
        raise _no_mask(sample, f"masks of {true.shape} for frames of {pred.shape}")
    j, f, _ = masks.j_and_f(pred, true)
    return {"j": j, "f": f}


def _parts(prompts: Prompts) -> tuple[Box, Points, Points]:
    """Box, positive and negative points; an answer that read as `ok` has them all."""
    assert prompts.box is not None and prompts.positive is not None and prompts.negative is not None
    return prompts.box, prompts.positive, prompts.negative


def true_mask(sample: Sample, second: float = 0.0) -> Mask:
    """The mask (H, W) of the truth, of a clip at that second. Raises DataError."""
    try:
        found = segmentation.true_mask(sample, second)
    except DataError as error:
        raise _no_mask(sample, str(error)) from error
    if found is None:
        raise _no_mask(sample, "no segmentation")
    return found


def true_masks(sample: Sample) -> tuple[list[float], Mask]:
    """The seconds (T) and masks (T, H, W) of a clip's truth; frame k of `frames` is on screen at k / fps."""
    found = sample.meta.get("segmentation") or {}
    try:
        fps = float(sample.meta["fps"])
        times = [k / fps for k in range(len(found["frames"]))]
    except (KeyError, TypeError, ValueError, ZeroDivisionError) as error:
        raise _no_mask(sample, f"{type(error).__name__}: {error}") from error
    frames = [true_mask(sample, time) for time in times]
    if len({frame.shape for frame in frames}) != 1:
        raise _no_mask(sample, f"{len(frames)} frames, not of one size")
    return times, np.stack(frames)


def _no_mask(sample: Sample, problem: str) -> DataError:
    return DataError(
        f"sample {sample.id}: its truth has no mask to compare with ({problem}); expected the published "
        "`segmentation_output` with `segmentation_rle` at the media's size, for a clip also `frames` and `fps`"
    )
