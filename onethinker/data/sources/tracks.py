"""Objects to follow through a clip, to train on: TrackingNet and ElysiumTrack-1M.

Both ship frames, which are shown as clips at `FPS`. The truth has a box a second, at most 32: key k is the frame at
k − 1 seconds, and is not there where that frame has no box.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from onethinker.data.sources.base import (
    Item,
    Source,
    as_list,
    box_1000,
    each,
    get,
    image_size,
    make,
    numbers,
    show,
    text_lines,
    text_of,
)
from onethinker.data.sources.clips import frames_clip, shown_size
from onethinker.data.sources.fitting import MAX_KEYS
from onethinker.data.sources.tabular import table_rows
from onethinker.media import MediaError, probe
from onethinker.sample import DataError

FPS = 30.0
"""TrackingNet's frames are those of YouTube's clips, most of which have 30 a second; its own files say no rate, nor do
ElysiumTrack's (WebVid's)."""
Box = Sequence[float]


def track_keys(boxes: Sequence[Box | None], size: tuple[float, float], fps: float) -> dict[str, list[float]]:
    """Boxes of all frames (pixels, left, top, right, bottom; None where there is none) → the truth's, a second each."""
    frames = (round(second * fps) for second in range(MAX_KEYS))
    shown = {k: boxes[frame] for k, frame in enumerate(frames, start=1) if frame < len(boxes)}
    return {str(k): box_1000(box, size) for k, box in shown.items() if box is not None}


def _sample(
    where: str, source: str, id: str, asked: str, boxes: Sequence[Box | None], size: tuple[int, int], clip: str
) -> Item:
    keys = track_keys(boxes, shown_size(*size), FPS)
    if "1" not in keys:
        raise DataError(f"{where}: no box in the first frame, which the question gives")
    question = f"In the first frame {asked} is in the box {[round(v) for v in keys['1']]}. Follow it through the clip."
    return make(
        where,
        id=id,
        task="tracking",
        modality="video",
        question=question,
        truth={"boxes": keys},
        media=(clip,),
        source=source,
        meta={"resolution": {"width": size[0], "height": size[1]}, "fps": FPS},
    )


# ---- TrackingNet --------------------------------------------------------------------------------------------------

TRACKINGNET = """\
TRAIN_0/anno/NAME.txt         a line `x,y,width,height` a frame, pixels (the devkit's layout); to TRAIN_11/
TRAIN_0/frames/NAME/0.jpg     the frames, as the devkit extracts them; shown at 30 a second
The truth of TEST/ is one box a clip."""


def trackingnet(root: Path, split: str) -> Iterator[Item]:
    """A question a sequence, chunk by chunk."""
    for file in sorted(root.glob("TRAIN_*/anno/*.txt")):
        yield from each(str(file), _trackingnet, root, file.relative_to(root).as_posix())


def _trackingnet(root: Path, name: str) -> Item:
    file = root / name
    where, chunk = str(file), PurePosixPath(name).parts[0]
    boxes = [_corners(numbers(re.split(r"[,\s]+", line), 4, at, "the box")) for at, line in text_lines(file)]
    folder = f"{chunk}/frames/{file.stem}"
    size = _size_of(root / folder / "0.jpg", where)
    frames = [f"{k}.jpg" for k in range(len(boxes))]
    clip = frames_clip(root, f"trackingnet/{chunk}/{file.stem}", folder, frames, size, FPS, where)
    return _sample(where, "trackingnet", f"{chunk}-{file.stem}", "the object", boxes, size, clip)


def _corners(xywh: Sequence[float]) -> Box | None:
    x, y, width, height = xywh
    return (x, y, x + width, y + height) if width > 0 and height > 0 else None


def _size_of(frame: Path, where: str) -> tuple[int, int]:
    """Width and height of a frame's picture."""
    try:
        info = probe(frame)
    except MediaError as error:
        raise DataError(f"{where}: its first frame {error}") from error
    return image_size(info.width, info.height, where)


# ---- ElysiumTrack -------------------------------------------------------------------------------------------------

ELYSIUM = """\
*.json or *.jsonl            {id, vid, frames, box, frame_size, object_description, object_class}: a path and a box,
                             each edge from 0 to 1, a frame (the layout of the authors' README)
frames/VIDEO/000000.jpg      where `frames` says, below the root; shown at 30 a second"""
_ELYSIUM = ("*.jsonl", "*.json", "*/*.jsonl", "*/*.json")


def elysium(root: Path, split: str) -> Iterator[Item]:
    """A question a row: the described object, with its box in the first frame."""
    for at, (where, row) in enumerate(table_rows(root, _ELYSIUM)):
        yield from each(where, _elysium, root, row, where, at)


def _elysium(root: Path, row: Any, where: str, at: int) -> Item:
    if isinstance(row, DataError):
        raise row
    frames = as_list(get(row, "frames", where), f"{where}, frames")
    given = as_list(get(row, "box", where), f"{where}, box")
    if len(frames) != len(given) or not frames or not all(isinstance(frame, str) for frame in frames):
        raise DataError(f"{where}: {len(given)} boxes for {len(frames)} frames; expected a box a frame")
    folder = PurePosixPath(frames[0]).parent
    names = [PurePosixPath(frame) for frame in frames]
    if any(name.parent != folder for name in names):
        raise DataError(f"{where}: its frames lie in several folders; expected one")
    width, height = (int(side) for side in numbers(get(row, "frame_size", where), 2, where, "frame_size"))
    size = image_size(width, height, where)
    boxes = [_in_pixels(box, size, where) for box in given]
    video = text_of(row, "vid", where)
    clip = frames_clip(root, f"elysium/{video}", str(folder), [name.name for name in names], size, FPS, where)
    described = row.get("object_description") or row.get("object_class") or "the object"
    asked = f"the object ({show(described)[1:-1]})" if described != "the object" else described
    id = f"{text_of(row, 'id', where) if row.get('id') is not None else at}"
    return _sample(where, "elysiumtrack", id, asked, boxes, size, clip)


def _in_pixels(box: Any, size: tuple[int, int], where: str) -> Box | None:
    if not box:
        return None
    x1, y1, x2, y2 = numbers(box, 4, where, "a box")
    return (x1 * size[0], y1 * size[1], x2 * size[0], y2 * size[1]) if x1 < x2 and y1 < y2 else None


SOURCES = (
    Source(
        "trackingnet", "tracking", ("train",), TRACKINGNET, lambda split: ("TRAIN_*/anno", "TRAIN_*/frames"),
        trackingnet, "not stated (SilvioGiancola/TrackingNet-devkit); clips are YouTube's",
        "SilvioGiancola/TrackingNet-devkit generate_BB_frames.py, extract_frame.py", "train",
    ),
    Source(
        "elysiumtrack", "tracking", ("train",), ELYSIUM, lambda split: (_ELYSIUM,), elysium,
        "not stated (Hon-Wong/Elysium); clips are WebVid's", "Hon-Wong/Elysium README, eval/eval.py", "train",
    ),
)  # fmt: skip
