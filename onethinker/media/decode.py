"""Where a media file's frames come from: `Pictures` (still and animated images) and `Video` (containers).

Both give an upright `size` (width, height), `starts`: (N,) ascending seconds at which the frames appear, a `duration`
in seconds, `check_readable(wanted)`, and `read(indices, size)`, which yields the frames at ascending indices. Bytes
are untrusted: every bound is checked from a header first.
"""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import av
import numpy as np
from av.stream import Disposition
from av.video.reformatter import VideoReformatter
from PIL import Image, ImageOps

MAX_FILE_BYTES = 2 * 1024**3
MAX_IMAGE_PIXELS = 100_000_000
MAX_FRAME_PIXELS = 8192 * 4352
MAX_ANIMATION_PIXELS = 4_000_000_000
SEEK_FRAMES = 24
"""Seek to a key frame when it skips more frames than this; below it, decoding on costs less than a flushed decoder."""

IMAGE_FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "AVIF", "PPM", "ICO", "JPEG2000")
_ANIMATED_FORMATS = ("PNG", "WEBP", "GIF", "AVIF")
_CONTAINERS = "mov,mp4,matroska,webm,avi,mpegts,mpeg,mpegvideo,flv,asf,ogg,h264,hevc,m4v,ivf,y4m"
_CUT_SECONDS = 0.25
_HIDDEN_PACKETS = 2  # packets in a row that may carry no frame of their own, such as a reference that is never shown


class MediaError(ValueError):
    """A media file that cannot be used; the message names the file and what to do."""


def check_file(path: str | Path) -> Path:
    file = Path(path)
    if not file.is_file():
        raise MediaError(f"{file}: no such file; check the path and the media root")
    size = file.stat().st_size
    if not 0 < size <= MAX_FILE_BYTES:
        raise MediaError(f"{file}: {size} bytes; expected a media file of 1 byte to {MAX_FILE_BYTES >> 30} GiB")
    return file


def check_pixels(file: Path, size: tuple[int, int], limit: int) -> None:
    if not 0 < size[0] * size[1] <= limit:
        raise MediaError(f"{file}: {size[0]}×{size[1]} pixels; at most {limit:,} are decoded, shrink the file first")


@contextmanager
def decoding(file: Path) -> Iterator[None]:
    """Turn what the decoders raise on bad bytes into a MediaError that names the file."""
    try:
        yield
    except MediaError:
        raise
    except (
        *(av.FFmpegError, OSError, Image.DecompressionBombError, EOFError, SyntaxError, ValueError),
        *(ArithmeticError, LookupError, TypeError, struct.error, zlib.error),
    ) as error:
        reason = re.sub(r" <[^<>]* object at 0x[0-9a-f]+>", "", str(error))
        raise MediaError(f"{file}: cannot be decoded ({reason}); replace the file or leave its sample out") from error


def open_source(file: Path) -> Pictures | Video:
    picture = identify(file)
    return Video(file) if picture is None else Pictures(file, picture)


def identify(file: Path) -> Image.Image | None:
    """The file's header as a picture, or None where it is no picture."""
    try:
        return Image.open(file, formats=IMAGE_FORMATS)
    except Image.UnidentifiedImageError:
        return None


def is_animated(picture: Image.Image) -> bool:
    return picture.format in _ANIMATED_FORMATS and getattr(picture, "n_frames", 1) > 1


def to_rgb(picture: Image.Image) -> Image.Image:
    """RGB with transparency on white, 16-bit grey scaled to 8."""
    if picture.mode.startswith("I;16"):
        return Image.fromarray((np.asarray(picture) >> 8).astype(np.uint8)).convert("RGB")
    if picture.has_transparency_data:
        layer = picture.convert("RGBA")
        base = Image.new("RGBA", layer.size, "white")
        base.alpha_composite(layer)
        return base.convert("RGB")
    return picture.convert("RGB")


class Pictures:
    """An image, or the frames of a GIF, animated PNG, WebP or AVIF with their own durations."""

    def __init__(self, file: Path, picture: Image.Image) -> None:
        self.file, self.picture = file, picture
        check_pixels(file, picture.size, MAX_IMAGE_PIXELS)
        self.animated = is_animated(picture)
        turned = not self.animated and picture.getexif().get(0x0112, 1) >= 5
        self.size: tuple[int, int] = (picture.height, picture.width) if turned else picture.size
        if self.animated:
            self.count = int(getattr(picture, "n_frames", 1))
            check_pixels(file, (picture.width, picture.height * self.count), MAX_ANIMATION_PIXELS)
            starts = np.cumsum([0.0, *self._durations()])
            self.starts, self.duration = starts[:-1], float(starts[-1])
        else:
            self.starts, self.duration = np.zeros(1), 0.0

    def _durations(self) -> Iterator[float]:
        """Seconds each frame is shown; one that says 0 is shown 0.1 s, as browsers do."""
        for index in range(self.count):
            self.picture.seek(index)
            self.picture.load()
            yield float(self.picture.info.get("duration") or 100) / 1000

    def check_readable(self, wanted: np.ndarray) -> None:
        """Nothing to check: every frame was loaded for its duration."""

    def read(self, indices: np.ndarray, size: tuple[int, int]) -> Iterator[np.ndarray]:
        if not self.animated:
            yield np.asarray(to_rgb(ImageOps.exif_transpose(self.picture)).resize(size, Image.Resampling.BICUBIC))
            return
        for index in indices:
            self.picture.seek(int(index))
            yield np.asarray(to_rgb(self.picture).resize(size, Image.Resampling.BICUBIC))

    def __enter__(self) -> Pictures:
        return self

    def __exit__(self, *raised: object) -> None:
        self.picture.close()


