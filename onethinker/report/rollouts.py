"""Read what a training run wrote down of its answers, `RUN/rollouts/*.parquet`, on a terminal."""

from __future__ import annotations

import json
import math
import os
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from onethinker.util.runs import RunError
from onethinker.util.terminal import printable


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which rollouts to show; None asks for any. An error has no reward and lies within no bounds."""

    task: str | None = None
    status: str | None = None
    min_reward: float | None = None
    max_reward: float | None = None
    step: int | None = None

    def takes(self, row: dict[str, Any]) -> bool:
        if any(want is not None and row[key] != want for key, want in self._exact()):
            return False
        reward = row["reward"]
        known = reward is not None and not math.isnan(reward)
        return (self.min_reward is None or (known and reward >= self.min_reward)) and (
            self.max_reward is None or (known and reward <= self.max_reward)
        )

    def _exact(self) -> tuple[tuple[str, Any], ...]:
        return ("task", self.task), ("status", self.status), ("step", self.step)


def read_rollouts(run: Path, wanted: Wanted) -> Iterator[dict[str, Any]]:
    """The rollouts of a run's folder, or of its `rl/`, that are wanted, step by step.

    Raises RunError where there are none at all.
    """
    import pyarrow.parquet as pq

    files = sorted((run / "rollouts").glob("*.parquet")) or sorted((run / "rl" / "rollouts").glob("*.parquet"))
    if not files:
        raise RunError(f"{run} has no rollouts/*.parquet; give the folder of a run of `onethinker rl`")
    for file in files:
        try:
            with pq.ParquetFile(file) as table:
                for batch in table.iter_batches(256):
                    yield from filter(wanted.takes, batch.to_pylist())
        except (KeyError, ValueError) as error:
            raise not_rollouts(file, error) from error


def not_rollouts(file: Path, error: Exception) -> RunError:
    """What is told of a file of a run that is cut off or has other columns."""
    why = str(error).partition("\n")[0]
    return RunError(
        f"{file} does not hold rollouts ({why}); it may come from another version, or be cut off: remove it"
    )


def describe(row: dict[str, Any], width: int = 100) -> str:
    """One rollout as lines of plain text."""
    numbers = [f"{name} {_number(row[name])}" for name in ("accuracy", "reward", "advantage")]
    head = [f"step {row['step']}", str(row["id"]), str(row["task"]), f"answer {row['index']}", str(row["status"])]
    lines = ["─" * width, printable("  ".join([*head, *numbers, f"{row['tokens']} tokens, {row['finish']}"]))]
    for name, words in _parts(row):
        body = printable(words).splitlines() or [""]
        folded = [part for line in body for part in textwrap.wrap(line, width - 10, drop_whitespace=False) or [""]]
        lines += [f"{name if first else '':9} {part}" for first, part in zip((True, *[False] * len(folded)), folded)]
    return "\n".join(lines)


def _parts(row: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """What is told of a rollout, each with its name: turns that called a tool stand before the response."""
    yield from ((name, str(row[name])) for name in ("question", "truth"))
    for turn in json.loads(row.get("turns") or "[]"):
        yield "calls", turn["text"]
        yield printable(turn["tool"])[:9] or "fails", turn["response"]
    yield "response", str(row["response"])


def _number(value: float | None) -> str:
    return "–" if value is None or math.isnan(value) else f"{value:.3f}"


def print_through_pager(lines: Iterable[str]) -> None:
    """Print, through the user's pager where there is a terminal; reading stops when the pager is left."""
    name = os.environ.get("PAGER", "less").split()
    if not sys.stdout.isatty() or not name or shutil.which(name[0]) is None:
        for line in lines:
            print(line)
        return
    with subprocess.Popen(name, stdin=subprocess.PIPE, text=True, encoding="utf-8") as pager:
        assert pager.stdin is not None
        try:
            for line in lines:
                pager.stdin.write(line + "\n")
            pager.stdin.close()
        except BrokenPipeError:
            pass  # the reader has seen enough
