"""Ref-SAV: objects of SA-V's clips, described at length (Sa2VA, Yuan et al. 2025).

Read as projects/llava_sam2/datasets/ReSAM2_Dataset.py of magic-research/Sa2VA reads it: masks are given for every
fourth frame of a clip, each frame's for all its objects.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from onethinker.data.sources.base import Item, LeftOut, Source, as_list, as_mapping, each, get, load_json, show, under
from onethinker.data.sources.shapes import Mask
from onethinker.data.sources.tabular import file_rows
from onethinker.data.sources.video_objects import found_in, object_sample
from onethinker.measure import masks
from onethinker.media import MediaError, probe
from onethinker.sample import DataError

FILE, VIDEOS = "sam_v_final_v3.json", "sam_v_full"
LAYOUT = """\
sam_v_final_v3.json   CLIP → {video_path, anno_path, objects: {NUMBER: {formated, short_caps}}} (the authors' layout)
sam_v_full/…          SA-V's clips and annotations, {masklet: a list a frame of run lengths, one an object}"""
EVERY, RATE = 4, 24.0
"""A mask for every fourth frame; frames a second of a clip that is not there to be asked."""


def samples(root: Path, split: str) -> Iterator[Item]:
    """A question an object."""
    for where, row in file_rows(root / FILE, key_as="clip"):
        yield from each(where, _of_clip, root, row, where)


def _of_clip(root: Path, row: Any, where: str) -> Iterator[Item]:
    if isinstance(row, DataError):
        raise row
    clip, annotation = (
        under(root, f"{VIDEOS}/{get(row, key, where, str)}", where) for key in ("video_path", "anno_path")
    )
    frames = as_list(get(load_json(root / annotation), "masklet", where), f"{where}, masklet")
    try:
        rate = probe(root / clip).fps if (root / clip).is_file() else RATE
    except MediaError as error:
        raise DataError(f"{where}: {error}") from error
    for number, entry in as_mapping(get(row, "objects", where), f"{where}, objects").items():
        at = f"{where}, object {show(number)}"
        yield from each(at, _sample, row, clip, frames, rate / EVERY, number, entry, at)


def _sample(row: Any, clip: str, frames: list[Any], fps: float, number: str, entry: Any, where: str) -> Item:
    if not number.isdecimal() or len(number) > 4:
        raise DataError(f"{where}: {show(number)}; expected an object's number")
    found = found_in(_mask(frame, int(number), where) for frame in frames)
    if not found.best.any():
        return LeftOut(where, "its object is in no frame", fault=False)
    described = " ".join(get(entry, "formated", where, str).split())
    return object_sample(
        where,
        [str(EVERY * at) for at in range(len(frames))],
        found,
        fps,
        [],
        id=f"{get(row, 'clip', where, str)}-{number}",
        question=f"Please segment the object that is described here: {described}",
        media=(clip,),
        source="ref-sav",
    )


def _mask(frame: Any, number: int, where: str) -> Mask | None:
    """The object's mask in a frame. Raises DataError."""
    runs = as_list(frame, f"{where}, a frame")
    if number >= len(runs):
        raise DataError(f"{where}: a frame with masks of {len(runs)} objects; expected one of object {number}")
    try:
        return masks.decode(as_mapping(runs[number], where)) if runs[number] else None
    except ValueError as error:
        raise DataError(f"{where}: {error}") from error


SOURCE = Source(
    "ref-sav", "video_segmentation", ("train",), LAYOUT, lambda split: (FILE, VIDEOS), samples,
    "Apache-2.0 (magic-research/Sa2VA); clips and masks: SA-V, not looked up",
    "magic-research/Sa2VA projects/llava_sam2/datasets/ReSAM2_Dataset.py", "train",
)  # fmt: skip
