"""Where live frames come from. A source is opened anew after each loss; what it gives are frames and their times."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, TypeAlias

import numpy as np

from onethinker.media import PICTURE_SUFFIXES, MediaError, fit, is_clip, open_image, probe

FRAME_PIXELS = 640 * 480
"""Of a frame as it is kept; larger ones are shrunk as they come."""
MAX_FRAME = 50_000_000
"""Pixels of a stream's frame; one that sends larger ones is given up until it sends others."""
TIMEOUT = 5.0
"""Seconds without a packet after which a stream counts as lost."""
SETTLED = 0.2
"""Seconds for which a new file of a folder must stay as it is before it is opened: it may still be written."""
MAX_STEP = 3.0
"""Seconds that a file's next frame is waited for at most, whatever its times say."""


class SourceLost(RuntimeError):
    """A source that broke off, and may come back; says what happened."""


class Frame(NamedTuple):
    """pixels: (H, W, 3) uint8 RGB. at: seconds of the clock at which it was seen."""

    pixels: np.ndarray
    at: float


Frames: TypeAlias = Generator[np.ndarray | None, None, None]
"""Pixels (H, W, 3) uint8 RGB as they come; None now and then where nothing has, so that who reads can end."""


@dataclass(frozen=True)
class Source:
    """open: begins to give frames; raises SourceLost, and so does its iterator. comes_back: whether it is to be opened
    again when it is lost; a file that ended is not. name: for people, without a password or a folder."""

    name: str
    open: Callable[[], Frames]
    comes_back: bool


def source_of(text: str) -> Source:
    """A camera's number, an address (rtsp://, rtsps://, http://, https://), a folder or a file. Raises MediaError."""
    if text.isdecimal() and len(text) < 4:
        return Source(f"camera {text}", lambda: _camera(int(text)), True)
    if re.match(r"(?:rtsps?|https?)://", text):
        return Source(_without_secrets(text), lambda: _stream(text), True)
    if "://" in text:
        kind = text.partition(":")[0]
        raise MediaError(f"{kind}:// is no source; expected rtsp://, http://, a camera's number or a path")
    path = Path(text)
    if path.is_dir():
        return Source(path.resolve().name, lambda: _folder(path), True)
    if not path.exists():
        raise MediaError(f"{path}: no such file or folder, and no camera's number")
    if not is_clip(path):
        raise MediaError(f"{path}: a picture; ask about it with `onethinker ask`")
    probe(path)
    return Source(path.name, lambda: _file(path), False)


def _without_secrets(address: str) -> str:
    """Without what comes before the host or after the path: a password, even one with a slash in it, or a key."""
    kind, _, rest = address.partition("://")
    return f"{kind}://{rest.partition('?')[0].rpartition('@')[2]}"


def _camera(number: int) -> Frames:
    """As OpenCV opens it (V4L2, AVFoundation, Media Foundation)."""
    import cv2

    capture = cv2.VideoCapture(number)
    try:
        while True:
            came, pixels = capture.read()
            if not came:
                raise SourceLost(f"camera {number} gives no picture; is it there, and used by nobody else?")
            yield _kept(np.ascontiguousarray(pixels[:, :, ::-1]))
    finally:
        capture.release()


def _stream(address: str) -> Frames:
    """An RTSP or HTTP stream by PyAV; RTSP over TCP, which loses nothing on the way."""
    import av

    options = {"rtsp_transport": "tcp", "timeout": str(int(TIMEOUT * 1e6)), "fflags": "nobuffer", "flags": "low_delay"}
    try:
        with av.open(address, options=options, timeout=(TIMEOUT, TIMEOUT)) as container:
            if not container.streams.video:
                raise SourceLost("no video in the stream")
            stream = container.streams.video[0]
            stream.thread_type = "SLICE"  # frame threads hold frames back
            for frame in container.decode(stream):
                if frame.width * frame.height > MAX_FRAME:
                    raise SourceLost(f"frames of {frame.width:,} × {frame.height:,} pixels, more than {MAX_FRAME:,}")
                yield _kept(frame)
    except (av.FFmpegError, OSError) as error:
        words = str(error.strerror or error).replace(address, _without_secrets(address))
        raise SourceLost(f"{type(error).__name__}: {words}") from error
    raise SourceLost("the stream ended")


def _file(path: Path) -> Frames:
    """A clip's frames at their own pace, as if they came live; late ones at once."""
    import av

    began: float | None = None
    try:
        with av.open(str(path.resolve()), options={"protocol_whitelist": "file"}) as container:
            for frame in container.decode(container.streams.video[0]):
                began = time.monotonic() - (frame.time or 0.0) if began is None else began
                wait = began + (frame.time or 0.0) - time.monotonic()
                if wait > 0:
                    time.sleep(min(wait, MAX_STEP))
                yield _kept(frame)
    except (av.FFmpegError, IndexError) as error:
        raise SourceLost(f"{type(error).__name__}: {error}") from error


def _folder(path: Path, poll: float = 0.1) -> Frames:
    """Each picture that is new in the folder, by the time of its change, those that are there already left out."""
    seen = {file.name for file in _pictures(path)}
    while True:
        new = [file for file in _pictures(path) if file.name not in seen and _is_settled(file)]
        for file in sorted(new, key=lambda file: (_changed(file), file.name)):
            seen.add(file.name)
            try:
                yield np.asarray(open_image(file, FRAME_PIXELS))
            except (MediaError, OSError):
                continue  # one bad picture costs itself alone
        if not new:
            time.sleep(poll)
            yield None


def _pictures(path: Path) -> list[Path]:
    try:
        return [file for file in path.iterdir() if file.suffix.lower() in PICTURE_SUFFIXES]
    except OSError as error:
        raise SourceLost(f"{path}: {error.strerror}") from error


def _changed(file: Path) -> float:
    try:
        return file.stat().st_mtime
    except OSError:  # gone again
        return 0.0


def _is_settled(file: Path) -> bool:
    return time.time() - _changed(file) >= SETTLED


def _kept(frame: object) -> np.ndarray:
    """A frame of PyAV's or an array, (H, W, 3) RGB, shrunk to at most FRAME_PIXELS."""
    import av

    if isinstance(frame, av.VideoFrame):
        width, height = fit(frame.width, frame.height, FRAME_PIXELS)
        return frame.to_ndarray(format="rgb24", width=width, height=height)
    pixels = np.asarray(frame)
    width, height = fit(pixels.shape[1], pixels.shape[0], FRAME_PIXELS)
    if (width, height) == (pixels.shape[1], pixels.shape[0]):
        return pixels
    import cv2

    return cv2.resize(pixels, (width, height), interpolation=cv2.INTER_AREA)
