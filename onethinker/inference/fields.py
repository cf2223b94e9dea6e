"""The typed parts of a result: boxes, points and masks, in pixels and 0–1000, with their labels and seconds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from onethinker.tasks.found import Found

Floats: TypeAlias = NDArray[np.float64]
Size: TypeAlias = tuple[int, int]
"""(width, height) in pixels of the file, upright."""


@dataclass(frozen=True)
class Boxes:
    """N boxes, corners left, top, right, bottom, each pair in order.

    xyxy: (N, 4) pixels of the file, edges, so that the whole picture is [0, 0, width, height]. xyxy_1000: (N, 4),
    0–1000 of width and height. labels: N. seconds: (N,) of the clip, NaN in a picture. things: (N,) boxes of one number
    are of one object, numbered from 1.
    """

    xyxy: Floats
    xyxy_1000: Floats
    labels: tuple[str, ...]
    seconds: Floats
    things: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def xywh(self) -> Floats:
        """(N, 4) left, top, width and height in pixels."""
        return np.hstack([self.xyxy[:, :2], self.xyxy[:, 2:] - self.xyxy[:, :2]])

    @classmethod
    def of(cls, found: Found, size: Size) -> Boxes:
        """Those of an answer, corners put in order; a box of zeros is none."""
        kept = [box for box in found.boxes if any(box.box)]
        given_N4 = np.array([box.box for box in kept], np.float64).reshape(-1, 2, 2)
        thousand_N4 = np.concatenate([given_N4.min(axis=1), given_N4.max(axis=1)], axis=1)
        return cls(
            thousand_N4 / 1000 * np.tile(size, 2),
            thousand_N4,
            tuple(box.label for box in kept),
            _seconds([box.second for box in kept]),
            np.array([box.thing for box in kept], np.int64),
        )


@dataclass(frozen=True)
class Points:
    """N points. xy: (N, 2) pixels of the file. xy_1000: (N, 2), 0–1000. positive: (N,) on what is asked for, else
    beside it. labels, seconds, things: as those of `Boxes`."""

    xy: Floats
    xy_1000: Floats
    labels: tuple[str, ...]
    positive: NDArray[np.bool_]
    seconds: Floats
    things: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.labels)

    @classmethod
    def of(cls, found: Found, size: Size) -> Points:
        points = found.points
        thousand_N2 = np.array([(point.x, point.y) for point in points], np.float64).reshape(-1, 2)
        return cls(
            thousand_N2 / 1000 * np.array(size),
            thousand_N2,
            tuple(point.label for point in points),
            np.array([point.positive for point in points], np.bool_),
            _seconds([point.second for point in points]),
            np.array([point.thing for point in points], np.int64),
        )


@dataclass(frozen=True)
class Masks:
    """data: (N, H, W) bool at the file's size, of a picture N = 1, of a clip one a frame. seconds: (N,), NaN in a
    picture. label: what they are of. size: (width, height), also where there are none."""

    data: NDArray[np.bool_]
    seconds: Floats
    label: str
    size: Size

    def __len__(self) -> int:
        return len(self.data)

    @property
    def xyxy(self) -> Floats:
        """(N, 4) the box around each mask in pixels, edges; zeros around an empty one."""
        boxes_N4 = np.zeros((len(self), 4))
        for n, mask in enumerate(self.data):
            rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
            if len(rows):
                boxes_N4[n] = columns[0], rows[0], columns[-1] + 1, rows[-1] + 1
        return boxes_N4


def _seconds(values: Sequence[float | None]) -> Floats:
    return np.array([np.nan if value is None else value for value in values], np.float64)
