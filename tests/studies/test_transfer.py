"""The transfer study: who trains on what, the maps, and a whole small one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from onethinker.recipes import RecipeError
from onethinker.report.study_index import study_page
from onethinker.sample import Samples
from onethinker.studies.transfer import arms, bench_transfer, modality


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
    tasks = ["temporal_grounding", "spatial_grounding"]
    page = bench_transfer(tmp_path, "mini", seeds=1, quick=True, tasks=tasks, assignments=[*small, "rl.steps=1"])
    data = page.with_name("study.json")
    assert page.read_text() == study_page(data)
    study = json.loads(data.read_text())
    maps = study["maps"]["headline"]
    assert list(maps["leave_one_out"]) == list(maps["add_one_in"]) == tasks
    assert list(maps["add_one_in"]["spatial_grounding"]) == [*tasks, "mean"]
    assert maps["modality"].keys() == maps["modality"]["image"].keys() == {"image", "video"}
    assert maps["all"]["mean"]["value"] == 0, "a model that knows nothing learns nothing in a step"
    assert study["cells"] == 1 + 1 + 2 * 2 + 2
