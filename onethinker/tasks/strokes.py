"""Lines that show on any ground: each has a white and a black rim. Whole, dotted or hatched, so that what colour tells
apart is told apart by its style too."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

Point = tuple[float, float]
Rect = tuple[float, float, float, float]
"""x1, y1, x2, y2 in pixels, in order."""
Rims = tuple[tuple[int, str], ...]
"""Pixels that a line is wider, and their colour, the outermost first; the line itself, without one, last."""
RIMS: Rims = ((4, "black"), (2, "white"), (0, ""))
SLIM: Rims = ((2, "black"), (0, ""))
"""Of a line that may run on another one, which is to be seen beside it."""


def rectangle(
    image: Image.Image, rect: Rect, colour: str, width: int, rims: Rims = RIMS, *, dotted: bool = False
) -> None:
    """Its outline, `width` pixels wide, dotted if asked for."""
    x1, y1, x2, y2 = rect
    corners = [(x1, y1), (x2, y1), (x2, y2), (x1, y2)]
    sides = list(zip(corners, [*corners[1:], corners[0]], strict=True))
    strokes = [part for side in sides for part in (_dots(*side, width) if dotted else [side])]
    _rimmed(image, colour, width, strokes, rims)


def brackets(image: Image.Image, rect: Rect, colour: str, width: int) -> None:
    """The four corners of a rectangle alone, each arm a fifth of the shorter side long, at most 28 pixels."""
    x1, y1, x2, y2 = rect
    arm = min(max(0.2 * min(x2 - x1, y2 - y1), 6.0), 28.0)
    strokes = [
        stroke
        for x, inwards in ((x1, arm), (x2, -arm))
        for y, down in ((y1, arm), (y2, -arm))
        for stroke in (((x, y), (x + inwards, y)), ((x, y), (x, y + down)))
    ]
    _rimmed(image, colour, width, strokes, SLIM)


def mark(image: Image.Image, at: Point, colour: str, *, positive: bool, ringed: bool) -> None:
    """A plus for a positive point, a cross for a negative one. ringed: within a circle."""
    (x, y), arm = at, 7.0
    strokes = [((x - arm, y), (x + arm, y)), ((x, y - arm), (x, y + arm))]
    if not positive:
        strokes = [((x - arm, y - arm), (x + arm, y + arm)), ((x - arm, y + arm), (x + arm, y - arm))]
    _rimmed(image, colour, 3, strokes)
    if ringed:
        draw = ImageDraw.Draw(image)
        for more, ink in RIMS:
            reach = 12 + more / 2
            draw.ellipse((x - reach, y - reach, x + reach, y + reach), outline=ink or colour, width=2 + more)


def tint(image: Image.Image, mask_HW: NDArray[np.bool_], colour: str, opacity: float, *, hatched: bool) -> None:
    """Colour the pixels of a mask of any size, in stripes if `hatched`, and draw its edge."""
    alpha = Image.fromarray((np.asarray(mask_HW, dtype=bool) * 255).astype(np.uint8))
    inside = np.asarray(alpha.resize(image.size, Image.Resampling.NEAREST)) > 0
    strength = np.full(inside.shape, opacity)
    if hatched:
        rows, columns = np.indices(inside.shape)
        strength = np.where((rows + columns) % 12 < 5, opacity, 0.0)
    padded = np.pad(inside, 2)
    core = np.ones_like(inside)
    for down, right in ((0, 2), (4, 2), (2, 0), (2, 4)):
        core &= padded[down : down + inside.shape[0], right : right + inside.shape[1]]
    share = Image.fromarray((255 * np.where(inside & ~core, 1.0, strength * inside)).astype(np.uint8))
    image.paste(Image.new("RGB", image.size, colour), mask=share)


def bar(draw: ImageDraw.ImageDraw, rect: Rect, colour: str, *, hatched: bool) -> None:
    """A filled stretch of a time line, in stripes between two edges if `hatched`."""
    draw.rectangle(rect, fill=None if hatched else colour, outline=colour, width=2)
    if hatched:
        x1, y1, x2, y2 = rect
        for x in range(round(x1) - round(y2 - y1), round(x2), 8):
            left, right = max(float(x), x1), min(x + y2 - y1, x2)
            if right > left:
                draw.line((left, y2 - (left - x), right, y2 - (right - x)), fill=colour, width=3)


def _dots(a: Point, b: Point, width: int) -> Iterator[tuple[Point, Point]]:
    """Short strokes from a to b."""
    length = math.dist(a, b)
    count = max(round(length / (5 * width + 6)), 1)
    for i in range(count):
        begin, end = (
            (a[0] + (b[0] - a[0]) * (i + share) / count, a[1] + (b[1] - a[1]) * (i + share) / count)
            for share in (0.3, 0.7)
        )
        yield begin, end


def _rimmed(
    image: Image.Image, colour: str, width: int, strokes: Sequence[tuple[Point, Point]], rims: Rims = RIMS
) -> None:
    """All rims before all lines, so that strokes that meet do not cut one another."""
    draw = ImageDraw.Draw(image)
    for more, ink in rims:
        thick = width + more
        for (ax, ay), (bx, by) in strokes:
            upright = abs(bx - ax) < 1e-6 or abs(by - ay) < 1e-6
            if upright:
                low, high = thick // 2, (thick - 1) // 2
                x1, x2, y1, y2 = (round(v) for v in (min(ax, bx), max(ax, bx), min(ay, by), max(ay, by)))
                draw.rectangle((x1 - low, y1 - low, x2 + high, y2 + high), fill=ink or colour)
            else:
                draw.line((ax, ay, bx, by), fill=ink or colour, width=thick)


def free_place(size: tuple[int, int], around: Rect, room: tuple[int, int], taken: Sequence[Rect]) -> Rect | None:
    """Where a label of `size` fits beside `around` within `room` (width, height) without touching what is taken."""
    (width, height), (x1, y1, x2, y2), gap = size, around, 5
    spots: list[Callable[[], Point]] = [
        lambda: (x1, y1 - height - gap), lambda: (x1, y2 + gap), lambda: (x2 - width, y1 - height - gap),
        lambda: (x2 - width, y2 + gap), lambda: (x2 + gap, y1), lambda: (x1 - width - gap, y1),
        lambda: (x2 + gap, y2 - height), lambda: (x1 - width - gap, y2 - height),
    ]  # fmt: skip
    for spot in spots:
        left, top = spot()
        left = min(max(left, 0.0), room[0] - width) if left < x2 and left + width > x1 else left
        found = (left, top, left + width, top + height)
        inside = left >= 0 and top >= 0 and found[2] <= room[0] and found[3] <= room[1]
        if inside and not any(overlap(found, other) for other in taken):
            return found
    return None


def overlap(a: Rect, b: Rect) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]
