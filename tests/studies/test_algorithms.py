"""The Table 9 study end to end: cells, data and page; growing; what stays the same for all algorithms."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from scipy import stats

from onethinker.recipes import RecipeError
from onethinker.studies.algorithms import (
    CONDITIONS,
    DIVISORS,
    GROUPS,
    MEAN,
    VARIANTS,
    _differences,
    _divisors,
    _finished,
    arms,
    bench_algorithms,
)
from onethinker.studies.bench import cell_folder, cell_row
from onethinker.studies.crossed import Crossed, mean_of
from onethinker.studies.pages.index import study_page
from onethinker.tasks import list_tasks
from onethinker.train.advantage import ALGORITHMS, make


def run(out: Path, small: list[str], *algorithms: str, condition: str = "base", seeds: int = 1) -> dict:
    page = bench_algorithms(
        out, "mini", seeds=seeds, quick=True, algorithms=algorithms, conditions=[condition], assignments=small,
        command=f"onethinker bench --seeds {seeds}",
    )  # fmt: skip
    data = page.with_name("study.json")
    assert page.read_text() == study_page(data)
    return json.loads(data.read_text())


def test_arms_are_compared_on_the_seeds_that_they_share(tmp_path: Path) -> None:
    def finish(arm: str, seeds: int) -> None:
        for seed in range(seeds):
            folder = cell_folder(tmp_path, f"base/{arm}/seed-{seed}")
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "cell.json").touch()

    def found() -> dict[str, int]:
        return {arm: len(cells) for arm, cells in _finished(SimpleNamespace(out=tmp_path), "base")[0].items()}

    finish("grpo", 2)
    assert found() == {}, "without the start there is nothing to compare with"
    cell_folder(tmp_path, "base/sft").mkdir()
    (cell_folder(tmp_path, "base/sft") / "cell.json").touch()
    finish("ema_grpo", 3)
    assert found() == {"sft": 1, "grpo": 2, "ema_grpo": 2}
    finish("dr_grpo", 1)
    assert found() == {"sft": 1, "grpo": 2, "ema_grpo": 2}, "one that has begun waits"
    assert _finished(SimpleNamespace(out=tmp_path), "base")[1] == {"dr_grpo": 1, "ema_grpo": 3}
    finish("dr_grpo", 2)
    assert found() == {"sft": 1, "grpo": 2, "dr_grpo": 2, "ema_grpo": 2}


def test_arms_are_taken_together_by_what_they_divide_by() -> None:
    """Against the contrast of a two-way analysis: MS · Σw²/S is the variance of Σw·arm between seeds."""
    assert set(sum(DIVISORS.values(), ())) == set(ALGORITHMS) - {"mt_grpo"}
    rng = np.random.default_rng(0)
    names = ("grpo", "ema_grpo", "g2rpo", "dr_grpo", "task_batch_std")
    by_seed = {name: rng.normal(i, 1, 4) for i, name in enumerate(names)}
    means = {name: Crossed(seeds, seeds + rng.normal(0, 0.3, (99, 4))) for name, seeds in by_seed.items()}
    differences = _differences(means)
    luck = next(iter(differences.values())).luck
    table = np.array(list(by_seed.values()))
    residual = table - table.mean(1, keepdims=True) - table.mean(0) + table.mean()
    weights = np.array([0.5, -0.5, 0.5, 0, -0.5])
    between = (residual**2).sum() / 12 * (weights**2).sum() / 4
    mixed = luck.mixed * (weights**2).sum() / 2
    of_questions = np.tensordot(weights, [means[name].draws_RS for name in names], 1).mean(1).var()
    total = max(between, of_questions + between - mixed)
    rows = _divisors(means, differences)
    assert [(row["of"], row["minus"]) for row in rows] == [("group", "task"), ("group", "batch"), ("task", "batch")]
    value = rows[0]["difference"]["value"]
    assert rows[0]["arms"] == [2, 2] and value == pytest.approx(weights @ table.mean(1))
    assert rows[0]["p"] == pytest.approx(2 * stats.t.sf(abs(value) / total**0.5, (total / between) ** 2 * 12))
    own = mean_of([means["grpo"], means["g2rpo"]]) - mean_of([means["ema_grpo"], means["task_batch_std"]])
    assert rows[0]["own"] == pytest.approx(own.p_far())
    assert max(row["holm"] / row["p"] for row in rows) > 2.5 and all(row["holm"] >= row["p"] for row in rows)
    assert _divisors({name: means[name] for name in ("grpo", "ema_grpo")}, differences) == []


def test_a_study_from_cells_to_page_and_how_it_grows(tmp_path: Path, small: list[str]) -> None:
    first = run(tmp_path, small, "grpo")["conditions"]["base"]
    assert list(first["tables"]["headline"]) == ["sft", "grpo"]
    assert list(first["tables"]["reward"]["grpo"]) == [*GROUPS, MEAN]
    assert first["tests"] == first["divisors"] == {"headline": [], "reward": []}
    before = cell_row(tmp_path, "base/grpo/seed-0")

    study = run(tmp_path, small, "ema_grpo")
    grown = study["conditions"]["base"]
    assert list(grown["arms"]) == ["grpo", "ema_grpo"]
    assert cell_row(tmp_path, "base/grpo/seed-0") == before
    assert [(t["a"], t["b"]) for t in grown["tests"]["reward"]] == [("grpo", "ema_grpo")]
    assert study["cells"] == 3 and study["commits"] and study["command"] == "onethinker bench --seeds 1"

    row = cell_row(tmp_path, "base/ema_grpo/seed-0")
    assert row["asked_groups"] == before["asked_groups"] == 2 * 4
    assert row["steps"] == [1, 2]
    shares = row["influence"]["gradient"]
    for block in range(2):
        assert sum(share[block] for share in shares.values()) == pytest.approx(1, abs=1e-3)
    model = tmp_path / "cells/base/ema_grpo/seed-0" / row["model"]
    assert (model / "model.safetensors").exists() and not (model / "trainer.pt").exists()
    assert row["trained"] == row["commit"]
    weights = (model / "model.safetensors").stat().st_mtime_ns
    answers = (folder := tmp_path / "cells/base/ema_grpo/seed-0") / "eval/results.jsonl"
    shutil.rmtree(answers.parent)
    (folder / "cell.json").unlink()
    asked = run(tmp_path, small, "ema_grpo")
    assert (model / "model.safetensors").stat().st_mtime_ns == weights, "what is trained is asked again, not trained"
    assert answers.exists() and asked["conditions"]["base"]["tables"] == grown["tables"]

    steps = [
        (tmp_path / f"cells/base/{arm}/seed-0/rl/metrics.jsonl").read_text().splitlines()[0]
        for arm in ("grpo", "ema_grpo")
    ]
    assert len({json.loads(step)["reward"] for step in steps}) == 1, "the first step asks and samples the same"

    wider = run(tmp_path, small, "ema_grpo", condition="one_task")["conditions"]
    assert wider["base"]["arms"] == grown["arms"]
    assert list(wider["one_task"]["tables"]["headline"]["ema_grpo"]) == ["Spatial", MEAN]
    assert wider["one_task"]["questions"] == 1
    assert "When does EMA-GRPO win?" in (tmp_path / "report.html").read_text()

    surer = run(tmp_path, small, "ema_grpo", condition="one_task", seeds=2)
    assert surer["command"].splitlines() == ["onethinker bench --seeds 1", "onethinker bench --seeds 2"]
    assert surer["settings"]["seeds"] == 2 and surer["conditions"]["base"]["arms"] == grown["arms"]
    assert len(surer["conditions"]["one_task"]["arms"]["ema_grpo"]["seconds"]) == 2


def test_a_longer_one_is_so_many_times_as_long(tmp_path: Path, small: list[str]) -> None:
    made = run(tmp_path, small, "dr_grpo", condition="long")["conditions"]["long"]
    assert sum(made["arms"]["dr_grpo"]["asked_groups"]) == CONDITIONS["long"].longer * 2 * 4


def test_names_that_are_not_known_name_those_that_are(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"grop: no such algorithm.*ema_grpo"):
        bench_algorithms(tmp_path, "mini", algorithms=["grop"])
    with pytest.raises(RecipeError, match=r"evaluate.sampled=0: .*expected 1 or more"):
        bench_algorithms(tmp_path, "mini", assignments=["evaluate.sampled=0"])
    with pytest.raises(RecipeError, match="choose with --algorithm"):
        bench_algorithms(tmp_path, "mini", assignments=["rl.algorithm=grpo"])
    with pytest.raises(RecipeError, match=r"tough: no such condition.*hard"):
        bench_algorithms(tmp_path, "mini", conditions=["tough"])


def test_every_arm_and_condition_is_a_recipe() -> None:
    from onethinker.recipes import SHIPPED, override

    assert set(ALGORITHMS) | set(VARIANTS) == set(arms())
    for changes in arms().values():
        rl = override(SHIPPED["mini"], list(changes)).rl
        make(rl.algorithm, **rl.algorithm_options)
    for condition in CONDITIONS.values():
        override(SHIPPED["mini"], list(condition.changes))
        assert set(condition.tasks) <= set(list_tasks())
    assert sorted(task for group in GROUPS.values() for task in group) == sorted(list_tasks())
