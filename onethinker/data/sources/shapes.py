"""COCO polygons and run lengths → masks, and masks → the prompts that a segmentation truth holds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
    """Box, three points well on the object and three beside it, 0–1000: a truth for data sets that only have masks.

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
    scale = (1000 / width, 1000 / height)
    corners = zip((left, top, right, bottom), scale * 2, strict=True)
    return {
        "boxes": [round(v * s, 3) for v, s in corners],
        "positive_points": _scaled(inner_points(mask), scale),
        "negative_points": _scaled(inner_points(beside if beside.any() else np.ones_like(mask)), scale),
    }


def inner_points(region: Mask, count: int = 3) -> list[tuple[int, int]]:
    """`count` pixels (x, y) deep inside a region and apart: each is the pixel farthest from the region's edge and from
    the points before it. A region smaller than that repeats pixels."""
    rows, columns = np.flatnonzero(region.any(axis=1)), np.flatnonzero(region.any(axis=0))
    left, top = int(columns[0]), int(rows[0])
    part = region[top : rows[-1] + 1, left : columns[-1] + 1]
    depth = cv2.distanceTransform(np.pad(part, 1).astype(np.uint8), cv2.DIST_L2, 3)[1:-1, 1:-1]
    y_H1, x_1W = np.arange(part.shape[0])[:, None], np.arange(part.shape[1])[None]
    points: list[tuple[int, int]] = []
    for _ in range(count):
        y, x = divmod(int(np.argmax(depth)), depth.shape[1])
        points.append((left + x, top + y))
        depth = np.where(part, np.minimum(depth, np.hypot(x_1W - x, y_H1 - y)), -1.0)
    return points


def _scaled(points: Sequence[tuple[int, int]], scale: tuple[float, float]) -> list[list[float]]:
    """Middles of pixels, 0–1000."""
    return [[round((x + 0.5) * scale[0], 3), round((y + 0.5) * scale[1], 3)] for x, y in points]
