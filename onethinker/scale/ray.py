"""Training on Ray: `run_sft` and `run_rl` as they stand, in workers that Ray Train places and starts again.

Ray Train's `TorchTrainer` starts the workers and joins them by `torch.distributed`; from there on a run is the one that
torchrun starts (`train.parallel`). When a worker dies Ray ends the others, starts all of them again, elsewhere if need
be, and the run goes on from its last checkpoint with the random states that it holds: the run's folder is on storage
that all nodes see, and nothing but the name of the trained model comes back through Ray.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Literal

from onethinker.models.shipped import ModelError
from onethinker.recipes.base import Recipe, RecipeError
from onethinker.sample import DataError
from onethinker.sample.stream import open_training
from onethinker.sample.stream_files import Unreachable
from onethinker.train.mirror import check_fresh
from onethinker.util.interrupt import kept
from onethinker.util.ray import Here, environment, has_gpus, joined, marked
from onethinker.util.runs import METRICS, RunError, free_beside

Kind = Literal["sft", "rl"]
FOLLOWED = 2.0
"""Seconds between looks at the run's log."""
DEATHS = 8
"""Times that a run is started again after workers died, before it is given up; the same command then goes on."""
_RAY_TRAIN = {"RAY_TRAIN_V2_ENABLED": "1", "RAY_TRAIN_WORKER_GROUP_START_TIMEOUT_S": "600"}
"""Settings of Ray Train: its present form, and the seconds that workers may take to start on a busy machine."""
_OURS = (RunError, DataError, ModelError, RecipeError)
"""What a person must mend: starting again would not."""


@dataclass(frozen=True, slots=True)
class Ended:
    """What the leading worker says at the end: the trained model's folder, or why there is none."""

    model: str = ""
    problem: str = ""


@dataclass(frozen=True)
class Training:
    """What runs in each worker."""

    kind: Kind
    recipe: Recipe
    out: Path
    here: Here

    def __call__(self) -> Ended:
        self.here.enter()
        from onethinker.train.rl import run_rl
        from onethinker.train.sft import run_sft

        data = self.recipe.data
        try:
            samples = open_training(data.train, data.media_root, data.buffer, data.limit, data.difficulty)
            return Ended(str((run_sft if self.kind == "sft" else run_rl)(self.recipe, samples, self.out)))
        except Unreachable:  # starting again may: as where a worker dies
            raise
        except _OURS as error:
            return Ended(problem=str(error))
        except SystemExit:  # the leading worker, which says why, ended this one (`Processes.run_on_main`)
            return Ended(problem="see the leading worker")


def train_on_ray(
    kind: Kind, recipe: Recipe, out: Path, *, address: str, workers: int, fresh: bool = False, deaths: int = DEATHS
) -> Path:
    """Train as the recipe says in so many workers of Ray; the folder of the trained model.

    Each worker has a GPU where the cluster has any and the recipe's device may be one, else a processor. deaths: how
    often workers may die. The same call goes on with a run that was ended, with another number of workers too. Raises
    RunError.
    """
    if fresh:
        check_fresh(recipe.checkpoints, out)
    folder = free_beside(out) if fresh else out
    folder.mkdir(parents=True, exist_ok=True)
    for name, value in _RAY_TRAIN.items():
        os.environ.setdefault(name, value)
    note = f"{folder}: what was saved is kept; the same command goes on from there"
    with _tidied(folder), kept(lambda: note), joined(address) as ray, marked(folder) as here:
        from ray.train import FailureConfig, RunConfig, ScalingConfig, TrainingFailedError
        from ray.train.torch import TorchTrainer

        logging.getLogger("ray.train").setLevel(logging.WARNING)
        use_gpu = has_gpus(ray, recipe.model.device)
        check_room(ray, address, workers, "GPU" if use_gpu else "CPU")
        trainer = TorchTrainer(
            Training(kind, recipe, folder, here),
            scaling_config=ScalingConfig(num_workers=workers, use_gpu=use_gpu),
            run_config=RunConfig(
                name="ray", storage_path=str((folder / ".ray").absolute()), worker_runtime_env=environment(),
                failure_config=FailureConfig(max_failures=deaths),
            ),
        )  # fmt: skip
        try:
            with _followed(folder / METRICS, kind.upper()):
                ended = trainer.fit().return_value
        except TrainingFailedError as error:
            raise RunError(
                f"{folder}: training on Ray was given up ({_first_line(error)}); its steps up to the last checkpoint "
                "are kept, the same command goes on from there"
            ) from error
    if ended is None or ended.problem:
        raise RunError(ended.problem if ended else f"{folder}: training on Ray ended without a model")
    return Path(ended.model)


def check_room(ray: ModuleType, address: str, workers: int, kind: str) -> None:
    """Say it where the cluster has fewer GPUs or processors than workers, which then wait until it grows; raises
    RunError for a Ray of this machine alone, which does not."""
    there = int(ray.cluster_resources().get(kind, 0))
    if workers <= there:
        return
    name = {"GPU": "GPUs", "CPU": "processors"}[kind]
    if address == "local":
        raise RunError(f"--workers {workers}, and Ray on this machine has {there} {name}; give --workers {there}")
    print(f"Ray has {there} {name} for {workers} workers; waiting until there are more", file=sys.stderr, flush=True)


@contextmanager
def _tidied(folder: Path) -> Iterator[None]:
    """Ray Train's own records go at the end, and so does the folder of a run that did not begin."""
    try:
        yield
    finally:
        shutil.rmtree(folder / ".ray", ignore_errors=True)
        if not any(folder.iterdir()):
            folder.rmdir()


@contextmanager
def _followed(log: Path, title: str) -> Iterator[None]:
    """Say each step as it is logged: what workers print stays with them."""
    ended = threading.Event()
    seen = log.stat().st_size if log.exists() else 0

    def follow() -> None:
        nonlocal seen
        while not ended.wait(FOLLOWED):
            if not log.exists() or (size := log.stat().st_size) == seen:
                continue
            seen = min(seen, size)  # a worker that began again dropped rows after its checkpoint
            with log.open("rb") as rows:
                rows.seek(seen)
                for line in rows:
                    if line.endswith(b"\n"):
                        seen += len(line)
                        _say(title, line)

    follower = threading.Thread(target=follow, daemon=True)
    follower.start()
    try:
        yield
    finally:
        ended.set()
        follower.join()


def _say(title: str, line: bytes) -> None:
    try:
        row = json.loads(line)
    except ValueError:  # the end of a row whose beginning was dropped meanwhile
        return
    value = "loss" if row.get("stage") == "sft" else "reward"
    print(f"{title} step {row.get('step')}: {value} {row.get(value)}", file=sys.stderr, flush=True)


def _first_line(error: Exception) -> str:
    """Without the traceback that Ray puts into it."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1][:300] if lines else type(error).__name__
