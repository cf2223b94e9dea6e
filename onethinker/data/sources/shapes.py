"""COCO polygons and run lengths → masks, and masks → the prompts that a segmentation truth holds."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from onethinker.data.sources.base import number, show
from onethinker.measure import masks
from onethinker.media.decode import MediaError, check_file, check_pixels, decoding
from onethinker.sample import DataError

Mask = NDArray[np.bool_]
MAX_VERTICES = 100_000
_BESIDE = 0.15
"""How far beside a box a negative point may lie, as a share of the box's longer side."""


def coco_mask(segmentation: Any, size: tuple[int, int], where: str) -> Mask:
    """The mask (H, W) of a COCO annotation: a list of polygons `[x, y, x, y, …]` in pixels, together, or run lengths.

    size: the picture's width and height. Raises DataError. Source: pycocotools, as REFER's getMask calls it.
    """
    width, height = size
    if isinstance(segmentation, Mapping):
        try:
            mask = masks.decode(segmentation)
        except ValueError as error:
            raise DataError(f"{where}: {error}") from error
        if mask.shape != (height, width):
            raise DataError(f"{where}: a mask of {mask.shape} for a picture of {height} rows, {width} columns")
        return mask
    from pycocotools import mask as coco

    runs = coco.frPyObjects(_polygons(segmentation, size, where), height, width)
    return np.asarray(coco.decode(coco.merge(runs)), dtype=bool)


def _polygons(segmentation: Any, size: tuple[int, int], where: str) -> list[list[float]]:
    """Polygons of three corners or more, none far outside the picture: their outlines are drawn by a C library."""
    if not isinstance(segmentation, list) or not segmentation or not all(isinstance(p, list) for p in segmentation):
        raise DataError(f"{where}: segmentation {show(segmentation)}; expected polygons or run lengths")
    if sum(map(len, segmentation)) > 2 * MAX_VERTICES:
        raise DataError(f"{where}: more than {MAX_VERTICES:,} corners of polygons")
    polygons = [[number(v, where, "a corner") for v in polygon] for polygon in segmentation]
    reach = 2 * max(size)
    if any(len(p) < 6 or len(p) % 2 or min(p) < -reach or max(p) > reach for p in polygons):
        raise DataError(f"{where}: a polygon with fewer than three corners, a half one, or one far off the picture")
    return polygons


def index_picture(file: Path) -> NDArray[np.uint8]:
    """A PNG's palette indices or grey values (H, W). Raises DataError for one that is missing, huge or damaged."""
    try:
        with decoding(check_file(file)), Image.open(file, formats=("PNG",)) as picture:
            check_pixels(file, picture.size, masks.MAX_PIXELS)
            return np.asarray(picture if picture.mode in ("P", "L") else picture.convert("L"))
    except MediaError as error:
        raise DataError(str(error)) from error


def prompts_of(mask: Mask, where: str) -> dict[str, Any]:
    """Box, three points well on the object and three beside it, in whole thousandths of width and height: a truth for
    data sets that only have masks.

    The points are those of `inner_points`, the negative ones of the box's surroundings without the object (anywhere,
    if the object fills the picture). Raises DataError for a mask of nothing.
    """
    height, width = mask.shape
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if len(rows) == 0:
        raise DataError(f"{where}: the mask is empty; expected an object")
    left, top, right, bottom = int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1
    margin = max(2, round(_BESIDE * max(right - left, bottom - top)))
    beside = np.zeros_like(mask)
    beside[max(top - margin, 0) : bottom + margin, max(left - margin, 0) : right + margin] = True
    beside &= ~mask
    (x1, x2), (y1, y2) = _edges(left, right, width), _edges(top, bottom, height)
    return {
        "boxes": [x1, y1, x2, y2],
        "positive_points": inner_points(mask),
        "negative_points": inner_points(beside if beside.any() else np.ones_like(mask)),
    }


def _edges(low: int, high: int, side: int) -> tuple[int, int]:
    """Of a box, in pixels, as whole thousandths that are never the same."""
    first, last = round(1000 * low / side), round(1000 * high / side)
    return (first, last) if first < last else (min(first, 999), min(first, 999) + 1)


def inner_points(region: Mask, count: int = 3) -> list[list[int]]:
    """`count` points deep inside a region and apart, in whole thousandths of the picture (H, W): each is the pixel
    farthest from the region's edge (distance transform) and from the points before it. Pixels whose rounded point lies
    outside the region are left to others while there are any. A region smaller than that repeats points."""
    rows, columns = np.flatnonzero(region.any(axis=1)), np.flatnonzero(region.any(axis=0))
    left, top = int(columns[0]), int(rows[0])
    part = region[top : rows[-1] + 1, left : columns[-1] + 1]
    depth = cv2.distanceTransform(np.pad(part, 1).astype(np.uint8), cv2.DIST_L2, 3)[1:-1, 1:-1]
    y_H1, x_1W = np.arange(part.shape[0])[:, None], np.arange(part.shape[1])[None]
    (to_y, back_y), (to_x, back_x) = (
        _thousandths(first + np.arange(n), side) for first, n, side in zip((top, left), part.shape, region.shape)
    )
    kept = part & region[np.ix_(back_y, back_x)]
    usable = kept if kept.any() else part
    depth, points = np.where(usable, depth, -1.0), []
    for _ in range(count):
        y, x = divmod(int(np.argmax(depth)), depth.shape[1])
        points.append([int(to_x[x]), int(to_y[y])])
        depth = np.where(usable, np.minimum(depth, np.hypot(x_1W - x, y_H1 - y)), -1.0)
    return points


def _thousandths(pixels: NDArray[np.int64], side: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The middles of pixels in whole thousandths, and the pixels that those lie in."""
    points = np.rint((pixels + 0.5) * 1000 / side).astype(np.int64)
    return points, np.minimum(points * side // 1000, side - 1)
