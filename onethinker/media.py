"""Open images and clips: which frames at which times, every size bounded before anything is decoded.

Media files are untrusted. Only raster image formats and self-contained video containers are read (no playlists, no
network), sizes are checked from headers, clips are resized while they are decoded, and whatever a decoder raises
becomes a `MediaError` that names the file.

Times are seconds from a clip's first frame. The frame *at* a time is the one on screen then: the last that starts at
or before it; times before the first or after the last frame give those. This is exact on variable frame rates, since
the timetable is read from the container's packets, which costs no decoding.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain, count
from pathlib import Path
from typing import Literal

import av
import numpy as np
from PIL import Image, ImageOps
from pydantic import BaseModel, ConfigDict, Field

from onethinker.media_sources import (
    IMAGE_FORMATS,
    MAX_IMAGE_PIXELS,
    MediaError,
    Pictures,
    Video,
    check_file,
    check_pixels,
    decoding,
    identify,
    is_animated,
    open_source,
    to_rgb,
)
from onethinker.sample import VIDEO_SUFFIXES

__all__ = [
    "Clip",
    "MediaBudget",
    "MediaError",
    "MediaInfo",
    "fit",
    "is_clip",
    "open_clip",
    "open_image",
    "probe",
    "write_clip",
    "write_image",
]

MAX_CLIP_BYTES = 4 * 1024**3
LOW_RESOLUTION = 256
"""Clips with a shorter side below this many pixels are written with full colour resolution (yuv444p): on 64×64 discs
half of it costs 22 grey levels at the discs' edges, against 2. Larger clips are yuv420p, which every browser plays."""

_X264 = {"crf": "10", "preset": "medium", "threads": "1", "bf": "0", "flags": "+bitexact"}
_TICKS = 90_000
_EPSILON = 1e-6


class MediaBudget(BaseModel):
    """How large media may become before the vision tower. Pixels are width × height after resizing, never enlarged
    beyond the source except to reach the processor's smallest size; frames are taken at `fps`, thinned evenly to
    `max_frames`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    image_pixels: int = Field(1_048_576, gt=0)
    frame_pixels: int = Field(64 * 32 * 32, gt=0)
    fps: float = Field(2.0, gt=0, allow_inf_nan=False)
    max_frames: int = Field(128, gt=0)


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


# ---- reading ----------------------------------------------------------------------------------------------------


def open_image(path: str | Path, max_pixels: int | None = None) -> Image.Image:
    """The file's (first) picture: RGB, upright by EXIF, transparency on white, shrunk to at most `max_pixels`.

    Raises MediaError; pictures of more than `MAX_IMAGE_PIXELS` are refused unread.
    """
    file = check_file(path)
    with decoding(file), Image.open(file, formats=IMAGE_FORMATS) as picture:
        check_pixels(file, picture.size, MAX_IMAGE_PIXELS)
        upright = to_rgb(ImageOps.exif_transpose(picture))
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
    with decoding(file), open_source(file) as source:
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
    """Size, duration and frame count. Decodes one frame of a clip (its rotation stands there), none of an image."""
    file = check_file(path)
    with decoding(file), open_source(file) as source:
        if isinstance(source, Pictures) and not source.animated:
            return MediaInfo("image", *source.size, 0.0, 1, 0.0)
        total = len(source.starts)
        return MediaInfo("clip", *source.size, source.duration, total, total / source.duration)


def is_clip(path: str | Path) -> bool:
    """Whether the path is to be opened as a clip: a video's or GIF's suffix, or an animated picture's content."""
    file = Path(path)
    if file.suffix.lower() in VIDEO_SUFFIXES:
        return True
    with decoding(check_file(file)):
        picture = identify(file)
        if picture is None:
            return True
        with picture:
            return is_animated(picture)


