"""The transfer study: who trains on what, the maps, and a whole small one."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from onethinker.recipes import RecipeError
from onethinker.sample import Samples
from onethinker.studies.crossed import Crossed
from onethinker.studies.pages.index import study_page
from onethinker.studies.transfer import _specific, arms, bench_transfer, modality
from onethinker.util.runs import RunError


def test_who_trains_on_what(world: Samples) -> None:
    found = arms(["ocr", "tracking"], world)
    assert {s.task for s in found["only/ocr"]} == {"ocr"}
    assert {s.task for s in found["all"]} - {s.task for s in found["without/tracking"]} == {"tracking"}
    assert {modality(s) for s in found["only/video"]} == {"video"}
    assert len(found["only/video"]) + len(found["only/image"]) == len(found["all"]) == len(world)


def test_what_cannot_be_asked(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="trackin: no such task"):
        bench_transfer(tmp_path, "mini", tasks=["trackin", "ocr"])
    with pytest.raises(RecipeError, match="two or more"):
        bench_transfer(tmp_path, "mini", tasks=["ocr"])


def test_a_whole_one(tmp_path: Path, small: list[str]) -> None:
    tasks = ["temporal_grounding", "spatial_grounding", "ocr"]
    page = bench_transfer(tmp_path, "mini", seeds=1, quick=True, tasks=tasks, assignments=[*small, "rl.steps=1"])
    data = page.with_name("study.json")
    assert page.read_text() == study_page(data)
    study = json.loads(data.read_text())
    maps = study["maps"]["headline"]
    assert list(maps["leave_one_out"]) == list(maps["add_one_in"]) == tasks
    assert list(maps["add_one_in"]["spatial_grounding"]) == [*tasks, "mean"]
    assert maps["modality"].keys() == maps["modality"]["image"].keys() == {"image", "video"}
    assert maps["all"]["mean"]["value"] == 0, "a model that knows nothing learns nothing in a step"
    assert study["cells"] == 1 + 1 + 2 * 3 + 2
    with pytest.raises(RunError, match="tasks: "):
        bench_transfer(tmp_path, "mini", quick=True, tasks=["ocr", "math"], assignments=[*small, "rl.steps=1"])
    assert {s: list(t) for s, t in maps["specific"].items()} == {
        "temporal_grounding": ["spatial_grounding", "ocr", "mean"],
        "spatial_grounding": ["temporal_grounding", "ocr", "mean"],
        "ocr": ["temporal_grounding", "spatial_grounding", "mean"],
    }


def test_what_just_one_task_gives() -> None:
    """Tasks a, b, c, one seed: a's training gives b 0.5, c's gives it 0.2, so a gives b 0.3 more than a third task."""
    only = {
        source: {target: Crossed(np.array([value]), np.full((4, 1), value)) for target, value in row.items()}
        for source, row in {
            "a": {"a": 1.0, "b": 0.5, "c": 0.1},
            "b": {"a": 0.0, "b": 1.0, "c": 0.1},
            "c": {"a": 0.4, "b": 0.2, "c": 1.0},
        }.items()
    }  # fmt: skip
    found = _specific(only)
    assert found["a"]["b"]["value"] == pytest.approx(0.3) and found["c"]["b"]["value"] == pytest.approx(-0.3)
    same = {"value": 0.0, "low": 0.0, "high": 0.0, "seeds": [0.0], "holm": 1.0, "visible": 0.0}
    assert found["a"]["c"] == same
    assert found["c"]["mean"]["value"] == pytest.approx((0.4 - 0.3) / 2) and "a" not in found["a"]
    assert _specific({task: only[task] for task in ("a", "b")}) == {}


def test_the_luck_of_a_target_is_that_of_all_its_sources() -> None:
    """Four tasks, two seeds. A target has K = 3 sources; a source minus the mean of the third ones is K/(K − 1) times
    its distance from their mean, so its variance is K/(K − 1) · MS/S, with (K − 1)(S − 1) degrees of freedom."""
    rng = np.random.default_rng(0)
    numbers = {source: {target: rng.normal(0, 1, 2) for target in "abcd"} for source in "abcd"}
    only = {s: {t: Crossed(n, np.repeat(n[None], 4, 0)) for t, n in row.items()} for s, row in numbers.items()}
    found = _specific(only)
    for target in "abcd":
        table_KS = np.array([numbers[source][target] for source in "abcd" if source != target])
        residual_KS = table_KS - table_KS.mean(1, keepdims=True) - table_KS.mean(0) + table_KS.mean()
        error = (3 / 2 * (residual_KS**2).sum() / 2 / 2) ** 0.5
        for row in (found[source][target] for source in "abcd" if source != target):
            assert row["high"] - row["low"] == pytest.approx(2 * stats.t.isf(0.025, 2) * error)
            assert row["visible"] == pytest.approx(stats.t.isf(0.025 / 12, 2) * error)
