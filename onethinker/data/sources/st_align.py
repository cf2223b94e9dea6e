"""LLaVA-ST's questions of when and where (STVG): moments and boxes of VidOR's clips (ST-Align, Li et al. 2025).

Read as inference/src/datasets.py of appletea233/LLaVA-ST reads its benchmark, whose rows the training set has too:
`meta` has the used stretch of the clip (`split`, in frames), `time_token` its moment (`<s>`, `<e>`, in frames) and
`spatial_token` the boxes (`<bboxes>`: frame → x, y, width, height in pixels).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from onethinker.data.sources.base import (
    Item,
    Source,
    as_list,
    as_mapping,
    each,
    get,
    image_size,
    number,
    numbers,
    text_of,
)
from onethinker.data.sources.clips import cut_clip, file_in
from onethinker.data.sources.stvg import tube
from onethinker.data.sources.tabular import table_rows
from onethinker.media import MediaError, probe
from onethinker.sample import DataError

LAYOUT = """\
stvg.json (or *stvg*.json, st-align/stvg.json)   {video_path, conversations, meta: {width, height, split, time_token,
                                                 spatial_token}} (the layout of the authors' benchmark)
videos/… or where `video_path` says              the clips"""
FILES = ("stvg.json", "*stvg*.json", "st-align/*stvg*.json", "*/*stvg*.json")
_RATE = 30.0
"""Frames a second of a clip that is not there to be asked."""
_MARKS = re.compile(r"<(?:image|video|s|e|bbox(?:es)?)>\s*")


def samples(root: Path, split: str) -> Iterator[Item]:
    """A question a row: the words of its first turn."""
    for at, (where, row) in enumerate(table_rows(root, FILES)):
        yield from each(where, _sample, root, row, where, f"{split}-{at}")


def _sample(root: Path, row: Any, where: str, id: str) -> Item:
    if isinstance(row, DataError):
        raise row
    meta = get(row, "meta", where)
    size = image_size(
        int(number(get(meta, "width", where), where, "width")),
        int(number(get(meta, "height", where), where, "height")),
        where,
    )
    first, last = (int(v) for v in numbers(get(meta, "split", where), 2, where, "split"))
    moment = get(meta, "time_token", where)
    start, end = (number(get(moment, key, where), where, key) for key in ("<s>", "<e>"))
    boxes = as_mapping(get(get(meta, "spatial_token", where), "<bboxes>", where), f"{where}, <bboxes>")
    track = {_frame(key, where) - first: _corners(box, where) for key, box in boxes.items()}
    if not 0 <= first <= start <= end <= last:
        raise DataError(f"{where}: frames {start:g} to {end:g} of {first} to {last} make no moment")
    path = PurePosixPath(get(row, "video_path", where, str))
    clip = file_in(root, [f"{folder}/{path.parent}" for folder in (".", "videos")], path.name, where)
    fps = _rate(root / clip, where)
    question = _MARKS.sub("", _asked(row, where))
    stretch = cut_clip(root, f"llava-st/{path.stem}-{first}-{last}", clip, first / fps, (last + 1) / fps, where)
    span = [(start - first) / fps, (end + 1 - first) / fps]
    return tube(where, span, track, fps, size, id=id, question=question, media=(stretch,), source="llava-st-stvg")


def _asked(row: Any, where: str) -> str:
    turns = as_list(get(row, "conversations", where), f"{where}, conversations")
    if not turns:
        raise DataError(f"{where}: conversations is empty; expected a question")
    return text_of(turns[0], "value", where).strip()


def _frame(key: str, where: str) -> int:
    if not key.isdecimal() or len(key) > 9:
        raise DataError(f"{where}: a box of frame {key!r:.20}; expected a whole number")
    return int(key)


def _corners(box: Any, where: str) -> tuple[float, float, float, float]:
    x, y, width, height = numbers(box, 4, where, "a box")
    return x, y, x + width, y + height


def _rate(clip: Path, where: str) -> float:
    try:
        return probe(clip).fps if clip.is_file() else _RATE
    except MediaError as error:
        raise DataError(f"{where}: {error}") from error


SOURCE = Source(
    "llava-st-stvg", "spatial_temporal_grounding", ("train",), LAYOUT, lambda split: (FILES,), samples,
    "Apache-2.0 (appletea233/LLaVA-ST); clips: VidOR's, YFCC100M", "appletea233/LLaVA-ST inference/src/datasets.py",
    "train",
)  # fmt: skip
