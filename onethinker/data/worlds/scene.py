"""What is in a picture or clip: things with a shape, a colour, a size and a life in time, and words.

Geometry is in whole pixels `[x1, y1, x2, y2)` on a grid, times are in seconds on the half second, so that every
number a model has to say is one of few.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from random import Random

Box = tuple[int, int, int, int]

MARGIN = 4
"""Pixels around every thing that are inside the picture, so that there is room for points beside it."""
FPS = 2
"""Frames a second of every clip; events begin and end on a frame."""

COLOURS = ("red", "green", "blue", "yellow", "purple", "orange", "cyan", "pink")
GROUNDS = ((238, 238, 238), (205, 200, 190), (35, 38, 45))
"""RGB of what everything stands on."""
INKS = ("red", "green", "blue", "purple")
"""Colours of words: those that can be read on every ground."""
SHAPES = ("circle", "square", "triangle", "diamond", "cross", "hexagon")
UNSEEN = frozenset({("yellow", "triangle"), ("blue", "square")})
"""Colour and shape that no training, validation or test scene combines; the zero-shot questions do."""

_EVENTS = ("shows", "shows", "moves", "moves", "moves", "turns", "jumps")
_TRIES = 30
"""How often an event is given another place before another event is drawn."""
_GIVE_UP = 0.02
"""How often a scene is begun anew when a thing finds no room beside the others, so that drawing always ends."""

DIRECTIONS = {"left": (-1, 0), "right": (1, 0), "up": (0, -1), "down": (0, 1)}


@dataclass(frozen=True, slots=True)
class Level:
    """The difficulty knobs, at their easiest unless said otherwise. Lengths in pixels, ranges inclusive.

    grid: every edge lies on a multiple of it. shapes, colours: how many of them. sizes: word → side of a thing's box.
    things, clip_things: how many in a picture, a clip. steps: what a thing moves in a frame; lift: how high it jumps.
    overlap: the share of a thing that another may hide. clutter: stray lines on the ground. letters: the alphabet of
    words; pitch: from one letter to the next; lattice: words start on a multiple of it. top_digit: of sums.
    diagonal: whether things also move aslant.
    """

    side: int = 64
    grid: int = 4
    shapes: int = 3
    colours: int = 5
    sizes: Mapping[str, int] = field(default_factory=lambda: {"small": 16, "big": 24})
    things: tuple[int, int] = (1, 3)
    clip_things: tuple[int, int] = (1, 2)
    frames: int = 6
    steps: tuple[int, ...] = (4, 8)
    lift: int = 8
    textures: tuple[str, ...] = ("plain",)
    overlap: float = 0.0
    clutter: int = 0
    letters: str = "ACEHKLT12345"
    word_length: tuple[int, int] = (2, 3)
    words: tuple[int, int] = (1, 2)
    pitch: int = 16
    lattice: int = 16
    top_digit: int = 5
    diagonal: bool = False


_LETTERS = "ABCDEFGHIJKLMNOPRSTUVWXYZ123456789"

LEVELS = (
    Level(),
    Level(
        grid=2,
        shapes=5,
        colours=6,
        sizes={"small": 12, "big": 20},
        things=(2, 4),
        clip_things=(1, 3),
        frames=8,
        steps=(2, 4),
        textures=("plain", "striped"),
        letters="ACEHKLTRUX123456789",
        word_length=(2, 4),
        pitch=12,
        lattice=4,
        top_digit=9,
    ),
    Level(
        side=96,
        grid=2,
        shapes=6,
        colours=8,
        sizes={"small": 12, "medium": 20, "big": 28},
        things=(3, 6),
        clip_things=(2, 4),
        frames=12,
        steps=(2, 4),
        lift=12,
        textures=("plain", "striped", "dotted"),
        overlap=0.2,
        clutter=6,
        letters=_LETTERS,
        word_length=(3, 5),
        words=(2, 3),
        pitch=12,
        lattice=2,
        top_digit=9,
        diagonal=True,
    ),
    Level(
        side=128,
        grid=1,
        shapes=6,
        colours=8,
        sizes={"small": 12, "medium": 20, "big": 28},
        things=(4, 9),
        clip_things=(3, 5),
        frames=16,
        steps=(1, 3, 5),
        lift=16,
        textures=("plain", "striped", "dotted"),
        overlap=0.35,
        clutter=14,
        letters=_LETTERS,
        word_length=(3, 7),
        words=(2, 4),
        pitch=12,
        lattice=1,
        top_digit=9,
        diagonal=True,
    ),
)


class WorldError(ValueError):
    """A world that cannot be built as asked; says why and what to do."""


def level_of(difficulty: int) -> Level:
    """The knobs of a difficulty. Raises WorldError."""
    if not 0 <= difficulty < len(LEVELS):
        raise WorldError(f"difficulty {difficulty}: expected 0 to {len(LEVELS) - 1}")
    return LEVELS[difficulty]


@dataclass(frozen=True, slots=True)
class Thing:
    """One shape. box: where it is at 0 s, or would be were it there. shift: pixels a frame.

    shown: seconds [start, end) outside which it is away. turn: the second at which it becomes another colour.
    jump: seconds [start, end) during which it is `lift` pixels higher.
    """

    shape: str
    colour: str
    size: str
    box: Box
    texture: str = "plain"
    shift: tuple[int, int] = (0, 0)
    shown: tuple[float, float] | None = None
    turn: tuple[float, str] | None = None
    jump: tuple[float, float] | None = None
    lift: int = 0

    def at(self, second: float) -> Box | None:
        """The box at a time, None while it is away."""
        if self.shown and not self.shown[0] <= second < self.shown[1]:
            return None
        up = self.lift if self.jump and self.jump[0] <= second < self.jump[1] else 0
        frame = round(second * FPS)
        dx, dy = self.shift[0] * frame, self.shift[1] * frame - up
        x1, y1, x2, y2 = self.box
        return (x1 + dx, y1 + dy, x2 + dx, y2 + dy)

    def colour_at(self, second: float) -> str:
        return self.turn[1] if self.turn and second >= self.turn[0] else self.colour

    @property
    def event(self) -> str:
        """What it does: shows, turns, jumps, moves or still."""
        if self.shown:
            return "shows"
        return "turns" if self.turn else "jumps" if self.jump else "moves" if any(self.shift) else "still"

    @property
    def heading(self) -> str:
        """Where it moves: left, right, up, down, or two of them as `down left`."""
        dx, dy = self.shift
        vertical = "up" if dy < 0 else "down" if dy > 0 else ""
        return f"{vertical} {'left' if dx < 0 else 'right' if dx > 0 else ''}".strip()


@dataclass(frozen=True, slots=True)
class Word:
    """A written word. place: the left top corner of its first letter."""

    text: str
    place: tuple[int, int]
    colour: str


@dataclass(frozen=True, slots=True)
class Scene:
    """A picture (frames 1) or a clip. Later things stand in front of earlier ones.

    background: which of the plain grounds. grain: its light texture. ruled: pixels between ruled lines, 0 for none.
    count_limit: the most that whoever sees it so counts to; no part of the scene itself.
    """

    side: int
    things: tuple[Thing, ...] = ()
    words: tuple[Word, ...] = ()
    frames: int = 1
    background: int = 0
    grain: int = 0
    clutter: int = 0
    ruled: int = 0
    scale: int = 2
    pitch: int = 16
    count_limit: int | None = field(default=None, repr=False)  # `key` reads the repr

    @property
    def seconds(self) -> float:
        """The clip's length; 0 for a picture."""
        return self.frames / FPS if self.frames > 1 else 0.0

    @property
    def times(self) -> tuple[float, ...]:
        """The second at which each frame is shown."""
        return tuple(i / FPS for i in range(self.frames))

    def key(self) -> str:
        """16 hex digits over what is in it, whatever the ground: scenes with one key are the same scene."""
        content = repr(replace(self, background=0, grain=0, clutter=0))
        return hashlib.sha256(content.encode()).hexdigest()[:16]

    def span(self, thing: Thing) -> tuple[float, float]:
        """Seconds [start, end) during which a thing is there."""
        return thing.shown or (0.0, self.seconds)

    def first(self, thing: Thing) -> Box:
        """The box in which a thing is first seen."""
        box = thing.at(self.span(thing)[0])
        assert box is not None
        return box

    def last(self, thing: Thing) -> Box:
        """The box in which a thing is last seen."""
        box = thing.at(max(self.span(thing)[1] - 1 / FPS, 0.0))
        assert box is not None
        return box


