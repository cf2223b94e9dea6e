"""Numbers: counts, measured quantities and small sums."""

from __future__ import annotations

from collections.abc import Callable
from itertools import accumulate
from random import Random

from onethinker.data.worlds.describe import deed, describe_first, number
from onethinker.data.worlds.questions.ask import full_name, naming, pick
from onethinker.data.worlds.scene import COLOURS, SHAPES, Scene, Thing
from onethinker.tasks.asking import Ask, norm, plural, words

# ---- numerical --------------------------------------------------------------------------------------------------


def count(rng: Random, scene: Scene) -> Ask:
    """How many red shapes are there? Mostly of a colour, shape or size that is there, sometimes of one that is not."""
    attribute = rng.choice(("colour", "shape", "size", ""))
    if not attribute:
        return _counting("count", "How many shapes are there?", "shapes", lambda scene, thing: True)
    values = {"colour": COLOURS[:5], "shape": SHAPES[:3], "size": ("small", "big")}[attribute]
    here = [getattr(t, attribute) for t in scene.things]
    value = rng.choice(here if rng.random() < 0.75 else values)
    what = plural(value) if attribute == "shape" else f"{value} shapes"
    question = f"How many {what} are there?"
    return _counting("count", question, value, lambda scene, thing: getattr(thing, attribute) == value)


def count_movers(rng: Random, scene: Scene) -> Ask:
    """How many shapes move?"""

    def evidence(scene: Scene, thing: Thing) -> str:
        return f"{words(thing)} {deed(thing, scene.seconds)}"

    return _counting("count_movers", "How many shapes move?", "moves", lambda scene, thing: any(thing.shift), evidence)


def count_visible(rng: Random, scene: Scene) -> Ask | None:
    """How many shapes are visible at 1.5 s?"""
    if not any(t.shown for t in scene.things):
        return None
    second = rng.choice(scene.times)

    def evidence(scene: Scene, thing: Thing) -> str:
        return f"{words(thing)} {' to '.join(map(number, scene.span(thing)))}"

    when = f"visible at {number(second)}"
    question = f"How many shapes are {when} s?"
    return _counting("count_visible", question, when, lambda scene, thing: thing.at(second) is not None, evidence)


def _counting(
    kind: str,
    question: str,
    wanted: str,
    fits: Callable[[Scene, Thing], bool],
    evidence: Callable[[Scene, Thing], str] = lambda scene, thing: words(thing),
) -> Ask:
    """Counted aloud: what is wanted, then every thing, what tells whether it fits, and the count so far."""

    def solve(seen: Scene) -> tuple[str, str]:
        most = len(seen.things) if seen.count_limit is None else seen.count_limit
        counts = [min(n, most) for n in accumulate(int(fits(seen, t)) for t in seen.things)]
        counted = [f"{evidence(seen, t)}: {n}" for t, n in zip(seen.things, counts, strict=True)]
        return f"{wanted}; {', '.join(counted)}", str(counts[-1])

    return Ask(kind, question, solve)


# ---- regression -------------------------------------------------------------------------------------------------


def distance(rng: Random, scene: Scene) -> Ask:
    """How far is the middle of the red circle from the left edge, in percent of the picture's width?"""
    i = rng.randrange(len(scene.things))
    axis, edge, side = rng.choice(((0, "left", "width"), (1, "top", "height")))

    def solve(seen: Scene) -> tuple[str, str]:
        it = seen.things[i]
        ends = [seen.first(it)[k] for k in (axis, axis + 2)]
        low, high, middle = (norm(edge, seen.side) for edge in (*ends, sum(ends) / 2))
        clause = f"{describe_first(seen, it)}: {low} to {high}, middle {middle}"
        return clause, str((low + high + 10) // 20)

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
        return f"{words(seen.things[i])}: {number(start)} to {number(end)}", number(end - start)

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
        across, down = (f"{norm(a, seen.side)} to {norm(b, seen.side)}" for a, b in ((x1, x2), (y1, y2)))
        value, working = (w * h, f"{w}\\times {h}") if word == "area" else (2 * (w + h), f"2({w}+{h})")
        return f"{across}: {w} wide, {down}: {h} high: ${working}={value}$", f"${value}$"

    unit = "cells" if word == "area" else "cell sides"
    return Ask(f"plot_{word}", f"What is the {word} of the rectangle, in {unit}?", solve)
