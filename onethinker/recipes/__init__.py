"""Whole runs as typed configs: shipped ones by name, a user's own as YAML."""

from __future__ import annotations

import json
from pathlib import Path

from onethinker.models.shipped import RECIPE_FILE, locate
from onethinker.recipes.base import Recipe, RecipeError, from_yaml, override, validated
from onethinker.recipes.mini import RECIPE as MINI
from onethinker.recipes.qwen3_vl import QWEN3_VL_2B, QWEN3_VL_8B
from onethinker.util.names import nearest

SHIPPED: dict[str, Recipe] = {r.name: r for r in (MINI, QWEN3_VL_2B, QWEN3_VL_8B)}


def load_recipe(name: str, assignments: list[str] | None = None) -> Recipe:
    """A shipped name or a YAML file, with `key=value` overrides applied. Raises RecipeError naming the nearest key."""
    if name in SHIPPED:
        recipe = SHIPPED[name]
    elif Path(name).suffix in (".yaml", ".yml"):
        if not Path(name).is_file():
            raise RecipeError(f"{name}: no such recipe file")
        recipe = from_yaml(Path(name), SHIPPED)
    else:
        raise RecipeError(
            f"recipe {name!r} is not shipped; the nearest is {nearest(name, SHIPPED)!r}, or give a .yaml file"
        )
    return override(recipe, assignments or [])


def trained_with(model: str, *, to_ask: bool = False) -> Recipe | None:
    """The recipe that a shipped model or a folder was trained with, None where it does not say. Raises RecipeError for
    one that cannot be read.

    to_ask: without its `rl`, which says nothing of how it is asked; a reward of one's own need not be here then.
    """
    file = Path(locate(model)) / RECIPE_FILE
    if not file.is_file():
        return None
    try:
        tree = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise RecipeError(f"{file}: not JSON ({error}); restore it, or remove it and name one by --as") from error
    if not isinstance(tree, dict):
        raise RecipeError(f"{file}: expected keys of a recipe, found {type(tree).__name__}")
    return validated({key: value for key, value in tree.items() if not (to_ask and key == "rl")}, str(file), Recipe)


__all__ = ["SHIPPED", "Recipe", "RecipeError", "load_recipe", "trained_with"]
