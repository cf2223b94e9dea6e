"""Prompt sets: one template a task, by name (`short`, `full`) or from a file of the user's own."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

from onethinker.tasks import TASKS
from onethinker.util.names import nearest
from onethinker.util.yaml_text import read_yaml

NAMED = ("short", "full")
"""`short`: a task word and the question, for the mini model. `full`: asks for thinking and shows the answer's form."""


class PromptError(ValueError):
    """A prompt set that cannot be used; the message names the file, the key and the fix."""


@dataclass(frozen=True)
class PromptSet:
    """templates: task → text with `{question}` and, for multiple choice, `{options}`. system: the system message."""

    name: str
    system: str
    templates: Mapping[str, str]

    @property
    def digest(self) -> str:
        """16 hex digits over the words, part of a result's identity; the name does not matter."""
        words = json.dumps([self.system, dict(self.templates)], sort_keys=True)
        return hashlib.sha256(words.encode()).hexdigest()[:16]

    def template(self, task: str) -> str:
        """The task's template. Raises PromptError where the set has none."""
        if task not in self.templates:
            known = ", ".join(self.templates)
            raise PromptError(f"prompt set {self.name!r} has no template for task {task!r}, only for {known}; add one")
        return self.templates[task]


def load_prompts(name_or_file: str | Path) -> PromptSet:
    """`short`, `full`, or a YAML file `task: template` with an optional `system`. Raises PromptError."""
    name = str(name_or_file)
    if name in NAMED:
        return PromptSet(name, "", {task.name: task.templates[name] for task in TASKS.values()})
    file = Path(name_or_file)
    if not file.is_file():
        raise PromptError(f"prompts {name!r}: neither a named set ({', '.join(NAMED)}) nor a file")
    try:
        entries = read_yaml(file.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise PromptError(f"{file}: not YAML ({error})") from error
    if not isinstance(entries, dict) or not all(isinstance(v, str) for v in entries.values()):
        raise PromptError(f"{file}: expected `task: template` lines and an optional `system`, all of them text")
    system = entries.pop("system", "")
    for key, template in entries.items():
        _check(file, str(key), template)
    if not entries:
        raise PromptError(f"{file}: no task's template in it; expected lines such as `ocr: 'Transcribe: {{question}}'`")
    return PromptSet(file.stem, system, entries)


def _check(file: Path, key: str, template: str) -> None:
    if key not in TASKS:
        raise PromptError(f"{file}: unknown key {key!r}; the nearest is {nearest(key, [*TASKS, 'system'])!r}")
    needed = ["{question}", "{options}"] if key == "multiple_choice" else ["{question}"]
    missing = [mark for mark in needed if mark not in template]
    if missing:
        raise PromptError(f"{file}: the template of {key!r} lacks {' and '.join(missing)}")
