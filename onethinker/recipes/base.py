"""One mechanism for configuration: a `Recipe` is a whole run, typed; YAML and `--set` change its keys, nothing else.

Other typed configs, such as a corpus's, are changed by the same functions: what they take and give is of one `Section`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from types import UnionType
from typing import Any, Literal, TypeVar, get_args, get_origin

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
from onethinker.util.yaml_text import read_yaml

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


R = TypeVar("R", bound=Section)
Kind = type[Section]


def override(recipe: R, assignments: list[str]) -> R:
    """Apply `section.key=value` strings: the value is read as YAML, or taken as it stands where the key is text.

    Raises RecipeError; for an unknown key it names the nearest.
    """
    changes: list[tuple[str, Any]] = []
    for text in assignments:
        key, mark, value = text.partition("=")
        if not mark:
            raise RecipeError(f"--set {text}: expected key=value, such as sft.optimizer.lr=1e-5")
        kept = _annotation(key, type(recipe)) is str
        changes += leaves({key: value if kept else _read(value, f"--set {key}")}, of=type(recipe))
    return _apply(recipe, changes, "--set")


def from_yaml(path: Path, shipped: Mapping[str, R], default: str = "mini") -> R:
    """A YAML file: the keys that differ from the recipe it names under `base`.

    The recipe is named after the file unless it says otherwise.
    """
    try:
        changes = _read(path.read_text(encoding="utf-8"), str(path))
    except UnicodeDecodeError as error:
        raise RecipeError(f"{path}: not YAML ({error})") from error
    if not isinstance(changes, dict):
        raise RecipeError(f"{path}: expected keys of a recipe, found {type(changes).__name__}")
    base = str(changes.pop("base", default))
    if base not in shipped:
        raise RecipeError(f"{path}: base {base!r} is not shipped; expected one of {', '.join(shipped)}")
    start = shipped[base]
    return _apply(start, leaves({"name": path.stem} | changes, of=type(start)), str(path))


def _apply(recipe: R, changes: list[tuple[str, Any]], where: str) -> R:
    """Set dotted keys. An optional section that is absent starts from its defaults; another algorithm starts without
    the options of the one before."""
    tree, kind = recipe.model_dump(), type(recipe)
    if isinstance(recipe, Recipe) and any(key == ALGORITHM and v != recipe.rl.algorithm for key, v in changes):
        tree["rl"]["algorithm_options"] = {}
    for key, value in changes:
        branch, _, leaf = key.rpartition(".")
        if _annotation(key, kind) is None and branch != OPTIONS:
            near = (
                f"it is called {RENAMED[key]} now"
                if key in RENAMED
                else f"the nearest is {_nearest(key, _around(key, tree, kind), kind)}"
            )
            raise RecipeError(f"{where}: {key}: no such key; {near}")
        node = tree
        for part in branch.split(".") if branch else []:
            node[part] = node.get(part) or {}
            node = node[part]
        node[leaf] = value
    return validated(tree, where, kind)


ALGORITHM, OPTIONS = "rl.algorithm", "rl.algorithm_options"
RENAMED = {"rl.rows": "rl.decode_batch_size"}
"""Old keys and what they are called now."""


def _annotation(key: str, of: Kind = Recipe) -> Any:
    """The type of a dotted key, None where there is no such key."""
    found = _field(key, of)
    return None if found is None else found.annotation


def _field(key: str, of: Kind = Recipe) -> FieldInfo | None:
    """What is declared of a dotted key, None where there is no such key. Within a mapping of sections any name is one,
    declared as the mapping is."""
    annotation: Any = of
    found = None
    for part in key.split("."):
        if get_origin(annotation) is dict and (inner := _section(annotation)):
            annotation = inner
            continue
        section = _section(annotation)
        if section is None or part not in section.model_fields:
            return None
        found = section.model_fields[part]
        annotation = found.annotation
    return found


def meaning(key: str, of: Kind = Recipe) -> str:
    """What a key means, in a sentence; empty where there is no such key."""
    found = _field(key, of)
    return (found.description if found else "") or ""


def kind_of(key: str, of: Kind = Recipe) -> str:
    """A key's type as people write it: `whole number > 0`, `one of adamw, muon`."""
    found = _field(key, of)
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


