"""The one way from a recipe to a model that answers: `eval`, `ask` and the library use the same keys in the same way.

A model is asked by its *own* recipe: the one that its folder holds (`trained_with`), else the shipped one of its name,
else the published one. Command-line flags are overrides of that recipe's keys, like `--set`:

    --device, --dtype, --attention → model.*    --prompts → prompts    --data → data.evaluate
    --media-root → data.media_root              --limit → data.limit
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from onethinker.engines import make_engine
from onethinker.engines.base import Engine
from onethinker.recipes import SHIPPED, trained_with
from onethinker.recipes.base import DataConfig, ModelConfig, Recipe, RecipeError, override

FLAGS = {
    "device": "model.device",
    "dtype": "model.dtype",
    "attention": "model.attention",
    "prompts": "prompts",
    "data": "data.evaluate",
    "media_root": "data.media_root",
    "limit": "data.limit",
}
"""Command-line flag → the recipe key that it overrides."""


def flag_overrides(flags: Mapping[str, object], keys: Mapping[str, str] = FLAGS) -> list[str]:
    """`key=value` of every flag that was given; an empty text and None count as not given."""
    return [f"{keys[name]}={value}" for name, value in flags.items() if value not in ("", None)]


def answering_recipe(model: str, overrides: Sequence[str] = ()) -> Recipe:
    """How `model` is asked, with `key=value` overrides applied. Raises RecipeError.

    Where a model was trained says nothing of where it is asked and about what: device, attention and data of its
    recipe are left out. Its dtype stays, as it belongs to the numbers.
    """
    name = "mini" if model.startswith("mini:") else model  # mini:SEED is the mini model with weights of that seed
    named = (recipe for recipe in SHIPPED.values() if recipe.model.base == name)
    recipe = trained_with(model) or next(named, SHIPPED["qwen3_vl_8b"])
    asked = {"model": ModelConfig(base=model, dtype=recipe.model.dtype), "data": DataConfig()}
    made = override(recipe.model_copy(update=asked), list(overrides))
    if made.model.base != model:
        raise RecipeError(f"model.base={made.model.base}: the model that is asked is {model}; name another one there")
    return made


def answering_engine(recipe: Recipe, engine: str = "") -> Engine:
    """The engine of `recipe.model`, decoding `evaluate.batch` answers at a time. engine: a name, guessed if empty."""
    config = recipe.model
    return make_engine(
        config.base, engine or None, device=config.device, dtype=config.dtype, attention=config.attention,
        seed=recipe.seed, decode_batch_size=recipe.evaluate.batch,
    )  # fmt: skip
