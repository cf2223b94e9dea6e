"""A copy of a run elsewhere: whose it is and whether it can be written is known when the run begins."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import fsspec
import pytest

from onethinker.recipes import SHIPPED
from onethinker.recipes.base import override
from onethinker.train.mirror import STATE, Mirror
from onethinker.train.start import check_start
from onethinker.util.runs import RunError, open_run


@pytest.fixture
def place():
    yield "memory://copies/run"
    fs = fsspec.filesystem("memory")
    if fs.exists("/copies"):
        fs.rm("/copies", recursive=True)


def run(folder: Path, *steps: int, **config: Any) -> Path:
    """A run's folder with its config, log and checkpoints."""
    open_run(folder, {"kind": "sft", "recipe": {"sft": {"steps": 9}}} | config)
    (folder / "metrics.jsonl").write_text("{}\n")
    for step in steps:
        (folder / f"checkpoints/step-{step:06d}").mkdir(parents=True)
        for name in ("model.safetensors", STATE):
            (folder / f"checkpoints/step-{step:06d}" / name).write_text(f"{folder.name} {step}")
    return folder


def checkpoints(folder: Path) -> list[Path]:
    return sorted(folder.glob("checkpoints/step-*"))


def begin(folder: Path, place: str) -> Mirror:
    mirror = Mirror(place, folder)
    mirror.begin(checkpoints(folder))
    return mirror


def test_a_run_goes_on_from_its_copy_and_for_longer(place, tmp_path) -> None:
    first = run(tmp_path / "a", 1, 2)
    begin(first, place).push(checkpoints(first)[-1], keep=1)
    second = run(tmp_path / "b", recipe={"sft": {"steps": 12}})
    begin(second, place)
    assert (second / "checkpoints/step-000002" / STATE).read_text() == "a 2"
    told = json.loads(fsspec.filesystem("memory").cat_file("/copies/run/config.json"))
    assert told["recipe"]["sft"]["steps"] == 12


def test_another_run_takes_no_place_of_a_copy_however_far_it_is(place, tmp_path) -> None:
    first = run(tmp_path / "a", 1)
    begin(first, place).push(checkpoints(first)[-1], keep=1)
    for other in (run(tmp_path / "b", kind="rl"), run(tmp_path / "c", 7, kind="rl")):
        with pytest.raises(RunError, match=r"holds a run with another config:\n  kind: 'sft' → 'rl'\nname another"):
            begin(other, place)
    assert fsspec.filesystem("memory").cat_file(f"/copies/run/checkpoints/step-000001/{STATE}") == b"a 1"


def test_of_two_runs_that_began_at_one_place_one_is_told(place, tmp_path) -> None:
    first, second = run(tmp_path / "a", 1), run(tmp_path / "b", 1, kind="rl")
    early, late = begin(first, place), begin(second, place)
    with pytest.raises(RunError, match="is another run's by now"):
        early.push(checkpoints(first)[-1], keep=1)
    late.push(checkpoints(second)[-1], keep=1)


def test_a_place_that_cannot_be_written_is_told_at_the_start(tmp_path) -> None:
    folder = run(tmp_path / "a")
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match=r"checkpoints=.*/file/run: cannot be written"):
        begin(folder, f"{tmp_path}/file/run")
    with pytest.raises(RunError, match="checkpoints=nowhere://x: cannot be opened"):
        begin(folder, "nowhere://x")


@pytest.mark.parametrize("inside", ["", "/checkpoints", "/copy"])
def test_the_runs_own_folder_is_no_copy(inside: str, tmp_path) -> None:
    folder = run(tmp_path / "a", 1)
    before = (folder / "config.json").read_text()
    for place in (f"{folder}{inside}", f"file://{folder}{inside}"):
        with pytest.raises(RunError, match="is in the run's own folder"):
            begin(folder, place)
    assert (folder / "config.json").read_text() == before


def test_a_fresh_run_does_not_go_on_from_a_copy(place, tmp_path) -> None:
    recipe = override(SHIPPED["mini"], [f"checkpoints={place}", "model.device=cpu", "watch=[]"])
    check_start(recipe, tmp_path / "a", fresh=True)
    first = run(tmp_path / "a", 1)
    begin(first, place).push(checkpoints(first)[-1], keep=1)
    check_start(recipe, tmp_path / "a")
    with pytest.raises(RunError, match=r"copies/run holds a run, which would go on; --fresh needs a place of its own"):
        check_start(recipe, tmp_path / "a", fresh=True)