def _around(key: str, tree: dict[str, Any], of: Kind) -> list[tuple[str, Any]]:
    """Every key that there is, and those that a new section of a mapping could have, with their values."""
    branch = key.rpartition(".")[0]
    section = _section(_annotation(branch, of)) if branch else None
    new = {f"{branch}.{name}": field.default for name, field in section.model_fields.items()} if section else {}
    return list((new | dict(leaves(tree, of=of))).items())


def _nearest(key: str, leaves: list[tuple[str, Any]], of: Kind) -> str:
    """The key most like it as a whole and in its last word, with its present value; and those whose meaning has the
    words of it, which may be what was meant by a name that is unlike."""

    def closeness(leaf: tuple[str, Any]) -> float:
        pairs = ((key, leaf[0]), (key.rpartition(".")[2], leaf[0].rpartition(".")[2]))
        return sum(likeness(*pair) for pair in pairs)

    told = _by_meaning(key, [name for name, _ in leaves], of)
    name, value = max(leaves, key=closeness)
    if told and closeness((name, value)) < _ALIKE:
        first, *more = told[:3]
        others = f", or {', '.join(more)}" if more else ""
        shown = "; `onethinker recipe show` lists every key" if of is Recipe else ""
        return f"{first} ({meaning(first, of)}){others}{shown}"
    also = [other for other in told[:2] if other != name]
    return f"{name} (now {value!r})" + (f", by its meaning also {' and '.join(also)}" if also else "")


_ALIKE = 1.5
"""Likeness of the whole and of the last word together, at most 2, from which a key is taken for a slip of the pen."""


def _by_meaning(key: str, names: list[str], of: Kind) -> list[str]:
    """The keys whose meaning names the key's last word, those of the same section first, then by how early."""
    branch, _, last = key.lower().rpartition(".")
    wanted = [word for word in re.split(r"[^a-z0-9]+", last) if len(word) > 1]
    found = []
    for place, name in enumerate(names):
        words = [*re.split(r"[^a-z0-9]+", meaning(name, of).lower())]
        if wanted and all(any(_same_word(word, other) for other in words) for word in wanted):
            first = min(i for i, other in enumerate(words) if _same_word(wanted[0], other))
            found.append((name.rpartition(".")[0] != branch, first, place, name))
    return [name for *_, name in sorted(found)]


def _same_word(word: str, other: str) -> bool:
    """But for an ending, which is how plurals and verbs differ."""
    short, long = sorted((word, other), key=len)
    return word == other or (len(short) > 3 and long.startswith(short) and len(long) - len(short) <= 3)


def _read(text: str, where: str) -> Any:
    try:
        return read_yaml(text)
    except yaml.YAMLError as error:
        raise RecipeError(f"{where}: not YAML ({error})") from error


def leaves(tree: dict[Any, Any], prefix: str = "", of: Kind = Recipe) -> list[tuple[str, Any]]:
    """Dotted keys and values; sections are opened, other mappings are values."""
    found: list[tuple[str, Any]] = []
    for key, value in tree.items():
        name = f"{prefix}{key}"
        opened = isinstance(value, dict) and _section(_annotation(name, of))
        found += leaves(value, f"{name}.", of) if opened else [(name, value)]
    return found


def validated(tree: dict[str, Any], where: str, kind: type[R]) -> R:
    """The config of these keys. where: they are from. Raises RecipeError."""
    try:
        return kind.model_validate(tree)
    except ValidationError as error:
        lines = [f"{'.'.join(map(str, e['loc']))}: {e['msg']}, got {e['input']!r}" for e in error.errors()]
        raise RecipeError(f"{where}: " + "; ".join(lines)) from error
