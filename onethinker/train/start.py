"""What can be known to be wrong with a recipe before a model is loaded and a folder made."""

from __future__ import annotations

from onethinker.models.load import pick_device
from onethinker.recipes.base import Recipe
from onethinker.recipes.tools import recipe_prompts
from onethinker.train.trackers import check_trackers


def check_start(recipe: Recipe) -> None:
    """Raises ModelError for a device that is not here, RunError for a tracker that is not installed, and what
    `recipe_prompts` raises for prompts that are none."""
    pick_device(recipe.model.device)
    recipe_prompts(recipe)
    check_trackers(recipe.watch)
