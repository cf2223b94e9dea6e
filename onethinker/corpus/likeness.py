"""Whether two pictures are copies of one: laid over each other, each must show what the other shows.

A hash says where to look; here the pictures themselves are compared, pixel by pixel, so that scenes, charts and pages
of one make are told apart. Both are aligned by shift and scale; then a pixel counts as explained where its value lies
between the darkest and the brightest ones around the same place in the other picture, which forgives compression and
half a pixel of misalignment. What stays unexplained is measured against how much there is to see. A watermark, like
every thin thing that is laid over a picture, is unexplained in one direction only; another scene is in both.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from onethinker.corpus.hashes import CONTENT_VIEW, WHOLE_VIEW, Rect, shrink, view_rects

SIDE = 128
"""Pixels of the side at which pictures are compared, fewer where one of them has fewer."""
KEPT = 256
"""Pixels of the longer side of a picture that is kept to be compared."""
_SLACK = 18
"""Grey values that compression, resizing and blending may change."""
_EDGE = 40
"""Grey values within a pixel's neighbourhood from which there is something to see."""
_CHROMA = 2.0
"""Pixels over which colour is averaged, of which JPEG keeps little around thin strokes."""
_MARGIN = 0.03
"""Share of the side at each edge that is not compared: a border may be off by a pixel."""
_SEARCH = 3
"""Pixels, of 48, that the best of the views may lie off, since a crop may begin between two of them."""
_TRIED = 12
"""Pairs of views, the nearest first, that are tried for the alignment."""
_BLUR = 0.8
_ENOUGH = 0.02
"""Unexplained share below which no other alignment is tried."""

RGB = NDArray[np.uint8]
Grey = NDArray[np.uint8]
Map = tuple[float, float, float, float]
"""Scale and shift, across and down: a place (x, y) in the second picture is (sx·x + tx, sy·y + ty) in the first."""
SAME: Map = (1.0, 1.0, 0.0, 0.0)


@dataclass(frozen=True, slots=True)
class Likeness:
    """less, more: unexplained pixels as a share of those that show something, of the two pictures the smaller and the
    larger share. area: the larger of both as a share of all pixels. overlap: share of the pictures that both show, the
    smaller of two."""

    less: float
    more: float
    area: float
    overlap: float


@dataclass(frozen=True, slots=True)
class Look:
    """A picture as it is compared. rgb: at most KEPT pixels a side. hashes: of its views; content: as of its views."""

    rgb: RGB
    hashes: Sequence[int]
    content: Rect

    @classmethod
    def of(cls, rgb_HWC: RGB, hashes: Sequence[int], content: Rect) -> Look:
        return cls(shrink(rgb_HWC, KEPT), [int(h) for h in hashes], content)


def compare(first: Look, second: Look, most: int) -> Likeness:
    """The likeness under the best of a few alignments. most: bits in which views differ that may show the same."""
    side = min(SIDE, *first.rgb.shape[:2], *second.rgb.shape[:2])
    best = None
    for mapped in _alignments(first, second, most, side):
        found = explained(first.rgb, second.rgb, mapped, side)
        if best is None or (found.less, found.more) < (best.less, best.more):
            best = found
        if best.less <= _ENOUGH:
            break
    assert best is not None
    return best


# ---- where one lies on the other --------------------------------------------------------------------------------


def _alignments(first: Look, second: Look, most: int, side: int) -> Iterator[Map]:
    """The best of the maps that two views suggest, by the correlation of grey values after a small search; then that
    map as Evangelidis and Psarakis' ECC refines it, of which shift and scale are kept. ECC may also lead astray."""
    tried = _suggested(first, second, most)[:_TRIED] or [SAME]
    one, other = (_small(look.rgb, min(64, side)) for look in (first, second))
    start = max((_shifted(one, other, guess, min(48, side)) for guess in tried), key=lambda found: found[0])[1]
    yield start
    fine = _small(first.rgb, min(96, side)), _small(second.rgb, min(96, side))
    coarse = _small(first.rgb, min(48, side)), _small(second.rgb, min(48, side))
    near = _refined(*fine, start, 8)
    if near is not None:
        yield near
    far = _refined(*coarse, start, 10)
    far = far and _refined(*fine, far, 8)
    if far is not None:
        yield far


def _suggested(first: Look, second: Look, most: int) -> list[Map]:
    """The maps by which a view of the one is a view of the other, the nearest views first."""
    found = []
    rects = view_rects(first.content), view_rects(second.content)
    for asked in (WHOLE_VIEW, CONTENT_VIEW):
        for view, one in enumerate(second.hashes):
            found.append(((first.hashes[asked] ^ one).bit_count(), _map_of(rects[0][asked], rects[1][view])))
        for view, one in enumerate(first.hashes):
            found.append(((second.hashes[asked] ^ one).bit_count(), _map_of(rects[0][view], rects[1][asked])))
    return list(dict.fromkeys(mapped for bits, mapped in sorted(found) if bits <= most))


def _map_of(first: Rect, second: Rect) -> Map:
    sx, sy = ((first[i + 2] - first[i]) / (second[i + 2] - second[i]) for i in (0, 1))
    return sx, sy, first[0] - sx * second[0], first[1] - sy * second[1]


