"""Build a world: `out/{train,validation,test}/samples.jsonl` with media beside them, and `out/world.json`.

Everything follows from the seed: the same call writes the same bytes. No scene occurs in two splits. A few questions
share a scene, so that a clip is encoded once for several samples.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from typing import Any, cast

from onethinker.data.worlds.describe import describe
from onethinker.data.worlds.questions import ASKERS, FAMILIES, Ask, Unanswerable, read_to
from onethinker.data.worlds.render import mask, render, run_lengths
from onethinker.data.worlds.scene import (
    FPS,
    Level,
    Scene,
    WorldError,
    draw_clip,
    draw_digits,
    draw_plot,
    draw_still,
    draw_words,
    level_of,
)
from onethinker.data.worlds.teacher import see
from onethinker.media import write_clip, write_image
from onethinker.sample import Modality, Sample, save_samples
from onethinker.util.files import write_whole
from onethinker.util.progress import bar
from onethinker.util.runs import locked, open_run

SPLITS = ("test", "validation", "train")
"""In the order in which they take their scenes: the held-out ones do not depend on how much is trained on."""

SHARE = 3
"""Questions that share one picture or clip."""

_TRIES = 500
_LOOKS = 50

DRAWERS: dict[str, Callable[[Random, Level], tuple[Scene, ...]]] = {
    "still": lambda rng, level: (draw_still(rng, level),),
    "clip": lambda rng, level: (draw_clip(rng, level),),
    "pair": lambda rng, level: (draw_still(rng, level, rng.randint(1, 2)), draw_still(rng, level, rng.randint(1, 2))),
    "words": lambda rng, level: (draw_words(rng, level),),
    "digits": lambda rng, level: (draw_digits(rng, level),),
    "plot": lambda rng, level: (draw_plot(rng, level),),
}


@dataclass(frozen=True, slots=True)
class Slot:
    """A sample to come: its place in the file, its task and the kind of scene it is asked of."""

    index: int
    task: str
    family: str


def build_world(
    out: str | Path,
    n: int,
    seed: int,
    difficulty: int = 0,
    *,
    tasks: Sequence[str] | None = None,
    teacher_error: float = 0.1,
    validation: int | None = None,
    test: int | None = None,
) -> Path:
    """Write a world of `n` training samples, evenly over `tasks` (all thirteen), and return its folder.

    difficulty: 0–3. teacher_error: how often the training answers see a thing wrongly; validation and test answers
    are exact. validation, test: their sizes, n / 10 unless given. A finished world of the same configuration is left
    as it is, an unfinished one is finished; raises RunError for a folder with another one, WorldError for bad knobs.
    """
    folder, chosen = Path(out), list(tasks or FAMILIES)
    unknown = [task for task in chosen if task not in FAMILIES]
    if unknown:
        raise WorldError(f"tasks {', '.join(unknown)}: not in the world; expected some of {', '.join(FAMILIES)}")
    level_of(difficulty)
    if not 0 <= teacher_error <= 1:
        raise WorldError(f"teacher_error {teacher_error}: a share from 0 to 1")
    tenth = max(1, n // 10)
    sizes = {"train": n, "validation": tenth if validation is None else validation,
             "test": tenth if test is None else test}  # fmt: skip
    if min(sizes.values()) < 1:
        raise WorldError(f"split sizes {sizes}: each split needs a sample")
    config = {"seed": seed, "difficulty": difficulty, "tasks": chosen, "teacher_error": teacher_error, "sizes": sizes}
    with locked(folder):
        open_run(folder, config)
        if not (folder / "world.json").exists():
            _build(folder, config)
    return folder


def _build(folder: Path, config: dict[str, Any]) -> None:
    counts: dict[str, dict[str, int]] = {}
    digest = hashlib.sha256()
    used: dict[str, str] = {}
    for split in SPLITS:
        writer = Writer(folder / split, split, config, used)
        slots = plan(config["sizes"][split], config["tasks"])
        groups = list(_shared(slots, f"{config['seed']}/{split}"))
        samples: list[Sample] = []
        with bar(f"world: {split}", len(slots)) as advance:
            for group in groups:
                samples += writer.write(group)
                advance(len(group))
        file = save_samples(sorted(samples, key=lambda s: s.id), folder / split / "samples.jsonl")
        digest.update(file.read_bytes())
        counts[split] = dict(sorted(Counter(s.task for s in samples).items()))
    summary = config | {"counts": counts, "digest": digest.hexdigest()[:16]}
    write_whole(folder / "world.json", json.dumps(summary, indent=1))


def plan(n: int, tasks: Sequence[str]) -> list[Slot]:
    """n slots, the tasks in turn, and within a task its kinds of scene in turn."""
    slots = []
    for index in range(n):
        task, turn = tasks[index % len(tasks)], index // len(tasks)
        slots.append(Slot(index, task, FAMILIES[task][turn % len(FAMILIES[task])]))
    return slots


def _shared(slots: Sequence[Slot], seed: str) -> Iterator[list[Slot]]:
    """Slots that share a scene: up to SHARE of one kind of scene and of different tasks, shuffled together so that no
    two tasks always meet in the same scenes."""
    families = sorted({slot.family for slot in slots})
    for family in families:
        same = [slot for slot in slots if slot.family == family]
        Random(f"{seed}/{family}").shuffle(same)
        group: list[Slot] = []
        for slot in same:
            full = len(group) >= (SHARE if family in ("still", "clip") else 1)
            if full or slot.task in {s.task for s in group}:
                yield group
                group = []
            group.append(slot)
        yield group


class Writer:
    """Draws scenes for one split, writes their media and turns questions into samples.

    used: scene → the split that has taken it, shared by the splits' writers.
    """

    def __init__(self, folder: Path, split: str, config: dict[str, Any], used: dict[str, str]) -> None:
        self.folder, self.split, self.used = folder, split, used
        self.seed, self.level = config["seed"], level_of(config["difficulty"])
        self.error = config["teacher_error"] if split == "train" else 0.0
        self.asked: set[tuple[str, str]] = set()
        (folder / "media").mkdir(parents=True, exist_ok=True)

    def write(self, group: Sequence[Slot]) -> list[Sample]:
        """The samples of slots that share a scene, with the scene's media."""
        rng = Random(f"{self.seed}/{self.split}/{group[0].family}/{group[0].index}")
        scenes, asks = self._draw(rng, group)
        media = tuple(write_media(scene, self.folder) for scene in scenes)
        return [self._sample(rng, slot, ask, scenes, media) for slot, ask in zip(group, asks, strict=True)]

    def _draw(self, rng: Random, group: Sequence[Slot]) -> tuple[tuple[Scene, ...], list[Ask]]:
        """Scenes that no other split has, of which every slot's task has a question not asked of them before."""
        for _ in range(_TRIES):
            scenes = DRAWERS[group[0].family](rng, self.level)
            keys = [scene.key() for scene in scenes]
            if any(self.used.get(key, self.split) != self.split for key in keys) or len(set(keys)) < len(keys):
                continue
            asks = [ask_one(rng, slot, scenes) for slot in group]
            texts = {(" ".join(keys), ask.question) for ask in asks if ask}
            if len(texts) == len(group) and not texts & self.asked:
                self.asked |= texts
                self.used |= dict.fromkeys(keys, self.split)
                return scenes, cast(list[Ask], asks)
        raise WorldError(
            f"{self.split}: no new {group[0].family} scene in {_TRIES} tries; ask for fewer samples or more difficulty"
        )

    def _sample(self, rng: Random, slot: Slot, ask: Ask, scenes: tuple[Scene, ...], media: tuple[str, ...]) -> Sample:
        response = teach(rng, ask, scenes, self.level, self.error)
        return make_sample(slot, self.split, ask, scenes, media, response=response)


