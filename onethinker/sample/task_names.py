"""The names that the release gives to tasks. Each task owns its own (`Task.published`).

Tasks stand on samples, so that nothing here can import them: they are asked for by the package's public names, when a
row is read or written.
"""

from __future__ import annotations

import re
from functools import lru_cache

import onethinker
from onethinker.sample.record import DataError


def published_name(task: str) -> str:
    """The `problem_type` of a task's published rows. Raises DataError for a name of no task."""
    try:
        return str(onethinker.get_task(task).published_name)
    except KeyError as error:
        raise DataError(str(error.args[0])) from error


def check_task(name: str, where: str) -> None:
    """Raises DataError for a name that no task of ours has; it names the nearest."""
    try:
        onethinker.get_task(name)
    except KeyError as error:
        raise DataError(f"{where}: {error.args[0]}") from error


def find_task(name: str, modality: str) -> str | None:
    """The task of a published name ("spatial grounding") or of ours ("spatial_grounding"), in any case; None for any
    other name. Of tasks that share a name the one that takes the modality, else the last."""
    return _find(name, modality, tuple(onethinker.list_tasks())) if len(name) < 100 else None


@lru_cache(maxsize=256)
def _find(name: str, modality: str, names: tuple[str, ...]) -> str | None:
    """Remembered, since every row of a file asks; names: of all tasks, to which one's own may be added."""
    words = _words(name)
    tasks = [onethinker.get_task(task) for task in names]
    found = [task for task in tasks if words in (_words(task.published_name), _words(task.name))]
    return next((task.name for task in found if modality in task.modalities), found[-1].name if found else None)


def own_names() -> list[str]:
    """Our names of all tasks."""
    return list(onethinker.list_tasks())


def known_names() -> list[str]:
    """The published names, each once."""
    names = [published_name(task) for task in onethinker.list_tasks()]
    return list(dict.fromkeys(names))


def _words(name: str) -> str:
    return re.sub(r"[\s_-]+", " ", name.strip().lower())
