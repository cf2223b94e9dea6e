"""A progress bar on a terminal, a line now and then in a log."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

LOG_EVERY = 20.0
"""Seconds between two lines where there is no terminal."""


@contextmanager
def bar(title: str, total: int | None, done: int = 0) -> Iterator[Callable[..., None]]:
    """Yield `advance(count=1, note="")`. total: None where it is not known. done: what an earlier run had finished."""
    console = Console(stderr=True)
    if console.is_terminal:
        named = TextColumn("{task.description}", markup=False)
        noted = TextColumn("{task.fields[note]}", markup=False)
        columns = (named, BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn(), noted)
        with Progress(*columns, console=console) as progress:
            task = progress.add_task(title, total=total, completed=done, note="")

            def advance(count: int = 1, note: str = "") -> None:
                progress.update(task, advance=count, note=note)

            yield advance
        return
    state, whole = {"done": done, "said": time.monotonic()}, "?" if total is None else total

    def log(count: int = 1, note: str = "") -> None:
        state["done"] += count
        if time.monotonic() - state["said"] >= LOG_EVERY or state["done"] == total:
            state["said"] = time.monotonic()
            print(
                f"{title}: {state['done']}/{whole} {note}".rstrip(),
                file=sys.stderr,
                flush=True,
            )

    yield log