def ask_one(rng: Random, slot: Slot, scenes: tuple[Scene, ...]) -> Ask | None:
    """A question of the slot's task; its kinds are tried in random order."""
    askers = list(ASKERS[slot.task, slot.family])
    rng.shuffle(askers)
    return next((ask for asker in askers if (ask := asker(rng, *scenes))), None)


def teach(rng: Random, ask: Ask, scenes: tuple[Scene, ...], level: Level, error: float) -> str:
    """The worked answer of a teacher that errs; it looks again at what it could not answer."""
    for look in range(_LOOKS):
        seen = tuple(see(scene, rng, level, error if look < _LOOKS - 1 else 0.0, ask.named) for scene in scenes)
        try:
            return respond(ask, seen)
        except Unanswerable:
            continue
    raise WorldError(f"the question {ask.question!r} has no answer in its own scene")


def respond(ask: Ask, seen: tuple[Scene, ...]) -> str:
    """Thinking and answer over the scenes as seen."""
    reason, answer = ask.solve(*seen)
    if ask.only:
        listing = describe(_with_only(seen[0], ask.only))
    else:
        listing = ". ".join(describe(scene) for scene in seen)
    thought = f"{listing}.{f' {reason}.' if reason else ''}{read_to(ask.options, answer)}"
    return f"<think>{thought}</think><answer>{answer}</answer>"


def _with_only(scene: Scene, wanted: Sequence[int]) -> Scene:
    return replace(scene, things=tuple(scene.things[i] for i in wanted))


def write_media(scene: Scene, folder: Path) -> str:
    """Write the scene's PNG or MP4 unless it is there; the path relative to the split's folder."""
    name = f"media/{scene.key()}.{'png' if scene.frames == 1 else 'mp4'}"
    file = folder / name
    if not file.exists():
        frames = render(scene)
        if scene.frames == 1:
            write_image(file, frames[0])
        else:
            write_clip(file, frames, FPS)
    return name


def make_sample(
    slot: Slot, split: str, ask: Ask, scenes: tuple[Scene, ...], media: tuple[str, ...], *, response: str
) -> Sample:
    """A sample with exact truth. meta: resolution, fps of a clip, response, split, kind, segmentation."""
    scene = scenes[0]
    clip = scene.frames > 1
    meta: dict[str, Any] = {"resolution": {"width": scene.side, "height": scene.side}}
    meta |= {"fps": float(FPS)} if clip else {}
    meta |= {"response": response, "split": split, "kind": ask.kind}
    if ask.segmented is not None:
        meta["segmentation"] = segmentation(scene, ask.segmented)
    modality: Modality = "video" if clip else "image"
    _, truth = ask.solve(*scenes)
    name = f"{split}-{slot.index:06d}"
    return Sample(name, slot.task, modality, ask.question, truth, ask.options, media, f"world-{split}", meta)


def segmentation(scene: Scene, index: int) -> dict[str, Any]:
    """The thing's masks in the published form: one for a picture, one a frame for a clip."""
    if scene.frames == 1:
        return {"segmentation_rle": run_lengths(mask(scene, index, 0.0))}
    names = [f"{i:05d}" for i in range(scene.frames)]
    masks = [run_lengths(mask(scene, index, second)) for second in scene.times]
    return {"frames": names, "segmentation_rle": dict(zip(names, masks, strict=True))}


def corpus_text(samples: Sequence[Sample]) -> Iterator[str]:
    """Every text a model reads or writes for these samples: question, options, truth and worked answer."""
    for sample in samples:
        yield sample.question
        yield from sample.options
        yield sample.truth
        if response := sample.meta.get("response"):
            yield response
