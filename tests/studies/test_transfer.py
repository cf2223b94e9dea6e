"""The transfer study: who trains on what, its contrasts, and a whole small one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from onethinker.recipes import RecipeError
from onethinker.sample import Samples
from onethinker.studies.pages.index import study_page
from onethinker.studies.transfer import arms_of, bench_transfer, contrasts_of
from onethinker.util.runs import RunError


def test_who_trains_on_what(world: Samples) -> None:
    found = arms_of(["ocr", "tracking"], world)
    assert list(found) == ["all", "without/ocr", "only/ocr", "without/tracking", "only/tracking"]
    assert {s.task for s in found["only/ocr"]} == {"ocr"}
    assert {s.task for s in found["all"]} - {s.task for s in found["without/tracking"]} == {"tracking"}


def test_what_cannot_be_asked(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="trackin: no such task"):
        bench_transfer(tmp_path, "mini", tasks=["trackin", "ocr", "math"])
    with pytest.raises(RecipeError, match="between 2 tasks; expected three or more"):
        bench_transfer(tmp_path, "mini", tasks=["ocr", "math"])


@pytest.mark.slow
def test_a_whole_one(tmp_path: Path, small: list[str]) -> None:
    tasks = ["temporal_grounding", "spatial_grounding", "ocr"]
    page = bench_transfer(tmp_path, "mini", seeds=1, quick=True, tasks=tasks, assignments=[*small, "rl.steps=1"])
    data = page.with_name("study.json")
    assert {name: page.with_name(name).read_text() for name in study_page(data)} == study_page(data)
    study = json.loads(data.read_text())
    scores = study["scores"]["headline"]
    assert list(scores) == ["sft", "all", *(f"{kind}/{task}" for task in tasks for kind in ("without", "only"))]
    assert list(scores["only/ocr"]) == [*tasks, "mean"]
    assert scores["all"]["mean"] == scores["sft"]["mean"], "a model that knows nothing learns nothing in a step"
    assert study["cells"] == 1 + 1 + 2 * 3 and len(study["contrasts"]) == 2 * 3 * 3
    with pytest.raises(RunError, match="tasks: "):
        bench_transfer(
            tmp_path, "mini", quick=True, tasks=["ocr", "math", "caption"], assignments=[*small, "rl.steps=1"]
        )


def test_what_just_one_task_gives() -> None:
    """Worked by hand. RL on a gives b 0.5, on c 0.2: beyond a third task a gives b 0.3, c −0.3. b alone gives b 1.0,
    which is 0.65 beyond the mean of a and c."""
    alone = {
        "a": {"a": 1.0, "b": 0.5, "c": 0.1},
        "b": {"a": 0.0, "b": 1.0, "c": 0.1},
        "c": {"a": 0.4, "b": 0.2, "c": 1.0},
    }
    scores = {f"only/{source}": {t: [v, v + 0.1] for t, v in row.items()} for source, row in alone.items()}
    scores["sft"] = {target: [0.0] for target in "abc"}
    found = {(c["a"], c["target"]): c["seeds"] for c in contrasts_of("abc", "reward", scores)}
    assert found["a", "b"] == [0.3, 0.3] and found["c", "b"] == [-0.3, -0.3] and found["a", "c"] == [0.0, 0.0]
    assert found["b", "b"] == [0.65, 0.65] and len(found) == 9
