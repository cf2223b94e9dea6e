"""Numbers: counts, measured quantities and small sums."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from onethinker.data.worlds.describe import norm, number
from onethinker.data.worlds.questions.ask import Ask, full_name, name, naming, pick, plural
from onethinker.data.worlds.scene import COLOURS, SHAPES, Scene, Thing

# ---- numerical --------------------------------------------------------------------------------------------------


def count(rng: Random, scene: Scene) -> Ask:
    """How many red shapes are there? Mostly of a colour, shape or size that is there, sometimes of one that is not."""
    attribute = rng.choice(("colour", "shape", "size", ""))
    if not attribute:
        return _counting("count", "How many shapes are there?", lambda scene, thing: True)
    values = {"colour": COLOURS[:5], "shape": SHAPES[:3], "size": ("small", "big")}[attribute]
    here = [getattr(t, attribute) for t in scene.things]
    value = rng.choice(here if rng.random() < 0.75 else values)
    what = plural(value) if attribute == "shape" else f"{value} shapes"
    return _counting("count", f"How many {what} are there?", lambda scene, thing: getattr(thing, attribute) == value)


def count_movers(rng: Random, scene: Scene) -> Ask:
    """How many shapes move?"""
    return _counting("count_movers", "How many shapes move?", lambda scene, thing: any(thing.shift))


def count_visible(rng: Random, scene: Scene) -> Ask | None:
    """How many shapes are visible at 1.5 s?"""
    if not any(t.shown for t in scene.things):
        return None
    second = rng.choice(scene.times)
    question = f"How many shapes are visible at {number(second)} s?"
    return _counting("count_visible", question, lambda scene, thing: thing.at(second) is not None)


def _counting(kind: str, question: str, fits: Callable[[Scene, Thing], bool]) -> Ask:
    def solve(seen: Scene) -> tuple[str, str]:
        found = [name(t) for t in seen.things if fits(seen, t)]
        return f"{', '.join(found) or 'none'}: {len(found)}", str(len(found))

    return Ask(kind, question, solve)


# ---- regression -------------------------------------------------------------------------------------------------


def distance(rng: Random, scene: Scene) -> Ask:
    """How far is the middle of the red circle from the left edge, in percent of the picture's width?"""
    i = rng.randrange(len(scene.things))
    axis, edge, side = rng.choice(((0, "left", "width"), (1, "top", "height")))

    def solve(seen: Scene) -> tuple[str, str]:
        box = seen.first(seen.things[i])
        low, high = (norm(box[k], seen.side) for k in (axis, axis + 2))
        return f"{low} to {high}", str((low + high + 10) // 20)

    when = " at first" if scene.frames > 1 else ""
    thing = full_name(rng, scene.things[i])
    question = f"How far from the {edge} edge is the middle of the {thing}{when}, in percent of the {side}?"
    return Ask("distance", question, solve, named=naming(i))


def duration(rng: Random, scene: Scene) -> Ask | None:
    """For how many seconds is the red circle visible?"""
    i = pick(rng, scene, lambda t: t.shown is not None)
    if i is None:
        return None

    def solve(seen: Scene) -> tuple[str, str]:
        start, end = seen.span(seen.things[i])
        return f"{number(start)} to {number(end)}", number(end - start)

    question = f"For how many seconds is the {full_name(rng, scene.things[i])} visible?"
    return Ask("duration", question, solve, named=naming(i))


# ---- math -------------------------------------------------------------------------------------------------------


def digits(rng: Random, scene: Scene) -> Ask:
    """What is the sum of the two numbers?"""
    word, sign = rng.choice((("sum", "+"), ("product", "\\times")))

    def solve(seen: Scene) -> tuple[str, str]:
        a, b = (int(w.text) for w in seen.words)
        value = a + b if sign == "+" else a * b
        return f"${a}{sign} {b}={value}$" if sign != "+" else f"${a}+{b}={value}$", f"${value}$"

    return Ask(f"digits_{word}", f"What is the {word} of the two numbers?", solve)


def plot(rng: Random, scene: Scene) -> Ask:
    """What is the area of the rectangle, in cells?"""
    word = rng.choice(("area", "perimeter"))

    def solve(seen: Scene) -> tuple[str, str]:
        x1, y1, x2, y2 = seen.things[0].box
        w, h = (x2 - x1) // seen.ruled, (y2 - y1) // seen.ruled
        value, working = (w * h, f"{w}\\times {h}") if word == "area" else (2 * (w + h), f"2({w}+{h})")
        return f"{w} wide, {h} high: ${working}={value}$", f"${value}$"

    unit = "cells" if word == "area" else "cell sides"
    return Ask(f"plot_{word}", f"What is the {word} of the rectangle, in {unit}?", solve)
