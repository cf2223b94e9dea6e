"""One mechanism for configuration: a `Recipe` is a whole run, typed; YAML and `--set` change its keys, nothing else."""

from __future__ import annotations

import re
from pathlib import Path
from types import UnionType
from typing import Any, Literal, get_args, get_origin

import yaml
from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from onethinker.recipes.sections import (
    DataConfig,
    EvalConfig,
    JudgeConfig,
    LoraConfig,
    ModelConfig,
    OptimizerConfig,
    Recipe,
    RLConfig,
    Section,
    SFTConfig,
)
from onethinker.util.names import likeness

__all__ = [
    "DataConfig",
    "EvalConfig",
    "JudgeConfig",
    "LoraConfig",
    "ModelConfig",
    "OptimizerConfig",
    "RLConfig",
    "Recipe",
    "RecipeError",
    "SFTConfig",
    "Section",
    "from_yaml",
    "leaves",
    "override",
    "sft_steps",
]


class RecipeError(ValueError):
    """A recipe or an override that cannot be used; the message names the nearest key."""


def sft_steps(recipe: Recipe, samples: int) -> int:
    """The steps of SFT on so many samples: `sft.steps`, or else `sft.epochs` of them in batches of `sft.batch`."""
    if recipe.sft.steps is not None:
        return recipe.sft.steps
    return max(1, round(recipe.sft.epochs * samples / recipe.sft.batch))


def override(recipe: Recipe, assignments: list[str]) -> Recipe:
    """Apply `section.key=value` strings: the value is read as YAML, or taken as it stands where the key is text.

    Raises RecipeError; for an unknown key it names the nearest.
    """
    changes: list[tuple[str, Any]] = []
    for text in assignments:
        key, mark, value = text.partition("=")
        if not mark:
            raise RecipeError(f"--set {text}: expected key=value, such as sft.optimizer.lr=1e-5")
        changes += leaves({key: value if _annotation(key) is str else _read(value, f"--set {key}")})
    return _apply(recipe, changes, "--set")


def from_yaml(path: Path, shipped: dict[str, Recipe]) -> Recipe:
    """A YAML file: the keys that differ from the recipe it names under `base` (default `mini`).

    The recipe is named after the file unless it says otherwise.
    """
    try:
        changes = _read(path.read_text(encoding="utf-8"), str(path))
    except UnicodeDecodeError as error:
        raise RecipeError(f"{path}: not YAML ({error})") from error
    if not isinstance(changes, dict):
        raise RecipeError(f"{path}: expected keys of a recipe, found {type(changes).__name__}")
    base = str(changes.pop("base", "mini"))
    if base not in shipped:
        raise RecipeError(f"{path}: base {base!r} is not shipped; expected one of {', '.join(shipped)}")
    return _apply(shipped[base], leaves({"name": path.stem} | changes), str(path))


def _apply(recipe: Recipe, changes: list[tuple[str, Any]], where: str) -> Recipe:
    """Set dotted keys. An optional section that is absent starts from its defaults; another algorithm starts without
    the options of the one before."""
    tree = recipe.model_dump()
    if any(key == ALGORITHM and value != recipe.rl.algorithm for key, value in changes):
        tree["rl"]["algorithm_options"] = {}
    for key, value in changes:
        branch, _, leaf = key.rpartition(".")
        if _annotation(key) is None and branch != OPTIONS:
            near = (
                f"it is called {RENAMED[key]} now"
                if key in RENAMED
                else f"the nearest is {_nearest(key, leaves(tree))}"
            )
            raise RecipeError(f"{where}: {key}: no such key; {near}")
        node = tree
        for part in branch.split(".") if branch else []:
            node[part] = node[part] or {}
            node = node[part]
        node[leaf] = value
    return _validate(tree, where)


ALGORITHM, OPTIONS = "rl.algorithm", "rl.algorithm_options"
RENAMED = {"rl.rows": "rl.decode_batch_size"}
"""Old keys and what they are called now."""


def _annotation(key: str) -> Any:
    """The type of a dotted key, None where there is no such key."""
    found = _field(key)
    return None if found is None else found.annotation


def _field(key: str) -> FieldInfo | None:
    """What is declared of a dotted key, None where there is no such key."""
    annotation: Any = Recipe
    found = None
    for part in key.split("."):
        section = _section(annotation)
        if section is None or part not in section.model_fields:
            return None
        found = section.model_fields[part]
        annotation = found.annotation
    return found


def meaning(key: str) -> str:
    """What a key means, in a sentence; empty where there is no such key."""
    found = _field(key)
    return (found.description if found else "") or ""


def kind_of(key: str) -> str:
    """A key's type as people write it: `whole number > 0`, `one of adamw, muon`."""
    found = _field(key)
    return "" if found is None else _kind(found.annotation, _bounds(found.metadata))


