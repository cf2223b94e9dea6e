"""Cells: done once, resumed after a failure, shared by processes, held by whoever works on them."""

from __future__ import annotations

import json
import math
import multiprocessing
import os
import time
from pathlib import Path

import pytest

from onethinker.recipes import RecipeError
from onethinker.studies import bench
from onethinker.studies.bench import commands_of, open_bench, provenance, rounded, run_cells
from onethinker.util.runs import RunError, locked


def take_a_share(out: Path) -> None:
    """What each of two processes does: eight cells, each noting who ran it."""

    def work(folder: Path) -> dict:
        with (folder / "ran").open("a") as log:
            log.write(f"{os.getpid()}\n")
        time.sleep(0.1)
        return {}

    rows = run_cells(out, {f"c/{i}": work for i in range(8)})
    (out / f"saw-{os.getpid()}").write_text(str(len(rows)))


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


def test_no_held_out_picture_is_one_that_the_start_learned_from(
    tmp_path: Path, small: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = open_bench("x", tmp_path, "mini-sft", seeds=1, quick=True, assignments=small, command="")
    monkeypatch.setattr(bench, "seen_pictures", lambda name: frozenset())
    _, every = opened.world(0)
    seen = Path(every[0].media[0]).stem
    monkeypatch.setattr(bench, "seen_pictures", lambda name: frozenset({seen} if name == "mini-sft" else ()))
    _, test = opened.world(0)
    assert 0 < len(test) < len(every)
    assert [s.id for s in test] == [s.id for s in every if seen not in {Path(m).stem for m in s.media}]


def test_what_a_killed_process_worked_counts(tmp_path: Path) -> None:
    folder = tmp_path / "cells/one"
    folder.mkdir(parents=True)
    (folder / "leg.json").write_text(json.dumps({"began": 1000.0, "earlier": 5.0}))
    (folder / "half").touch()
    for file, at in (("half", 1060.0), ("leg.json", 1000.0)):
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


def opened(out: Path, model: str = "mini:0", **options: object) -> bench.Bench:
    settings = {"seeds": 2, "quick": True, "assignments": [], "command": "x"} | options
    return open_bench("algorithms", out, model, **settings)  # type: ignore[arg-type]


def test_a_study_grows_but_never_changes(tmp_path: Path) -> None:
    assert opened(tmp_path / "s").recipe.model.base == "mini:0"
    assert opened(tmp_path / "s", seeds=7).seeds == 7
    with pytest.raises(RunError, match=r"recipe\.rl\.steps: 10 → 11"):
        opened(tmp_path / "s", assignments=["rl.steps=11"])
    with pytest.raises(RunError, match="weights"):
        opened(tmp_path / "s", "mini:1")


def test_a_study_remembers_what_was_typed_once_and_in_order(tmp_path: Path) -> None:
    for command in ("bench a", "bench b --seeds 9", "bench a"):
        opened(tmp_path / "s", command=command)
    assert commands_of(tmp_path / "s") == ["bench a", "bench b --seeds 9"]
    with pytest.raises(RunError):
        opened(tmp_path / "s", command="bench c", assignments=["rl.steps=11"])
    assert commands_of(tmp_path / "s") == ["bench a", "bench b --seeds 9"]


def test_what_a_study_sets_itself_is_refused_before_anything_runs(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="seed=3: a study sets this itself"):
        opened(tmp_path / "s", assignments=["seed=3"])
    with pytest.raises(RecipeError, match=r"rl\.algorithm 'grop'; did you mean grpo"):
        opened(tmp_path / "s", assignments=["rl.algorithm=grop"])
    with pytest.raises(RecipeError, match="no option 'bta'; did you mean beta"):
        opened(tmp_path / "s", assignments=["rl.algorithm_options={bta: 1}"])
    (tmp_path / "file").touch()
    with pytest.raises(RunError, match=r"file/s cannot be made .*another --out"):
        opened(tmp_path / "file" / "s")
    assert not (tmp_path / "s").exists()


def test_a_run_made_at_two_commits_names_both(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "made.json"
    for commit in ("aaa", "bbb", "bbb"):
        monkeypatch.setattr(bench, "provenance", lambda commit=commit: {"commit": commit, "machine": "m"})
        file.write_text(json.dumps(bench._made_by(file)))
    assert json.loads(file.read_text()) == {"commit": "aaa, bbb", "machine": "m"}


def test_every_algorithm_gets_the_same_rollouts(tmp_path: Path) -> None:
    """Nothing is drawn again, so steps × prompts × group is what every run asks."""
    made = opened(tmp_path / "s")
    assert made.recipe.rl.refill_tries == 0
    rl = made.recipe.rl
    assert made.settings()["rollouts"] == rl.steps * rl.prompts * rl.group


def test_numbers_are_rounded_to_what_they_are_worth() -> None:
    assert rounded({"a": [1 / 3, math.nan, math.inf], 2: (True, "x", 12)}) == {
        "a": [0.3333333, None, None],
        "2": [True, "x", 12],
    }


def test_provenance_names_commit_and_machine() -> None:
    found = provenance()
    assert found["commit"]
    assert "cores" in found["machine"] and "torch" in found["machine"]
