"""The Table 9 study end to end: cells, data and page; growing; what stays the same for all algorithms."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from onethinker.data.worlds.questions import FAMILIES
from onethinker.recipes import RecipeError
from onethinker.studies.algorithms import CONDITIONS, GROUPS, MEAN, VARIANTS, arms, bench_algorithms, contrasts_of
from onethinker.studies.cells import cell_row
from onethinker.studies.pages.index import study_page
from onethinker.tasks import list_tasks
from onethinker.train.advantage import ALGORITHMS, make


def run(out: Path, small: list[str], *algorithms: str, condition: str = "base", seeds: int = 1) -> dict:
    page = bench_algorithms(
        out, "mini", seeds=seeds, quick=True, algorithms=algorithms, conditions=[condition], assignments=small,
        command=f"onethinker bench --seeds {seeds}",
    )  # fmt: skip
    data = page.with_name("study.json")
    assert {name: page.with_name(name).read_text() for name in study_page(data)} == study_page(data)
    return json.loads(data.read_text())


def test_our_arm_is_compared_with_every_other_one() -> None:
    """Worked by hand: the start is no contrast, and without EMA-GRPO the first arm takes its place."""
    row = {"sft": [0.5], "grpo": [0.6, 0.7, 0.9], "ema_grpo": [0.7, 0.6]}
    scores = {"headline": {arm: {MEAN: seeds} for arm, seeds in row.items()}}
    (found,) = contrasts_of("base", scores)
    assert found == {"a": "ema_grpo", "b": "grpo", "target": "base", "measure": "headline", "seeds": [0.1, -0.1]}
    del scores["headline"]["ema_grpo"]
    scores["headline"]["own"] = {MEAN: [0.5, 0.5]}
    assert [(c["a"], c["b"], c["seeds"]) for c in contrasts_of("base", scores)] == [("grpo", "own", [0.1, 0.2])]


@pytest.mark.slow
def test_a_study_from_cells_to_page_and_how_it_grows(tmp_path: Path, small: list[str]) -> None:
    first = run(tmp_path, small, "grpo")
    scores = first["conditions"]["base"]["scores"]
    groups = [group for group, tasks in GROUPS.items() if {*tasks} & FAMILIES.keys()]
    assert list(scores["headline"]) == ["sft", "grpo"] and list(scores["reward"]["grpo"]) == [*groups, MEAN]
    assert first["contrasts"] == []
    before = cell_row(tmp_path, "base/grpo/seed-0")

    study = run(tmp_path, small, "ema_grpo")
    grown = study["conditions"]["base"]["scores"]
    assert list(grown["headline"]) == ["sft", "grpo", "ema_grpo"]
    assert cell_row(tmp_path, "base/grpo/seed-0") == before
    assert [(c["a"], c["b"], c["measure"]) for c in study["contrasts"]] == [
        ("ema_grpo", "grpo", "headline"),
        ("ema_grpo", "grpo", "reward"),
    ]
    assert study["cells"] == 3 and study["commits"] and study["command"] == "onethinker bench --seeds 1"

    row = cell_row(tmp_path, "base/ema_grpo/seed-0")
    assert row["asked_groups"] == before["asked_groups"] == 2 * 4
    model = tmp_path / "cells/base/ema_grpo/seed-0" / row["model"]
    assert (model / "model.safetensors").exists() and not (model / "trainer.pt").exists()
    weights = (model / "model.safetensors").stat().st_mtime_ns
    answers = (folder := tmp_path / "cells/base/ema_grpo/seed-0") / "eval/results.jsonl"
    shutil.rmtree(answers.parent)
    (folder / "cell.json").unlink()
    asked = run(tmp_path, small, "ema_grpo")
    assert (model / "model.safetensors").stat().st_mtime_ns == weights, "what is trained is asked again, not trained"
    assert answers.exists() and asked["conditions"]["base"]["scores"] == grown

    steps = [
        (tmp_path / f"cells/base/{arm}/seed-0/rl/metrics.jsonl").read_text().splitlines()[0]
        for arm in ("grpo", "ema_grpo")
    ]
    assert len({json.loads(step)["reward"] for step in steps}) == 1, "the first step asks and samples the same"

    wider = run(tmp_path, small, "ema_grpo", condition="one_task")["conditions"]
    assert wider["base"]["scores"] == grown
    assert list(wider["one_task"]["scores"]["headline"]["ema_grpo"]) == ["Spatial", MEAN]
    assert wider["one_task"]["questions"] == 1
    assert "spatial grounding alone" in (tmp_path / "README.md").read_text()

    surer = run(tmp_path, small, "ema_grpo", condition="one_task", seeds=2)
    assert surer["command"].splitlines() == ["onethinker bench --seeds 1", "onethinker bench --seeds 2"]
    assert surer["settings"]["seeds"] == 2 and surer["conditions"]["base"]["scores"] == grown
    assert len(surer["conditions"]["one_task"]["cost"]["ema_grpo"]["seconds"]) == 2

    (tmp_path / "cells/base/grpo").rename(tmp_path / "cells/base/own")  # as if of a plugin that is not loaded now
    study = run(tmp_path, small, "ema_grpo")
    assert study["conditions"]["base"]["scores"]["headline"]["own"] == grown["headline"]["grpo"]
    assert [c["b"] for c in study["contrasts"] if c["target"] == "base"] == ["own", "own"]


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
