"""Cells: the single runs that a study is made of.

Each is a folder `OUT/cells/NAME`: finished once `cell.json` is in it, locked while a process works on it, resumed where
it stopped if that process dies. So a second process, or a second machine that sees the same folder, started with the
same command takes the cells that nobody holds, and all wait for the last.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from functools import partial
from itertools import count, takewhile
from pathlib import Path
from typing import Any

from rich.console import Console

from onethinker.studies.timing import StageTimer
from onethinker.util.files import write_whole
from onethinker.util.runs import InUse, locked, stamp

Row = dict[str, Any]
Work = Callable[[Path], Row]
"""What a cell does: given its folder, the row that its `cell.json` will hold."""

WAIT = 2.0
"""Seconds between two looks at cells that other processes hold."""

CELL = "cell.json"

console = Console(stderr=True)


def run_cells(out: Path, cells: Mapping[str, Work]) -> dict[str, Row]:
    """Every cell's row, by name, once all are finished, by this process or by others."""
    waiting = dict(cells)
    while waiting:
        before = len(waiting)
        for name, work in list(waiting.items()):
            if run_cell(out, name, work, f"{len(cells) - len(waiting) + 1}/{len(cells)}"):
                del waiting[name]
        if len(waiting) == before:
            time.sleep(WAIT)
    return {name: cell_row(out, name) for name in cells}


def run_cell(out: Path, name: str, work: Work, progress: str) -> bool:
    """Whether the cell is finished; False where another process holds it. progress: printed beside its name."""
    if is_finished(out, name):
        return True
    folder = cell_folder(out, name)
    with ExitStack() as held:
        try:
            held.enter_context(locked(folder))
        except InUse:
            return False
        if not is_finished(out, name):
            console.rule(f"[bold]{name}[/] {progress}", align="left")
            timer = StageTimer(folder)
            row = timer("cell", lambda: work(folder))
            attempts = timer.log.rows()
            row |= {
                "cell": name,
                "wall": sum(timer.seconds().values()),
                "at": stamp(),
                "commit": ", ".join(dict.fromkeys(attempt["commit"] for attempt in attempts)),
                "machine": attempts[-1]["machine"],
            }
            write_whole(folder / CELL, json.dumps(rounded(row)))
    return True


def is_finished(out: Path, name: str) -> bool:
    return (cell_folder(out, name) / CELL).exists()


def seeds_done(out: Path, arm: str) -> list[str]:
    """The finished cells `ARM/seed-K` of an arm's first seeds, up to the first that is not finished."""
    return list(takewhile(partial(is_finished, out), (f"{arm}/seed-{seed}" for seed in count())))


def arms_done(out: Path, where: str = "") -> list[str]:
    """The arms whose first seed is finished, of the condition `where` or of a study without conditions. By what the
    folder has: an estimator of one's own counts where its plugin is not loaded too."""
    return sorted(cell.parent.parent.name for cell in cell_folder(out, where).glob(f"*/seed-0/{CELL}"))


def cell_row(out: Path, name: str) -> Row:
    """The row of a finished cell."""
    row: Row = json.loads((cell_folder(out, name) / CELL).read_text(encoding="utf-8"))
    return row


def cell_folder(out: Path, name: str) -> Path:
    return out / "cells" / name


def rounded(value: Any) -> Any:
    """Numbers to seven digits, so that what a page shows of them is rounded once; what is not finite becomes null."""
    if isinstance(value, Mapping):
        return {str(k): rounded(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [rounded(v) for v in value]
    if isinstance(value, float):
        return float(f"{value:.7g}") if math.isfinite(value) else None
    return value
