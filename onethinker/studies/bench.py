"""What `onethinker bench` studies share: the recipe and questions of a study, what its cells do, and `study.json`."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from onethinker.data.worlds import build_world
from onethinker.engines.base import Engine
from onethinker.evaluate.run import evaluate
from onethinker.models.shipped import seen_pictures
from onethinker.recipes import SHIPPED, Recipe, RecipeError, override, trained_with
from onethinker.recipes.answering import answering_engine
from onethinker.recipes.tools import recipe_prompts
from onethinker.sample import Sample, Samples, load_samples
from onethinker.segment import make_segmenter
from onethinker.studies.cells import CELL, Row, Work, cell_folder, cell_row, is_finished, rounded, run_cells
from onethinker.studies.cluster import run_on_ray
from onethinker.train.advantage import make
from onethinker.train.checkpoint import STATE
from onethinker.train.rl import run_rl
from onethinker.util.files import write_whole
from onethinker.util.runs import JsonLines, open_run, read_json

STUDY, COMMANDS = "study.json", "commands.txt"

COMMON = ("rl.sampler=task_balanced", "rl.refill_tries=0", "rl.keep=1", "rl.optimizer.lr=5e-4", "evaluate.sampled=2")
"""Every run asks the same number of prompts: each task in turn, none drawn again for those that do not train. The rate
is high, for few steps to show something."""

FULL = ("rl.steps=40", "rl.prompts=26", "rl.minibatch=26")
QUICK = ("rl.steps=10", "rl.prompts=13", "rl.minibatch=13", "rl.group=6")


@dataclass(frozen=True, slots=True)
class Sizes:
    """Samples of a world: to train on, held out."""

    train: int
    test: int


FULL_SIZES, QUICK_SIZES = Sizes(5200, 1560), Sizes(650, 130)
"""A run of forty steps takes ten times as long as 390 answers, and nearly all that tells two runs apart is the sampling
of their answers: questions are the cheaper half of a study's certainty."""

DIFFICULTY = 1
"""Of the worlds that RL is asked about. SFT's is 0, where the shipped models leave little to learn."""


@dataclass(frozen=True)
class Bench:
    """An open study. recipe: of every run, starting from the SFT checkpoint; cells differ from it in few keys. seeds:
    runs of each arm. ray: where Ray is (see `cluster`); this process runs the cells if empty."""

    name: str
    out: Path
    recipe: Recipe
    sizes: Sizes
    seeds: int
    ray: str = ""

    def run(self, cells: Mapping[str, Work]) -> None:
        """Returns once every cell is finished, here, on Ray or by other processes."""
        if self.ray:
            run_on_ray(self.out, cells, self.ray, self.recipe.model.device)
        run_cells(self.out, cells)

    def world(self, difficulty: int = DIFFICULTY, *, name: str = "", bias: str = "") -> tuple[Samples, Samples]:
        """Training and held-out samples of that difficulty, built once in the folder `name`. A held-out sample whose
        picture a shipped model learned from is left out where the study starts from that model. bias: the teacher's."""
        folder, sizes = self.out / (name or f"world-{difficulty}"), self.sizes

        def build(_: Path) -> Row:
            build_world(
                folder, sizes.train, seed=0, difficulty=difficulty, validation=1, test=sizes.test, teacher_bias=bias
            )
            return {}

        run_cells(self.out, {folder.name: build})
        return load_samples(folder / "train"), unseen(load_samples(folder / "test"), self.recipe.model.base)

    def settings(self) -> Row:
        """What a page says of how the numbers were made."""
        rl = self.recipe.rl
        return {
            "model": self.recipe.model.base,
            "seeds": self.seeds,
            "steps": rl.steps,
            "prompts": rl.prompts,
            "group": rl.group,
            "rollouts": rl.steps * rl.prompts * rl.group,
            "sampler": rl.sampler,
            "reward": rl.reward,
            "lr": rl.optimizer.lr,
            "sampled": self.recipe.evaluate.sampled,
            "train": self.sizes.train,
            "difficulty": DIFFICULTY,
        }


def open_bench(
    name: str,
    out: Path,
    model: str,
    *,
    seeds: int,
    quick: bool,
    assignments: Sequence[str],
    command: str,
    ray: str = "",
    sampled: bool = True,
    **identity: Any,
) -> Bench:
    """Open or resume a study in `out`. The weights count by content: another checkpoint of the same name is refused.

    How many seeds, which algorithms and so on are no part of its identity: a study grows in its folder. sampled:
    whether the study measures sampled answers too. identity: what else its cells depend on, without their names telling
    it.
    Raises ModelError for a model that is not there, RecipeError for an override that does not fit, RunError for a
    folder that holds another study.
    """
    refuse(assignments, ("seed", "model.base"), "a study sets this itself; use --seeds and --model")
    changes = [*COMMON, *(QUICK if quick else FULL), *assignments, f"model.base={model}"]
    recipe = override(trained_with(model) or SHIPPED["mini"], changes)
    if sampled and not recipe.evaluate.sampled:
        raise RecipeError("evaluate.sampled=0: a study measures sampled answers too; expected 1 or more")
    try:
        make(recipe.rl.algorithm, **recipe.rl.algorithm_options)
    except ValueError as error:
        raise RecipeError(f"rl.{error}") from error
    sizes = QUICK_SIZES if quick else FULL_SIZES
    weights = engine_of(recipe, model).identity
    world = {"train": sizes.train, "test": sizes.test, "difficulty": DIFFICULTY}
    settings = {"kind": f"bench {name}", "recipe": recipe.as_kept(), "weights": weights, "world": world}
    open_run(out, settings | identity)
    if command not in (earlier := commands_of(out)):
        write_whole(out / COMMANDS, "\n".join([*earlier, command]) + "\n")
    return Bench(name, out, recipe, sizes, seeds, ray)


