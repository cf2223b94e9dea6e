"""Clips of data sets that ship frames, or stretches of longer clips: written once below the root, as MP4.

Everything else here reads, sends and draws clips; a folder of pictures becomes one. `CACHE` below the data set's root
holds them; delete it at will.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from onethinker.data.sources.base import find, under
from onethinker.media import VIDEO_SUFFIXES, MediaError, open_clip, open_image, probe, write_clip
from onethinker.media.write import LOW_RESOLUTION
from onethinker.sample import DataError

CACHE = "onethinker-media"
MAX_FRAMES = 20_000
_STRETCH = 32
"""Frames that are held while a stretch of a clip is cut."""

Size = tuple[int, int]


def video_at(root: Path, stem: str, where: str) -> str:
    """The clip `stem` with the suffix that it has, .mp4 where it is not there. Raises DataError off the root."""
    under(root, stem, where)
    return find(root, tuple(stem + suffix for suffix in (".mp4", *sorted(VIDEO_SUFFIXES - {".mp4"}))))


def frames_clip(root: Path, name: str, folder: str, frames: Sequence[str], size: Size, fps: float, where: str) -> str:
    """The clip `CACHE/name.mp4` of a folder's frames of that size (width, height), at `fps` frames a second.

    A frame that is missing or cannot be read stands for its clip, and says so to whoever opens it. Raises DataError for
    frames of another size, too many or none, and for a name that leads out of the cache.
    """
    if not 0 < len(frames) <= MAX_FRAMES:
        raise DataError(f"{where}: {len(frames)} frames; expected 1 to {MAX_FRAMES:,}")
    clip = f"{CACHE}/{under(root / CACHE, f'{name}.mp4', where)}"
    names = [under(root, f"{folder}/{frame}", where) for frame in frames]
    shown = names[0]

    def pictures() -> Iterator[np.ndarray]:
        nonlocal shown
        for shown in names:
            frame = open_image(root / shown)
            if frame.size != size:
                raise DataError(f"{where}: {shown} has {frame.size} pixels; expected {size}, width and height")
            yield np.asarray(frame)

    try:
        if not (root / clip).exists():
            write_clip(root / clip, pictures(), fps)
    except MediaError:
        return shown
    return clip


def shown_size(width: int, height: int) -> Size:
    """Width and height of a clip that `write_clip` makes of such frames: large ones are padded to even sides."""
    if min(width, height) < LOW_RESOLUTION:
        return width, height
    return width + width % 2, height + height % 2


def cut_clip(root: Path, name: str, video: str, start: float, end: float, where: str) -> str:
    """The clip `CACHE/name.mp4` of the seconds from `start` up to `end` of another clip, at that clip's frame rate.

    The other clip itself where it is missing or cannot be read; it says so to whoever opens it. Raises DataError.
    """
    clip, source = f"{CACHE}/{under(root / CACHE, f'{name}.mp4', where)}", root / video
    try:
        if not (root / clip).exists():
            fps = probe(source).fps
            count = max(1, round((end - start) * fps))
            if count > MAX_FRAMES:
                raise DataError(f"{where}: a stretch of {count:,} frames; at most {MAX_FRAMES:,} are cut")
            write_clip(root / clip, _stretch(source, start + np.arange(count) / fps), fps)
    except MediaError:
        return video
    return clip


def _stretch(source: Path, times: np.ndarray) -> Iterator[np.ndarray]:
    for at in range(0, len(times), _STRETCH):
        yield from open_clip(source, times=times[at : at + _STRETCH]).frames
