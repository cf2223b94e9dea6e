"""What the studies share: cells, settings, and where a number came from.

A study is many runs, its cells. Each is a folder `OUT/cells/NAME`: finished once `cell.json` is in it, held by a lock
while a process works on it, resumed where it stopped if that process dies. So a second process, or a second machine
that sees the same folder, started with the same command takes the cells that nobody holds, and all wait for the last.
"""

from __future__ import annotations

import importlib.metadata
import json
import math
import os
import platform
import shutil
import subprocess
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from itertools import count, takewhile
from pathlib import Path
from typing import Any

from rich.console import Console

from onethinker.data.worlds import build_world
from onethinker.engines import make_engine
from onethinker.engines.base import Engine
from onethinker.evaluate.run import evaluate
from onethinker.models.shipped import seen_pictures
from onethinker.recipes import SHIPPED, Recipe, RecipeError, override, trained_with
from onethinker.recipes.base import EvalConfig
from onethinker.sample import Samples, load_samples
from onethinker.segment import make_segmenter
from onethinker.studies.crossed import Crossed, Measure, cross, read_terms
from onethinker.tasks.prompts import load_prompts
from onethinker.train.advantage import make
from onethinker.train.checkpoint import STATE
from onethinker.train.parallel import gpus
from onethinker.train.rl import run_rl
from onethinker.util.files import write_whole
from onethinker.util.runs import InUse, JsonLines, locked, open_run, stamp

Row = dict[str, Any]
Work = Callable[[Path], Row]
"""What a cell does: given its folder, the row that its `cell.json` will hold."""

WAIT = 2.0
"""Seconds between two looks at cells that other processes hold."""

CELL, LEG, STUDY, MADE, COMMANDS = "cell.json", "leg.json", "study.json", "made.json", "commands.txt"

COMMON = ("rl.sampler=task_balanced", "rl.refill_tries=0", "rl.keep=1", "rl.optimizer.lr=5e-4", "evaluate.sampled=2")
"""Every run asks the same number of prompts: each task in turn, none drawn again for those that do not train. The rate
is high, for few steps to show something."""

FULL = ("rl.steps=40", "rl.prompts=26", "rl.minibatch=26")
QUICK = ("rl.steps=10", "rl.prompts=13", "rl.minibatch=13", "rl.group=6")

console = Console(stderr=True)


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
    """A study that is open. recipe: of every run, starting from the SFT checkpoint; cells differ from it in few keys.

    seeds: runs of each kind.
    """

    name: str
    out: Path
    recipe: Recipe
    sizes: Sizes
    seeds: int

    def world(self, difficulty: int = DIFFICULTY) -> tuple[Samples, Samples]:
        """Training and held-out samples of that difficulty, built once; of the held-out ones those whose picture no
        shipped model learned from, where the study begins with one."""
        folder, sizes = self.out / f"world-{difficulty}", self.sizes

        def build(_: Path) -> Row:
            build_world(folder, sizes.train, seed=0, difficulty=difficulty, validation=1, test=sizes.test)
            return {}

        run_cells(self.out, {folder.name: build})
        seen = seen_pictures(self.recipe.model.base)
        test = only(load_samples(folder / "test"), lambda s: seen.isdisjoint(Path(m).stem for m in s.media))
        return load_samples(folder / "train"), test

    def settings(self) -> Row:
        """What a page says of how the numbers were made."""
        rl, measured = self.recipe.rl, self.recipe.evaluate
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
            "sampled": measured.sampled,
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
    **identity: Any,
) -> Bench:
    """Open or resume a study in `out`. The weights count by content: another checkpoint of the same name is refused.

    How many seeds, which algorithms and so on are no part of its identity: a study grows in its folder. identity: what
    else its cells depend on, without their names telling it.
    Raises ModelError for a model that is not there, RecipeError for an override that does not fit, RunError for a
    folder that holds another study.
    """
    refuse(assignments, ("seed", "model.base"), "a study sets this itself; use --seeds and --model")
    changes = [*COMMON, *(QUICK if quick else FULL), *assignments, f"model.base={model}"]
    recipe = override(trained_with(model) or SHIPPED["mini"], changes)
    if not recipe.evaluate.sampled:
        raise RecipeError("evaluate.sampled=0: a study measures sampled answers too; expected 1 or more")
    try:
        make(recipe.rl.algorithm, **recipe.rl.algorithm_options)
    except ValueError as error:
        raise RecipeError(f"rl.{error}") from error
    sizes = QUICK_SIZES if quick else FULL_SIZES
    weights = engine_of(recipe, model).identity
    world = {"train": sizes.train, "test": sizes.test, "difficulty": DIFFICULTY}
    settings = {"kind": f"bench {name}", "recipe": recipe.model_dump(), "weights": weights, "world": world}
    open_run(out, settings | identity)
    _remember(out, command)
    return Bench(name, out, recipe, sizes, seeds)