def fit(width: int, height: int, max_pixels: int | None) -> tuple[int, int]:
    """The largest (width, height) of at most `max_pixels` with the same aspect, never enlarged, never below 1."""
    if max_pixels is None or width * height <= max_pixels:
        return width, height
    scale = (max_pixels / (width * height)) ** 0.5
    narrow, low = max(1, int(width * scale)), max(1, int(height * scale))
    return min(narrow, max(1, max_pixels // low)), min(low, max(1, max_pixels // narrow))


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


# ---- writing ----------------------------------------------------------------------------------------------------


def write_image(path: str | Path, image: np.ndarray | Image.Image) -> Path:
    """Write a picture in the format of the path's suffix; PNG keeps every pixel."""
    file = Path(path)
    picture = image if isinstance(image, Image.Image) else Image.fromarray(image)
    picture.save(file, quality=95)
    return file


def write_clip(
    path: str | Path, frames: Iterable[np.ndarray | Image.Image], fps_or_times: float | Sequence[float] | np.ndarray
) -> Path:
    """Write an MP4 (H.264) of equal-sized RGB frames at a constant rate or at ascending times (seconds, one a frame).

    The same frames give the same bytes. Odd sizes of yuv420p clips (`LOW_RESOLUTION`) are padded by repeating the
    last row or column.
    """
    file = Path(path)
    images = (np.asarray(f.convert("RGB") if isinstance(f, Image.Image) else f) for f in frames)
    ticks, unit = _ticks(file, fps_or_times)
    first = next(images, None)
    if first is None:
        raise MediaError(f"{file}: a clip needs at least one frame")
    height, width = first.shape[:2]
    subsampled = min(height, width) >= LOW_RESOLUTION
    pad = ((0, height % 2), (0, width % 2), (0, 0)) if subsampled else ((0, 0),) * 3
    durations: dict[int, int] = {}
    aside = file.with_name(file.name + ".part")
    with av.open(str(aside), "w", format="mp4", options={"fflags": "+bitexact"}) as container:
        stream = container.add_stream("libx264", rate=round(1 / unit) if unit > 1e-3 else 30, options=_X264)
        stream.width, stream.height = width + pad[1][1], height + pad[0][1]
        stream.pix_fmt = "yuv420p" if subsampled else "yuv444p"
        stream.codec_context.time_base = stream.time_base = unit
        for (pts, duration), image in zip(ticks, chain([first], images)):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(np.pad(image, pad, "edge")), "rgb24")
            frame.pts, frame.time_base = pts, unit
            durations[pts] = duration
            _mux(container, stream.encode(frame), durations)
        _mux(container, stream.encode(), durations)
    aside.replace(file)
    return file


def _mux(container: av.container.OutputContainer, packets: list[av.Packet], durations: dict[int, int]) -> None:
    """Write encoded packets with their frames' durations, which the encoder drops."""
    for packet in packets:
        packet.duration = durations.pop(packet.pts or 0)
        container.mux(packet)


def _ticks(
    file: Path, fps_or_times: float | Sequence[float] | np.ndarray
) -> tuple[Iterator[tuple[int, int]], Fraction]:
    """(time stamp, duration) of each frame, and their unit in seconds."""
    if isinstance(fps_or_times, int | float):
        if not 0 < fps_or_times < 1000:
            raise MediaError(f"{file}: a rate of {fps_or_times} frames a second; expected more than 0, less than 1000")
        return ((i, 1) for i in count()), 1 / Fraction(fps_or_times).limit_denominator(1001)
    stamps = np.round(np.asarray(fps_or_times, np.float64) * _TICKS).astype(np.int64)
    gaps = np.diff(stamps)
    if len(stamps) and (stamps[0] < 0 or (gaps <= 0).any()):
        raise MediaError(f"{file}: frame times must ascend from 0 or more, in steps of 1/{_TICKS} s at least")
    durations = [*gaps.tolist(), int(gaps[-1]) if len(gaps) else _TICKS]
    return iter(zip(stamps.tolist(), durations)), Fraction(1, _TICKS)
