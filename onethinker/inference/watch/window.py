"""The last seconds of a source: the newest frame, and earlier ones evenly, as many as a question may have."""

from __future__ import annotations

import threading
from collections import deque

import numpy as np

from onethinker.inference.watch.sources import Frame

_SIDE = 32
"""Pixels of the grid on which two pictures are compared."""


class Window:
    """Filled by one thread, looked at by others.

    seconds: how far back it reaches, 0 for the newest frame alone. rate: frames kept of a second. seen: frames that
    came; what is not kept is skipped, so that nothing waits in line.
    """

    def __init__(self, seconds: float, rate: float) -> None:
        self.seconds, self.rate, self.seen = seconds, rate, 0
        self._kept = deque[Frame]()
        self._newest: Frame | None = None
        self._lock = threading.Lock()

    def add(self, frame: Frame) -> None:
        """Take the frame that has just come."""
        with self._lock:
            self.seen += 1
            self._newest = frame
            if self.seconds and (not self._kept or frame.at - self._kept[-1].at >= 1 / self.rate - 1e-6):
                self._kept.append(frame)
            while self._kept and frame.at - self._kept[0].at > self.seconds:
                self._kept.popleft()

    def clear(self) -> None:
        """Forget what was seen: after a gap the frames before it are no part of a clip with those after it."""
        with self._lock:
            self._kept.clear()
            self._newest = None

    @property
    def newest(self) -> Frame | None:
        with self._lock:
            return self._newest

    def frames(self) -> list[Frame]:
        """Oldest first, the newest last, all of the size of the newest."""
        with self._lock:
            newest, kept = self._newest, list(self._kept)
        if newest is None:
            return []
        earlier = [f for f in kept if f.at < newest.at - 1e-6 and f.pixels.shape == newest.pixels.shape]
        return [*earlier, newest]


def difference(a: np.ndarray, b: np.ndarray) -> float:
    """How much two pictures differ, 0 to 1: the largest mean difference in grey within a cell of a 32 × 32 grid, so
    that something small that moves counts and noise does not. 1 for pictures of different sizes."""
    if a.shape != b.shape:
        return 1.0
    return float(np.abs(_grid(a) - _grid(b)).max() / 255)


def _grid(pixels: np.ndarray) -> np.ndarray:
    import cv2

    grey = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)
    size = min(_SIDE, grey.shape[1]), min(_SIDE, grey.shape[0])
    return cv2.resize(grey, size, interpolation=cv2.INTER_AREA).astype(np.float32)