# ---- drawing scenes at random -----------------------------------------------------------------------------------


def draw_still(rng: Random, level: Level, count: int | None = None) -> Scene:
    """A picture with `count` things, left to right, no two with the same colour and shape."""
    count = count if count is not None else rng.randint(*level.things)
    things: list[Thing] = []
    while len(things) < count:
        new = draw_thing(rng, level)
        if _has_room(new, things, level, 1):
            things.append(new)
        elif rng.random() < _GIVE_UP:
            things.clear()
    return with_ground(rng, level, Scene(level.side, tuple(sorted(things, key=lambda t: t.box))))


def draw_clip(rng: Random, level: Level) -> Scene:
    """A clip whose first thing does something; each other one may. Listed in the order of their first boxes."""
    count = rng.randint(*level.clip_things)
    things: list[Thing] = []
    while len(things) < count:
        event = rng.choice(_EVENTS + ("still",) * 3 * bool(things))
        tries = (_enliven(rng, level, draw_thing(rng, level), event) for _ in range(_TRIES))
        new = next((t for t in tries if t and _has_room(t, things, level, level.frames)), None)
        if new:
            things.append(new)
        elif rng.random() < _GIVE_UP:
            things.clear()
    scene = with_ground(rng, level, Scene(level.side, tuple(things), frames=level.frames))
    return replace(scene, things=tuple(sorted(things, key=scene.first)))


