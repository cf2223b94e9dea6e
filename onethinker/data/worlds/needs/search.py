"""Questions that need `search`: numbers of an invented table, a fact for every kind of shape and property.

No picture tells them. Training, validation and test ask for different facts, so that a model that learned the training
facts by heart knows none of the test's; the knowledge base holds all.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from itertools import product
from pathlib import Path
from random import Random

from onethinker.data.worlds.describe import describe_first
from onethinker.data.worlds.needs.base import Question, call, final, work
from onethinker.data.worlds.render import render
from onethinker.data.worlds.scene import COLOURS, SHAPES, UNSEEN, Level, Thing, draw_still
from onethinker.util.files import write_whole

PROPERTIES = ("number", "product", "percent", "target", "track", "frame", "cell", "clip", "edge", "turn", "object",
              "second")  # fmt: skip
"""Words that the mini model's tokenizer has whole."""
MOST = 9
"""The numbers are 1 to this."""
SHARES = {"test": 0.2, "validation": 0.1}
"""Of all facts; the others are for training."""
FILE = "knowledge/facts.jsonl"


@dataclass(frozen=True, slots=True)
class Fact:
    """id: three capitals, by which an answer cites it. of: one of `PROPERTIES`. split: the one that asks for it."""

    id: str
    of: str
    size: str
    colour: str
    shape: str
    value: int
    split: str

    @property
    def text(self) -> str:
        return f"The {self.of} of the {self.size} {self.colour} {self.shape} is {self.value}."


@lru_cache(maxsize=8)
def facts(seed: int, difficulty: int) -> tuple[Fact, ...]:
    """The whole table of a world, in the order in which it is written."""
    from onethinker.data.worlds.scene import level_of

    level, rng = level_of(difficulty), Random(f"{seed}/facts")
    kinds = [k for k in product(level.sizes, COLOURS[: level.colours], SHAPES[: level.shapes]) if k[1:] not in UNSEEN]
    about = [(name, *kind) for name, kind in product(PROPERTIES, kinds)]
    rng.shuffle(about)
    ids = rng.sample(["".join(letters) for letters in product("ABCDEFGHKLMNPRSTUVWXYZ", repeat=3)], len(about))
    ends = {split: round(share * len(about)) for split, share in SHARES.items()}
    splits = [split for split, count in ends.items() for _ in range(count)]
    splits += ["train"] * (len(about) - len(splits))
    return tuple(
        Fact(id_, *what, rng.randint(1, MOST), split) for id_, what, split in zip(ids, about, splits, strict=True)
    )


def write_facts(folder: Path, seed: int, difficulty: int) -> Path:
    """Write the knowledge base of a world, `FILE`: a row a fact, `{"id": …, "text": …}`."""
    rows = sorted(facts(seed, difficulty), key=lambda fact: fact.id)
    write_whole(folder / FILE, "".join(json.dumps({"id": f.id, "text": f.text}) + "\n" for f in rows))
    return folder / FILE


def ask_fact(rng: Random, level: Level, known: list[Fact], error: float) -> Question | None:
    """What is the target of the shape? known: the facts that may be asked for."""
    scene = draw_still(rng, level, 1)
    thing = scene.things[0]
    about = [fact for fact in known if (fact.size, fact.colour, fact.shape) == (thing.size, thing.colour, thing.shape)]
    if not about:
        return None
    fact = rng.choice(about)
    other = rng.choice([name for name in PROPERTIES if name != fact.of])
    seen = describe_first(scene, thing)
    calls = tuple(call(seen, "search", query=_query(name, thing), k=1) for name in (fact.of, other))
    wrong = rng.choice([n for n in range(1, MOST + 1) if n != fact.value])
    answers = tuple(final(f"[{fact.id}] {n}", str(n)) for n in (fact.value, wrong))
    question = f"What is the {fact.of} of the shape?"
    worked = work(rng, error, calls, answers)  # type: ignore[arg-type]
    return Question("fact", "numerical", question, str(fact.value), render(scene), scene.key(), worked, clue=fact.id)


def _query(name: str, thing: Thing) -> str:
    return f"{name} {thing.size} {thing.colour} {thing.shape}"
