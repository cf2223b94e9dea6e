"""Perceptual hashes of pictures and frames: a few views of each, a view as 64 bits.

A view is a part of the picture that a copy of it may show as a whole: the picture itself, what lies within uniform
borders (letter-boxes), and what a crop by a tenth leaves, to either side. Two pictures whose views differ in few bits
are worth a closer look (`likeness`), no more. The hash is that of Zauner's "Implementation and Benchmarking of
Perceptual Image Hash Functions" (2010), 3.2.1: the signs of 64 low frequencies of a 32×32 grey copy about their median.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray

Rect = tuple[float, float, float, float]
"""Left, top, right, bottom as shares of width and height."""

WHOLE: Rect = (0.0, 0.0, 1.0, 1.0)
CROP = 0.1
"""Share of width or height that a crop takes."""
GREY = 160
"""Pixels of the longer side of the grey picture that views are cut from."""
_SIDE = 32
_FLAT = 2.0
"""Standard deviation of grey values below which a picture shows nothing to compare."""
_BORDER = 14.0
"""Grey values between which nearly all of a border's row lie, compression's noise included."""
_LEAST = 0.2
"""Share of width or height that must be left between borders; else the picture is taken as it is."""


@dataclass(frozen=True, slots=True)
class Views:
    """hashes_V: uint64, in the order of `view_rects(content)`. content: what lies within uniform borders. flat: it
    shows nothing to compare."""

    hashes_V: NDArray[np.uint64]
    content: Rect
    flat: bool


WHOLE_VIEW, CONTENT_VIEW = 0, 1
"""Places of the two views that copies are looked up by; the rest are what a copy may show of this picture."""


@cache
def crops() -> tuple[Rect, ...]:
    """What a crop leaves: of both sides by a tenth at nine places, of one side by a tenth at its two ends."""
    starts = (0.0, CROP / 2, CROP)
    both = [(x, y, x + 1 - CROP, y + 1 - CROP) for x in starts for y in starts]
    one = [(x, 0.0, x + 1 - CROP, 1.0) for x in (0.0, CROP)] + [(0.0, y, 1.0, y + 1 - CROP) for y in (0.0, CROP)]
    return (*both, *one)


def view_rects(content: Rect) -> tuple[Rect, ...]:
    """Where the views of a picture lie in it."""
    return (WHOLE, content, *crops())


def views_of(rgb_HWC: NDArray[np.uint8], *, mirrored: bool = False, cropped: bool = True) -> Views:
    """The views of an RGB picture. mirrored: of its mirror image. cropped: those of crops too, not only the two that
    copies are looked up by."""
    grey = shrink(np.asarray(cv2.cvtColor(rgb_HWC, cv2.COLOR_RGB2GRAY), np.uint8), GREY)
    if mirrored:
        grey = np.ascontiguousarray(grey[:, ::-1])
    content = content_of(grey)
    hashes = np.array([phash(cut(grey, rect)) for rect in view_rects(content)[: None if cropped else 2]], np.uint64)
    return Views(hashes, content, bool(grey.std() < _FLAT))


def shrink(picture: NDArray[np.uint8], longest: int) -> NDArray[np.uint8]:
    """The picture with a longer side of at most so many pixels."""
    height, width = picture.shape[:2]
    scale = longest / max(height, width)
    if scale >= 1:
        return picture
    size = max(1, round(width * scale)), max(1, round(height * scale))
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8)


def cut(picture: NDArray[np.uint8], rect: Rect) -> NDArray[np.uint8]:
    """The pixels of a part of the picture, at least one."""
    height, width = picture.shape[:2]
    left, top = round(rect[0] * width), round(rect[1] * height)
    return picture[top : max(top + 1, round(rect[3] * height)), left : max(left + 1, round(rect[2] * width))]


def phash(grey_HW: NDArray[np.uint8]) -> int:
    """64 bits of a grey picture: which of its 64 lowest frequencies, the mean left out, exceed their median."""
    small = cv2.resize(grey_HW, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA).astype(np.float32)
    low = cv2.dct(small).ravel()[_lowest()]
    return int(np.packbits(low > np.median(low)).view(">u8")[0])


@cache
def _lowest() -> NDArray[np.intp]:
    """Places of the 64 lowest frequencies but the mean among 32×32, lowest first."""
    u, v = np.mgrid[:_SIDE, :_SIDE]
    return np.argsort((u * u + v * v).ravel(), kind="stable")[1:65]


def content_of(grey_HW: NDArray[np.uint8]) -> Rect:
    """What lies within borders of one grey value, such as a letter-box; the whole where hardly anything does."""
    top, bottom = _borders(grey_HW)
    left, right = _borders(grey_HW.T)
    height, width = grey_HW.shape
    rect = (left / width, top / height, 1 - right / width, 1 - bottom / height)
    return rect if min(rect[2] - rect[0], rect[3] - rect[1]) >= _LEAST else WHOLE


def _borders(grey_HW: NDArray[np.uint8]) -> tuple[int, int]:
    """How many rows at the top and at the bottom are of one grey value each."""
    low, middle, high = np.percentile(grey_HW, (2, 50, 98), axis=1)
    even = high - low <= _BORDER
    found = []
    for rows, value in ((slice(None), middle[0]), (slice(None, None, -1), middle[-1])):
        border = even[rows] & (np.abs(middle[rows] - value) <= _BORDER)
        found.append(len(border) if border.all() else int(np.argmin(border)))
    return found[0], found[1]
