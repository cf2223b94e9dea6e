"""One sample a task with a truth that its measure can score in full, shared by the tests of tasks."""

from __future__ import annotations

from typing import Any

from onethinker.sample import Sample
from onethinker.tasks import TASKS

TRUTHS: dict[str, str] = {name: task.example_truth for name, task in TASKS.items()}
JSON_TASKS = [name for name, task in TASKS.items() if task.structured]
RELEASED_JSON = [name for name in JSON_TASKS if TASKS[name].released]
TEXT_TASKS = [name for name, task in TASKS.items() if not task.structured]


def sample_of(task: str, truth: str | None = None, **changes: Any) -> Sample:
    fields: dict[str, Any] = {
        "id": f"{task}-1",
        "task": task,
        "modality": TASKS[task].modalities[0],
        "question": "What is it?",
        "truth": TASKS[task].example_truth if truth is None else truth,
        "options": TASKS[task].example_options,
        "media": ("a.png",),
    }
    return Sample(**fields | changes)


def respond(answer: str, thinking: str = "I look closely.") -> str:
    return f"<think>{thinking}</think><answer>{answer}</answer>"
