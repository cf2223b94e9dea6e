"""Watching: event files read back by TensorBoard itself, services as they are called, nothing twice after a kill."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from tensorboard.backend.event_processing.event_file_loader import RawEventFileLoader
from tensorboard.compat.proto.event_pb2 import Event

from onethinker.train.trackers import TRACKERS, Metrics, metric_logger, scalars
from onethinker.util.runs import RunError


def points(run: Path) -> list[tuple[str, int, float]]:
    """Every point in the event files, duplicates and all: (tag, step, value)."""
    found = []
    for file in sorted((run / "tensorboard").iterdir()):
        for raw in RawEventFileLoader(str(file)).Load():
            event = Event.FromString(raw)
            for value in event.summary.value:
                found.append((value.tag, event.step, value.simple_value))
    return found


def row(step: int, **more: Any) -> dict[str, Any]:
    return {"step": step, "stage": "rl", "reward": step / 4, "reward/ocr": 0.5, **more}


def test_a_killed_run_writes_no_point_twice(tmp_path: Path) -> None:
    killed = Metrics(tmp_path, ("tensorboard",), 0, 8)
    for step in (1, 2, 3):
        killed.append(row(step))
    assert [step for tag, step, _ in points(tmp_path) if tag == "reward"] == [1, 2, 3]
    with Metrics(tmp_path, ("tensorboard",), 2, 8) as log:  # its last checkpoint was of step 2
        log.append(row(3, reward=9.0))
        log.append(row(4))
    assert [(s, v) for tag, s, v in points(tmp_path) if tag == "reward"] == [(1, 0.25), (2, 0.5), (3, 9.0), (4, 1.0)]
    assert {tag for tag, _, _ in points(tmp_path)} == {"reward", "reward/ocr"}
    rows = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert [r["step"] for r in rows] == [1, 2, 3, 4] and {r["steps"] for r in rows} == {8}


def test_only_finite_numbers_are_drawn() -> None:
    assert scalars({"step": 1, "steps": 2, "a": 1, "b": float("nan"), "c": None, "d": "x", "e": float("inf")}) == {
        "a": 1.0
    }


def test_an_update_that_is_skipped_is_told_of_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with metric_logger("RL", tmp_path, (), 0, 5, 5, writes=True) as note:
        for step, norm in enumerate((0.5, float("nan"), float("inf")), start=1):
            note(row(step, grad_norm=norm), "")
        note(row(4), "a step of no group has no update")
    told = [line for line in capsys.readouterr().err.splitlines() if "not finite" in line]
    assert (
        len(told) == 1
        and told[0].startswith("RL: in step 2 the gradient")
        and str(tmp_path / "metrics.jsonl") in told[0]
    )


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, Any, Any]]:
    """trackio and wandb that write down how they are called."""
    calls: list[tuple[str, Any, Any]] = []
    for name in ("trackio", "wandb"):
        module = ModuleType(name)
        module.init = lambda **options: calls.append(("init", options, None))  # type: ignore[attr-defined]
        module.log = lambda values, step: calls.append(("log", values, step))  # type: ignore[attr-defined]
        module.finish = lambda: calls.append(("finish", None, None))  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, name, module)
    return calls


@pytest.mark.parametrize("name", ["trackio", "wandb"])
def test_a_service_is_sent_each_step_once(name: str, service: list[Any], tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"kind": "rl"}')
    killed = Metrics(tmp_path, (name,), 0, 8)
    for step in (1, 2, 3, 4):
        killed.append(row(step))
    for last in (3, 5):  # killed once more before it was where it had been
        with Metrics(tmp_path, (name,), 2, 8) as log:
            for step in range(3, last + 1):
                log.append(row(step))
    assert [step for what, _, step in service if what == "log"] == [1, 2, 3, 4, 5]
    started = [options for what, options, _ in service if what == "init"]
    assert len({options["name"] for options in started}) == 1 and started[0]["name"].startswith(tmp_path.name)
    assert started[0]["resume"] == "allow" and started[0]["config"] == {"kind": "rl"}
    assert ("id" in started[0]) == (name == "wandb")
    assert [what for what, *_ in service].count("finish") == 2


def test_rows_from_before_a_service_was_named_are_sent_too(service: list[Any], tmp_path: Path) -> None:
    with Metrics(tmp_path, (), 0, 2) as log:
        log.append(row(1))
    with Metrics(tmp_path, ("trackio",), 1, 2) as log:
        log.append(row(2))
    assert [step for what, _, step in service if what == "log"] == [1, 2]


@pytest.mark.parametrize("name", sorted(TRACKERS))
def test_a_watcher_that_is_not_installed(name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard" if name == "tensorboard" else name, None)
    with pytest.raises(RunError, match=rf"pip install {name}.*--set watch=\[\]"):
        Metrics(tmp_path, (name,), 0, 1)


@pytest.mark.parametrize("fails", ["open", "close"])
def test_a_watcher_that_fails_leaves_the_others_closed(
    fails: str, service: list[Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def fail(**_: Any) -> None:
        raise OSError("no network")

    monkeypatch.setattr(sys.modules["wandb"], {"open": "init", "close": "finish"}[fails], fail)
    with pytest.raises(OSError, match="no network"), Metrics(tmp_path, ("trackio", "wandb"), 0, 1):
        pass
    assert [what for what, *_ in service].count("finish") == 1