def _small(rgb: RGB, side: int) -> Grey:
    grey = cv2.resize(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY), (side, side), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.GaussianBlur(grey, (0, 0), _BLUR))


def _shifted(first: Grey, second: Grey, mapped: Map, side: int) -> tuple[float, Map]:
    """The best correlation within a few pixels of the map, and the map there."""
    window, other = window_of(mapped)
    a, b = _cut(first, window, side), _cut(second, other, side)
    inner = b[_SEARCH:-_SEARCH, _SEARCH:-_SEARCH]
    found = cv2.matchTemplate(a, inner, cv2.TM_CCOEFF_NORMED)
    y, x = np.unravel_index(int(np.argmax(found)), found.shape)
    dx = (int(x) - _SEARCH) / side * (window[2] - window[0])
    dy = (int(y) - _SEARCH) / side * (window[3] - window[1])
    sx, sy, tx, ty = mapped
    return float(found[y, x]), (sx, sy, tx + dx, ty + dy)


def _refined(first: Grey, second: Grey, mapped: Map, steps: int) -> Map | None:
    """None where the search does not converge."""
    sx, sy, tx, ty = mapped
    side = len(first)
    half = 0.5 / side  # a pixel's value stands at its middle
    start = [[sx, 0, (tx + (sx - 1) * half) * side], [0, sy, (ty + (sy - 1) * half) * side]]
    criteria = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, steps, 1e-3)
    try:
        _, found = cv2.findTransformECC(
            second,
            first,
            np.array(start, np.float32),
            cv2.MOTION_AFFINE,
            criteria,
            None,
            3,  # type: ignore[call-overload]
        )
    except cv2.error:
        return None
    sx, sy = float(found[0, 0]), float(found[1, 1])
    if not (0.4 < sx < 2.5 and 0.4 < sy < 2.5):
        return None
    return sx, sy, float(found[0, 2]) / side - (sx - 1) * half, float(found[1, 2]) / side - (sy - 1) * half


def window_of(mapped: Map) -> tuple[Rect, Rect]:
    """What both show: where it lies in the first and in the second picture."""
    sx, sy, tx, ty = mapped
    other = max(0.0, -tx / sx), max(0.0, -ty / sy), min(1.0, (1 - tx) / sx), min(1.0, (1 - ty) / sy)
    return (sx * other[0] + tx, sy * other[1] + ty, sx * other[2] + tx, sy * other[3] + ty), other


def _cut(picture: NDArray[np.uint8], rect: Rect, side: int) -> NDArray[np.uint8]:
    """A part of a picture as side × side pixels."""
    height, width = picture.shape[:2]
    across, down = (rect[2] - rect[0]) * width / side, (rect[3] - rect[1]) * height / side
    matrix = np.array([[across, 0, rect[0] * width + across / 2 - 0.5], [0, down, rect[1] * height + down / 2 - 0.5]])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return np.asarray(cv2.warpAffine(picture, matrix, (side, side), flags=flags, borderMode=cv2.BORDER_REPLICATE))


# ---- what each shows that the other does not --------------------------------------------------------------------


def explained(first: RGB, second: RGB, mapped: Map, side: int) -> Likeness:
    """How two RGB pictures differ where both show the same part."""
    rects = window_of(mapped)
    if min(r[i + 2] - r[i] for r in rects for i in (0, 1)) < 0.3:
        return Likeness(1.0, 1.0, 1.0, 0.0)
    a, b = (_seen(picture, rect, side) for picture, rect in zip((first, second), rects, strict=True))
    one, other = _unexplained(a, b), _unexplained(b, a)
    overlap = max((r[2] - r[0]) * (r[3] - r[1]) for r in rects)
    return Likeness(min(one[0], other[0]), max(one[0], other[0]), max(one[1], other[1]), overlap)


def _seen(picture: RGB, rect: Rect, side: int) -> NDArray[np.uint8]:
    """A part of a picture, smoothed where that shrinks it: light, and colour averaged, as YCrCb."""
    height, width = picture.shape[:2]
    scale = max((rect[2] - rect[0]) * width, (rect[3] - rect[1]) * height) / side
    if scale > 1.5:
        size = max(1, round(width / scale)), max(1, round(height / scale))
        picture = np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA))
    shown = cv2.cvtColor(_cut(picture, rect, side), cv2.COLOR_RGB2YCrCb)
    shown[..., 1:] = cv2.GaussianBlur(shown[..., 1:], (0, 0), _CHROMA)
    return np.asarray(shown)


def _unexplained(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> tuple[float, float]:
    """Pixels of `a` beyond the values around them in `b`: their share of those that show something, and of all."""
    around = np.ones((3, 3), np.uint8)
    edge = max(2, round(_MARGIN * len(a)))
    inner = slice(edge, -edge), slice(edge, -edge)
    low, high = cv2.erode(b, around).astype(np.int16), cv2.dilate(b, around).astype(np.int16)
    beyond = (np.maximum(a - high, low - a).max(axis=2) > _SLACK)[inner]
    seen = (cv2.subtract(cv2.dilate(a, around), cv2.erode(a, around)).max(axis=2) > _EDGE)[inner]
    return float(beyond.sum() / max(seen.sum(), 0.02 * seen.size)), float(beyond.mean())
