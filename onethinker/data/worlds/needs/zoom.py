"""Questions that need `zoom`: pictures of 1024² with a mark under every shape that is too small for the budget.

The picture is a world's picture, enlarged; a mark is a word of two letters or a shape in a square of 64 pixels below
each shape. Shapes of one kind and another have as much ink, so that not even their shade tells them apart.
"""

from __future__ import annotations

from dataclasses import replace
from random import Random

import numpy as np

from onethinker.data.worlds.describe import describe_first
from onethinker.data.worlds.font import GLYPH_HEIGHT, GLYPH_WIDTH, glyph
from onethinker.data.worlds.needs.base import Question, call, final, work
from onethinker.data.worlds.render import RGB, corners, outline, render
from onethinker.data.worlds.scene import COLOURS, INKS, SHAPES, Box, Level, Scene, draw_still
from onethinker.tasks.asking import name, norm_box

SIDE = 1024
"""Pixels of the picture's side, or the most that is a multiple of the level's."""
PART = 16
"""A mark's square is this part of the side."""
LETTERS = 2
SAME_INK = {"circle": 16, "square": 14, "triangle": 20, "diamond": 20, "cross": 18, "hexagon": 16}
"""Side in pixels of each shape, so that all cover about 200 of the square's 64²."""
_MASS = {"triangle": 4}
"""Sixths of its height that a shape's centre of mass lies below its top, where they are not three."""
PITCH, SCALE = 16, 2
"""Of a word's letters, as in a world's pictures of words."""

Mark = tuple[str, str, tuple[int, int]]
"""What it is (a word in capitals or a shape), its colour, its place in its square: of a word the left top corner, of
a shape the centre of mass."""


def small_word(rng: Random, level: Level, error: float) -> Question | None:
    """What is written under the red circle?"""
    scene = draw_still(rng, level)
    if not (squares := _squares(scene)):
        return None
    words = ["".join(rng.choices(level.letters, k=LETTERS)) for _ in scene.things]
    if len(set(words)) < len(words):
        return None
    marks = [(w, rng.choice(INKS), (3 + PITCH * rng.randrange(3), 1 + 16 * rng.randrange(4))) for w in words]
    i = rng.randrange(len(scene.things))
    text, colour, _ = marks[i]
    at = rng.randrange(len(text))
    wrong = text[:at] + rng.choice([c for c in level.letters if c != text[at]]) + text[at + 1 :]
    answers = (final(f"{colour} {' '.join(word)}", word) for word in (text, wrong))
    question = f"What is written under the {name(scene.things[i])}?"
    worked = work(rng, error, _calls(rng, scene, squares, i), tuple(answers))  # type: ignore[arg-type]
    return Question("small_word", "ocr", question, text, marked(scene, marks), _key(scene, marks), worked, clue=text)


def small_shape(rng: Random, level: Level, error: float) -> Question | None:
    """How many corners has the shape under the red circle?"""
    scene = draw_still(rng, level)
    if not (squares := _squares(scene)):
        return None
    known = SHAPES[: level.shapes]
    marks = [
        (rng.choice(known), rng.choice(COLOURS[: level.colours]), (4 * rng.randint(3, 13), 4 * rng.randint(3, 13)))
        for _ in scene.things
    ]
    i = rng.randrange(len(scene.things))
    shape, colour, _ = marks[i]
    wrong = rng.choice([other for other in known if corners(other) != corners(shape)])
    answers = tuple(final(f"small {colour} {said}", str(corners(said))) for said in (shape, wrong))
    question = f"How many corners has the shape under the {name(scene.things[i])}?"
    worked = work(rng, error, _calls(rng, scene, squares, i), answers)  # type: ignore[arg-type]
    return Question(
        "small_shape", "numerical", question, str(corners(shape)), marked(scene, marks), _key(scene, marks), worked,
        clue=shape,
    )  # fmt: skip


def marked(scene: Scene, marks: list[Mark]) -> np.ndarray:
    """The scene enlarged, with a mark under each thing: uint8 (1, side, side, 3)."""
    times = SIDE // scene.side
    picture = render(scene)[0].repeat(times, 0).repeat(times, 1)
    for thing, (what, colour, (x, y)) in zip(scene.things, marks, strict=True):
        left, top = thing.box[0] * times + x, thing.box[3] * times + y
        if what in SAME_INK:
            side = SAME_INK[what]
            cover = outline(what, side, side)[..., None]
            left, top = left - side // 2, top - side * _MASS.get(what, 3) // 6
            patch = picture[top : top + side, left : left + side]
            patch[:] = (patch * (1 - cover) + np.array(RGB[colour]) * cover + 0.5).astype(np.uint8)
            continue
        for k, character in enumerate(what):
            start = left + PITCH * k
            patch = picture[top : top + GLYPH_HEIGHT * SCALE, start : start + GLYPH_WIDTH * SCALE]
            patch[glyph(character, SCALE)] = RGB[colour]
    return picture[None]


def _squares(scene: Scene) -> list[Box]:
    """The square below each thing, in the scene's pixels; empty where one has no room."""
    side = scene.side // PART
    found: list[Box] = []
    for thing in scene.things:
        x1, _, _, y2 = thing.box
        square = (x1, y2, x1 + side, y2 + side)
        if y2 + side > scene.side or any(_meet(square, t.box) for t in scene.things if t is not thing):
            return []
        if any(_meet(square, other) for other in found):
            return []
        found.append(square)
    return found


def _meet(a: Box, b: Box) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def _calls(rng: Random, scene: Scene, squares: list[Box], i: int) -> tuple[str, str]:
    """The call for the square of thing `i`, and one for another thing's or, where it is alone, a place beside it."""
    others = [j for j in range(len(squares)) if j != i]
    wrong = squares[rng.choice(others)] if others else _moved(rng, squares[i], scene.side)
    j = squares.index(wrong) if others else i
    right_call, wrong_call = (
        call(describe_first(scene, scene.things[k]), "zoom", box=norm_box(square, scene.side))
        for k, square in ((i, squares[i]), (j, wrong))
    )
    return right_call, wrong_call


def _moved(rng: Random, square: Box, side: int) -> Box:
    x1, y1, x2, y2 = square
    by = rng.choice([by for by in (x1 - x2, x2 - x1) if x1 + by >= 0 and x2 + by <= side])
    return x1 + by, y1, x2 + by, y2


def _key(scene: Scene, marks: list[Mark]) -> str:
    return f"{replace(scene, background=0, grain=0, clutter=0)!r} {marks!r}"
