"""Open images and clips: which frames at which times, every size bounded before anything is decoded.

Media files are untrusted. Only raster image formats and self-contained video containers are read (no playlists, no
network), sizes are checked from headers, clips are resized while they are decoded, and whatever a decoder raises
becomes a `MediaError` that names the file.

Times are seconds from a clip's first frame. The frame *at* a time is the one on screen then: the last that starts at
or before it; times before the first or after the last frame give those. This is exact on variable frame rates, since
the timetable is read from the container's packets, which costs no decoding.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image

from onethinker.media import heif
from onethinker.media.budget import MediaBudget
from onethinker.media.decode import MAX_IMAGE_PIXELS, MediaError, check_file, check_pixels, decoding
from onethinker.media.pictures import Pictures, first_picture, is_animated, is_picture, read_whole
from onethinker.media.suffixes import VIDEO_SUFFIXES
from onethinker.media.video import Video

MAX_CLIP_BYTES = 4 * 1024**3
_EPSILON = 1e-6


@dataclass(frozen=True)
class Clip:
    """frames: (T, H, W, 3) uint8 RGB. times: (T,) seconds at which each frame is on screen. duration: seconds.

    width, height: pixels of the file's frames, upright, before resizing.
    """

    frames: np.ndarray
    times: np.ndarray
    duration: float
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class MediaInfo:
    """width, height: pixels, upright. duration: seconds, 0 for an image. fps: mean frames a second, 0 for an image."""

    kind: Literal["image", "clip"]
    width: int
    height: int
    duration: float
    frames: int
    fps: float


def open_image(path: str | Path, max_pixels: int | None = None) -> Image.Image:
    """The file's (first) picture: RGB, upright by EXIF, transparency on white, shrunk to at most `max_pixels`.

    Raises MediaError; pictures of more than `MAX_IMAGE_PIXELS` are refused unread.
    """
    file = check_file(path)

    def read(picture: Image.Image) -> Image.Image:
        with picture:
            check_pixels(file, picture.size, MAX_IMAGE_PIXELS)
            return first_picture(picture)

    with decoding(file):
        upright = read_whole(file, read)
    size = fit(*upright.size, max_pixels)
    return upright if size == upright.size else upright.resize(size, Image.Resampling.BICUBIC)


def open_clip(
    path: str | Path, budget: MediaBudget | None = None, *, times: Sequence[float] | np.ndarray | None = None
) -> Clip:
    """Frames at `times` (seconds, any order), or at `budget.fps` thinned evenly to `budget.max_frames`, or all frames.

    Each frame is shrunk to at most `budget.frame_pixels`; without a budget it keeps its size. An image is a clip of
    one frame. Only the stretches between key frames that hold a wanted frame are decoded where that saves work.
    Raises MediaError. A damaged or truncated file is one too if the damage is met on the way to a wanted frame.
    """
    file = check_file(path)
    with decoding(file), _open_source(file) as source:
        wanted = _wanted_times(file, source, budget, times)
        index_T = np.searchsorted(source.starts, wanted + _EPSILON, side="right").clip(1) - 1
        source.check_readable(wanted)
        width, height = fit(*source.size, budget.frame_pixels if budget else None)
        if len(wanted) * width * height * 3 > MAX_CLIP_BYTES:
            raise MediaError(
                f"{file}: {len(wanted)} frames of {width}×{height} exceed {MAX_CLIP_BYTES >> 30} GiB; "
                "ask for fewer times or give a smaller budget (frame_pixels, max_frames)"
            )
        frames = np.empty((len(wanted), height, width, 3), np.uint8)
        indices = np.unique(index_T)
        for index, frame in zip(indices, source.read(indices, (width, height)), strict=True):
            frames[index_T == index] = frame
        return Clip(frames, wanted, source.duration, *source.size)


def probe(path: str | Path) -> MediaInfo:
    """Size, duration and frame count. Decodes an image, but only one frame of a clip."""
    file = check_file(path)
    with decoding(file), _open_source(file) as source:
        if isinstance(source, Pictures) and not source.animated:
            return MediaInfo("image", *source.size, 0.0, 1, 0.0)
        total = len(source.starts)
        return MediaInfo("clip", *source.size, source.duration, total, total / source.duration)


def frame_times(path: str | Path) -> np.ndarray:
    """(N,) ascending seconds at which a clip's frames appear, one at 0 of a picture. Decodes as `probe` does."""
    file = check_file(path)
    with decoding(file), _open_source(file) as source:
        return np.asarray(source.starts, np.float64)


def is_clip(path: str | Path) -> bool:
    """Whether the path is to be opened as a clip: by its content if that is a picture, else by a video's suffix.

    A GIF is a clip by its suffix, as data sets name their media without opening them. A file that does not exist is
    judged by its suffix alone.
    """
    file = Path(path)
    suffix = file.suffix.lower()
    if suffix == ".gif" or (suffix in VIDEO_SUFFIXES and not file.is_file()):
        return True
    with decoding(check_file(file)):
        return not is_picture(file) or (heif.kind(file) != "still" and read_whole(file, is_animated))


def fit(width: int, height: int, max_pixels: int | None) -> tuple[int, int]:
    """The largest (width, height) of at most `max_pixels` with the same aspect, never enlarged, never below 1."""
    if max_pixels is None or width * height <= max_pixels:
        return width, height
    scale = (max_pixels / (width * height)) ** 0.5
    narrow, low = max(1, int(width * scale)), max(1, int(height * scale))
    return min(narrow, max(1, max_pixels // low)), min(low, max(1, max_pixels // narrow))


def _open_source(file: Path) -> Pictures | Video:
    return Pictures(file) if is_picture(file) else Video(file)


def _wanted_times(
    file: Path, source: Pictures | Video, budget: MediaBudget | None, times: Sequence[float] | np.ndarray | None
) -> np.ndarray:
    """(T,) float64 seconds."""
    if times is not None:
        wanted = np.asarray(times, np.float64)
        if wanted.ndim != 1 or not len(wanted) or not np.isfinite(wanted).all():
            raise MediaError(f"{file}: asked for frames at {times!r}; expected a list of finite seconds")
        return wanted
    if budget is None:
        return source.starts
    steps = max(1, int(np.ceil(source.duration * budget.fps - _EPSILON)))
    taken = np.linspace(0, steps - 1, min(steps, budget.max_frames)).round()
    return taken / budget.fps