def draw_words(rng: Random, level: Level) -> Scene:
    """A picture with one or more lines of letters, top to bottom."""
    count = rng.randint(*level.words)
    line = 16
    rows = sorted(rng.sample(range(level.side // line), count))
    words = []
    for row in rows:
        text = "".join(rng.choices(level.letters, k=rng.randint(*level.word_length)))
        text = text[: (level.side - 2) // level.pitch]
        room = level.side - level.pitch * len(text)
        x = rng.randrange(0, room + 1, level.lattice)
        words.append(Word(text, (x + level.pitch // 2 - 5, row * line + 1), rng.choice(INKS)))
    return with_ground(rng, level, Scene(level.side, words=tuple(words), pitch=level.pitch))


def draw_digits(rng: Random, level: Level) -> Scene:
    """A picture with two digits from 1, left to right (top to bottom where they stand in one column)."""
    cells = sorted(rng.sample([(x, y) for x in range(level.side // 16) for y in range(level.side // 16)], 2))
    colours = rng.choices(INKS, k=2)
    digits = [str(rng.randint(1, level.top_digit)) for _ in cells]
    words = (Word(d, (x * 16 + 3, y * 16 + 1), c) for d, (x, y), c in zip(digits, cells, colours, strict=True))
    return with_ground(rng, level, Scene(level.side, words=tuple(words)))


def draw_plot(rng: Random, level: Level) -> Scene:
    """A rectangle on ruled paper whose cells are 8 pixels wide."""
    cell, cells = 8, level.side // 8
    width, height = rng.randint(2, 6), rng.randint(2, 6)
    x, y = rng.randint(0, cells - width), rng.randint(0, cells - height)
    box = (x * cell, y * cell, (x + width) * cell, (y + height) * cell)
    thing = Thing("rectangle", rng.choice(COLOURS[: level.colours]), "big", box)
    return with_ground(rng, level, Scene(level.side, (thing,), ruled=cell), clutter=False)


def with_ground(rng: Random, level: Level, scene: Scene, clutter: bool = True) -> Scene:
    grain, mess = rng.randint(0, 6), rng.randint(0, level.clutter) if clutter else 0
    return replace(scene, background=rng.randrange(3), grain=grain, clutter=mess)


def draw_thing(rng: Random, level: Level) -> Thing:
    """A thing of any kind but the held-out ones, anywhere."""
    kinds = [(c, s) for c in COLOURS[: level.colours] for s in SHAPES[: level.shapes] if (c, s) not in UNSEEN]
    colour, shape = rng.choice(kinds)
    size, side = rng.choice(list(level.sizes.items()))
    x, y = (_place(rng, level, side) for _ in range(2))
    return Thing(shape, colour, size, (x, y, x + side, y + side), rng.choice(level.textures))


def _place(rng: Random, level: Level, side: int) -> int:
    """A left or top edge that keeps the margin and does not centre the thing."""
    while True:
        edge = rng.randrange(MARGIN, level.side - MARGIN - side + 1, level.grid)
        if 2 * edge + side != level.side:
            return edge


def _enliven(rng: Random, level: Level, thing: Thing, event: str) -> Thing | None:
    """The thing with an event, None where it would leave the picture."""
    end = level.frames
    if event in ("moves", "shows") and (event == "moves" or rng.random() < 0.4):
        ways = list(DIRECTIONS.values()) + ([(1, 1), (-1, 1), (1, -1), (-1, -1)] if level.diagonal else [])
        step, (dx, dy) = rng.choice(level.steps), rng.choice(ways)
        thing = replace(thing, shift=(dx * step, dy * step))
    if event == "shows":
        spans = [(a, b) for a in range(end - 1) for b in range(a + 2, end + 1) if b - a < end]
        a, b = rng.choice(spans)
        thing = replace(thing, shown=(a / FPS, b / FPS))
    elif event == "jumps":
        spans = [(a, b) for a in range(1, end - 2) for b in range(a + 2, end)]
        a, b = rng.choice(spans)
        thing = replace(thing, jump=(a / FPS, b / FPS), lift=level.lift)
    elif event == "turns":
        others = [c for c in COLOURS[: level.colours] if c != thing.colour and (c, thing.shape) not in UNSEEN]
        thing = replace(thing, turn=(rng.randrange(1, end) / FPS, rng.choice(others)))
    return thing if _stays_inside(thing, level) else None


def _stays_inside(thing: Thing, level: Level) -> bool:
    boxes = [thing.at(i / FPS) for i in range(level.frames)]
    return all(min(b) >= MARGIN and max(b) <= level.side - MARGIN for b in boxes if b)


def _has_room(new: Thing, others: list[Thing], level: Level, frames: int) -> bool:
    """Whether names stay unique and no two things cover each other more than the level allows, at any time."""
    names = [(t.shape, c) for t in others for c in (t.colour, t.turn[1] if t.turn else t.colour)]
    if any((new.shape, c) in names for c in (new.colour, new.turn[1] if new.turn else new.colour)):
        return False
    return fits_beside(new, others, frames, level.overlap)


def fits_beside(new: Thing, others: Sequence[Thing], frames: int = 1, overlap: float = 0.0) -> bool:
    """Whether `new` and each other thing hide at most the share `overlap` of one another, in every frame."""
    for other in others:
        for frame in range(frames):
            a, b = new.at(frame / FPS), other.at(frame / FPS)
            if a and b and _cover(a, b) > overlap:
                return False
    return True


def _cover(a: Box, b: Box) -> float:
    """Intersection as a share of the smaller box; touching counts as a little, so that there is always a gap."""
    width, height = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    if width < 0 or height < 0:
        return 0.0
    smaller = min((x[2] - x[0]) * (x[3] - x[1]) for x in (a, b))
    return max(width * height, 1) / smaller
