"""Teachers that are systematically off: the same mistake every time, as an annotating model's habits are.

Random mistakes average out over a corpus; a habit does not, and SFT copies it. Rewards from exact truth mend it, which
is what RL on a world with such a teacher shows. A bias changes the worked answers alone: scenes, questions, truths and
the teacher's random mistakes stay as they are.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, fields, replace

from onethinker.data.worlds.scene import COLOURS, FPS, MARGIN, UNSEEN, Box, Level, Scene, Thing, WorldError

_MOST_STEPS = 32


@dataclass(frozen=True, slots=True)
class TeacherBias:
    """How far a teacher is off, always in the same direction; 0 and empty are exact.

    boxes: grid steps by which every box is too far right (left if negative), as far as it stays in the picture.
    sizes: grid steps by which every box is too large on each side (too small if negative), likewise.
    times: seconds by which events begin and end too late (early if negative), in steps of half a second.
    counts: the most that it counts to; 0 for no such limit.
    words: a colour and what it calls it, `purple:blue`; never one that the question names.
    """

    boxes: int = 0
    sizes: int = 0
    times: float = 0.0
    counts: int = 0
    words: str = ""

    def __post_init__(self) -> None:
        if self.counts < 0:
            raise WorldError(f"teacher bias counts={self.counts}: the most that it counts to, 0 for no limit")
        if not math.isfinite(self.times) or not (self.times * FPS).is_integer():
            raise WorldError(f"teacher bias times={self.times:g}: expected steps of {1 / FPS:g} s")
        if max(abs(self.boxes), abs(self.sizes)) > _MOST_STEPS:
            raise WorldError(f"teacher bias boxes={self.boxes},sizes={self.sizes}: at most {_MOST_STEPS} grid steps")
        pair = self.words.split(":")
        if self.words and (len(pair) != 2 or not set(pair) <= set(COLOURS)):
            raise WorldError(f"teacher bias words={self.words}: expected two of {', '.join(COLOURS)} as in purple:blue")

    def __str__(self) -> str:
        """As `read_bias` reads it; empty for a teacher without one."""
        values = [(f.name, getattr(self, f.name)) for f in fields(self)]
        return ",".join(
            f"{name}={value:g}" if name != "words" else f"{name}={value}" for name, value in values if value
        )


ANNOTATORS = {
    "none": TeacherBias(),
    "loose_boxes": TeacherBias(sizes=1),
    "shifted_boxes": TeacherBias(boxes=2),
    "late_events": TeacherBias(times=0.5),
    "miscounts": TeacherBias(counts=5),
    "all": TeacherBias(boxes=2, sizes=1, times=0.5, counts=5, words="purple:blue"),
}
"""Named teachers. `miscounts` shows from difficulty 2 on, where there are more than five things to count."""


def read_bias(text: str) -> TeacherBias:
    """A name in `ANNOTATORS`, or knobs as `boxes=2,times=0.5`. Raises WorldError."""
    if text in ANNOTATORS:
        return ANNOTATORS[text]
    found: dict[str, int | float | str] = {}
    kinds: dict[str, Callable[[str], int | float | str]] = {
        "boxes": int, "sizes": int, "times": float, "counts": int, "words": str,
    }  # fmt: skip
    for part in filter(None, (p.strip() for p in text.split(","))):
        name, _, value = part.partition("=")
        if name not in kinds:
            raise WorldError(
                f"teacher bias {part!r}: expected knobs such as boxes=2,times=0.5 of {', '.join(kinds)}, "
                f"or one of {', '.join(ANNOTATORS)}"
            )
        try:
            found[name] = kinds[name](value)
        except ValueError as error:
            raise WorldError(f"teacher bias {part!r}: {value!r} is no number") from error
    return TeacherBias(**found)  # type: ignore[arg-type]


def see_with_bias(scene: Scene, bias: TeacherBias, level: Level, named: frozenset[int] = frozenset()) -> Scene:
    """The scene as a teacher with this bias sees it. named: things whose colour the question gives."""
    things = [_biased(thing, scene, bias, level, i in named) for i, thing in enumerate(scene.things)]
    return replace(scene, things=tuple(things), count_limit=bias.counts or None)


def _biased(thing: Thing, scene: Scene, bias: TeacherBias, level: Level, named: bool) -> Thing:
    if not scene.ruled:  # a rectangle on ruled paper is counted in cells, not placed
        for steps, moved in ((bias.boxes, _shift), (bias.sizes, _grow)):
            thing = _as_far_as_inside(thing, scene, steps, level.grid, moved)
    if bias.times:
        thing = _late(thing, scene, bias.times)
    if bias.words and not named:
        old, new = bias.words.split(":")
        if thing.colour == old and (new, thing.shape) not in UNSEEN and not (thing.turn and thing.turn[1] == new):
            thing = replace(thing, colour=new)
    return thing


def inside(thing: Thing, scene: Scene) -> bool:
    """Whether it stays inside the margin that scenes keep, whenever it is there."""
    boxes = [box for second in scene.times if (box := thing.at(second))]
    return all(min(box) >= MARGIN and max(box) <= scene.side - MARGIN for box in boxes)


def _as_far_as_inside(thing: Thing, scene: Scene, steps: int, grid: int, moved: Callable[[Box, int], Box]) -> Thing:
    """The box moved by the given number of grid steps, or by the most that keeps it inside and larger than nothing."""
    sign = 1 if steps > 0 else -1
    for count in range(abs(steps), 0, -1):
        x1, y1, x2, y2 = box = moved(thing.box, sign * count * grid)
        changed = replace(thing, box=box)
        if x2 > x1 and y2 > y1 and inside(changed, scene):
            return changed
    return thing


def _shift(box: Box, by: int) -> Box:
    return box[0] + by, box[1], box[2] + by, box[3]


def _grow(box: Box, by: int) -> Box:
    return box[0] - by, box[1] - by, box[2] + by, box[3] + by


def _late(thing: Thing, scene: Scene, by: float) -> Thing:
    """Both ends of its event later by so many seconds; an end that is the clip's own is no event and stays."""
    frame = 1 / FPS
    if thing.turn:
        second = min(max(thing.turn[0] + by, frame), scene.seconds - frame)
        return replace(thing, turn=(second, thing.turn[1]))
    span = thing.shown or thing.jump
    if not span:
        return thing
    start = span[0] if span[0] <= 0 else min(max(span[0] + by, 0.0), scene.seconds - 2 * frame)
    end = span[1] if span[1] >= scene.seconds else min(max(span[1] + by, start + 2 * frame), scene.seconds)
    later = replace(thing, shown=(start, end)) if thing.shown else replace(thing, jump=(start, end))
    return later if end - start >= 2 * frame and inside(later, scene) else thing
