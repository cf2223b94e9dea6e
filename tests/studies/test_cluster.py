"""Cells on Ray: each done once in its folder, whatever fails among them; nothing is written where nobody looks."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from onethinker.cli.bench import bench_app
from onethinker.studies.cells import cell_row, run_cells
from onethinker.studies.cluster import failure, run_on_ray, work_on
from onethinker.util.ray import Here
from onethinker.util.runs import RunError, locked


@pytest.fixture
def small_ray(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A Ray of one processor on this machine."""
    ray = pytest.importorskip("ray", reason="needs Ray: pip install 'onethinker[ray]'")
    ray.init("local", num_cpus=1, log_to_driver=False)
    yield
    ray.shutdown()


def counted() -> Callable[[Path], dict]:
    """Work that notes where it was done. Made within a function, so that it is pickled whole."""

    def work(folder: Path) -> dict:
        with (folder / "ran").open("a") as log:
            log.write("x")
        return {"pid": os.getpid(), "threads": os.environ["OMP_NUM_THREADS"], "folder": str(Path.cwd())}

    return work


@pytest.mark.slow
def test_ray_finishes_every_cell_but_the_one_that_fails(
    small_ray: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Relative paths hold in the workers, threads are the driver's, and a second call does what is left, once."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    out = Path("study")
    out.mkdir()

    def fails(folder: Path) -> dict:
        raise OSError("disk is full")

    cells = {"a/one": counted(), "bad": fails, "a/two": counted()}
    with pytest.raises(RunError, match=r"1 of 3 cells failed.*\n  bad: OSError: disk is full$"):
        run_on_ray(out, cells, "local", "cpu")
    run_on_ray(out, cells | {"bad": counted()}, "local", "cpu")
    rows = [cell_row(out, name) for name in cells]
    assert {(row["threads"], row["folder"]) for row in rows} == {("3", str(tmp_path))}
    assert os.getpid() not in {row["pid"] for row in rows}
    assert [(out / "cells" / name / "ran").read_text() for name in cells] == ["x"] * 3
    assert not list(out.glob(".ray-*"))


def test_finished_cells_start_no_ray(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    row = run_cells(tmp_path, {"one": lambda folder: {"value": 1}})["one"]
    run_on_ray(tmp_path, {"one": lambda folder: {"value": 2}}, "local", "cpu")
    assert cell_row(tmp_path, "one") == row


def test_a_missing_ray_is_told_before_the_study_opens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    for verb in ("algorithms", "transfer", "zeroshot"):
        result = CliRunner().invoke(bench_app, [verb, "--ray", "local", "--out", str(tmp_path / verb)])
        assert isinstance(result.exception, RunError)
        assert "pip install 'onethinker[ray]'" in str(result.exception)
    with pytest.raises(RunError, match=r"onethinker\[ray\]"):
        run_on_ray(tmp_path, {"one": lambda folder: {}}, "local", "cpu")
    assert not list(tmp_path.iterdir())


def test_a_worker_that_does_not_see_the_folder_says_so_and_writes_nothing(tmp_path: Path) -> None:
    """The folder may be there, but another one: only the driver's mark shows that it is the same."""
    out, elsewhere = tmp_path / "out", tmp_path / "elsewhere"
    out.mkdir()
    for mark, here in ((out / ".ray-x", tmp_path), (tmp_path, elsewhere)):
        folder = out if here == tmp_path else elsewhere
        with pytest.raises(RunError, match=f"does not see {folder};.*all nodes"):
            work_on("one", {"one": lambda folder: {}}, out, Here(mark, here))
    assert not list(out.iterdir())


def test_a_worker_leaves_a_held_cell_for_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[float] = []
    monkeypatch.setattr("time.sleep", waited.append)
    monkeypatch.chdir(tmp_path)
    shared = ({"one": lambda folder: {}}, tmp_path, Here(tmp_path, tmp_path))
    with locked(tmp_path / "cells/one"):
        assert not work_on("one", *shared)
    assert work_on("one", *shared)
    assert len(waited) == 1


def test_a_failure_names_the_cells_and_the_way_on() -> None:
    message = str(failure({"b/x/seed-0": "ValueError: too long", "sft": "KeyError: 'a'"}, 12))
    assert message.splitlines() == [
        "2 of 12 cells failed; the same command tries them again",
        "  b/x/seed-0: ValueError: too long",
        "  sft: KeyError: 'a'",
    ]
