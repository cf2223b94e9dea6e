"""The stages' clock: seconds of whole, failed and killed stages, and who worked on them."""

from __future__ import annotations

import os
import signal
import time
from multiprocessing import get_context
from pathlib import Path

import pytest

from onethinker.studies.stages import Clock


def test_a_failed_stage_counts_and_goes_on(tmp_path: Path) -> None:
    clock = Clock(tmp_path)
    with pytest.raises(OSError, match="full"):
        clock("sft", fail)
    assert clock("sft", lambda: 7) == 7
    first, second = clock.log.rows()
    assert {"stage", "seconds", "peak_mb", "commit", "machine", "at"} == first.keys() == second.keys()
    assert clock.seconds() == {"sft": first["seconds"] + second["seconds"]}
    assert {file.name for file in tmp_path.iterdir()} == {"stages.jsonl"}


def test_a_killed_stage_counts_to_its_last_file(tmp_path: Path) -> None:
    process = get_context("fork").Process(target=killed, args=(tmp_path,))
    process.start()
    process.join(timeout=60)
    assert process.exitcode == -signal.SIGKILL
    clock = Clock(tmp_path)
    clock("rl", lambda: None)
    assert [row["stage"] for row in clock.log.rows()] == ["sft", "rl"]
    assert 0.2 <= clock.seconds()["sft"] < 30 and clock.seconds()["rl"] < 30


def fail() -> None:
    raise OSError("disk full")


def killed(out: Path) -> None:
    def work() -> None:
        time.sleep(0.3)
        (out / "checkpoint").touch()
        os.kill(os.getpid(), signal.SIGKILL)

    Clock(out)("sft", work)
