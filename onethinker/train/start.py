"""What can be known to be wrong with a recipe before a model is loaded and a folder made."""

from __future__ import annotations

from onethinker.models.load import pick_device
from onethinker.recipes.base import Recipe
from onethinker.tasks.prompts import load_prompts
from onethinker.train.trackers import check_trackers


def check_start(recipe: Recipe) -> None:
    """Raises ModelError for a device that is not here, RunError for a tracker that is not installed, and what
    `load_prompts` raises for prompts that are none."""
    pick_device(recipe.model.device)
    load_prompts(recipe.prompts)
    check_trackers(recipe.watch)
