"""Stages: one order and one result for any number of processes, and a killed one costs an attempt."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pytest

from onethinker.corpus.executor import AHEAD, map_batches
from onethinker.sample import DataError
from tests.amount import thinned


def batch(*numbers: int) -> pa.RecordBatch:
    return pa.RecordBatch.from_pydict({"id": [str(n) for n in numbers], "n": list(numbers)})


@dataclass(frozen=True)
class Doubled:
    """Each row with its double; odd rows twice."""

    kills: str = ""
    """Where the row "3" kills its process as long as this file is not there; "always" for ever."""

    def __call__(self, rows: pa.RecordBatch) -> pa.RecordBatch:
        numbers = rows.column("n").to_pylist()
        if self.kills and 3 in numbers and not Path(self.kills).exists():
            if self.kills != "always":
                Path(self.kills).touch()
            os._exit(9)
        return pa.RecordBatch.from_pydict({"n": [2 * n for n in numbers for _ in range(1 + n % 2)]})


BATCHES = [batch(0, 1, 2), batch(3), batch(4, 5), batch(6), batch(7)]
EXPECTED = [[0, 2, 2, 4], [6, 6], [8, 10, 10], [12], [14, 14]]


def found(stage: Doubled, workers: int) -> list[list[int]]:
    return [b.column("n").to_pylist() for b in map_batches(stage, iter(BATCHES), workers=workers)]


@pytest.mark.parametrize("workers", thinned([1, 2], 1))
def test_here_and_in_processes_alike(workers: int) -> None:
    assert found(Doubled(), workers) == EXPECTED


@pytest.mark.slow
def test_a_killed_process_costs_an_attempt(tmp_path: Path) -> None:
    assert found(Doubled(str(tmp_path / "killed")), 2) == EXPECTED


@pytest.mark.slow
def test_a_batch_that_always_kills_is_named() -> None:
    with pytest.raises(DataError, match="was killed 3 times"):
        found(Doubled("always"), 2)


@pytest.mark.slow
def test_batches_are_taken_as_they_are_needed() -> None:
    taken = []

    def source() -> Iterator[pa.RecordBatch]:
        for n in range(40):
            taken.append(n)
            yield batch(n)

    results = map_batches(Doubled(), source(), workers=2)
    next(results)
    assert len(taken) <= 2 + AHEAD * 2
    results.close()  # type: ignore[attr-defined]  # a generator: ends the processes