def _remember(out: Path, command: str) -> None:
    """Add it to the commands that a study grew by, unless it is one of them."""
    file = out / COMMANDS
    if command not in (before := commands_of(out)):
        write_whole(file, "\n".join([*before, command]) + "\n")


def commands_of(out: Path) -> list[str]:
    """What was typed to make a study, the first first."""
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


def run_cells(out: Path, cells: Mapping[str, Work], *, ray: str = "", device: str = "auto") -> dict[str, Row]:
    """Every cell's row, by name, once all are finished, by this process or by others.

    ray: where `run_on_ray` takes them, with the recipe's `device`; if empty, this process works on them.
    """
    if ray:
        from onethinker.studies.cluster import run_on_ray

        run_on_ray(out, cells, ray, device)
    waiting = dict(cells)
    while waiting:
        before = len(waiting)
        for name, work in list(waiting.items()):
            if run_cell(out, name, work, f"{len(cells) - len(waiting) + 1}/{len(cells)}"):
                del waiting[name]
        if len(waiting) == before:
            time.sleep(WAIT)
    return {name: cell_row(out, name) for name in cells}


def run_cell(out: Path, name: str, work: Work, place: str) -> bool:
    """Whether the cell is finished; False where another process holds it. place: said beside its name."""
    if is_finished(out, name):
        return True
    folder = cell_folder(out, name)
    with ExitStack() as held:
        try:
            held.enter_context(locked(folder))
        except InUse:
            return False
        if not is_finished(out, name):
            console.rule(f"[bold]{name}[/] {place}", align="left")
            earlier, began = _worked(folder), time.perf_counter()
            row = work(folder)
            row |= {"cell": name, "wall": earlier + time.perf_counter() - began, "at": stamp()} | provenance()
            write_whole(folder / CELL, json.dumps(rounded(row)))
    return True


def _worked(folder: Path) -> float:
    """Seconds that processes which died worked on a cell, each from its beginning to the last file that it wrote."""
    file, earlier = folder / LEG, 0.0
    if file.exists():
        leg = json.loads(file.read_text(encoding="utf-8"))
        earlier = leg["earlier"] + max(0.0, last_written(folder) - leg["began"])
    write_whole(file, json.dumps({"began": time.time(), "earlier": earlier}))
    return earlier


def last_written(folder: Path) -> float:
    """When the folder's last file was written, in seconds of the epoch."""
    return max(f.stat().st_mtime for f in folder.rglob("*") if f.is_file() and not f.name.startswith("."))


def is_finished(out: Path, name: str) -> bool:
    return (cell_folder(out, name) / CELL).exists()


def seeds_done(out: Path, run: str) -> list[str]:
    """The finished cells of a run's first seeds, up to the first that is not finished."""
    return list(takewhile(partial(is_finished, out), (f"{run}/seed-{seed}" for seed in count())))


def cell_row(out: Path, name: str) -> Row:
    """The row of a finished cell."""
    row: Row = json.loads((cell_folder(out, name) / CELL).read_text(encoding="utf-8"))
    return row


def cell_folder(out: Path, name: str) -> Path:
    return out / "cells" / name


# ---- what cells do ----------------------------------------------------------------------------------------------


def train_and_measure(folder: Path, recipe: Recipe, train: Samples, test: Samples) -> Row:
    """RL in `folder/rl`, the held-out questions in `folder/eval`. Keeps the weights, drops the optimiser's state; a run
    that has its last weights is not trained again, so that it can be asked anew where its `eval` and row are removed.
    """
    model, made = folder / "rl" / "checkpoints" / f"step-{recipe.rl.steps:06d}", folder / "rl" / MADE
    if not model.exists():
        made.parent.mkdir(parents=True, exist_ok=True)
        write_whole(made, json.dumps(_made_by(made)))
        run_rl(recipe, train, folder / "rl")
    (model / STATE).unlink(missing_ok=True)
    measure(folder, recipe, str(model), test)
    steps = JsonLines(folder / "rl" / "metrics.jsonl").rows()
    trained = json.loads(made.read_text(encoding="utf-8"))["commit"]
    return {"seconds": steps[-1]["seconds"], "model": str(model.relative_to(folder)), "trained": trained}


