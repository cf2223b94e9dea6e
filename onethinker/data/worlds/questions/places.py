"""Where and when: grounding, tracking and segmentation, answered in JSON."""

from __future__ import annotations

from random import Random

import numpy as np

from onethinker.data.worlds.describe import number
from onethinker.data.worlds.questions.ask import full_name, naming, pick
from onethinker.data.worlds.render import mask, outline
from onethinker.data.worlds.scene import MARGIN, Box, Scene
from onethinker.tasks.asking import Ask, compact, name, norm, norm_box


def locate(rng: Random, scene: Scene) -> Ask:
    """The big red circle → its box."""
    i = rng.randrange(len(scene.things))

    def solve(seen: Scene) -> tuple[str, str]:
        return f"the {name(scene.things[i])}", compact({"boxes": norm_box(seen.things[i].box, seen.side)})

    return Ask("locate", f"the {full_name(rng, scene.things[i])}", solve, named=naming(i))


def when(rng: Random, scene: Scene) -> Ask | None:
    """The red circle is visible, jumps, or is blue → the span."""
    i = pick(rng, scene, lambda t: t.event in ("shows", "turns", "jumps"))
    if i is None:
        return None
    thing = scene.things[i]
    early = rng.random() < 0.5
    what = {"shows": "is visible", "jumps": "jumps"}.get(thing.event)
    if thing.turn:
        what = f"is {thing.colour if early else thing.turn[1]}"
    who = thing.shape if thing.turn and _alone(scene, i) else full_name(rng, thing)

    def solve(seen: Scene) -> tuple[str, str]:
        it = seen.things[i]
        span = it.jump or seen.span(it)
        if it.turn:
            span = (0.0, it.turn[0]) if early else (it.turn[0], seen.seconds)
        return f"{number(span[0])} to {number(span[1])}", compact({"time": span})

    return Ask(f"when_{thing.event}", f"the {who} {what}", solve, named=naming(i))


def where_and_when(rng: Random, scene: Scene) -> Ask | None:
    """The red circle while it is visible → span, and its box at each whole second of it."""
    i = pick(rng, scene, lambda t: t.event in ("shows", "jumps"))
    if i is None:
        return None
    thing = scene.things[i]
    what = "while it is visible" if thing.shown else "while it jumps"

    def solve(seen: Scene) -> tuple[str, str]:
        it = seen.things[i]
        start, end = it.shown or it.jump or (0.0, seen.seconds)
        seconds = [s for s in range(int(seen.seconds) + 1) if start <= s < end]
        boxes = {str(s): norm_box(box, seen.side) for s in seconds if (box := it.at(s))}
        clause = f"{number(start)} to {number(end)}, seconds {' '.join(boxes)}"
        return clause, compact({"time": (start, end), "boxes": boxes})

    return Ask(f"where_and_when_{thing.event}", f"the {full_name(rng, thing)} {what}", solve, named=naming(i))


def track(rng: Random, scene: Scene) -> Ask | None:
    """A box in the first frame → the box at each second; key k is the box at k − 1 seconds."""
    i = pick(rng, scene, lambda t: t.event == "moves")
    i = pick(rng, scene, lambda t: t.event == "jumps") if i is None else i
    if i is None:
        return None

    def solve(seen: Scene) -> tuple[str, str]:
        boxes = {}
        for second in range(int(np.ceil(seen.seconds))):
            box = seen.things[i].at(second)
            assert box
            boxes[str(second + 1)] = norm_box(box, seen.side)
        boxes["1"] = norm_box(scene.things[i].box, scene.side)
        return "", compact({"boxes": boxes})

    first = norm_box(scene.things[i].box, scene.side)
    given = f"Given the bounding box {first} of the target object in the first frame"
    return Ask("track", f"{given}, track this object in each frame.", solve, only=(i,))


def segment(rng: Random, scene: Scene) -> Ask | None:
    """The box of the thing where it is first seen, three points on it and three beside it; in a clip also that time.

    On it: a quarter, half and three quarters down its axis. Beside it: left of, above and right of the box.
    """
    i = pick(rng, scene, lambda t: _in_full_view(scene, scene.things.index(t)))
    if i is None:
        return None

    def solve(seen: Scene) -> tuple[str, str]:
        it = seen.things[i]
        box = seen.first(it)
        on, beside = _points(box, seen.side)
        answer = {"boxes": norm_box(box, seen.side), "positive_points": on, "negative_points": beside}
        timed = {"time": seen.span(it)[0]} if seen.frames > 1 else {}
        return f"the {name(scene.things[i])}", compact(timed | answer)

    question = f"Please segment the {full_name(rng, scene.things[i])}."
    return Ask("segment", question, solve, named=naming(i), segmented=i)


def _points(box: Box, side: int) -> tuple[list[list[int]], list[list[int]]]:
    x1, y1, x2, y2 = box
    x, y = (x1 + x2) / 2, (y1 + y2) / 2
    on = [(x, y1 + (y2 - y1) * part) for part in (0.25, 0.5, 0.75)]
    beside = [(x1 - MARGIN, y), (x, y1 - MARGIN), (x2 + MARGIN, y)]
    return tuple([[norm(px, side), norm(py, side)] for px, py in points] for points in (on, beside))  # type: ignore


def _in_full_view(scene: Scene, index: int) -> bool:
    """Whether nothing hides any of it where it is first seen."""
    thing = scene.things[index]
    x1, y1, x2, y2 = scene.first(thing)
    whole = int((outline(thing.shape, x2 - x1, y2 - y1) >= 0.5).sum())
    return int(mask(scene, index, scene.span(thing)[0]).sum()) == whole


def _alone(scene: Scene, index: int) -> bool:
    """Whether no other thing has its shape."""
    return [t.shape for t in scene.things].count(scene.things[index].shape) == 1
