"""Cells: done once, resumed after a failure, shared by processes, held by whoever works on them."""

from __future__ import annotations

import json
import math
import multiprocessing
import os
import time
from contextlib import suppress
from pathlib import Path

import pytest

from onethinker.studies import timing
from onethinker.studies.cells import arms_done, rounded, run_cells
from onethinker.util.runs import JsonLines, RunError, locked


def take_a_share(out: Path) -> None:
    """What each of two processes does: eight cells, each noting who ran it."""

    def work(folder: Path) -> dict:
        with (folder / "ran").open("a") as log:
            log.write(f"{os.getpid()}\n")
        time.sleep(0.1)
        return {}

    rows = run_cells(out, {f"c/{i}": work for i in range(8)})
    (out / f"saw-{os.getpid()}").write_text(str(len(rows)))


def test_arms_are_known_by_what_the_folder_has(tmp_path: Path) -> None:
    names = ("base/own/seed-0", "base/own/seed-1", "base/grpo/seed-0", "base/late/seed-1", "base/sft", "mine/seed-0")
    run_cells(tmp_path, {name: lambda folder: {} for name in names})
    assert arms_done(tmp_path, "base") == ["grpo", "own"] and arms_done(tmp_path) == ["mine"]


def test_a_finished_cell_is_not_run_again(tmp_path: Path) -> None:
    ran = []

    def work(folder: Path) -> dict:
        ran.append(folder.name)
        return {"value": 1.0}

    first = run_cells(tmp_path, {"a/one": work})
    again = run_cells(tmp_path, {"a/one": work, "a/two": work})
    assert ran == ["one", "two"]
    assert again["a/one"] == first["a/one"]
    assert first["a/one"]["value"] == 1.0 and first["a/one"]["cell"] == "a/one"
    assert {"commit", "machine", "wall", "at"} <= first["a/one"].keys()


def test_a_cell_that_failed_goes_on_in_its_folder(tmp_path: Path) -> None:
    def work(folder: Path) -> dict:
        (folder / "half").touch(exist_ok=False)
        raise OSError("killed")

    with pytest.raises(OSError, match="killed"):
        run_cells(tmp_path, {"one": work})
    assert not (tmp_path / "cells/one/cell.json").exists()
    rows = run_cells(tmp_path, {"one": lambda folder: {"found": (folder / "half").exists()}})
    assert rows["one"]["found"]


def test_what_a_killed_process_worked_counts(tmp_path: Path) -> None:
    folder = tmp_path / "cells/one"
    earlier = {"stage": "cell", "peak_mb": 0.0, "commit": "aaa", "machine": "m"}
    JsonLines(folder / "stages.jsonl").append(earlier | {"seconds": 5.0, "at": ""})
    (folder / "running.json").write_text(json.dumps(earlier | {"began": 1000.0}))
    for file, at in (("half", 1060.0), ("running.json", 1000.0), ("stages.jsonl", 900.0)):
        (folder / file).touch()
        os.utime(folder / file, (at, at))
    assert 65 <= run_cells(tmp_path, {"one": lambda _: {}})["one"]["wall"] < 70
    assert run_cells(tmp_path, {"two": lambda _: {}})["two"]["wall"] < 5


def test_two_processes_split_the_cells_and_both_see_all(tmp_path: Path) -> None:
    forked = multiprocessing.get_context("fork")
    workers = [forked.Process(target=take_a_share, args=(tmp_path,)) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(timeout=120)
    assert [file.read_text() for file in tmp_path.glob("saw-*")] == ["8", "8"]
    ran = [(tmp_path / f"cells/c/{i}/ran").read_text().split() for i in range(8)]
    assert all(len(pids) == 1 for pids in ran)
    assert {pid for pids in ran for pid in pids} == {str(worker.pid) for worker in workers}


def test_a_held_cell_is_left_to_its_holder_and_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While one cell is held the other one runs; then the wait ends because the holder has finished it."""
    held = tmp_path / "cells" / "held"
    order = []

    def sleep(seconds: float) -> None:
        order.append("wait")
        (held / "cell.json").write_text(json.dumps({"by": "other"}))

    monkeypatch.setattr(time, "sleep", sleep)

    def free(folder: Path) -> dict:
        order.append("free")
        return {}

    with locked(held):
        rows = run_cells(tmp_path, {"held": lambda folder: pytest.fail("it is held"), "free": free})
    assert order == ["free", "wait"]
    assert rows["held"] == {"by": "other"}


def test_a_lock_that_work_itself_meets_is_an_error_and_no_wait(tmp_path: Path) -> None:
    def work(folder: Path) -> dict:
        with locked(tmp_path / "elsewhere"):
            return {}

    with locked(tmp_path / "elsewhere"), pytest.raises(RunError, match="in use"):
        run_cells(tmp_path, {"one": work})


def test_a_cell_made_at_two_commits_names_both(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(folder: Path) -> dict:
        raise OSError("killed")

    for commit, work in (("aaa", fails), ("bbb", fails), ("bbb", lambda folder: {})):
        monkeypatch.setattr(timing, "provenance", lambda commit=commit: {"commit": commit, "machine": "m"})
        with suppress(OSError):
            run_cells(tmp_path, {"one": work})
    assert run_cells(tmp_path, {"one": fails})["one"]["commit"] == "aaa, bbb"


def test_numbers_are_rounded_to_what_they_are_worth() -> None:
    assert rounded({"a": [1 / 3, math.nan, math.inf], 2: (True, "x", 12)}) == {
        "a": [0.3333333, None, None],
        "2": [True, "x", 12],
    }
