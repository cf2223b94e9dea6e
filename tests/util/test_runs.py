"""Run folders resume only as themselves, are held by one process, and lose to a kill only the row being written."""

from __future__ import annotations

import json
import math
import resource
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onethinker.util.files import write_whole
from onethinker.util.runs import (
    InUse,
    JsonLines,
    RunError,
    check_writable,
    differences,
    locked,
    open_run,
    stamp,
    started,
)
from tests.amount import many

CONFIG = {"kind": "sft", "recipe": {"lr": 1e-5, "betas": (0.9, 0.95), "budget": None}, "n": 3}


def test_the_same_config_resumes(tmp_path: Path) -> None:
    folder = open_run(tmp_path / "a" / "run", CONFIG)
    (folder / "kept").write_text("x")
    assert open_run(tmp_path / "a" / "run", CONFIG) == folder
    assert (folder / "kept").exists()


@pytest.mark.parametrize("left", ["checkpoints/step-000002", "metrics.jsonl"])
def test_a_run_whose_config_is_gone_is_no_other_run(left: str, tmp_path: Path) -> None:
    with started(tmp_path / "run", CONFIG) as folder:
        if left == "metrics.jsonl":
            (folder / left).write_text("{}\n")
        else:
            (folder / left).mkdir(parents=True)
    with started(tmp_path / "run", CONFIG):
        pass
    (folder / "config.json").unlink()
    with pytest.raises(RunError, match=r"no config\.json, so that nothing says of which run"), started(folder, CONFIG):
        pass
    assert (folder / left).exists() and not (folder / "config.json").exists()
    with started(folder, CONFIG, fresh=True) as beside:
        assert beside == tmp_path / "run-2"


def test_another_config_is_refused_with_the_differences(tmp_path: Path) -> None:
    open_run(tmp_path / "run", CONFIG)
    other = {"kind": "sft", "recipe": {"lr": 1e-4, "betas": (0.9, 0.95), "budget": {"fps": 2}}, "n": 3}
    with pytest.raises(RunError) as caught:
        open_run(tmp_path / "run", other)
    told = str(caught.value)
    assert "recipe.lr: 1e-05 → 0.0001" in told
    assert "recipe.budget: None → {'fps': 2}" in told
    assert "betas" not in told
    assert "--fresh" in told


def test_fresh_starts_beside(tmp_path: Path) -> None:
    names = [open_run(tmp_path / "run", {"n": n}, fresh=True).name for n in range(3)]
    assert names == ["run", "run-2", "run-3"]
    assert json.loads((tmp_path / "run-3" / "config.json").read_text()) == {"n": 2}


def test_a_file_or_a_broken_config_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="is a file"):
        open_run(tmp_path / "file", CONFIG)
    broken = open_run(tmp_path / "run", CONFIG) / "config.json"
    broken.write_text("{")
    with pytest.raises(RunError, match=r"config.json is not readable"):
        open_run(tmp_path / "run", CONFIG)


def test_differences() -> None:
    assert differences({"a": {"b": 1}, "c": [1]}, {"a": {"b": 2}, "c": [1], "d": 4}) == ["a.b: 1 → 2", "d: None → 4"]
    assert differences({"a": None}, {}) == []


