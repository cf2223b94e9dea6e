"""`onethinker rollouts`: filters, and model text that a terminal does not obey."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from onethinker.cli.app import app
from onethinker.report.rollouts import Wanted, describe, read_rollouts
from onethinker.tasks import TaskError
from onethinker.util.runs import RunError

HOSTILE = "\x1b]0;title\x07 [red]markup[/red] \u202eright to left\u2066 \r over\x9b2J"


def row(**changes: Any) -> dict[str, Any]:
    plain = {
        "id": "7", "task": "ocr", "modality": "image", "index": 0, "response": "<think>so</think><answer>STOP</answer>",
        "finish": "stop", "tokens": 9, "status": "ok", "accuracy": 1.0, "reward": 1.5, "advantage": 0.25, "step": 1,
        "question": "What is written?", "truth": "STOP",
    }  # fmt: skip
    return plain | changes


@pytest.fixture
def run(tmp_path: Path) -> Path:
    (tmp_path / "rollouts").mkdir()
    first = [row(), row(task="math", status="malformed", reward=0.1, response=HOSTILE)]
    second = [row(step=2, reward=0.6), row(step=2, reward=float("nan"), status="error", advantage=None)]
    for number, rows in enumerate((first, second), start=1):
        pq.write_table(pa.Table.from_pylist(rows), tmp_path / "rollouts" / f"{number:06}.parquet")
    return tmp_path


@pytest.mark.parametrize(
    ("wanted", "count"),
    [
        (Wanted(), 4), (Wanted(task="math"), 1), (Wanted(status="ok"), 2), (Wanted(step=2), 2),
        (Wanted(min_reward=0.6), 2), (Wanted(max_reward=0.6), 2), (Wanted(min_reward=0.2, max_reward=1.0), 1),
        (Wanted(task="math", step=2), 0),
    ],
)  # fmt: skip
def test_filters(run: Path, wanted: Wanted, count: int) -> None:
    assert len(list(read_rollouts(run, wanted))) == count


def test_the_folder_of_a_whole_run_will_do(run: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    whole = tmp_path_factory.mktemp("whole")
    run.rename(whole / "rl")
    assert len(list(read_rollouts(whole, Wanted(step=2)))) == 2


def test_hostile_text_is_spelled_out() -> None:
    assert not any(c in describe(row(id=HOSTILE, response=HOSTILE, truth=HOSTILE)) for c in "\x1b\x07\u202e\r\x9b")


def test_long_text_is_folded_and_kept() -> None:
    text = "word " * 100 + "\n\nend"
    shown = describe(row(response=text), width=60)
    assert all(len(line) <= 60 for line in shown.splitlines()[2:])
    assert shown.count("word") == 100 and shown.rstrip().endswith("end")


def test_command_line(run: Path) -> None:
    ran = CliRunner().invoke(app, ["rollouts", str(run), "--task", "math"])
    assert ran.exit_code == 0 and "[red]markup[/red]" in ran.stdout and "\x1b" not in ran.stdout
    assert "reward 0.100" in ran.stdout and "step 1" in ran.stdout
    assert CliRunner().invoke(app, ["rollouts", str(run), "--limit", "1"]).stdout.count("step ") == 1
    assert CliRunner().invoke(app, ["rollouts", str(run), "--status", "fine"]).exit_code == 2
    assert isinstance(CliRunner().invoke(app, ["rollouts", str(run), "--task", "maths"]).exception, TaskError)


def test_a_folder_without_rollouts(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"no rollouts/\*.parquet"):
        list(read_rollouts(tmp_path, Wanted()))
    (tmp_path / "rollouts").mkdir()
    pq.write_table(pa.table({"other": [1]}), tmp_path / "rollouts" / "1.parquet")
    with pytest.raises(RunError, match="does not hold rollouts"):
        list(read_rollouts(tmp_path, Wanted(task="ocr")))


def test_turns_stand_before_the_response() -> None:
    turns = [{"text": "<think>small</think>CALL", "tool": "search", "failed": False, "response": "[a#1] marns"}]
    lines = describe(row(turns=json.dumps(turns))).splitlines()
    said = [line for line in lines if line.startswith(("calls", "search", "response"))]
    assert said == [
        "calls     <think>small</think>CALL",
        "search    [a#1] marns",
        "response  <think>so</think><answer>STOP</answer>",
    ]
