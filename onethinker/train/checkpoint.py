"""Checkpoints: an ordinary transformers checkpoint, and beside it everything else that a run needs to go on exactly."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from torch import nn

from onethinker.models.load import save
from onethinker.models.shipped import RECIPE_FILE
from onethinker.recipes.base import Recipe
from onethinker.runs import RunError
from onethinker.train.optimizer import Optimizer

STATE = "trainer.pt"


def folders(run: Path) -> list[Path]:
    """The run's whole checkpoints, oldest first."""
    found = [p for p in (run / "checkpoints").glob("step-*") if p.suffix == "" and (p / STATE).exists()]
    return sorted(found, key=lambda p: int(p.name.removeprefix("step-")))


def save_checkpoint(
    run: Path,
    step: int,
    model: nn.Module,
    processor: Any,
    optimizer: Optimizer,
    recipe: Recipe,
    state: dict[str, Any],
    keep: int,
) -> Path:
    """Write aside, move in whole, then drop all but the last `keep`. A full disk leaves the earlier ones usable."""
    target = run / "checkpoints" / f"step-{step:06d}"
    aside = target.with_name(target.name + ".saving")
    shutil.rmtree(aside, ignore_errors=True)
    try:
        save(model, processor, aside)
        everything = {
            "step": step,
            "optimizer": optimizer.state_dict(),
            "rng": {"torch": torch.get_rng_state(), "numpy": np.random.get_state(legacy=False)},
            "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
            **state,
        }
        torch.save(everything, aside / STATE)
        (aside / RECIPE_FILE).write_text(recipe.model_dump_json(indent=1), encoding="utf-8")
        if target.exists():
            shutil.rmtree(target)
        aside.replace(target)
    except (OSError, RuntimeError, SafetensorError) as error:  # torch and safetensors have their own for a full disk
        shutil.rmtree(aside, ignore_errors=True)
        raise RunError(
            f"could not write checkpoint {target}: {error}; the previous one is whole, make room and run the same "
            "command again"
        ) from error
    for old in folders(run)[:-keep]:
        shutil.rmtree(old)
    return target


def load_state(folder: Path) -> dict[str, Any]:
    """The trainer's state of a checkpoint; the weights are loaded as any other model's."""
    return torch.load(folder / STATE, map_location="cpu", weights_only=False)


def restore(state: dict[str, Any], optimizer: Optimizer) -> None:
    """Put optimiser and random states back."""
    optimizer.load_state_dict(state["optimizer"])
    torch.set_rng_state(state["rng"]["torch"])
    np.random.set_state(state["rng"]["numpy"])
    if state["cuda"]:
        torch.cuda.set_rng_state_all(state["cuda"])
