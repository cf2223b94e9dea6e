"""The teacher that errs: it sees a scene with a few mistakes and then describes and answers what it saw.

A mistake is carried through the whole answer, as an annotating model's is: a shaken box is the box it lists and the
box it answers, a wrong colour changes its count. Random mistakes are drawn first, a teacher's bias comes on top.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from random import Random

from onethinker.data.worlds.bias import TeacherBias, inside, see_with_bias
from onethinker.data.worlds.scene import COLOURS, FPS, SHAPES, UNSEEN, Level, Scene, Thing, Word

EXACT = TeacherBias()

Named = Mapping[int, frozenset[str]]
"""Thing → the attributes that the question itself gives, which nobody gets wrong."""


def see(
    scene: Scene,
    rng: Random,
    level: Level,
    rate: float,
    named: Named | None = None,
    bias: TeacherBias = EXACT,
) -> Scene:
    """The scene as the teacher sees it. Of each thing its place and its times are wrong with probability `rate`, one
    of its words with half of that; a written word is misread with probability `rate`. bias: what is always wrong."""
    things = list(scene.things)
    for i, thing in enumerate(things):
        for mistake, chance in _mistakes(thing, rng, scene, (named or {}).get(i, frozenset())):
            if rng.random() < chance * rate:
                things[i] = mistake(things[i], rng, level, scene)
    texts = [_misread(word, rng) if rng.random() < rate else word for word in scene.words]
    seen = replace(scene, things=tuple(things), words=tuple(texts))
    if bias == EXACT:
        return seen
    return see_with_bias(seen, bias, level, frozenset(i for i, given in (named or {}).items() if "colour" in given))


Mistake = Callable[[Thing, Random, Level, Scene], Thing]


def _mistakes(thing: Thing, rng: Random, scene: Scene, named: frozenset[str]) -> list[tuple[Mistake, float]]:
    """What may go wrong with a thing, and how often beside the rate."""
    if scene.ruled:
        return [(_resize, 1.0)]
    found: list[tuple[Mistake, float]] = [(_shake, 1.0)]
    if thing.shown or thing.turn or thing.jump:
        found.append((_shift_times, 1.0))
    wrong_words: dict[str, Mistake] = {"colour": _recolour, "shape": _reshape, "size": _rescale}
    free = [mistake for attribute, mistake in wrong_words.items() if attribute not in named]
    return [*found, (rng.choice(free), 0.5)] if free else found


def _shake(thing: Thing, rng: Random, level: Level, scene: Scene) -> Thing:
    """The box moved by one or two grid steps, as far as it stays in the picture at all times."""
    steps = [(x, y) for x in range(-2, 3) for y in range(-2, 3) if (x or y) and abs(x) + abs(y) <= 2]
    rng.shuffle(steps)
    for x, y in steps:
        x1, y1, x2, y2 = thing.box
        dx, dy = x * level.grid, y * level.grid
        shaken = replace(thing, box=(x1 + dx, y1 + dy, x2 + dx, y2 + dy))
        if inside(shaken, scene):
            return shaken
    return thing


def _resize(thing: Thing, rng: Random, level: Level, scene: Scene) -> Thing:
    """A rectangle on ruled paper, seen one cell wider, narrower, higher or lower."""
    edge, by = rng.choice((2, 3)), rng.choice((-1, 1)) * scene.ruled
    box = list(thing.box)
    by = -by if box[edge] + by > scene.side else by
    box[edge] += by
    return replace(thing, box=(box[0], box[1], box[2], box[3]))


def _shift_times(thing: Thing, rng: Random, level: Level, scene: Scene) -> Thing:
    """One end of its event half a second off, unless a moving thing would then be seen outside the picture."""
    if thing.turn:
        return replace(thing, turn=(_nudge(rng, thing.turn[0], 0.5, scene.seconds - 0.5), thing.turn[1]))
    start, end = thing.shown or thing.jump or (0.0, scene.seconds)
    if rng.random() < 0.5:
        start = _nudge(rng, start, 0.0, end - 1)
    else:
        end = _nudge(rng, end, start + 1, scene.seconds)
    shifted = replace(thing, **{"shown" if thing.shown else "jump": (start, end)})  # type: ignore[arg-type]
    return shifted if inside(shifted, scene) else thing


def _nudge(rng: Random, second: float, low: float, high: float) -> float:
    choices = [t for t in (second - 1 / FPS, second + 1 / FPS) if low <= t <= high]
    return rng.choice(choices) if choices else second


def _recolour(thing: Thing, rng: Random, level: Level, scene: Scene) -> Thing:
    taken = {thing.colour, thing.turn[1]} if thing.turn else {thing.colour}
    others = [c for c in COLOURS[: level.colours] if c not in taken and (c, thing.shape) not in UNSEEN]
    return replace(thing, colour=rng.choice(others))


def _reshape(thing: Thing, rng: Random, level: Level, scene: Scene) -> Thing:
    colours = [thing.colour, thing.turn[1] if thing.turn else thing.colour]
    others = [s for s in SHAPES[: level.shapes] if s != thing.shape and not any((c, s) in UNSEEN for c in colours)]
    return replace(thing, shape=rng.choice(others)) if others else thing


def _rescale(thing: Thing, rng: Random, level: Level, scene: Scene) -> Thing:
    return replace(thing, size=rng.choice([name for name in level.sizes if name != thing.size]))


def _misread(word: Word, rng: Random) -> Word:
    """One letter read as another; a digit stays a digit."""
    letters = "123456789" if word.text.isdecimal() else "ACEHKLTRUX"
    at = rng.randrange(len(word.text))
    wrong = rng.choice([c for c in letters if c != word.text[at]])
    return replace(word, text=word.text[:at] + wrong + word.text[at + 1 :])