def _made_by(file: Path) -> Row:
    """This process, whose commit joins those that the run was made with before."""
    row = provenance()
    before = json.loads(file.read_text(encoding="utf-8"))["commit"].split(", ") if file.exists() else []
    return row | {"commit": ", ".join(dict.fromkeys([*before, row["commit"]]))}


def measure(folder: Path, recipe: Recipe, model: str, test: Samples) -> Row:
    """The held-out questions, answered greedily and by samples, in `folder/eval`."""
    examine(folder / "eval", recipe, model, test)
    return {}


def examine(folder: Path, recipe: Recipe, model: str, test: Samples) -> None:
    """Evaluate in `folder`, always with the same seed, masks by GrabCut."""
    evaluate(
        test, engine_of(recipe, model), folder, config=recipe.evaluate, prompts=load_prompts(recipe.prompts),
        model=model, data=str(test.root), segmenter=make_segmenter("grabcut"),
    )  # fmt: skip


def engine_of(recipe: Recipe, model: str) -> Engine:
    config = recipe.model
    options = {"device": config.device, "dtype": config.dtype, "attention": config.attention}
    return make_engine(model, decode_batch_size=recipe.evaluate.batch, **options)


def only(samples: Samples, keep: Callable[[Any], bool]) -> Samples:
    """The samples for which `keep` holds."""
    return Samples(tuple(s for s in samples if keep(s)), samples.root)


def cross_cells(
    out: Path, arms: Mapping[str, Sequence[str]], kinds: Mapping[str, str], measured: Measure, config: EvalConfig
) -> tuple[dict[str, dict[str, Crossed]], int]:
    """`cross` of what `measure` left in the cells. arms: the cells of every arm. kinds: as `read_terms` takes them."""
    terms = {
        arm: [read_terms(cell_folder(out, cell) / "eval", kinds, measured, config.reward) for cell in cells]
        for arm, cells in arms.items()
    }
    return cross(terms, config.bootstrap)


# ---- where a number came from -----------------------------------------------------------------------------------


def write_study(bench: Bench, rows: Mapping[str, Row], results: Row) -> Path:
    """`OUT/study.json`: the results with commands, commits, machines and settings; all that a page needs."""
    cells = list(rows.values())
    file = bench.out / STUDY
    head = {
        "study": bench.name,
        "command": "\n".join(commands_of(bench.out)),
        "commits": sorted({commit for row in cells for commit in (row.get("trained"), row["commit"]) if commit}),
        "machines": sorted({row["machine"] for row in cells}),
        "at": max(row["at"] for row in cells),
        "hours": sum(row["wall"] for row in cells) / 3600,
        "cells": len(cells),
        "settings": bench.settings(),
    }
    write_whole(file, json.dumps(rounded(head | results), ensure_ascii=False, separators=(",", ":")))
    return file


def provenance() -> Row:
    """Commit and machine of this process."""
    threads = os.environ.get("OMP_NUM_THREADS", "not set")
    system = (
        f"{platform.system()} {platform.machine()}, {_processor()}, {os.cpu_count()} cores, OMP_NUM_THREADS {threads}"
    )
    parts = [system, *filter(None, [gpus()]), f"torch {importlib.metadata.version('torch')}"]
    return {"commit": _commit(), "machine": ", ".join(parts)}


def _commit() -> str:
    """Of the checkout that this package is, with `+` where files differ from it; the version outside of one."""
    here = Path(__file__).parent

    def git(*words: str) -> str:
        done = subprocess.run(["git", "-C", str(here), *words], capture_output=True, text=True, check=False)
        return done.stdout.strip() if done.returncode == 0 else ""

    if not shutil.which("git") or not (head := git("rev-parse", "--short=12", "HEAD")):
        return f"version {importlib.metadata.version('onethinker')}"
    return head + ("+" if git("status", "--porcelain", "--untracked-files=no", "--", "..") else "")


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    names = info.read_text(encoding="utf-8").split("\n") if info.exists() else []
    found = (line.partition(":")[2].strip() for line in names if line.startswith("model name"))
    return next(found, platform.processor() or "unknown processor")


def rounded(value: Any) -> Any:
    """Numbers to seven digits, so that what a page shows of them is rounded once; what is not finite becomes null."""
    if isinstance(value, Mapping):
        return {str(k): rounded(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [rounded(v) for v in value]
    if isinstance(value, float):
        return float(f"{value:.7g}") if math.isfinite(value) else None
    return value