def test_a_folder_is_held_by_one_process(tmp_path: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path; from onethinker.util.runs import locked\n"
        f"with locked(Path({str(tmp_path / 'run')!r})): print('held', flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(RunError, match="in use by another process"), locked(tmp_path / "run"):
            pass
        holder.kill()
        holder.wait()
    with locked(tmp_path / "run"), pytest.raises(RunError), locked(tmp_path / "run"):
        pass
    with locked(tmp_path / "run"):
        pass


def test_write_whole_is_the_old_file_or_the_new_one(tmp_path: Path) -> None:
    file, texts = tmp_path / "summary.json", ["a" * 300_000, "b" * 200_000]
    write_whole(file, texts[0])
    stop = threading.Event()

    def rewrite() -> None:
        while not stop.is_set():
            for text in texts:
                write_whole(file, text)

    writer = threading.Thread(target=rewrite)
    writer.start()
    try:
        until = time.monotonic() + 0.5
        while time.monotonic() < until:
            assert file.read_text() in texts
    finally:
        stop.set()
        writer.join()
    assert [p.name for p in tmp_path.iterdir()] == ["summary.json"]


def test_a_failed_write_keeps_the_old_file(tmp_path: Path) -> None:
    file = tmp_path / "summary.json"
    write_whole(file, "old")
    with pytest.raises(UnicodeEncodeError):
        write_whole(file, "\ud800")
    assert file.read_text() == "old"


def test_rows_come_back(tmp_path: Path) -> None:
    log = JsonLines(tmp_path / "deep" / "log.jsonl")
    assert log.rows() == []
    log.append({"a": np.float32(0.5), "b": math.nan, "c": {"d": (1, math.inf)}, 7: np.int64(3)})
    assert log.rows() == [{"a": 0.5, "b": None, "c": {"d": [1, None]}, "7": 3}]


@settings(max_examples=many(100, 20), deadline=None)
@given(st.lists(st.dictionaries(st.text(max_size=5), st.text(max_size=20) | st.integers() | st.none()), max_size=5))
def test_any_text_survives_with_line_separators_and_half_surrogates(rows: list[dict]) -> None:
    rows = [*rows, {"text": "a\u2028b\x85c\ud800d\r\n"}]
    with tempfile.TemporaryDirectory() as folder:
        log = JsonLines(Path(folder) / "log.jsonl")
        for row in rows:
            log.append(row)
        assert log.rows() == rows
        log.keep(lambda row: True)
        assert log.rows() == rows


@pytest.mark.parametrize("cut", range(1, 12))
def test_a_torn_last_line_is_dropped_by_the_next_writer(tmp_path: Path, cut: int) -> None:
    file = tmp_path / "log.jsonl"
    log = JsonLines(file)
    log.append({"step": 1})
    log.append({"step": 2, "text": "Köln"})
    torn = file.read_bytes()[:-cut]
    file.write_bytes(torn)
    again = JsonLines(file)
    assert again.rows() == [{"step": 1}]
    assert file.read_bytes() == torn, "reading changes nothing: the writer may still be at it"
    again.append({"step": 3})
    assert again.rows() == [{"step": 1}, {"step": 3}]


def test_a_broken_line_is_named(tmp_path: Path) -> None:
    file = tmp_path / "log.jsonl"
    file.write_text('{"step": 1}\n{"st\n{"step": 3}\n')
    with pytest.raises(RunError, match=r"log.jsonl, line 2: not JSON"):
        JsonLines(file).rows()


def test_keep_drops_what_came_after_a_checkpoint(tmp_path: Path) -> None:
    log = JsonLines(tmp_path / "log.jsonl")
    for step in range(5):
        log.append({"step": step})
    log.keep(lambda row: row["step"] <= 2)
    log.append({"step": 9})
    assert [row["step"] for row in log.rows()] == [0, 1, 2, 9]


def test_stamp_is_utc() -> None:
    assert stamp().endswith("Z")
    assert len(stamp()) == 20


def test_an_append_that_failed_is_cut_off_by_the_next(tmp_path: Path) -> None:
    log = JsonLines(tmp_path / "log.jsonl")
    log.append({"a": 1})
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20, hard))
    try:
        with pytest.raises(OSError, match="too large"):
            log.append({"a": "long" * 9})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    log.append({"a": 2})
    assert log.rows() == [{"a": 1}, {"a": 2}]


@pytest.mark.parametrize("failure", [ValueError("no such thing"), KeyboardInterrupt()])
def test_a_start_that_fails_leaves_nothing_behind(tmp_path: Path, failure: BaseException) -> None:
    folder = tmp_path / "runs" / "deep" / "mine"
    with pytest.raises(type(failure)), started(folder, {"lr": 1}) as run:
        (run / "tensorboard").mkdir()
        (run / "tensorboard" / "events").write_text("x")
        (run / "metrics.jsonl").write_text("")
        raise failure
    assert list(tmp_path.iterdir()) == []


def test_what_was_there_before_and_what_was_learnt_stay(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(ValueError, match="first"), started(tmp_path, {"lr": 1}):
        raise ValueError("first")
    assert [p.name for p in tmp_path.iterdir()] == ["notes.txt"]
    with pytest.raises(ValueError, match="second"), started(tmp_path, {"lr": 2}) as run:
        (run / "metrics.jsonl").write_text('{"step": 1}\n')
        raise ValueError("second")
    assert {"config.json", "metrics.jsonl", "notes.txt"} <= {p.name for p in tmp_path.iterdir()}
    with pytest.raises(RunError, match="lr: 2 → 3"), started(tmp_path, {"lr": 3}):
        pass


def test_a_folder_in_use_is_left_to_its_owner(tmp_path: Path) -> None:
    with started(tmp_path / "run", {"lr": 1}) as run:
        with pytest.raises(InUse), started(run, {"lr": 1}):
            pass
        assert (run / "config.json").exists()


def test_more_steps_extend_a_run_and_fewer_or_anything_else_does_not(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def config(steps: int | None, lr: int = 1) -> dict[str, Any]:
        return {"kind": "sft", "recipe": {"sft": {"steps": steps, "lr": lr}}}

    with started(tmp_path / "run", config(20)) as run:
        (run / "metrics.jsonl").write_text('{"step": 20}\n')
    with started(run, config(30)):
        assert "recipe.sft.steps: 20 → 30" in capsys.readouterr().err
    for other in (config(20), config(None), config(40, lr=2)):
        with pytest.raises(RunError, match=r"recipe\.sft\.steps: 30 → "), started(run, other):
            pass
    with started(run, config(30)):
        assert capsys.readouterr().err == ""


def test_a_place_that_cannot_be_written_is_known_beforehand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    check_writable(tmp_path / "a" / "b")
    (tmp_path / "file").write_text("x")
    with pytest.raises(RunError, match="is a file"):
        check_writable(tmp_path / "file" / "run")
    monkeypatch.setattr("os.access", lambda *_: False)
    with pytest.raises(RunError, match="cannot be written"):
        check_writable(tmp_path / "a")
    assert not (tmp_path / "a").exists()
