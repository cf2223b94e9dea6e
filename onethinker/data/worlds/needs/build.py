"""Build a world that needs tools: as `build_world` writes one, with `out/knowledge` where `search` is needed.

A sample's `meta["turns"]` are the teacher's turns that end in a call, `meta["response"]` its last one, `meta["needs"]`
the tool, `meta["clue"]` what the tool has to show.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

from onethinker.data.worlds.needs import search
from onethinker.data.worlds.needs.base import Maker, Question
from onethinker.data.worlds.needs.look import RATE, brief_shape, brief_word
from onethinker.data.worlds.needs.zoom import small_shape, small_word
from onethinker.data.worlds.scene import WorldError, level_of
from onethinker.media import write_clip, write_image
from onethinker.sample import Sample, save_samples
from onethinker.util.files import write_whole
from onethinker.util.progress import bar
from onethinker.util.runs import locked, open_run

NEEDS: dict[str, tuple[Maker, ...]] = {
    "zoom": (small_word, small_shape),
    "look": (brief_word, brief_shape),
    "search": (),  # made with the facts of its split
}
"""Tool → the makers of questions that need it, which take turns."""

SPLITS = ("test", "validation", "train")
HARDEST = 1
"""The difficulty up to which a world's pictures are 64², which these questions are made for."""
_TRIES = 500


def needs_named(words: str) -> list[str]:
    """Names of tools, by commas → the tools in their order. Raises WorldError."""
    named = [word.strip() for word in words.split(",") if word.strip()]
    unknown = [word for word in named if word not in NEEDS]
    if unknown or not named:
        raise WorldError(f"needs {words!r}: {', '.join(unknown) or 'none'}: expected some of {', '.join(NEEDS)}")
    return list(dict.fromkeys(named))


def build_needs(
    out: str | Path,
    n: int,
    seed: int,
    difficulty: int = 0,
    *,
    needs: Sequence[str] = tuple(NEEDS),
    teacher_error: float = 0.1,
    validation: int | None = None,
    test: int | None = None,
) -> Path:
    """Write a world of `n` training samples, evenly over `needs`, and return its folder.

    teacher_error: how often a training answer first calls for the wrong thing, and how often it misreads what it is
    shown. Sizes, idempotence and refusals as of `build_world`. Raises RunError, WorldError.
    """
    folder, tenth = Path(out), max(1, n // 10)
    sizes = {"train": n, "validation": tenth if validation is None else validation,
             "test": tenth if test is None else test}  # fmt: skip
    if not 0 <= difficulty <= HARDEST:
        raise WorldError(f"difficulty {difficulty}: a world that needs tools has 0 to {HARDEST}")
    if min(sizes.values()) < 1 or not 0 <= teacher_error <= 1:
        raise WorldError(f"sizes {sizes}, teacher_error {teacher_error}: each split needs a sample, a rate is 0 to 1")
    config = {"seed": seed, "difficulty": difficulty, "needs": needs_named(",".join(needs)), "sizes": sizes,
              "teacher_error": teacher_error}  # fmt: skip
    with locked(folder):
        open_run(folder, config)
        if not (folder / "world.json").exists():
            _build(folder, config)
    return folder


def _build(folder: Path, config: dict[str, Any]) -> None:
    counts: dict[str, dict[str, int]] = {}
    digest = hashlib.sha256()
    used: set[str] = set()
    if "search" in config["needs"]:
        digest.update(search.write_facts(folder, config["seed"], config["difficulty"]).read_bytes())
    for split in SPLITS:
        (folder / split / "media").mkdir(parents=True, exist_ok=True)
        samples = []
        with bar(f"world: {split}", config["sizes"][split]) as advance:
            for index in range(config["sizes"][split]):
                samples.append(_sample(folder / split, split, index, config, used))
                advance()
        digest.update(save_samples(samples, folder / split / "samples.jsonl").read_bytes())
        counts[split] = dict(sorted(Counter(s.meta["kind"] for s in samples).items()))
    write_whole(
        folder / "world.json", json.dumps(config | {"counts": counts, "digest": digest.hexdigest()[:16]}, indent=1)
    )


def _sample(folder: Path, split: str, index: int, config: dict[str, Any], used: set[str]) -> Sample:
    """The sample in this place, with a picture or clip that no other has; its media are written."""
    need = config["needs"][index % len(config["needs"])]
    turn = index // len(config["needs"])
    question = _draw(need, split, index, turn, config, used)
    frames, height, width = question.pixels.shape[:3]
    media = f"media/{hashlib.sha256(question.key.encode()).hexdigest()[:16]}.{'mp4' if frames > 1 else 'png'}"
    if not (folder / media).exists():
        if frames > 1:
            write_clip(folder / media, question.pixels, RATE)
        else:
            write_image(folder / media, question.pixels[0])
    meta: dict[str, Any] = {"resolution": {"width": width, "height": height}}
    meta |= {"fps": float(RATE)} if frames > 1 else {}
    meta |= {"turns": list(question.worked.turns), "response": question.worked.response}
    meta |= {"split": split, "kind": question.kind, "needs": need, "clue": question.clue}
    return Sample(
        f"{split}-{index:06d}", question.task, "video" if frames > 1 else "image", question.text, question.truth,
        question.options, (media,), f"world-{split}", meta,
    )  # fmt: skip


def _draw(need: str, split: str, index: int, turn: int, config: dict[str, Any], used: set[str]) -> Question:
    rng = Random(f"{config['seed']}/{split}/{need}/{index}")
    level, error = level_of(config["difficulty"]), config["teacher_error"] if split == "train" else 0.0
    if need == "search":
        known = [fact for fact in search.facts(config["seed"], config["difficulty"]) if fact.split == split]
        make = partial(search.ask_fact, rng, level, known, error)
    else:
        makers = NEEDS[need]
        make = partial(makers[turn % len(makers)], rng, level, error)
    for _ in range(_TRIES):
        question = make()
        if question and question.key not in used:
            used.add(question.key)
            return question
    raise WorldError(f"{split}: no new question that needs {need} in {_TRIES} tries; ask for fewer or more difficulty")
