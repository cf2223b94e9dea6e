"""A question's truth fitted to its medium for training: spans and boxes cut to what can be seen, boxes in whole
thousandths as the answers give them. Evaluation reads the truth as its set has it and does not come here."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from onethinker.media import VIDEO_SUFFIXES, MediaError, probe
from onethinker.sample import Sample

MAX_KEYS = 32
"""Boxes that tracking asks for, one a second."""
_ONLY_EVALUATED = ("frame_boxes", "cover")
"""What a benchmark's own metric needs of each frame, and training does not."""


class Unfit(ValueError):
    """Why a question cannot be trained on."""


def fitted(sample: Sample, root: Path) -> Sample:
    """The question with its truth cut to its medium. Raises Unfit where nothing of it is left, and for a clip that
    cannot be opened."""
    change = _FITS.get(sample.task)
    if change is None:
        return sample
    meta = {key: value for key, value in sample.meta.items() if key not in _ONLY_EVALUATED}
    return replace(sample, truth=json.dumps(change(json.loads(sample.truth), sample, root)), meta=meta)


def whole_box(xyxy: Sequence[float]) -> list[int] | None:
    """A box in whole thousandths within the picture; None where less than a thousandth of it is wide or high."""
    box = [min(max(round(v), 0), 1000) for v in xyxy]
    return box if box[0] < box[2] and box[1] < box[3] else None


def _spatial(truth: Any, sample: Sample, root: Path) -> Any:
    box = whole_box(truth["boxes"])
    if box is None:
        raise Unfit("its box has no area within the picture")
    return {**truth, "boxes": box}


def _boxes(boxes: Mapping[str, Sequence[float]]) -> dict[str, list[int]]:
    """Those that have area within the frame."""
    return {key: box for key, given in boxes.items() if (box := whole_box(given))}


def _tracking(truth: Any, sample: Sample, root: Path) -> Any:
    boxes = {key: box for key, box in _boxes(truth["boxes"]).items() if int(key) <= MAX_KEYS}
    if "1" not in boxes:
        raise Unfit("its object is not seen in the first frame, whose box the question gives")
    if len(boxes) < 2:
        raise Unfit("its object is seen in the first second alone; there is nothing to follow")
    return {**truth, "boxes": boxes}


def _temporal(truth: Any, sample: Sample, root: Path) -> Any:
    return {**truth, "time": _span(truth["time"], sample, root)}


def _spatial_temporal(truth: Any, sample: Sample, root: Path) -> Any:
    span, boxes = _span(truth["time"], sample, root), _boxes(truth["boxes"])
    if math.ceil(span[0]) <= math.floor(span[1]):  # a moment between two whole seconds has the box of one beside it
        boxes = {key: box for key, box in boxes.items() if span[0] <= int(key) <= span[1]}
    if not boxes:
        raise Unfit("none of its boxes has area within the clip")
    return {**truth, "time": span, "boxes": boxes}


def _span(span: Sequence[float], sample: Sample, root: Path) -> list[float]:
    """Cut to the clip, whose length is `meta["duration"]` or its file's."""
    end = _duration(sample, root)
    start, stop = (min(max(second, 0.0), end) for second in span)
    if not start < stop:
        raise Unfit(f"its moment, {span[0]:g} to {span[1]:g} s, has no length within the clip")
    return [round(start, 3), round(stop, 3)]


def _duration(sample: Sample, root: Path) -> float:
    """Seconds; without end where the clip is not written yet."""
    known = sample.meta.get("duration")
    if isinstance(known, int | float):
        return float(known)
    clip = root / sample.media[0]
    if clip.suffix.lower() not in VIDEO_SUFFIXES or not clip.is_file():
        return float("inf")
    try:
        return probe(clip).duration
    except MediaError as error:
        raise Unfit(str(error)) from error


_FITS = {
    "spatial_grounding": _spatial,
    "tracking": _tracking,
    "temporal_grounding": _temporal,
    "spatial_temporal_grounding": _spatial_temporal,
}
