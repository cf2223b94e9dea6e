"""Questions that need `look`: clips of a minute, cut for a second to another picture between the frames that are seen.

A budget takes frames evenly over the clip (`media.read`), so what lies between them depends on how many it takes; no
second that is cut lies on a frame of any budget in `COUNTS`.
"""

from __future__ import annotations

from dataclasses import replace
from random import Random

import numpy as np

from onethinker.data.worlds.describe import describe
from onethinker.data.worlds.needs.base import Question, call, final, work
from onethinker.data.worlds.questions.ask import choices, letter, read_to
from onethinker.data.worlds.render import render
from onethinker.data.worlds.scene import COLOURS, UNSEEN, Level, Scene, draw_still, draw_words
from onethinker.tasks.asking import words

SECONDS, WINDOW, CUTS = 60, 4, 3
"""Of a clip, of the span that a question names, and how many such spans of a clip hold something."""
RATE = 1
"""Frames a second; what is cut for one frame is a second long."""
COUNTS = (4, 6, 8, 16)
"""Frames that budgets take of the clip and that show nothing of what is asked."""


def brief_word(rng: Random, level: Level, error: float) -> Question | None:
    """Which word shows in these seconds? [20,24]"""
    cuts = [draw_words(rng, replace(level, words=(1, 1), word_length=(2, 3))) for _ in range(CUTS)]
    texts = [cut.words[0].text for cut in cuts]
    if len(set(texts)) < CUTS:
        return None
    base, starts, frames = _draw(rng, level)
    text = texts[0]
    wrong = text[:-1] + rng.choice([c for c in level.letters if c != text[-1]])
    thought = describe(cuts[0])
    answers = final(thought, text), final(thought[: -len(text[-1])] + wrong[-1], wrong)
    question = f"Which word shows in these seconds?\n{_span(starts[0])}"
    worked = work(rng, error, _calls(starts), answers)
    return Question(
        "brief_word", "ocr", question, text, filmed(base, cuts, frames), _key(base, cuts, frames), worked, clue=text
    )


def brief_shape(rng: Random, level: Level, error: float) -> Question | None:
    """Which colour has the shape that shows in these seconds? [20,24]"""
    cuts = [draw_still(rng, level, 1) for _ in range(CUTS)]
    base, starts, frames = _draw(rng, level)
    thing = cuts[0].things[0]
    if thing.colour in {cut.things[0].colour for cut in cuts[1:]}:
        return None
    options = choices(rng, thing.colour, [c for c in COLOURS[: level.colours] if (c, thing.shape) not in UNSEEN])
    wrong = rng.choice([o[3:] for o in options if o[3:] != thing.colour])
    answers = (
        final(f"{words(replace(thing, colour=c))}{read_to(options, letter(options, c))}", letter(options, c))
        for c in (thing.colour, wrong)
    )
    question = f"Which colour has the shape that shows in these seconds?\n{_span(starts[0])}"
    worked = work(rng, error, _calls(starts), tuple(answers))  # type: ignore[arg-type]
    return Question(
        "brief_shape", "multiple_choice", question, letter(options, thing.colour), filmed(base, cuts, frames),
        _key(base, cuts, frames), worked, options, clue=thing.colour,
    )  # fmt: skip


def filmed(base: Scene, cuts: list[Scene], frames: list[int]) -> np.ndarray:
    """A minute of the base's picture, each cut in its place for a frame: uint8 (frames, side, side, 3)."""
    film = render(base).repeat(SECONDS * RATE, axis=0)
    for cut, frame in zip(cuts, frames, strict=True):
        film[frame] = render(cut)[0]
    return film


def seen_frames(count: int) -> set[int]:
    """The frames of a clip that a budget of so many takes, as `media.read` does."""
    return set(np.linspace(0, SECONDS * RATE - 1, count).round().astype(int).tolist())


def _draw(rng: Random, level: Level) -> tuple[Scene, list[int], list[int]]:
    """The base picture; of each cut the first second of its span, and its first frame."""
    seen = set[int]().union(*map(seen_frames, COUNTS))
    starts: list[int] = []
    frames: list[int] = []
    while len(starts) < CUTS:
        start = rng.randrange(0, SECONDS - WINDOW, WINDOW)
        within = range(RATE * start + 1, RATE * (start + WINDOW))
        free = [frame for frame in within if frame not in seen]
        if free and all(abs(start - other) > WINDOW for other in starts):
            starts.append(start)
            frames.append(rng.choice(free))
    return draw_still(rng, level), starts, frames


def _calls(starts: list[int]) -> tuple[str, str]:
    """The call for the first cut's span, and for another's."""
    right, wrong = (call(_span(start), "look", start=start, end=start + WINDOW, fps=1) for start in starts[:2])
    return right, wrong


def _span(start: int) -> str:
    return f"[{start},{start + WINDOW}]"


def _key(base: Scene, cuts: list[Scene], frames: list[int]) -> str:
    return " ".join(scene.key() for scene in (base, *cuts)) + f" {frames}"
