"""Masks from segmentation answers: the segmenter is prompted with the parsed answer and its masks are scored."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from onethinker.measure import masks
from onethinker.media import open_image
from onethinker.sample import DataError, Sample
from onethinker.sample.answer import Answer, Status
from onethinker.segment.base import MAX_MASK_BYTES, Segmenter
from onethinker.tasks import get_task
from onethinker.tasks import image_segmentation as segmentation
from onethinker.tasks.base import Score
from onethinker.tasks.image_segmentation import Prompts
from onethinker.tasks.reading import Box, Points

Mask = NDArray[np.bool_]


def with_mask(
    sample: Sample, root: Path, answer: Answer, score: Score, segmenter: Segmenter, *, lenient: bool = False
) -> Score:
    """The score with `evidence["mask"]`: `inter`, `union` (pixels) of an image; `j`, `f` and, by the published run's
    formulas, `released_j`, `released_f` (0–1) of a clip.

    Scores of other tasks and of errors come back as they are. An answer that could not be read has no mask: it overlaps
    nothing, and an image's truth is all of the union. Raises DataError where the sample has no mask to compare with,
    whatever the answer, MediaError where its media cannot be read.
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
    times, true, annotated = true_masks(sample)
    if prompts is None:
        return dict.fromkeys(("j", "f", "released_j", "released_f"), 0.0)
    pred = _unpadded(segmenter.segment_clip(path, prompts.time or 0.0, *_parts(prompts), times), true)
    if pred.shape != true.shape:
        raise _no_mask(sample, f"masks of {true.shape} for frames of {pred.shape}")
    j, f, _ = masks.j_and_f(pred, true)
    released = masks.released_j_and_f(pred, true, annotated)
    return {"j": j, "f": f, "released_j": released.j, "released_f": released.f}


def _unpadded(pred: Mask, true: Mask) -> Mask:
    """Masks of a clip cut to its frames' own size: where that is odd, the clip has a row or column more at its end,
    since encoders want even sides (`media.write`; the release's `pad=ceil(iw/2)*2`)."""
    height, width = true.shape[1:]
    return pred[:, : height if height % 2 else height + 1, : width if width % 2 else width + 1]


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


class ClipTruth(NamedTuple):
    """Of the T frames that are scored: their seconds, their masks, and which of these were given."""

    times: list[float]
    masks_THW: Mask
    annotated_T: Mask


def true_masks(sample: Sample) -> ClipTruth:
    """A clip's truth; frame k of `frames` is on screen at k / fps. Raises DataError.

    A frame whose run lengths are null or absent is empty, as MeViS's tool has it (tools/eval_mevis.py: masks start as
    zeros); the release's tool skips it (`annotated_T`). Frames named in `unscored` are left out.
    """
    try:
        record = segmentation.mask_record(sample)
        fps, runs, unscored = float(sample.meta["fps"]), record["segmentation_rle"], set(record.get("unscored", ()))
        frames = [(k / fps, runs.get(name)) for k, name in enumerate(record["frames"]) if name not in unscored]
        known = {tuple(run["size"]) for _, run in frames if run} or {_resolution(sample)}
        if len(known) != 1 or not frames:
            raise ValueError(f"{len(frames)} frames of {len(known)} sizes")
        height, width = known.pop()
        if len(frames) * height * width > MAX_MASK_BYTES:  # each mask has its own bound; a few bytes may be any of them
            raise ValueError(f"{len(frames)} masks of {width}×{height} exceed {MAX_MASK_BYTES >> 30} GiB")
        given = [masks.decode(run) if run else None for _, run in frames]
        nothing = np.zeros((height, width), bool)
    except (AttributeError, KeyError, TypeError, ValueError, ZeroDivisionError) as error:
        raise _no_mask(sample, f"{type(error).__name__}: {error}") from error
    stacked = np.stack([nothing if mask is None else mask for mask in given])
    return ClipTruth([time for time, _ in frames], stacked, np.array([mask is not None for mask in given]))


def _resolution(sample: Sample) -> tuple[int, int]:
    """Height and width of the frames, where no mask says it. Raises KeyError, TypeError, ValueError."""
    height, width = (int(sample.meta["resolution"][side]) for side in ("height", "width"))
    if not 0 < height * width <= masks.MAX_PIXELS or height < 0:
        raise ValueError(f"a resolution of {width}×{height}")
    return height, width


def _no_mask(sample: Sample, problem: str) -> DataError:
    return DataError(
        f"sample {sample.id}: its truth has no mask to compare with ({problem}); expected the published "
        "`segmentation_output` with `segmentation_rle` at the media's size, for a clip also `frames` and `fps`"
    )