_PLAIN = {int: "whole number", float: "number", str: "text", bool: "true or false", dict: "mapping"}
_SIGNS = {"gt": ">", "ge": "≥", "lt": "<", "le": "≤"}


def _bounds(metadata: list[Any]) -> str:
    found = [f"{sign} {value:g}" for m in metadata for name, sign in _SIGNS.items()
             if (value := getattr(m, name, None)) is not None]  # fmt: skip
    return " and ".join(found)


def _kind(annotation: Any, bounds: str = "") -> str:
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return "one of " + ", ".join(map(str, inner))
    if origin is tuple:
        many = inner[-1:] == (...,)
        return f"list of {_kind(inner[0])}" if many else f"{len(inner)} of {_kind(inner[0])}"
    if isinstance(annotation, UnionType) or origin is UnionType or type(None) in inner:
        return " or ".join("null" if part is type(None) else _kind(part, bounds) for part in inner)
    if hasattr(annotation, "__metadata__"):
        return _kind(inner[0], bounds or _bounds(_flat(annotation.__metadata__)))
    return f"{_PLAIN.get(origin or annotation, 'section')} {bounds}".strip()


def _flat(metadata: Any) -> list[Any]:
    """Bounds within a Field that an Annotated type carries."""
    return [inner for m in metadata for inner in (m.metadata if isinstance(m, FieldInfo) else [m])]


def _section(annotation: Any) -> type[BaseModel] | None:
    """The section that a type is, or may be."""
    kinds = (annotation, *get_args(annotation))
    return next((kind for kind in kinds if isinstance(kind, type) and issubclass(kind, BaseModel)), None)


def _nearest(key: str, leaves: list[tuple[str, Any]]) -> str:
    """The key most like it as a whole and in its last word, with its present value; and those whose meaning has the
    words of it, which may be what was meant by a name that is unlike."""

    def closeness(leaf: tuple[str, Any]) -> float:
        pairs = ((key, leaf[0]), (key.rpartition(".")[2], leaf[0].rpartition(".")[2]))
        return sum(likeness(*pair) for pair in pairs)

    told = _by_meaning(key, [name for name, _ in leaves])
    name, value = max(leaves, key=closeness)
    if told and closeness((name, value)) < _ALIKE:
        first, *more = told[:3]
        others = f", or {', '.join(more)}" if more else ""
        return f"{first} ({meaning(first)}){others}; `onethinker recipe show` lists every key"
    also = [other for other in told[:2] if other != name]
    return f"{name} (now {value!r})" + (f", by its meaning also {' and '.join(also)}" if also else "")


_ALIKE = 1.5
"""Likeness of the whole and of the last word together, at most 2, from which a key is taken for a slip of the pen."""


def _by_meaning(key: str, names: list[str]) -> list[str]:
    """The keys whose meaning names the key's last word, those of the same section first, then by how early."""
    branch, _, last = key.lower().rpartition(".")
    wanted = [word for word in re.split(r"[^a-z0-9]+", last) if len(word) > 1]
    found = []
    for place, name in enumerate(names):
        words = [*re.split(r"[^a-z0-9]+", meaning(name).lower())]
        if wanted and all(any(_same_word(word, other) for other in words) for word in wanted):
            first = min(i for i, other in enumerate(words) if _same_word(wanted[0], other))
            found.append((name.rpartition(".")[0] != branch, first, place, name))
    return [name for *_, name in sorted(found)]


def _same_word(word: str, other: str) -> bool:
    """But for an ending, which is how plurals and verbs differ."""
    short, long = sorted((word, other), key=len)
    return word == other or (len(short) > 3 and long.startswith(short) and len(long) - len(short) <= 3)


class _Yaml(yaml.SafeLoader):
    """YAML with `1e-5` a number, as everybody means it."""


_Yaml.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"[+-]?(\d+\.?\d*|\.\d+)[eE][+-]?\d+$"), list("+-.0123456789")
)


def _read(text: str, where: str) -> Any:
    try:
        return yaml.load(text, _Yaml)
    except (yaml.YAMLError, RecursionError) as error:
        raise RecipeError(f"{where}: not YAML ({error})") from error


def leaves(tree: dict[Any, Any], prefix: str = "") -> list[tuple[str, Any]]:
    """Dotted keys and values; sections are opened, other mappings are values."""
    found: list[tuple[str, Any]] = []
    for key, value in tree.items():
        name = f"{prefix}{key}"
        opened = isinstance(value, dict) and _section(_annotation(name))
        found += leaves(value, f"{name}.") if opened else [(name, value)]
    return found


def _validate(tree: dict[str, Any], where: str) -> Recipe:
    try:
        return Recipe.model_validate(tree)
    except ValidationError as error:
        lines = [f"{'.'.join(map(str, e['loc']))}: {e['msg']}, got {e['input']!r}" for e in error.errors()]
        raise RecipeError(f"{where}: " + "; ".join(lines)) from error
