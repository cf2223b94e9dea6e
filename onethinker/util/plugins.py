"""Files outside the package that register a task, an algorithm or a reward profile: imported, and nothing more.

A plugin is a Python file that puts what it defines into the dictionary that holds all of its kind: `tasks.TASKS`,
`train.advantage.ALGORITHMS`, `tasks.rewards.REWARDS`. `--plugin FILE` imports one before anything is read, and so
does an installed package with an entry point in the group `onethinker.plugins` that names such a module. Processes that
are started from this one import the same files, which stand in the environment variable ONETHINKER_PLUGINS.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import sys
import traceback
from collections.abc import Iterable
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

VARIABLE = "ONETHINKER_PLUGINS"
"""Absolute paths, parted as those of PATH."""
GROUP = "onethinker.plugins"

_loaded: dict[Path, tuple[str, str]] = {}
"""File → its name and 16 hex digits of its content, as it was imported."""


class PluginError(RuntimeError):
    """A plugin that cannot be imported; says which line failed and how."""


def load_plugins(files: Iterable[str | Path] = ()) -> None:
    """Import the files, those of ONETHINKER_PLUGINS and the installed ones, each once in a process.

    Raises PluginError.
    """
    known = [Path(name) for name in os.environ.get(VARIABLE, "").split(os.pathsep) if name]
    wanted = list(dict.fromkeys([*known, *(Path(file).resolve() for file in files)]))
    for file in wanted:
        if file not in _loaded:
            _load_file(file)
    if wanted:
        os.environ[VARIABLE] = os.pathsep.join(map(str, wanted))
    for point in entry_points(group=GROUP):
        _load_installed(point)


def plugin_identity() -> dict[str, dict[str, str]]:
    """`{"plugins": {name: content hash}}` for a record of what was used, empty where there are none."""
    return {"plugins": dict(sorted(_loaded.values()))} if _loaded else {}


def _load_file(file: Path) -> None:
    try:
        content = file.read_bytes()
    except OSError as error:
        raise PluginError(f"--plugin {file}: cannot be read ({error.strerror}); expected a Python file") from error
    digest = hashlib.sha256(content).hexdigest()[:16]
    name = f"onethinker_plugin_{digest}"
    spec = importlib.util.spec_from_loader(name, loader=None, origin=str(file))
    if spec is None:
        raise PluginError(f"--plugin {file}: cannot be imported")
    module = importlib.util.module_from_spec(spec)
    module.__file__ = str(file)
    sys.modules[name] = module  # where dataclasses and pickle look for what it defines
    try:
        exec(compile(content, str(file), "exec"), module.__dict__)
    except Exception as error:
        del sys.modules[name]
        raise PluginError(f"{_place(file, error)}: the plugin failed: {type(error).__name__}: {error}") from error
    _loaded[file] = (file.name, digest)


def _load_installed(point: EntryPoint) -> None:
    try:
        module = point.load()
    except Exception as error:
        raise PluginError(
            f"the installed plugin {point.name!r} ({point.value}) failed: {type(error).__name__}: {error}; mend or "
            "uninstall it"
        ) from error
    file = getattr(module, "__file__", None) or getattr(sys.modules.get(point.module), "__file__", None)
    if file and Path(file) not in _loaded:
        _loaded[Path(file)] = (point.name, hashlib.sha256(Path(file).read_bytes()).hexdigest()[:16])


def _place(file: Path, error: Exception) -> str:
    """The file, with the line of it that failed."""
    if isinstance(error, SyntaxError):
        return f"{error.filename}, line {error.lineno}"
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(file)]
    return f"{file}, line {lines[-1]}" if lines else str(file)


def plugin_first(words: list[str]) -> list[str]:
    """The command line with every `--plugin FILE` before the verb, so that it may stand anywhere."""
    moved, rest, words = list[str](), list[str](), list(words)
    while words:
        word = words.pop(0)
        if word == "--":
            rest += [word, *words]
            break
        if word == "--plugin" and words:
            moved += [word, words.pop(0)]
        elif word.startswith("--plugin="):
            moved.append(word)
        else:
            rest.append(word)
    return [*moved, *rest]
