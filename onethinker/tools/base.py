"""The contract of a tool: what it is called, what arguments it takes, what it gives back.

A tool is pure: the same arguments about the same request give the same response, so that a training that was killed
goes on with the same bits and a transcript can be drawn again. It is bounded: what it opens, computes and returns has
a limit that stands in its module. Its arguments are a model's words and untrusted.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from onethinker.engines.base import Request
from onethinker.media import is_clip

Response = tuple[str | bytes, ...]
"""Words and whole PNG files, in order."""


class ToolError(ValueError):
    """A call that cannot be answered. The message is for the model: what was expected, and what came."""


class Tool(Protocol):
    """name: as the model calls it. description: for the model. parameters: JSON schema of the arguments.

    identity: the name, with what else its responses depend on, such as a digest of a knowledge base.
    Its class may have `needs`: what it is made with, of `tools.GIVEN`, by keyword; empty where the run gives none. One
    without needs nothing but the request.
    """

    name: str
    description: str
    parameters: Mapping[str, Any]
    identity: str

    def call(self, arguments: Mapping[str, Any], request: Request) -> Response:
        """The response to a call within an answer to this request. Raises ToolError for arguments of a wrong form, and
        MediaError for media that cannot be read."""
        ...


# ---- arguments --------------------------------------------------------------------------------------------------


def number(arguments: Mapping[str, Any], name: str, default: float | None = None) -> float:
    """A finite number. default: where the argument is not given. Raises ToolError."""
    value = arguments.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or not _finite(value):
        raise ToolError(f"{name} is {shown(value)}; expected a number")
    return float(value)


def box(arguments: Mapping[str, Any], name: str = "box") -> tuple[float, float, float, float]:
    """`[x1, y1, x2, y2]` in thousandths of width and height, clipped to the picture. Raises ToolError for what is none,
    and for one that holds nothing of the picture."""
    value = arguments.get(name)
    if not isinstance(value, Sequence) or isinstance(value, str) or len(value) != 4:
        raise ToolError(f"{name} is {shown(value)}; expected [x1, y1, x2, y2] from 0 to 1000")
    x1, y1, x2, y2 = (min(max(number({name: v}, name), 0.0), 1000.0) for v in value)
    if x2 <= x1 or y2 <= y1:
        raise ToolError(f"{name} is {shown(value)}; expected x1 < x2 and y1 < y2 within 0 to 1000")
    return x1, y1, x2, y2


def medium(arguments: Mapping[str, Any], request: Request, *, clips_only: bool = False) -> Path:
    """The picture or clip that a call is about: number `media` of all of the question's, from 1 in the order of their
    marks; the first that fits unless given. Raises ToolError where there is none."""
    fit = [place for place, file in enumerate(request.media, start=1) if is_clip(file) or not clips_only]
    what = "clips" if clips_only else "pictures and clips"
    if not fit:
        raise ToolError(f"the question has no {what}")
    place = number(arguments, "media", fit[0])
    if place not in fit:
        given, known = shown(arguments["media"]), ", ".join(map(str, fit))
        raise ToolError(f"media is {given}; of the question's {len(request.media)} media the {what} are {known}")
    return request.media[int(place) - 1]


def shown(value: Any) -> str:
    """An untrusted value in few words."""
    words = ascii(value) if not isinstance(value, int) or abs(value) < 1 << 63 else "a very large number"
    return words if len(words) <= 80 else f"{words[:77]}..."


def _finite(value: float) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:  # a whole number beyond any float
        return False
