"""The site's page of each task, from the registry and the picture that `docs/task_pictures.py` drew."""

from __future__ import annotations

import json
import sys
from inspect import cleandoc
from pathlib import Path
from typing import Any

from onethinker.sample.answer import Status
from onethinker.serve.service import VERBS
from onethinker.tasks import TASKS
from onethinker.tasks.base import METRIC_PROFILES, Score, Task

HERE = Path(__file__).parent
DRAWN = HERE / "images" / "tasks" / "tasks.json"
_KINDS = {".png": "picture.png", ".mp4": "clip.mp4"}


def task_page(task: Task[Any]) -> str:
    """What it is, a question with its answer drawn, how it is asked, how it is scored, its prompts."""
    about = (sys.modules[type(task).__module__].__doc__ or "").strip()
    example = json.loads(DRAWN.read_text(encoding="utf-8")).get(task.name)
    lines = [f"# {task.title}", "", about, ""]
    if example:
        lines += _example(task, example)
    lines += [
        "## The answer",
        "",
        f"Takes {_listed(task.modalities)}. Within `<answer>`:",
        "",
        "```",
        task.example,
        "```",
        "",
    ]
    lines += ["## How it is scored", ""]
    if type(task).__doc__ and type(task).__doc__ != Task.__doc__:
        lines += [cleandoc(type(task).__doc__ or ""), ""]
    for profile in METRIC_PROFILES:
        names = ", ".join(f"`{name}`" for name in task.metrics([Score(Status.NO_ANSWER)], profile))
        lines.append(f"- metrics, profile `{profile}`, the headline first: {names}")
    lines += [f"- `R_acc` sums to {task.paper_max:g} at most; [rewards](../rewards.md) tells the profiles apart", ""]
    lines += ["## Its prompts", ""]
    for name, template in task.templates.items():
        lines += [f"`{name}`:", "", "```", template.strip(), "```", ""]
    return "\n".join(lines)


def _example(task: Task[Any], example: dict[str, Any]) -> list[str]:
    question = example["question"].replace("<image>", "").replace("<video>", "").strip()
    media = [_KINDS.get(suffix, f"file{suffix}") for suffix in example["media"]]
    shown = " ".join([question, *example["options"]])
    verb = next((verb for verb, name in VERBS.items() if name == task.name), "")
    python = f'model.{verb}("{media[0]}", …)' if verb and media else f'model.ask(…, task="{task.name}")'
    return [
        f"![{task.title}: a right answer, drawn](../images/tasks/{task.name}.png)", "",
        f"*{shown}*", "", "```", str(example["answer"]), "```", "",
        "```bash",
        f"onethinker ask {' '.join(media)} \"{question}\" --task {task.name}".replace("  ", " "),
        "```", "",
        f"In Python `{python}`; over HTTP `POST /v1/{verb or 'ask'}`.", "",
    ]  # fmt: skip


def _listed(names: tuple[str, ...]) -> str:
    words = {"image": "a picture", "video": "a clip", "video-image": "clips with pictures", "text": "words alone"}
    return " or ".join(words[name] for name in names)


def task_pages() -> dict[str, Any]:
    """By file."""
    return {f"tasks/{task.name}.md": (lambda task=task: task_page(task)) for task in TASKS.values()}
