"""Timed stages: seconds of whole, failed and killed attempts, and where they ran."""

from __future__ import annotations

import os
import signal
import time
from multiprocessing import get_context
from pathlib import Path

import pytest

from onethinker.studies.timing import StageTimer, provenance


def test_a_failed_stage_counts_and_goes_on(tmp_path: Path) -> None:
    timer = StageTimer(tmp_path)
    with pytest.raises(OSError, match="full"):
        timer("sft", fail)
    assert timer("sft", lambda: 7) == 7
    first, second = timer.log.rows()
    assert {"stage", "seconds", "peak_mb", "commit", "machine", "at"} == first.keys() == second.keys()
    assert timer.seconds() == {"sft": first["seconds"] + second["seconds"]}
    assert {file.name for file in tmp_path.iterdir()} == {"stages.jsonl"}


def test_a_killed_stage_counts_to_its_last_file(tmp_path: Path) -> None:
    process = get_context("fork").Process(target=killed, args=(tmp_path,))
    process.start()
    process.join(timeout=60)
    assert process.exitcode == -signal.SIGKILL
    timer = StageTimer(tmp_path)
    timer("rl", lambda: None)
    assert [row["stage"] for row in timer.log.rows()] == ["sft", "rl"]
    assert 0.2 <= timer.seconds()["sft"] < 30 and timer.seconds()["rl"] < 30


def fail() -> None:
    raise OSError("disk full")


def killed(out: Path) -> None:
    def work() -> None:
        time.sleep(0.3)
        (out / "checkpoint").touch()
        os.kill(os.getpid(), signal.SIGKILL)

    StageTimer(out)("sft", work)


def test_provenance_names_commit_and_machine() -> None:
    found = provenance()
    assert found["commit"]
    assert "cores" in found["machine"] and "torch" in found["machine"]
