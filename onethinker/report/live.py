"""A report that keeps up with its run: written again whenever the run's files have changed."""

from __future__ import annotations

import time
from pathlib import Path

from onethinker.report.page import write_report
from onethinker.report.read import read_run

_GROWS = ("metrics.jsonl", "stages.jsonl", "summary.json", "suite.json", "rollouts/*.parquet")


def follow_report(folder: Path, *, every: float = 10.0) -> Path:
    """Keep `report.html` up to date until the run has finished or Ctrl-C is pressed; return its path.

    The page reloads itself each `every` seconds meanwhile, and stands still afterwards. Raises ReportError for a folder
    that holds nothing to report yet.
    """
    seen: dict[Path, tuple[int, int]] = {}
    try:
        while not read_run(folder).finished:
            if (now := _state(folder)) != seen:
                write_report(folder, refresh=every)
                seen = now
            time.sleep(every)
    finally:
        file = write_report(folder)
    return file


def _state(folder: Path) -> dict[Path, tuple[int, int]]:
    """Size and time of change of the files that a report is made of and that a run goes on writing."""
    files = (file for place in ("", "*/", "*/*/") for name in _GROWS for file in folder.glob(place + name))
    return {file: (stat.st_size, stat.st_mtime_ns) for file in files for stat in [file.stat()]}
