"""Build a world: `out/{train,validation,test}/samples.jsonl` with media beside them, and `out/world.json`.

Everything follows from the seed: the same call writes the same bytes. No scene occurs in two splits. A few questions
share a scene, so that a clip is encoded once for several samples.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from typing import Any, cast

from joblib import Parallel, delayed

from onethinker.data.worlds.bias import TeacherBias, read_bias
from onethinker.data.worlds.describe import describe
from onethinker.data.worlds.questions import FAMILIES, Ask, Unanswerable, askers, families, read_to
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
from onethinker.data.worlds.teacher import EXACT, see
from onethinker.media import write_clip, write_image
from onethinker.sample import Modality, Sample, save_samples
from onethinker.util.files import write_whole
from onethinker.util.progress import bar
from onethinker.util.runs import locked, open_run

SPLITS = ("test", "validation", "train")
"""In the order in which they take their scenes: the held-out ones do not depend on how much is trained on."""

SHARE = 3
"""Questions that share one picture or clip."""

_SMALL = 1000
"""Samples; starting processes takes longer than building a smaller world."""
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
    teacher_bias: TeacherBias | str = EXACT,
    validation: int | None = None,
    test: int | None = None,
    workers: int = 0,
) -> Path:
    """Write a world of `n` training samples, evenly over `tasks` (the published ones), and return its folder.

    difficulty: 0–3. teacher_error: how often the training answers see a thing wrongly; teacher_bias: what they always
    see wrongly, a `TeacherBias` or what `read_bias` takes; validation and test answers are exact. validation, test:
    their sizes, n / 10 unless given. workers: processes that draw the media; 0 takes the machine's cores, or one for a
    small world. The bytes do not depend on it. A finished world of the same configuration is left
    as it is, an unfinished one is finished; raises RunError for a folder with another one, WorldError for bad knobs.
    """
    folder, chosen = Path(out), list(tasks or FAMILIES)
    unknown = [task for task in chosen if task not in families()]
    if unknown:
        raise WorldError(f"tasks {', '.join(unknown)}: not in the world; expected some of {', '.join(families())}")
    level_of(difficulty)
    if not 0 <= teacher_error <= 1:
        raise WorldError(f"teacher_error {teacher_error}: a share from 0 to 1")
    tenth = max(1, n // 10)
    sizes = {"train": n, "validation": tenth if validation is None else validation,
             "test": tenth if test is None else test}  # fmt: skip
    if min(sizes.values()) < 1:
        raise WorldError(f"split sizes {sizes}: each split needs a sample")
    bias = read_bias(teacher_bias) if isinstance(teacher_bias, str) else teacher_bias
    config = {"seed": seed, "difficulty": difficulty, "tasks": chosen, "teacher_error": teacher_error, "sizes": sizes}
    config |= {"teacher_bias": str(bias)} if bias != EXACT else {}
    workers = workers or (1 if sum(sizes.values()) < _SMALL else os.cpu_count() or 1)
    with locked(folder):
        open_run(folder, config)
        if not (folder / "world.json").exists():
            _build(folder, config, bias, workers)
    return folder


def tasks_named(words: str) -> list[str]:
    """`published`, `extra` or names of tasks, by commas → the tasks in their order. Raises WorldError."""
    groups = {"published": [*FAMILIES], "extra": [task for task in families() if task not in FAMILIES]}
    named = [word.strip() for word in words.split(",") if word.strip()]
    unknown = [word for word in named if word not in groups and word not in families()]
    if unknown or not named:
        told = ", ".join([*groups, *families()])
        raise WorldError(f"tasks {words!r}: {', '.join(unknown) or 'none'}: expected some of {told}")
    return [task for word in named for task in groups.get(word, [word])]


def _build(folder: Path, config: dict[str, Any], bias: TeacherBias, workers: int) -> None:
    counts: dict[str, dict[str, int]] = {}
    digest = hashlib.sha256()
    used: dict[str, str] = {}
    for split in SPLITS:
        writer = Writer(folder / split, split, config, used, bias)
        slots = plan(config["sizes"][split], config["tasks"])
        # Scenes are drawn in this process, in order, since each must be new; media are made by the workers meanwhile.
        jobs = (delayed(finish)(writer.write(group)) for group in _shared(slots, f"{config['seed']}/{split}"))
        samples: list[Sample] = []
        with bar(f"world: {split}", len(slots)) as advance:
            for made in Parallel(workers, return_as="generator", pre_dispatch=f"{8 * workers}")(jobs):
                samples += made
                advance(len(made))
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
        scenes = families()[task]
        slots.append(Slot(index, task, scenes[turn % len(scenes)]))
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


@dataclass(frozen=True, slots=True)
class Drawn:
    """Samples that share their scenes, all but their media: what a worker turns into files.

    segmented: of each sample the thing whose masks are its truth. new: scenes whose media no group before has written.
    """

    folder: Path
    samples: tuple[Sample, ...]
    scenes: tuple[Scene, ...]
    segmented: tuple[int | None, ...]
    new: tuple[Scene, ...]


class Writer:
    """Draws one split's scenes and turns questions into samples.

    used: scene → the split that has taken it, shared by the splits' writers.
    """

    def __init__(
        self, folder: Path, split: str, config: dict[str, Any], used: dict[str, str], bias: TeacherBias = EXACT
    ) -> None:
        self.folder, self.split, self.used = folder, split, used
        self.seed, self.level = config["seed"], level_of(config["difficulty"])
        self.error = config["teacher_error"] if split == "train" else 0.0
        self.bias = bias if split == "train" else EXACT
        self.asked: set[tuple[str, str]] = set()
        self.written: set[str] = set()
        (folder / "media").mkdir(parents=True, exist_ok=True)

    def write(self, group: Sequence[Slot]) -> Drawn:
        """The samples of slots that share a scene."""
        rng = Random(f"{self.seed}/{self.split}/{group[0].family}/{group[0].index}")
        scenes, asks = self._draw(rng, group)
        samples = tuple(self._sample(rng, slot, ask, scenes) for slot, ask in zip(group, asks, strict=True))
        new = tuple(scene for scene in scenes if scene.key() not in self.written)
        self.written |= {scene.key() for scene in new}
        return Drawn(self.folder, samples, scenes, tuple(ask.segmented for ask in asks), new)

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

    def _sample(self, rng: Random, slot: Slot, ask: Ask, scenes: tuple[Scene, ...]) -> Sample:
        response = teach(rng, ask, scenes, self.level, self.error, self.bias)
        return make_sample(slot, self.split, ask, scenes, response=response)


def finish(drawn: Drawn) -> list[Sample]:
    """Write the new scenes' media; the samples, with masks where masks are the truth."""
    for scene in drawn.new:
        write_media(scene, drawn.folder)
    masks = [None if index is None else segmentation(drawn.scenes[0], index) for index in drawn.segmented]
    return [
        sample if found is None else replace(sample, meta={**sample.meta, "segmentation": found})
        for sample, found in zip(drawn.samples, masks, strict=True)
    ]


