"""Writes the generated pages of this folder: `python docs/build.py`; with `--check` it fails where they drifted."""

from __future__ import annotations

import sys
from inspect import cleandoc
from pathlib import Path
from typing import Any

import typer.main

from onethinker.answer import Status
from onethinker.cli import app
from onethinker.tasks import TASKS
from onethinker.tasks.base import METRIC_PROFILES, Score

HERE = Path(__file__).parent


def tasks_page() -> str:
    """One row a task: what it takes, its answer, what R_acc sums to, its metrics."""
    lines = [
        "# Tasks",
        "",
        "| task | takes | answer | R_acc up to | metrics, the headline first |",
        "|---|---|---|---:|---|",
    ]
    for task in TASKS.values():
        metrics = list(dict.fromkeys(m for p in METRIC_PROFILES for m in task.metrics([Score(Status.NO_ANSWER)], p)))
        example = task.example.replace("|", "\\|")
        takes, named = ", ".join(task.modalities), ", ".join(metrics)
        lines.append(f"| `{task.name}` | {takes} | `{example}` | {task.paper_max:g} | {named} |")
    return "\n".join([*lines, ""])


def commands_page() -> str:
    """The help of every verb."""
    return "\n".join(["# Commands", "", *_help(typer.main.get_command(app), "onethinker")])


def _help(command: Any, path: str) -> list[str]:
    """A command's own words and parameters, then its sub-commands'."""
    lines = [f"## `{path}`", "", cleandoc(command.help or ""), ""]
    for parameter in command.params:
        if not parameter.name.endswith("_completion"):
            names = ", ".join(parameter.opts) if parameter.param_type_name == "option" else parameter.name.upper()
            lines.append(f"- `{names}`: {parameter.help or ''}".rstrip(": "))
    lines.append("")
    for name, inner in getattr(command, "commands", {}).items():
        lines += _help(inner, f"{path} {name}")
    return lines


PAGES = {"tasks.md": tasks_page, "commands.md": commands_page}


def main(check: bool) -> int:
    """Write the pages, or name those that differ from what would be written."""
    drifted = []
    for name, make in PAGES.items():
        file, text = HERE / name, make()
        if check and (not file.exists() or file.read_text(encoding="utf-8") != text):
            drifted.append(name)
        elif not check:
            file.write_text(text, encoding="utf-8")
    if drifted:
        print(f"drifted: {', '.join(drifted)}; run `make docs`", file=sys.stderr)
    return len(drifted)


if __name__ == "__main__":
    sys.exit(main("--check" in sys.argv[1:]))
