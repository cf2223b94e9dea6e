"""The dense chain of thought: everything that is in a scene, in one short fixed syntax, and the words for it.

`big red circle 62 62 438 438 moves right to 562 62 938 438; small blue square 625 62 875 312 shows 1 to 2.5`
"""

from __future__ import annotations

from onethinker.data.worlds.scene import Box, Scene, Thing
from onethinker.tasks.asking import listed, norm_box, quarter, words


def number(value: float) -> str:
    """The shortest form: `2`, `1.5`."""
    return f"{value:g}"


def deed(thing: Thing, seconds: float) -> str:
    """What a thing does, for people: `moves left and disappears`, `turns blue`, `stays still`."""
    deeds = [f"moves {thing.heading}"] if any(thing.shift) else []
    if thing.shown:
        starts, ends = thing.shown[0] > 0, thing.shown[1] < seconds
        deeds += ["appears"] * starts + ["disappears"] * ends
    if thing.turn:
        deeds.append(f"turns {thing.turn[1]}")
    if thing.jump:
        deeds.append("jumps")
    return listed(deeds) or "stays still"


def place(thing: Thing, scene: Scene) -> str:
    """`top left`: the quarter of the picture that its first box's centre lies in."""
    return quarter(scene.first(thing), scene.side)


def describe_first(scene: Scene, thing: Thing) -> str:
    """One thing: its words and the box in which it is first seen."""
    return f"{words(thing)} {_numbers(scene.first(thing), scene.side)}"


def describe_thing(scene: Scene, thing: Thing) -> str:
    """One thing: its words, the box in which it is first seen and, in a clip, what it does."""
    text = describe_first(scene, thing)
    if scene.frames == 1:
        return text
    deeds = []
    if any(thing.shift):
        deeds.append(f"moves {thing.heading} to {_numbers(scene.last(thing), scene.side)}")
    if thing.shown:
        deeds.append(f"shows {number(thing.shown[0])} to {number(thing.shown[1])}")
    if thing.turn:
        deeds.append(f"turns {thing.turn[1]} at {number(thing.turn[0])}")
    if thing.jump:
        deeds.append(f"jumps {number(thing.jump[0])} to {number(thing.jump[1])}")
    return " ".join([text, *(deeds or ["still"])])


def describe(scene: Scene) -> str:
    """Everything in the scene, things first; words are spelled, a line each."""
    lines = [describe_thing(scene, thing) for thing in scene.things]
    lines += [f"{word.colour} {' '.join(word.text)}" for word in scene.words]
    return "; ".join(lines)


def _numbers(box: Box, side: int) -> str:
    return " ".join(str(n) for n in norm_box(box, side))
