"""Questions that need `look`: clips of a minute whose shape another picture replaces for a second, between the frames.

A shape shows for twenty seconds, then another does. The question names a shape, so that where to look again is what a
temporal grounding finds: the seconds of that shape. A budget takes frames evenly over the clip (`media.read`), so what
lies between them depends on how many it takes; no second that is replaced lies on a frame of any budget in `COUNTS`. Of
six frames two at a time are of one shape, as many as Qwen3-VL's encoder takes together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from random import Random

import numpy as np

from onethinker.data.worlds.describe import describe, describe_first
from onethinker.data.worlds.needs.base import Question, call, final, work
from onethinker.data.worlds.questions.ask import choices, letter, read_to
from onethinker.data.worlds.render import render
from onethinker.data.worlds.scene import COLOURS, UNSEEN, Level, Scene, draw_still, draw_words
from onethinker.tasks.asking import name, words

SECONDS, PART = 60, 20
"""Of a clip, and of the part of it that shows one shape."""
PARTS = SECONDS // PART
RATE = 1
"""Frames a second."""
FROM, TO, LOOK_RATE = 2, 18, 0.25
"""Of a part, the seconds that the teacher looks at, and how many frames a second; what is replaced is one of those."""
COUNTS = (4, 6, 8, 16)
"""Frames that budgets take of the clip and that show nothing of what is asked."""


def brief_word(rng: Random, level: Level, error: float) -> Question | None:
    """Which word replaces the blue square for a second?"""
    brief = [draw_words(rng, replace(level, words=(1, 1), word_length=(2, 3))) for _ in range(PARTS)]
    texts = [scene.words[0].text for scene in brief]
    if len(set(texts)) < PARTS:
        return None
    parts, frames = _draw(rng, level)
    i = rng.randrange(PARTS)
    text = texts[i]
    wrong = text[:-1] + rng.choice([c for c in level.letters if c != text[-1]])
    thought = describe(brief[i])
    answers = final(thought, text), final(thought[: -len(text[-1])] + wrong[-1], wrong)
    question = f"Which word replaces the {name(parts[i].things[0])} for a second?"
    worked = work(rng, error, _calls(rng, parts, i), answers)
    film = filmed(parts, brief, frames)
    return Question("brief_word", "ocr", question, text, film, _key(parts, brief, frames), worked, clue=text)


def brief_shape(rng: Random, level: Level, error: float) -> Question | None:
    """Which colour has the shape that replaces the blue square for a second?"""
    brief = [draw_still(rng, level, 1) for _ in range(PARTS)]
    if len({scene.things[0].colour for scene in brief}) < PARTS:
        return None
    parts, frames = _draw(rng, level)
    i = rng.randrange(PARTS)
    thing, replaced = brief[i].things[0], parts[i].things[0]
    options = choices(rng, thing.colour, [c for c in COLOURS[: level.colours] if (c, thing.shape) not in UNSEEN])
    wrong = rng.choice([o[3:] for o in options if o[3:] != thing.colour])
    answers = (
        final(f"{words(replace(thing, colour=c))}.{read_to(options, letter(options, c))}", letter(options, c))
        for c in (thing.colour, wrong)
    )
    question = f"Which colour has the shape that replaces the {name(replaced)} for a second?"
    worked = work(rng, error, _calls(rng, parts, i), tuple(answers))  # type: ignore[arg-type]
    return Question(
        "brief_shape", "multiple_choice", question, letter(options, thing.colour), filmed(parts, brief, frames),
        _key(parts, brief, frames), worked, options, clue=thing.colour,
    )  # fmt: skip


def filmed(parts: Sequence[Scene], brief: Sequence[Scene], frames: Sequence[int]) -> np.ndarray:
    """The parts' pictures one after the other, with each brief picture in the place of one frame: uint8 (frames, side,
    side, 3)."""
    film = np.concatenate([render(part).repeat(PART * RATE, axis=0) for part in parts])
    for scene, frame in zip(brief, frames, strict=True):
        film[frame] = render(scene)[0]
    return film


def seen_frames(count: int) -> set[int]:
    """The frames of a clip that a budget of so many takes, as `media.read` does."""
    return set(np.linspace(0, SECONDS * RATE - 1, count).round().astype(int).tolist())


def _draw(rng: Random, level: Level) -> tuple[list[Scene], list[int]]:
    """The parts, each of another shape on one ground, and the frame of each that is replaced."""
    parts: list[Scene] = []
    while len(parts) < PARTS:
        new = draw_still(rng, level, 1)
        if name(new.things[0]) not in {name(part.things[0]) for part in parts}:
            first = parts[0] if parts else new
            parts.append(replace(new, background=first.background, grain=first.grain, clutter=first.clutter))
    return parts, [rng.choice(_free(part)) for part in range(PARTS)]


def _free(part: int) -> list[int]:
    """The frames of a part that the teacher's look shows and no budget does."""
    seen = set[int]().union(*map(seen_frames, COUNTS))
    looked = range(RATE * (part * PART + FROM), RATE * (part * PART + TO) + 1, round(RATE / LOOK_RATE))
    return [frame for frame in looked if frame not in seen]


def _calls(rng: Random, parts: list[Scene], i: int) -> tuple[str, str]:
    """The call for part i's seconds, and for another's."""

    spans = [(part * PART + FROM, part * PART + TO) for part in range(PARTS)]
    seen = "; ".join(
        f"{describe_first(scene, scene.things[0])} shows {start} to {end}"
        for scene, (start, end) in zip(parts, spans, strict=True)
    )

    def look(part: int) -> str:
        start, end = spans[part]
        return call(f"{seen}. {start} to {end}.", "look", start=start, end=end, fps=LOOK_RATE)

    return look(i), look(rng.choice([part for part in range(PARTS) if part != i]))


def _key(parts: list[Scene], brief: list[Scene], frames: list[int]) -> str:
    return " ".join(scene.key() for scene in (*parts, *brief)) + f" {frames}"
