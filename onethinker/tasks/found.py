"""What an answer says of a picture or clip, in one form for all tasks: boxes, points and a span. Whoever shows, exports
or serves an answer reads these and need not know the task."""

from __future__ import annotations

from typing import NamedTuple

from onethinker.sample import Sample


class FoundBox(NamedTuple):
    """box: x1, y1, x2, y2, each 0–1000 of width or height. label: what it is, as far as it is said. second: of the
    clip's frame that it is on, None in a picture. thing: boxes of one number are of one object, from 1."""

    box: tuple[float, float, float, float]
    label: str = ""
    second: float | None = None
    thing: int = 1


class FoundPoint(NamedTuple):
    """x, y: 0–1000 of width and height. positive: on the object; else beside it. label, second, thing: as a box's."""

    x: float
    y: float
    label: str = ""
    positive: bool = True
    second: float | None = None
    thing: int = 1


class Found(NamedTuple):
    """boxes, points: of one object by time, else as the answer lists them. span: seconds from and to."""

    boxes: tuple[FoundBox, ...] = ()
    points: tuple[FoundPoint, ...] = ()
    span: tuple[float, float] | None = None


def label_of(sample: Sample) -> str:
    """What is asked for, in the fewest words known: `meta["phrase"]`, the noun phrase where one was given, else the
    question."""
    return str(sample.meta.get("phrase") or sample.question)
