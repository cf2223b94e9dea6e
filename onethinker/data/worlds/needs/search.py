"""Questions that need `search`: numbers of an invented table, a fact for a pair of kinds of shapes.

No picture tells them. Training, validation and test ask for different facts, so that a model that learned the training
facts by heart knows none of the test's; the knowledge base holds all.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from itertools import permutations, product
from pathlib import Path
from random import Random

from onethinker.data.worlds.describe import describe
from onethinker.data.worlds.needs.base import Question, call, final, work
from onethinker.data.worlds.render import render
from onethinker.data.worlds.scene import COLOURS, SHAPES, UNSEEN, Level, draw_still
from onethinker.tasks.asking import words
from onethinker.util.files import write_whole

MOST = 9
"""The numbers are 1 to this."""
SHARES = {"test": 0.2, "validation": 0.1}
"""Of all facts; the others are for training."""
FILE = "knowledge/facts.jsonl"


@dataclass(frozen=True, slots=True)
class Fact:
    """id: three capitals. of: the left shape and the right one, as `small red circle`.
    split: the one that asks for it."""

    id: str
    of: tuple[str, str]
    value: int
    split: str

    @property
    def text(self) -> str:
        return f"The number of {_both(self.of)} is {self.value}."


@lru_cache(maxsize=8)
def facts(seed: int, difficulty: int) -> tuple[Fact, ...]:
    """The whole table of a world, in the order in which it is written. No two are of the same words in another order,
    which a search by words could not tell apart."""
    from onethinker.data.worlds.scene import level_of

    level, rng = level_of(difficulty), Random(f"{seed}/facts")
    kinds = [k for k in product(level.sizes, COLOURS[: level.colours], SHAPES[: level.shapes]) if k[1:] not in UNSEEN]
    pairs = [(a, b) for a, b in permutations(kinds, 2) if a[1:] != b[1:]]
    rng.shuffle(pairs)
    about = list({tuple(sorted(a + b)): (" ".join(a), " ".join(b)) for a, b in pairs}.values())
    ids = rng.sample(["".join(letters) for letters in product("ABCDEFGHKLMNPRSTUVWXYZ", repeat=3)], len(about))
    ends = {split: round(share * len(about)) for split, share in SHARES.items()}
    splits = [split for split, count in ends.items() for _ in range(count)]
    splits += ["train"] * (len(about) - len(splits))
    return tuple(Fact(id_, of, rng.randint(1, MOST), split) for id_, of, split in zip(ids, about, splits, strict=True))


def write_facts(folder: Path, seed: int, difficulty: int) -> Path:
    """Write the knowledge base of a world, `FILE`: a row a fact, `{"id": …, "text": …}`."""
    rows = sorted(facts(seed, difficulty), key=lambda fact: fact.id)
    write_whole(folder / FILE, "".join(json.dumps({"id": f.id, "text": f.text}) + "\n" for f in rows))
    return folder / FILE


def ask_fact(rng: Random, level: Level, known: list[Fact], error: float) -> Question | None:
    """What is the number of the two shapes? known: the facts that may be asked for."""
    scene = draw_still(rng, level, 2)
    fact = next((fact for fact in known if fact.of == tuple(map(words, scene.things))), None)
    if not fact:
        return None
    other = rng.choice([of for of in (f.of for f in known) if of != fact.of] or [fact.of[::-1]])
    calls = tuple(call(describe(scene), "search", query=_both(of), k=1) for of in (fact.of, other))
    wrong = rng.choice([n for n in range(1, MOST + 1) if n != fact.value])
    answers = tuple(final(f"it is {n}", str(n)) for n in (fact.value, wrong))
    worked = work(rng, error, calls, answers)  # type: ignore[arg-type]
    question = "What is the number of the two shapes?"
    return Question("fact", "numerical", question, str(fact.value), render(scene), scene.key(), worked, clue=fact.id)


def _both(of: tuple[str, str]) -> str:
    return f"the {of[0]} and the {of[1]}"
