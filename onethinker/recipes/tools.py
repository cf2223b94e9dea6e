"""A recipe's tools, the prompts that tell of them, and an engine whose model may call them."""

from __future__ import annotations

from functools import lru_cache

from onethinker.engines.base import Engine
from onethinker.recipes.base import Recipe
from onethinker.tasks.prompts import PromptSet, load_prompts
from onethinker.tools import Tool, make_tools
from onethinker.tools.engine import ToolEngine
from onethinker.tools.prompts import with_tools

_made = lru_cache(4)(make_tools)
"""A knowledge base is indexed once for prompts and engine, and for all checkpoints of a run."""


def recipe_tools(recipe: Recipe) -> tuple[Tool, ...]:
    """The tools of `tools.names`. Raises ToolError."""
    return _made(recipe.tools.names, recipe.tools.knowledge, recipe.tools.embedding)


def read_knowledge_anew() -> None:
    """A run or a model that begins sees the files of its knowledge base as they are now, and until its end."""
    _made.cache_clear()


def recipe_prompts(recipe: Recipe) -> PromptSet:
    """The prompt set of `prompts`, with the tools told of. Raises PromptError, ToolError."""
    return with_tools(load_prompts(recipe.prompts), recipe_tools(recipe))


def with_recipe_tools(engine: Engine, recipe: Recipe) -> Engine:
    """The engine itself where the recipe has no tools."""
    tools = recipe_tools(recipe)
    return ToolEngine(engine, tools, recipe.tools.turns) if tools else engine
