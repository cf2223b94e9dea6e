"""The one way from a recipe to a model that answers: `eval`, `ask` and the library use the same keys in the same way.

A model is asked by its *own* recipe: the one that its folder holds (`trained_with`), else the shipped one of its name,
else the published one, which is then said to be an assumption. What a server serves is asked in the same way, by the
folder or hub id that its `/v1/models` names; `--as` names a checkpoint or recipe where nothing else does. Command-line
flags are overrides of that recipe's keys, like `--set`:

    --device, --dtype, --attention → model.*    --prompts → prompts    --data → data.evaluate
    --media-root → data.media_root              --limit → data.limit
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from onethinker.engines import make_engine
from onethinker.engines.base import Engine, EngineError
from onethinker.media import MediaBudget
from onethinker.models.shipped import RECIPE_FILE
from onethinker.recipes import SHIPPED, load_recipe, trained_with
from onethinker.recipes.base import DataConfig, ModelConfig, Recipe, RecipeError, override
from onethinker.recipes.tools import read_knowledge_anew, with_recipe_tools
from onethinker.util.served import OURS, ServedModel, say

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


def tool_overrides(tools: str | Sequence[str], knowledge: str | Path = "", embedding: str | Path = "") -> list[str]:
    """`key=value` of the tools that a model may call, and of what `search` looks in and with; none where none was
    given. tools: names, or a text with commas between them."""
    names = [name.strip() for name in tools.split(",") if name.strip()] if isinstance(tools, str) else list(tools)
    given = {"tools": json.dumps(names) if names else "", "knowledge": str(knowledge), "embedding": str(embedding)}
    keys = {"tools": "tools.names", "knowledge": "tools.knowledge", "embedding": "tools.embedding"}
    return flag_overrides(given, keys)


@dataclass(frozen=True)
class AskedAs:
    """How a model is asked before flags change it. source: the recipe or checkpoint that says so, empty where nothing
    does and `recipe` is an assumption. trained: whether `source` is a checkpoint's own settings or was given. served:
    what its server says of it, where it has one."""

    model: str
    recipe: Recipe
    source: str = ""
    trained: bool = False
    served: ServedModel | None = None

    def overridden(self, overrides: Sequence[str] = ()) -> Recipe:
        """The recipe with `key=value` overrides applied. Raises RecipeError.

        Where a model was trained says nothing of where it is asked and about what: device, attention and data of its
        recipe are left out. Its dtype stays, as it belongs to the numbers. An answer is no longer than its
        server holds.
        """
        asked = {"model": ModelConfig(base=self.model, dtype=self.recipe.model.dtype), "data": DataConfig()}
        made = override(self.recipe.model_copy(update=asked), list(overrides))
        if made.model.base != self.model:
            raise RecipeError(
                f"model.base={made.model.base}: the model that is asked is {self.model}; name another one there"
            )
        told = (self.served.max_length, self.served.max_answer) if self.served else ()
        most = min(filter(None, told), default=0)
        if most and made.evaluate.max_tokens > most:
            made = made.model_copy(update={"evaluate": made.evaluate.model_copy(update={"max_tokens": most})})
        return made

    def tell(self, recipe: Recipe) -> None:
        """Say where a server's settings come from, and of any model that they are assumed. recipe: what is used."""
        root = f" (which serves {self.served.root})" if self.served and self.served.root else ""
        sizes, tokens = _sizes(recipe.evaluate.budget), recipe.evaluate.max_tokens
        words = f"prompts {recipe.prompts}, {sizes}, {tokens:,} tokens an answer"
        if not self.source:
            say(
                f"{self.model}{root}: nothing here says how it was trained; assumed, as of {self.recipe.name}: "
                f"{words}; --as CHECKPOINT or RECIPE gives its own"
            )
        elif self.served:
            say(f"{self.model}{root} is asked as {self.source}: {words}")


def asked_as(model: str, like: str = "") -> AskedAs:
    """How `model` is asked. like: a recipe, or a checkpoint whose recipe it is, in place of what the model itself says.

    Raises RecipeError for a `like` that is neither, EngineError for a server that does not answer.
    """
    from onethinker.engines.openai import look_at  # late: only a server needs it

    served = look_at(model) if model.startswith(("http://", "https://")) else None
    if like:
        return AskedAs(model, recipe_like(like), like, True, served)
    where = served.root if served else model
    if own := _own_recipe(where, shipped=not served or served.owner == OURS):
        return AskedAs(model, own, where, True, served)
    name = "mini" if where.startswith("mini:") else where  # mini:SEED is the mini model with weights of that seed
    named = next((recipe for recipe in SHIPPED.values() if recipe.model.base == name), None)
    if named:
        return AskedAs(model, named, named.name, False, served)
    return AskedAs(model, SHIPPED["qwen3_vl_8b"], served=served)


def _own_recipe(where: str, shipped: bool) -> Recipe | None:
    """The recipe in a checkpoint's folder, None where there is none. Another's server's root is the folder that it
    names, never the name of weights that come with the package."""
    if not where or "\0" in where or not (shipped or Path(where).is_dir()):
        return None
    return trained_with(where, to_ask=True)


def recipe_like(name: str) -> Recipe:
    """The recipe of that name or file, or that of a checkpoint. Raises RecipeError."""
    if name in SHIPPED or name.endswith((".yaml", ".yml")):
        return load_recipe(name)
    found = _own_recipe(name, shipped=True)
    if found is None:
        raise RecipeError(
            f"--as {name}: expected a recipe ({', '.join(SHIPPED)}, a .yaml file) or a checkpoint's folder with its "
            f"{RECIPE_FILE}"
        )
    return found


def _sizes(budget: MediaBudget) -> str:
    return (
        f"pictures of up to {budget.image_pixels:,} pixels, frames of {budget.frame_pixels:,}, "
        f"{budget.fps:g} a second, {budget.max_frames} a clip"
    )


def answering_engine(recipe: Recipe, engine: str = "", ray: str = "") -> Engine:
    """The engine of `recipe.model` with its tools, decoding `evaluate.batch` answers at a time.

    engine: a name, guessed if empty. ray: an address of Ray, whose GPUs or processors then have an engine each. Raises
    EngineError for a server with Ray.
    """
    if not ray:
        return _engine(recipe, engine)
    from onethinker.engines.ray import RayEngine

    if recipe.model.base.startswith(("http://", "https://")):
        raise EngineError(
            f"--ray with {recipe.model.base}: one process asks a server as fast as it answers; start more of the "
            "server's replicas behind its address, and leave --ray out"
        )
    return RayEngine(partial(_engine, recipe, engine), ray, recipe.model.device)


def _engine(recipe: Recipe, engine: str) -> Engine:
    config = recipe.model
    made = make_engine(
        config.base, engine or None, device=config.device, dtype=config.dtype, attention=config.attention,
        seed=recipe.seed, decode_batch_size=recipe.evaluate.batch,
    )  # fmt: skip
    read_knowledge_anew()
    return with_recipe_tools(made, recipe)
