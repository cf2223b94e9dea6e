"""What a task asks of a world: a question about a scene, and how whoever sees that scene answers it.

A task that names scenes gives its questions with them (`Task.asks`): functions of a random generator and of scenes,
whatever draws those. Here is what such a function needs to know of a scene, and the words for what is in it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

PixelBox = tuple[int, int, int, int]


class Thing(Protocol):
    """A shape in a scene. box: x1, y1, x2, y2 in pixels, where it is at 0 s."""

    @property
    def shape(self) -> str: ...
    @property
    def colour(self) -> str: ...
    @property
    def size(self) -> str: ...
    @property
    def texture(self) -> str: ...
    @property
    def box(self) -> PixelBox: ...


class Scene(Protocol):
    """side: pixels of its width and height. frames: 1 for a picture."""

    @property
    def side(self) -> int: ...
    @property
    def frames(self) -> int: ...
    @property
    def things(self) -> Sequence[Any]: ...


class Unanswerable(ValueError):
    """What was seen fits none of the options: whoever saw it has to look again."""


@dataclass(frozen=True, slots=True)
class Ask:
    """solve: the scenes as seen → (one short clause of reasoning, the answer's text).

    named: thing → attributes that the question gives. segmented: the thing whose masks are the truth.
    only: the things that the chain of thought lists; all of them where empty. truth: the scenes as they are → the
    truth's text, where that says more than the right answer does.
    """

    kind: str
    question: str
    solve: Callable[..., tuple[str, str]]
    options: tuple[str, ...] = ()
    named: Mapping[int, frozenset[str]] = field(default_factory=dict)
    segmented: int | None = None
    only: tuple[int, ...] = ()
    truth: Callable[..., str] | None = None


Asker = Callable[..., Ask | None]
"""`(rng, *scenes)` → a question, or None where the scene gives no such question."""


def norm(pixels: float, side: int) -> int:
    """A pixel edge as 0–1000 of the picture's side, halves rounded up."""
    return int((2000 * pixels + side) // (2 * side))


def norm_box(box: PixelBox, side: int) -> list[int]:
    return [norm(edge, side) for edge in box]


def compact(value: Any) -> str:
    """JSON without spaces; whole numbers without a fraction."""
    return json.dumps(_whole(value), separators=(",", ":"))


def _whole(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _whole(v) for key, v in value.items()}
    if isinstance(value, list | tuple):
        return [_whole(v) for v in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def name(thing: Thing) -> str:
    """`red circle`: no two things in a scene share it."""
    return f"{thing.colour} {thing.shape}"


def words(thing: Thing) -> str:
    """`big red circle`, `big striped red circle`."""
    texture = "" if thing.texture == "plain" else f"{thing.texture} "
    return f"{thing.size} {texture}{thing.colour} {thing.shape}"


def plural(shape: str) -> str:
    return f"{shape}es" if shape.endswith("s") else f"{shape}s"


def listed(parts: Sequence[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    return " and ".join(filter(None, [", ".join(parts[:-1]), *parts[-1:]]))


def quarter(box: PixelBox, side: int) -> str:
    """`top left`: the quarter of the picture that the box's centre lies in."""
    x1, y1, x2, y2 = box
    return f"{'top' if y1 + y2 < side else 'bottom'} {'left' if x1 + x2 < side else 'right'}"


def wanted(rng: Any, scene: Scene) -> tuple[str, Callable[[Thing], bool]]:
    """Some of a scene's things, by a colour, a shape or a size, or all of them: `red shapes`, `circles`, `shapes`, and
    whether a thing is one. Mostly of a kind that is there, sometimes of one that another scene may have."""
    attribute = rng.choice(("colour", "shape", "size", ""))
    if not attribute:
        return "shapes", lambda thing: True
    here = [getattr(thing, attribute) for thing in scene.things]
    elsewhere = {"colour": ("red", "green", "blue"), "shape": ("circle", "square", "triangle"),
                 "size": ("small", "big")}[attribute]  # fmt: skip
    value = rng.choice(here if rng.random() < 0.85 else elsewhere)
    what = plural(value) if attribute == "shape" else f"{value} shapes"
    return what, lambda thing: bool(getattr(thing, attribute) == value)
