"""What makers of questions share: names of things, options, and the thing that is asked about."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random

from onethinker.data.worlds.scene import Scene, Thing
from onethinker.tasks.asking import Unanswerable, name

LETTERS = "ABCDEFGH"


ALL = frozenset({"colour", "shape", "size"})


def full_name(rng: Random, thing: Thing) -> str:
    """The name, half of the time with the size."""
    return f"{thing.size} {name(thing)}" if rng.random() < 0.5 else name(thing)


def naming(index: int, *attributes: str) -> dict[int, frozenset[str]]:
    return {index: frozenset(attributes) if attributes else ALL}


def choices(rng: Random, right: str, wrong: Sequence[str], count: int = 4) -> tuple[str, ...]:
    """Up to `count` lettered options in random order, the right one among them."""
    others = [w for w in dict.fromkeys(wrong) if w != right]
    texts = [right, *rng.sample(others, min(count - 1, len(others)))]
    rng.shuffle(texts)
    return tuple(f"{LETTERS[i]}. {text}" for i, text in enumerate(texts))


def letter(options: Sequence[str], text: str) -> str:
    """The letter of the option with this text. Raises Unanswerable where none has it."""
    for option in options:
        if option[3:] == text:
            return option[0]
    raise Unanswerable(f"{text!r} is none of {', '.join(options)}")


def read_to(options: Sequence[str], letter: str) -> str:
    """The options read aloud up to the one with this letter, a line each."""
    return "".join(f"\n{option}" for option in options if option[0] <= letter)


def pick(rng: Random, scene: Scene, fits: Callable[[Thing], bool]) -> int | None:
    """The position of a random thing that fits, None where none does."""
    found = [i for i, thing in enumerate(scene.things) if fits(thing)]
    return rng.choice(found) if found else None