class Video:
    """A video file's first moving stream: the timetable from its packets, frames decoded when asked for.

    Positions are indices into the timetable. `shown` is the frame decoded last, `ahead` the one after it if decoding
    had to look ahead.
    """

    def __init__(self, file: Path) -> None:
        self.file = file
        self.resizer = VideoReformatter()
        self._reopen()
        self._read_timetable()
        self.shown: tuple[int, av.VideoFrame]
        self.ahead: tuple[int, av.VideoFrame] | None
        self._restart()
        frame = self.shown[1]
        self.quarter_turns = round(frame.rotation / 90) % 4
        self.size: tuple[int, int] = (
            (frame.height, frame.width) if self.quarter_turns % 2 else (frame.width, frame.height)
        )

    def _reopen(self) -> None:
        options = {"protocol_whitelist": "file", "format_whitelist": _CONTAINERS}
        self.container = av.open(str(self.file.resolve()), options=options, metadata_errors="replace")
        moving = [s for s in self.container.streams.video if not s.disposition & Disposition.attached_pic]
        if not moving:
            raise MediaError(f"{self.file}: no video stream in it; expected a clip")
        self.stream = moving[0]
        check_pixels(self.file, (self.stream.width, self.stream.height), MAX_FRAME_PIXELS)
        self.stream.codec_context.options = {"max_pixels": str(MAX_FRAME_PIXELS)}
        self.stream.thread_type = "AUTO"

    def _read_timetable(self) -> None:
        """From packets' time stamps, or from their order at the stream's mean rate where the container has none."""
        packets = [
            (p.pts, p.duration, p.is_keyframe)  # without their bytes
            for p in self.container.demux(self.stream)
            if p.size and not p.is_discard
        ]
        if not packets:
            raise MediaError(f"{self.file}: its video stream holds no frames; replace the file")
        unit, rate = float(self.stream.time_base or 1), float(self.stream.average_rate or 25)
        self.timed = all(pts is not None for pts, _, _ in packets)
        if self.timed:
            packets.sort(key=lambda packet: packet[0] or 0)
            self.pts = np.array([pts or 0 for pts, _, _ in packets], np.int64)
            self.keys = np.flatnonzero([is_key for _, _, is_key in packets])
            self.starts = (self.pts - self.pts[0]) * unit
            last = (packets[-1][1] or 0) * unit or 1 / rate
        else:
            self.starts, last = np.arange(len(packets)) / rate, 1 / rate
        self.readable = float(self.starts[-1] + last)
        declared = self.stream.duration * unit if self.stream.duration else 0.0
        if not declared and len(self.container.streams) == 1 and self.container.duration:
            declared = self.container.duration / av.time_base
        self.duration = max(declared, self.readable)

    def check_readable(self, wanted: np.ndarray) -> None:
        if self.duration > self.readable + _CUT_SECONDS and wanted.max() > self.readable:
            raise MediaError(
                f"{self.file}: cut off, frames end at {self.readable:.2f} s of the {self.duration:.2f} s that its "
                "header declares; replace the file or ask for earlier times"
            )

    def read(self, indices: np.ndarray, size: tuple[int, int]) -> Iterator[np.ndarray]:
        width, height = reversed(size) if self.quarter_turns % 2 else size
        for index in indices:
            self._go_to(int(index))
            plain = self.resizer.reformat(self.shown[1], width, height, "rgb24", interpolation="BICUBIC")
            yield np.rot90(plain.to_ndarray(), self.quarter_turns)

    def _go_to(self, index: int) -> None:
        """Decode on, or from a later key frame, until the frame at `index` is shown."""
        if self.timed and len(self.keys):
            key = int(self.keys[max(0, int(np.searchsorted(self.keys, index, side="right")) - 1)])
            if key - self.shown[0] > SEEK_FRAMES:
                self._seek(key)
        while self.shown[0] < index:
            following = self.ahead or self._next(self.shown[0])
            if following is None or following[0] > index:
                self.ahead = following
                break
            self.shown, self.ahead = following, None
        if abs(self.shown[0] - index) > _HIDDEN_PACKETS:
            raise MediaError(f"{self.file}: damaged, no frame at {self.starts[index]:.2f} s; replace the file")

    def _seek(self, key: int) -> None:
        """Go to the key frame at position `key`, or to the start where the container cannot find it."""
        self.container.seek(int(self.pts[key]), stream=self.stream)
        self.decoder = self.container.decode(self.stream)
        first = self._next(-1)
        if first is None or first[0] > key:
            self._restart()
        else:
            self.shown, self.ahead = first, None

    def _restart(self) -> None:
        self.container.close()
        self._reopen()
        self.decoder = self.container.decode(self.stream)
        first = self._next(-1)
        if first is None:
            raise MediaError(f"{self.file}: no frame of it can be decoded; replace the file")
        self.shown, self.ahead = first, None

    def _next(self, position: int) -> tuple[int, av.VideoFrame] | None:
        """The next frame with its position, which follows `position` where the container has no time stamps."""
        frame = next(self.decoder, None)
        if frame is None:
            return None
        if self.timed and frame.pts is not None:
            position = max(0, int(np.searchsorted(self.pts, frame.pts, side="right")) - 1)
        else:
            position += 1
        if frame.is_corrupt:
            raise MediaError(f"{self.file}: damaged at {self.starts[position]:.2f} s; replace the file")
        return position, frame

    def __enter__(self) -> Video:
        return self

    def __exit__(self, *raised: object) -> None:
        self.container.close()