def commands_of(out: Path) -> list[str]:
    """The commands that a study was made and grown with, the first first."""
    file = out / COMMANDS
    return file.read_text(encoding="utf-8").splitlines() if file.exists() else []


def refuse(assignments: Sequence[str], keys: Collection[str], why: str) -> None:
    """Raises RecipeError for assignments of keys that a study sets itself."""
    if taken := [a for a in assignments if a.partition("=")[0].strip() in keys]:
        raise RecipeError(f"{', '.join(taken)}: {why}")


def check_names(kind: str, names: Sequence[str], known: Collection[str]) -> None:
    """Raises RecipeError for names that are none of the known ones."""
    if unknown := [name for name in names if name not in known]:
        raise RecipeError(f"{', '.join(unknown)}: no such {kind}; expected some of {', '.join(known)}")


def only(samples: Samples, keep: Callable[[Sample], bool]) -> Samples:
    """The samples for which `keep` holds."""
    return Samples(tuple(s for s in samples if keep(s)), samples.root)


def unseen(samples: Samples, model: str) -> Samples:
    """Those whose pictures and clips a shipped model did not learn from."""
    return without(samples, seen_pictures(model))


def without(samples: Samples, shown: Collection[str]) -> Samples:
    """Those that show none of these pictures and clips, named without suffixes: the same picture has the same name in
    every world."""
    return only(samples, lambda s: not any(Path(medium).stem in shown for medium in s.media))


# ---- what cells do ----------------------------------------------------------------------------------------------


def train_and_evaluate(folder: Path, recipe: Recipe, train: Samples, test: Samples) -> Row:
    """RL in `folder/rl`, the held-out questions in `folder/eval`. Keeps the weights, drops the optimiser's state; a run
    that has its last weights is not trained again, so that it can be asked anew where its `eval` and row are removed.
    """
    model = folder / "rl" / "checkpoints" / f"step-{recipe.rl.steps:06d}"
    if not model.exists():
        run_rl(recipe, train, folder / "rl")
    (model / STATE).unlink(missing_ok=True)
    evaluate_model(folder / "eval", recipe, str(model), test)
    steps = JsonLines(folder / "rl" / "metrics.jsonl").rows()
    return {
        "model": str(model.relative_to(folder)),
        "seconds": steps[-1]["seconds"],
        "trained_groups": sum(step["groups"] for step in steps),
        "asked_groups": sum(step["groups"] + step["dropped_groups"] for step in steps),
    }


def train_cell(recipe: Recipe, train: Samples, test: Samples) -> Work:
    """A cell that trains and asks, as `train_and_evaluate` does."""
    return lambda folder: train_and_evaluate(folder, recipe, train, test)


def evaluate_cell(recipe: Recipe, model: str, test: Samples) -> Work:
    """A cell that asks a model the held-out questions, in its `eval`."""

    def work(folder: Path) -> Row:
        evaluate_model(folder / "eval", recipe, model, test)
        return {}

    return work


def evaluate_model(folder: Path, recipe: Recipe, model: str, test: Samples) -> None:
    """Answer and score the questions in `folder`, greedily and by samples, always with one seed; masks by GrabCut."""
    evaluate(
        test, engine_of(recipe, model), folder, config=recipe.evaluate, prompts=recipe_prompts(recipe),
        model=model, data=str(test.root), segmenter=make_segmenter("grabcut"),
    )  # fmt: skip


def engine_of(recipe: Recipe, model: str) -> Engine:
    """The engine of another model, computing as the recipe says."""
    return answering_engine(override(recipe, [f"model.base={model}"]))


# ---- results ----------------------------------------------------------------------------------------------------


def write_study(bench: Bench, cells: Collection[str], results: Row) -> Path:
    """`OUT/study.json`: the results with commands, commits, machines and settings; all that a page needs."""
    rows = [cell_row(bench.out, cell) for cell in cells]
    head = how_made(bench.name, "\n".join(commands_of(bench.out)), rows, {row["cell"]: row["wall"] for row in rows})
    return write_record(bench.out, head | {"settings": bench.settings()} | results)


def how_made(study: str, command: str, rows: Sequence[Row], seconds: Mapping[str, float]) -> Row:
    """The head of a record. rows: commit, machine and date of all that was done. seconds: by cell or stage."""
    return {
        "study": study,
        "command": command,
        "commits": sorted({commit for row in rows for commit in row["commit"].split(", ")}),
        "machines": sorted({row["machine"] for row in rows}),
        "at": max((row["at"] for row in rows), default=""),
        "hours": sum(seconds.values()) / 3600,
        "cells": len(seconds),
    }


def write_record(out: Path, record: Row) -> Path:
    """`OUT/study.json`."""
    write_whole(out / STUDY, json.dumps(rounded(record), ensure_ascii=False, separators=(",", ":")))
    return out / STUDY


def take_known(bench: Bench, known: Path) -> None:
    """Make the cells of another machine's `study.json` this folder's finished ones."""
    study = read_json(known)
    same = isinstance(study, dict) and study.get("study") == bench.name
    if not same or study["settings"] | {"seeds": 0} != bench.settings() | {"seeds": 0}:
        raise RecipeError(f"{known}: a study of other settings; leave --known out or take the same --set and --model")
    for name, row in study["rows"].items():
        if not is_finished(bench.out, name):
            write_whole(cell_folder(bench.out, name) / CELL, json.dumps(row))
