"""Write pictures and clips; the same frames give the same bytes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction
from itertools import chain, count, pairwise
from pathlib import Path

import av
import numpy as np
from PIL import Image

from onethinker.media.decode import MediaError
from onethinker.util.files import replacing

LOW_RESOLUTION = 256
"""Clips with a shorter side below this many pixels are written with full colour resolution (yuv444p): on 64×64 discs
half of it costs 22 grey levels at the discs' edges, against 2. Larger clips are yuv420p, which every browser plays."""

_X264 = {"crf": "10", "preset": "medium", "threads": "1", "bf": "0", "flags": "+bitexact"}
_TICKS = 90_000
_MICROSECONDS = 1_000_000


def write_image(path: str | Path, image: np.ndarray | Image.Image) -> Path:
    """Write a picture in the format of the path's suffix, moved in whole; PNG keeps every pixel."""
    file = Path(path)
    picture = image if isinstance(image, Image.Image) else Image.fromarray(image)
    kind = Image.registered_extensions().get(file.suffix.lower())
    if kind is None:
        raise MediaError(f"{file}: no format for pictures has the suffix {file.suffix!r}; expected .png or .jpg")
    with replacing(file) as aside:
        picture.save(aside, kind, quality=95)
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
    with (
        replacing(file) as aside,
        av.open(str(aside), "w", format="mp4", options={"fflags": "+bitexact"}) as container,
    ):
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
    return file


def write_gif(path: str | Path, frames: Sequence[Image.Image], times: Sequence[float]) -> Path:
    """Write an animated GIF that repeats, of equal-sized frames at ascending times (seconds); GIF counts hundredths."""
    file = Path(path)
    if not frames:
        raise MediaError(f"{file}: an animation needs at least one frame")
    gaps = [after - before for before, after in pairwise(times)]
    lasts = [max(round(gap * 100), 2) * 10 for gap in [*gaps, gaps[-1] if gaps else 1.0]]  # browsers slow down below 2
    with replacing(file) as aside:
        frames[0].save(aside, "GIF", save_all=True, append_images=frames[1:], duration=lasts, loop=0, optimize=False)
    return file


def write_exact_clip(path: Path, frames: np.ndarray, times: np.ndarray, end: float) -> Path:
    """Write a QuickTime clip that keeps every pixel: (T, H, W, 3) uint8 RGB as PNG, on screen at ascending times.

    times: (T,) seconds, kept to the microsecond, the first of them 0. end: seconds at which the last frame goes.
    """
    stamps = np.round(np.append(times, end) * _MICROSECONDS).astype(np.int64)
    with replacing(path) as aside, av.open(str(aside), "w", format="mov") as container:
        stream = container.add_stream("png", rate=30, options={"compression_level": "1"})
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt = "rgb24"
        stream.codec_context.time_base = stream.time_base = Fraction(1, _MICROSECONDS)
        durations = dict(zip(stamps[:-1].tolist(), np.diff(stamps).tolist()))
        for pixels, pts in zip(frames, stamps[:-1].tolist()):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), "rgb24")
            frame.pts, frame.time_base = pts, stream.time_base
            _mux(container, stream.encode(frame), durations)
        _mux(container, stream.encode(), durations)
    return path


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
