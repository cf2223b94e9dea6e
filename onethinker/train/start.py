"""What can be known to be wrong with a recipe before a model is loaded and a folder made."""

from __future__ import annotations

import sys
from pathlib import Path

from onethinker.models.load import pick_device
from onethinker.recipes.base import Recipe
from onethinker.recipes.tools import read_knowledge_anew, recipe_prompts
from onethinker.train.attention import check_attention
from onethinker.train.mirror import check_fresh
from onethinker.train.parallel import Processes
from onethinker.train.trackers import check_trackers


def check_start(recipe: Recipe, out: Path, *, fresh: bool = False) -> None:
    """Raises ModelError for a device that is not here and for attention that cannot be trained with, RunError for a
    tracker that is not installed and for a place of checkpoints where a fresh run cannot begin, and what
    `recipe_prompts` raises for prompts that are none."""
    pick_device(recipe.model.device)
    check_attention(recipe.model.attention)
    read_knowledge_anew()
    recipe_prompts(recipe)
    check_trackers(recipe.watch)
    if fresh:
        check_fresh(recipe.checkpoints, out)


def say_idle(processes: Processes, setting: str, items: int) -> None:
    """Say it where more processes run than there are items for them: each sample, and all answers to a prompt, are one
    process's work. setting: what in the recipe decides their number."""
    if processes.is_main and processes.size > items:
        idle = processes.size - items
        print(
            f"{processes.size} processes share {setting}={items}, so {idle} of them wait in every update; raise "
            f"{setting} or start no more than {items}",
            file=sys.stderr,
        )
