"""Every key of a recipe with its value, type, default and meaning, for `recipe show` and the docs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from onethinker.recipes.base import Recipe, kind_of, leaves, meaning


@dataclass(frozen=True)
class KeyRow:
    """A key as it is shown. value, default: as `--set` takes them."""

    key: str
    value: str
    default: str
    kind: str
    meaning: str


def rows(recipe: Recipe) -> list[KeyRow]:
    """A row a key, in the recipe's order; a section that is absent is one key."""
    defaults = dict(leaves(Recipe(name="").model_dump()))
    absent = {"sft.budget": defaults.pop("sft.budget")}
    found = []
    for key, value in leaves(recipe.model_dump()):
        default = absent["sft.budget"] if key.startswith("sft.budget") else defaults[key]
        found.append(KeyRow(key, plain(value), plain(default), kind_of(key), meaning(key)))
    return found


def plain(value: Any) -> str:
    """A value as YAML writes it on one line."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(plain, value))}]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{k}: {plain(v)}" for k, v in value.items()) + "}"
    return f"{value:g}" if isinstance(value, float) else str(value) or '""'