def ask_one(rng: Random, slot: Slot, scenes: tuple[Scene, ...]) -> Ask | None:
    """A question of the slot's task; its kinds are tried in random order."""
    makers = list(askers(slot.task, slot.family))
    rng.shuffle(makers)
    return next((ask for asker in makers if (ask := asker(rng, *scenes))), None)


def teach(
    rng: Random, ask: Ask, scenes: tuple[Scene, ...], level: Level, error: float, bias: TeacherBias = EXACT
) -> str:
    """The worked answer of a teacher that errs; it looks again at what it could not answer, at last without error."""
    for look in range(_LOOKS):
        last = look == _LOOKS - 1
        rate, habit = (0.0, EXACT) if last else (error, bias)
        seen = tuple(see(scene, rng, level, rate, ask.named, habit) for scene in scenes)
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


def media_name(scene: Scene) -> str:
    """The path of the scene's media, relative to the split's folder."""
    return f"media/{scene.key()}.{'png' if scene.frames == 1 else 'mp4'}"


def write_media(scene: Scene, folder: Path) -> None:
    """Write the scene's PNG or MP4 unless it is there."""
    file = folder / media_name(scene)
    if file.exists():
        return
    frames = render(scene)
    if scene.frames == 1:
        write_image(file, frames[0])
    else:
        write_clip(file, frames, FPS)


def make_sample(slot: Slot, split: str, ask: Ask, scenes: tuple[Scene, ...], *, response: str) -> Sample:
    """A sample with exact truth. meta: resolution, fps of a clip, response, split, kind."""
    scene = scenes[0]
    clip = scene.frames > 1
    meta: dict[str, Any] = {"resolution": {"width": scene.side, "height": scene.side}}
    meta |= {"fps": float(FPS)} if clip else {}
    meta |= {"response": response, "split": split, "kind": ask.kind}
    modality: Modality = "video" if clip else "image"
    truth = ask.truth(*scenes) if ask.truth else ask.solve(*scenes)[1]
    name, media = f"{split}-{slot.index:06d}", tuple(map(media_name, scenes))
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
