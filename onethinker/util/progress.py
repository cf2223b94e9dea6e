"""A progress bar on a terminal, a line now and then in a log."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn, TimeElapsedColumn
from rich.text import Text

LOG_EVERY = 20.0
"""Seconds between two lines where there is no terminal."""
KNOWN_AFTER = 5.0
"""Seconds of work before which nothing is said of how long the rest takes."""


def time_left(worked: int, seconds: float, left: int | None) -> str:
    """How long `left` more take if `worked` took so many seconds, those since the last of them included, so that the
    estimate grows while nothing is finished; empty where nothing is known yet or nothing is left."""
    if not left or worked < 1 or seconds < KNOWN_AFTER:
        return ""
    return f"about {timedelta(seconds=round(left * seconds / worked))} left"


class _TimeLeft(ProgressColumn):
    max_refresh = 0.5

    def render(self, task: Task) -> Text:
        left = None if task.total is None else round(task.total - task.completed)
        return Text(time_left(task.fields["worked"], task.elapsed or 0.0, left), style="progress.remaining")


@contextmanager
def bar(title: str, total: int | None, done: int = 0) -> Iterator[Callable[..., None]]:
    """Yield `advance(count=1, note="", worked=True)`.

    total: None where it is not known. done: what an earlier run had finished. worked: whether it cost the time that the
    rest will cost; what was there already, or cannot be done, says nothing of what is to come.
    """
    console, finished = Console(stderr=True), 0
    if console.is_terminal:
        named = TextColumn("{task.description}", markup=False)
        noted = TextColumn("{task.fields[note]}", markup=False)
        columns = (named, BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), _TimeLeft(), noted)
        with Progress(*columns, console=console) as progress:
            task = progress.add_task(title, total=total, completed=done, note="", worked=0)

            def advance(count: int = 1, note: str = "", worked: bool = True) -> None:
                nonlocal finished
                finished += count if worked else 0
                progress.update(task, advance=count, note=note, worked=finished)

            yield advance
        return
    began = said = time.monotonic()

    def log(count: int = 1, note: str = "", worked: bool = True) -> None:
        nonlocal done, finished, said
        done, finished, now = done + count, finished + (count if worked else 0), time.monotonic()
        if now - said >= LOG_EVERY or done == total:
            said = now
            left = time_left(finished, now - began, None if total is None else total - done)
            words = (f"{title}: {done}/{'?' if total is None else total}", note, left)
            print(" ".join(filter(None, words)), file=sys.stderr, flush=True)

    yield log
