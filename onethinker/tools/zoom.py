"""`zoom`: a region of a picture, or of a clip's frame at a second, from the original pixels at the budget's size."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from PIL import Image

from onethinker.engines.base import Request
from onethinker.engines.content import png_bytes
from onethinker.media import is_clip, open_clip, open_image, probe
from onethinker.tools.base import Response, ToolError, box, medium, number

MAX_SCALE = 8.0
"""A region is enlarged by no more than this: there is nothing more to see in it."""
MAX_ASPECT = 100
"""A region is shown no longer than so many times its other side: models refuse longer pictures."""


class Zoom:
    """Gives back one picture. Answers stay in coordinates of the whole picture."""

    name = identity = "zoom"
    description = (
        "Look closer: shows a region of the picture, or of the clip's frame at `time` seconds, in its original "
        "resolution. Coordinates are thousandths of the whole picture's width and height, those of the answer too."
    )
    parameters: Mapping[str, Any] = {
        "type": "object",
        "properties": {
            "box": {
                "type": "array",
                "items": {"type": "number", "minimum": 0, "maximum": 1000},
                "minItems": 4,
                "maxItems": 4,
                "description": "[x1, y1, x2, y2] of the region",
            },
            "time": {"type": "number", "description": "second of a clip's frame; the first frame unless given"},
            "media": {"type": "integer", "description": "which picture or clip of the question, from 1"},
        },
        "required": ["box"],
    }

    def call(self, arguments: Mapping[str, Any], request: Request) -> Response:
        region, file = box(arguments), medium(arguments, request)
        if is_clip(file):
            at, duration = number(arguments, "time", 0.0), probe(file).duration
            if not 0 <= at <= duration:
                raise ToolError(f"time is {at:g}; expected a second of the clip, 0 to {duration:.1f}")
            picture = Image.fromarray(open_clip(file, times=[at]).frames[0])
        else:
            picture = open_image(file)
        return (png_bytes(cropped(picture, region, request.budget.image_pixels)),)


def cropped(picture: Image.Image, box: tuple[float, float, float, float], pixels: int) -> Image.Image:
    """The region, in thousandths, of at least one pixel, scaled to about `pixels` = width × height; one that is longer
    than MAX_ASPECT times its other side is stretched."""
    width, height = picture.size
    left, top = (min(int(v * side / 1000), side - 1) for v, side in zip(box[:2], (width, height)))
    right, bottom = (
        max(-int(-v * side // 1000), low + 1) for v, side, low in zip(box[2:], (width, height), (left, top))
    )
    region = picture.crop((left, top, right, bottom))
    across, down = max(region.width, region.height / MAX_ASPECT), max(region.height, region.width / MAX_ASPECT)
    scale = min((pixels / (across * down)) ** 0.5, MAX_SCALE)
    size = max(1, int(across * scale)), max(1, int(down * scale))
    return region.resize(size, Image.Resampling.LANCZOS)
