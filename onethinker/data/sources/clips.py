"""Clips of data sets that ship frames, or stretches of longer clips: written once below the root, as MP4.

Everything else here reads, sends and draws clips; a folder of pictures becomes one. `CACHE` below the data set's root
holds them; delete it at will.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path, PurePosixPath

import numpy as np

from onethinker.data.sources.base import first_there, under
from onethinker.data.sources.writing import CACHE, writes
from onethinker.media import VIDEO_SUFFIXES, MediaError, open_clip, open_image, probe, write_clip
from onethinker.media.write import LOW_RESOLUTION
from onethinker.sample import DataError

MAX_FRAMES = 20_000
_STRETCH = 32
"""Frames that are held while a stretch of a clip is cut."""

Size = tuple[int, int]

_FRAME_SUFFIXES = (".jpg", ".JPG", ".jpeg", ".png")
_PICTURE_SUFFIXES = frozenset((".png", ".jpg", ".jpeg", ".webp"))


def video_at(root: Path, name: str, where: str) -> str:
    """The clip `FOLDER/NAME`, with or without its suffix, as `file_in` finds it. Raises DataError off the root."""
    folder, _, file = name.rpartition("/")
    return file_in(root, (folder,), file, where)


def file_in(root: Path, folders: Sequence[str], name: str, where: str) -> str:
    """The file in whichever of the folders has it, or up to two folders deeper, as archives unpack (ActivityNet's to
    `v1-3/train_val/`, VidOR's to a folder a thousand clips); the first folder's place where none has it.

    A suffix may be in capitals on the disk; a clip, which may be named without one, may have any clip's suffix (sets
    name `.mp4` and ship `.MP4` and `.mkv` beside it: VideoMME, ActivityNet). Raises DataError off the root.
    """
    suffix = PurePosixPath(name).suffix
    if suffix.lower() not in VIDEO_SUFFIXES | _PICTURE_SUFFIXES:
        suffix = ""
    stem = name.removesuffix(suffix)
    others = () if suffix.lower() in _PICTURE_SUFFIXES else (".mp4", *sorted(VIDEO_SUFFIXES))
    suffixes = dict.fromkeys(way for one in (suffix, *others) if one for way in (one, one.lower(), one.upper()))
    stems = [under(root, f"{folder}/{stem}", where) for folder in folders]
    places = [f"{place}{way}" for place in stems for way in suffixes]
    direct = first_there(root, places)
    if (root / direct).exists():
        return under(root, direct, where)
    for folder in folders:
        within = _within(root / folder, _changed(root / folder))
        for way in suffixes:
            if place := within.get(f"{PurePosixPath(stem).name}{way}"):
                return under(root, f"{folder}/{place}", where)
    return direct


def _changed(folder: Path) -> int:
    return folder.stat().st_mtime_ns if folder.is_dir() else 0


@lru_cache(maxsize=64)
def _within(folder: Path, changed: int) -> dict[str, str]:
    """Name → place of the files in the folder's own folders and theirs, as of the folder's last change."""
    inner = sorted(entry for entry in folder.iterdir() if entry.is_dir()) if changed else []
    deeper = [entry for one in inner for entry in sorted(one.iterdir())]
    files = [*deeper, *(file for one in deeper if one.is_dir() for file in one.iterdir())]
    return {file.name: file.relative_to(folder).as_posix() for file in reversed(files)}


def frames_clip(root: Path, name: str, folder: str, frames: Sequence[str], size: Size, fps: float, where: str) -> str:
    """The clip `CACHE/name.mp4` of a folder's frames of that size (width, height), at `fps` frames a second.

    A frame that is missing or cannot be read stands for its clip, and says so to whoever opens it. Raises DataError for
    frames of another size, too many or none, and for a name that leads out of the cache.
    """
    if not 0 < len(frames) <= MAX_FRAMES:
        raise DataError(f"{where}: {len(frames)} frames; expected 1 to {MAX_FRAMES:,}")
    clip = f"{CACHE}/{under(root / CACHE, f'{name}.mp4', where)}"
    names = [under(root, f"{folder}/{frame}", where) for frame in frames]
    if not writes("clips") and not (root / clip).exists():
        found = [_frame(root, name) for name in names]
        return next((name for name in found if not (root / name).exists()), found[0])
    shown = names[0]

    def pictures() -> Iterator[np.ndarray]:
        nonlocal shown
        for shown in names:
            shown = _frame(root, shown)
            frame = open_image(root / shown)
            if frame.size != size:
                raise DataError(f"{where}: {shown} has {frame.size} pixels; expected {size}, width and height")
            yield np.asarray(frame)

    try:
        if not (root / clip).exists():
            with writing_within(root / clip):
                write_clip(root / clip, pictures(), fps)
    except MediaError:
        return shown
    return clip


def _frame(root: Path, name: str) -> str:
    """The frame with the suffix that it has on the disk."""
    return first_there(root, [f"{name.removesuffix('.jpg')}{way}" for way in _FRAME_SUFFIXES])


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
            if not writes("clips"):
                return video
            fps = probe(source).fps
            count = max(1, round((end - start) * fps))
            if count > MAX_FRAMES:
                raise DataError(f"{where}: a stretch of {count:,} frames; at most {MAX_FRAMES:,} are cut")
            with writing_within(root / clip):
                write_clip(root / clip, _stretch(source, start + np.arange(count) / fps), fps)
    except MediaError:
        return video
    return clip


def _stretch(source: Path, times: np.ndarray) -> Iterator[np.ndarray]:
    for at in range(0, len(times), _STRETCH):
        yield from open_clip(source, times=times[at : at + _STRETCH]).frames


@contextmanager
def writing_within(file: Path) -> Iterator[None]:
    """Where a picture or clip of a set is written within its folder. Raises DataError where it may not be."""
    try:
        yield
    except OSError as error:
        raise DataError(
            f"{file} cannot be written ({error}): pictures and clips of a set are kept within its folder; "
            "link the set's files into a folder that you may write"
        ) from error
