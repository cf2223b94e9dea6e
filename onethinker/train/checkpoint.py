"""Checkpoints: an ordinary transformers checkpoint, and beside it everything else that a run needs to go on exactly."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from torch import Tensor, nn

from onethinker.models.load import save
from onethinker.models.shipped import RECIPE_FILE
from onethinker.recipes.base import Recipe
from onethinker.recipes.tools import recipe_tools
from onethinker.train.card import write_card
from onethinker.train.distributed import checkpoint_weights, full_tensors, load_optimizer_state
from onethinker.train.mirror import STATE, Mirror
from onethinker.train.optimizer import Optimizer
from onethinker.train.parallel import SINGLE_PROCESS, Processes
from onethinker.train.unreadable import NoStepError
from onethinker.util.files import replacing_folder
from onethinker.util.runs import RunError


def folders(run: Path) -> list[Path]:
    """The run's whole checkpoints, oldest first."""
    found = [p for p in (run / "checkpoints").glob("step-*") if p.suffix == "" and (p / STATE).exists()]
    return sorted(found, key=lambda p: int(p.name.removeprefix("step-")))


def found(run: Path, recipe: Recipe, processes: Processes = SINGLE_PROCESS) -> list[Path]:
    """`folders` for a run that begins or goes on, with the last one of the copy elsewhere, where that is later. All
    processes must call it."""
    if recipe.checkpoints:
        processes.run_on_main(lambda: Mirror(recipe.checkpoints, run).begin(folders(run)))
    return folders(run)


@dataclass
class Saver:
    """Writes a run's checkpoints. step: of the last one, 0 without any. keep: how many stay."""

    run: Path
    model: nn.Module
    processor: Any
    optimizer: Optimizer
    recipe: Recipe
    keep: int
    processes: Processes = SINGLE_PROCESS
    step: int = 0

    def save(self, step: int, state: dict[str, Any]) -> None:
        """Write aside, move in whole, then drop all but the last `keep`; nothing where that step is saved. A full disk
        leaves the earlier ones usable.

        All processes of a run must call it; the leading one writes, what one process alone would write, and copies it
        to the recipe's `checkpoints`.
        """
        if step == self.step:
            return
        target, processes = self.run / "checkpoints" / f"step-{step:06d}", self.processes
        weights = checkpoint_weights(self.model, processes.is_main)
        everything = {
            "step": step,
            "optimizer": full_tensors(self.optimizer.state_dict(), processes.is_main),
            "rng": processes.gather(_random_states()),
            "tools": _tools(self.recipe),
            **state,
        }
        processes.run_on_main(lambda: _write(target, self.model, self.processor, self.recipe, weights, everything))
        if self.recipe.checkpoints:
            processes.run_on_main(lambda: Mirror(self.recipe.checkpoints, self.run).push(target, self.keep))
        if processes.is_main:
            for old in folders(self.run)[: -self.keep]:
                shutil.rmtree(old)
        self.step = step

    @contextmanager
    def saved_first(self, step: int, state: dict[str, Any]) -> Iterator[None]:
        """A step, before which that one is saved where it cannot be made."""
        try:
            yield
        except NoStepError:
            self.save(step, state)
            raise


def _write(
    target: Path,
    model: nn.Module,
    processor: Any,
    recipe: Recipe,
    weights: dict[str, Tensor] | None,
    everything: dict[str, Any],
) -> None:
    try:
        with replacing_folder(target) as aside:
            save(model, processor, aside, weights, recipe.evaluate.budget)
            torch.save(everything, aside / STATE)
            write_card(aside, recipe, RECIPE_FILE)
            (aside / RECIPE_FILE).write_text(recipe.model_dump_json(indent=1), encoding="utf-8")
    except (OSError, RuntimeError, SafetensorError) as error:  # torch and safetensors have their own for a full disk
        raise RunError(
            f"could not write checkpoint {target}: {error}; the previous one is whole, make room and run the same "
            "command again"
        ) from error


def _random_states() -> dict[str, Any]:
    """Those of this process: of torch, of NumPy and of its GPU."""
    cuda = torch.cuda.get_rng_state() if torch.cuda.is_available() else None
    return {"torch": torch.get_rng_state(), "numpy": np.random.get_state(legacy=False), "cuda": cuda}


def load_state(folder: Path, recipe: Recipe | None = None) -> dict[str, Any]:
    """The trainer's state of a checkpoint; the weights are loaded as any other model's. recipe: that the run goes on
    with; raises RunError for a file that is cut off, and where its tools would answer otherwise than before, as another
    knowledge base does."""
    try:
        state: dict[str, Any] = torch.load(folder / STATE, map_location="cpu", weights_only=False)
    except Exception as error:  # torch has another one for each way in which a file can be broken
        raise broken(folder, f"{STATE}: {type(error).__name__}: {error}") from error
    now = _tools(recipe) if recipe else []
    if recipe and (before := state.get("tools", now)) != now:
        raise RunError(
            f"{folder} was trained with {', '.join(before)}, which would now be {', '.join(now)}: the knowledge base "
            f"{recipe.tools.knowledge} or its embedding model is not what it was; put that back, or "
            "begin anew with --fresh"
        )
    return state


def broken(folder: Path, problem: str) -> RunError:
    """What is told of a checkpoint that was whole once and cannot be read any more."""
    return RunError(
        f"{folder} cannot be read ({problem}); restore it or remove it: the same command then goes on from the one "
        "before, or begins"
    )


def _tools(recipe: Recipe) -> list[str]:
    return [tool.identity for tool in recipe_tools(recipe)]


def restore(state: dict[str, Any], optimizer: Optimizer, processes: Processes = SINGLE_PROCESS) -> None:
    """Put optimiser and random states back. A process that was not there before takes the random state of another."""
    load_optimizer_state(optimizer, state["optimizer"])
    rng = state["rng"][processes.rank % len(state["rng"])]
    torch.set_rng_state(rng["torch"])
    np.random.set_state(rng["numpy"])
    if rng["cuda"] is not None and torch.cuda.is_available():
        torch.cuda.set_rng_state(rng["cuda"])
