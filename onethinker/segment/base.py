"""The segmenter contract, and the walk through a clip that every segmenter shares: out from the key frame, both ways.

Frames are decoded in short stretches and forgotten once they are followed, so memory does not grow with the clip.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import ClassVar, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image

from onethinker.media import Clip, open_clip, probe

Mask = NDArray[np.bool_]
Frame = NDArray[np.uint8]

MAX_MASK_BYTES = 8 * 1024**3
STRETCH_BYTES = 128 * 1024**2


class SegmenterError(RuntimeError):
    """A segmenter that cannot work; says what to do."""


@dataclass(frozen=True)
class Prompt:
    """What to segment. box: [x1, y1, x2, y2]; positive, negative: (N, 2) points on and off the object; all 0–1000."""

    box: NDArray[np.float64]
    positive: NDArray[np.float64]
    negative: NDArray[np.float64]

    @classmethod
    def of(cls, box: ArrayLike, positive: ArrayLike, negative: ArrayLike) -> Prompt:
        """Checked and ordered: corners are sorted, everything is moved inside 0–1000."""
        corners = np.asarray(box, np.float64).reshape(-1)
        points = [np.asarray(p, np.float64).reshape(-1, 2) for p in (positive, negative)]
        if corners.shape != (4,) or not all(np.isfinite(a).all() for a in (corners, *points)):
            raise ValueError(
                f"expected a box of four numbers and points of two, got {box!r}, {positive!r}, {negative!r}"
            )
        corners = np.concatenate([np.minimum(corners[:2], corners[2:]), np.maximum(corners[:2], corners[2:])])
        return cls(corners.clip(0, 1000), points[0].clip(0, 1000), points[1].clip(0, 1000))

    def in_pixels(self, width: int, height: int) -> Prompt:
        """The same in pixels of a width × height frame; the box is at least a pixel wide and high."""
        scale = np.array([width, height]) / 1000
        x1, y1, x2, y2 = self.box * np.tile(scale, 2)
        x1, y1 = min(x1, width - 1), min(y1, height - 1)
        box = np.array([x1, y1, max(x2, x1 + 1), max(y2, y1 + 1)])
        return Prompt(box, self.positive * scale, self.negative * scale)


class Tracker(Protocol):
    """A segmenter at work on one clip. mask: (H, W), the key frame's."""

    mask: Mask

    def follow(self, frame: Frame, reverse: bool) -> Mask:
        """The next frame's mask: after the key frame and the frames followed so far, or before them if `reverse`.

        All frames after the key frame come first, then all frames before it.
        """


class Segmenter(ABC):
    """Box and points → masks. step: the longest time in seconds between two frames that are followed; between wanted
    times that lie further apart, frames are followed that nobody asked for."""

    step: ClassVar[float]

    @property
    def identity(self) -> str:
        """Method and weights, part of a result's identity."""
        return type(self).__name__.lower()

    @abstractmethod
    def segment_image(
        self, image: Image.Image | Frame, box: ArrayLike, positive: ArrayLike, negative: ArrayLike
    ) -> Mask:
        """The object's mask (H, W). box and points: 0–1000 of the image's width and height."""

    @abstractmethod
    def start(self, frame: Frame, prompt: Prompt, before: int, after: int) -> Tracker:
        """Segment a clip's key frame. before, after: how many frames are going to be followed to either side."""

    def segment_clip(
        self,
        clip: str | Path | Clip,
        key_time: float,
        box: ArrayLike,
        positive: ArrayLike,
        negative: ArrayLike,
        times: Sequence[float] | NDArray[np.float64],
    ) -> Mask:
        """The object's masks (T, H, W) at `times` in seconds, in the order given, at the clip's full size.

        box and points: 0–1000, on the frame at `key_time`. Times outside the clip are its first or last frame's.
        Raises MediaError for a clip that cannot be read.
        """
        frames = _Frames(clip)
        wanted, place_T = np.unique(np.clip(np.asarray(times, np.float64), 0, frames.end), return_inverse=True)
        if not len(wanted) or not np.isfinite([*wanted, key_time]).all():
            raise ValueError(f"expected a key time and at least one time in finite seconds, got {key_time}, {times}")
        if len(place_T) * frames.width * frames.height > MAX_MASK_BYTES:
            raise ValueError(
                f"{len(place_T)} masks of {frames.width}×{frames.height} exceed {MAX_MASK_BYTES >> 30} GiB; "
                "ask for fewer times at once"
            )
        key = float(np.clip(key_time, 0, frames.end))
        step = max(self.step, frames.spacing)
        before, after = walk(wanted[wanted < key][::-1], key, step), walk(wanted[wanted > key], key, step)
        key_frame = next(frames.at(np.array([key])))
        tracker = self.start(key_frame, Prompt.of(box, positive, negative), len(before), len(after))
        masks = np.zeros((len(place_T), frames.height, frames.width), bool)
        masks[wanted[place_T] == key] = tracker.mask
        for path, reverse in ((after, False), (before, True)):
            for time, frame in zip(path, frames.at(path)):
                masks[wanted[place_T] == time] = tracker.follow(frame, reverse)
        return masks


def walk(wanted: NDArray[np.float64], key: float, step: float) -> NDArray[np.float64]:
    """The times to visit from `key` (left out) through `wanted`, which lead away from it, at most `step` apart."""
    legs = [
        np.linspace(begin, end, int(np.ceil(abs(end - begin) / step - 1e-9)) + 1)[1:]
        for begin, end in pairwise([key, *wanted])
    ]
    return np.concatenate([*legs, np.empty(0)])


class _Frames:
    """Full-size frames of a file or of an open clip, by time. spacing: mean seconds from one frame to the next."""

    def __init__(self, clip: str | Path | Clip) -> None:
        self.clip = clip
        if isinstance(clip, Clip):
            self.height, self.width = clip.frames.shape[1:3]
            self.end = float(clip.times[-1])
            self.spacing = self.end / max(len(clip.times) - 1, 1)
        else:
            info = probe(clip)
            self.width, self.height, self.end = info.width, info.height, info.duration
            self.spacing = 1 / info.fps if info.fps else 1.0

    def at(self, times: NDArray[np.float64]) -> Iterator[Frame]:
        """The frame on screen at each time, in the order given, a stretch in memory at once."""
        if isinstance(self.clip, Clip):
            index = np.searchsorted(self.clip.times, times + 1e-6, side="right").clip(1) - 1
            yield from (self.clip.frames[i] for i in index)
            return
        stretch = max(1, STRETCH_BYTES // (self.width * self.height * 3))
        for begin in range(0, len(times), stretch):
            yield from open_clip(self.clip, times=times[begin : begin + stretch]).frames
