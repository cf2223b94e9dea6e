"""The shipped weights: their record, their card, their files; and, slowly, a whole small run of what makes them."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import pytest
from safetensors import safe_open

from onethinker.models.shipped import DATA_FILE, RECIPE_FILE, SEEN_FILE, WEIGHTS, seen_pictures, shipped, shipped_data
from onethinker.sample import Sample, Samples
from onethinker.studies.mini import FILES, MODELS, build_mini, ship, thinned
from onethinker.studies.pages.index import read_study
from onethinker.studies.pages.mini import TARGETS, page, reached
from onethinker.tasks import list_tasks

RECORD = Path(__file__).parents[2] / "docs" / "results" / "mini" / "study.json"
MOST = 50_000_000
"""Bytes that all shipped weights may take."""


@pytest.fixture(scope="module")
def study():
    return read_study(RECORD)


def test_both_models_come_with_the_package():
    assert set(MODELS) <= set(shipped())
    assert sum(file.stat().st_size for file in WEIGHTS.rglob("*.safetensors")) < MOST
    for name in MODELS:
        assert {file.name for file in shipped()[name].iterdir()} == {*FILES, RECIPE_FILE, DATA_FILE, SEEN_FILE}
        with safe_open(shipped()[name] / "model.safetensors", "np") as weights:
            assert "lm_head.weight" in weights.keys()  # noqa: SIM118


def test_nothing_in_them_points_to_where_they_were_made():
    for name in MODELS:
        for file in shipped()[name].glob("*.json"):
            assert "runs/" not in file.read_text(encoding="utf-8"), file


def test_they_say_what_they_were_made_on(study):
    for name in MODELS:
        told = shipped_data(name)
        assert told["samples"] == sum(study["world"]["counts"]["train"].values()) and told["leaks"] == 0
        assert told["world"]["digest"] == study["world"]["digest"]
        assert 0 < len(seen_pictures(name)) <= told["samples"]
    assert shipped_data("runs/own/checkpoint") is None


def test_the_record_measures_every_task_on_enough_questions(study):
    for name in ("sft", "rl", "control-more-sft"):
        tasks = study["evaluations"][name]["tasks"]
        assert set(tasks) == set(study["world"]["counts"]["train"])
        assert all(entry["n"] >= 500 for entry in tasks.values())


def test_the_page_says_what_falls_short(study):
    """Of the record as it is, and of one whose tracking is below target."""
    poor = copy.deepcopy(study)
    poor["evaluations"]["rl"]["tasks"]["tracking"]["metrics"]["AO"]["value"] = 0.5
    for record, names in ((study, []), (poor, ["Tracking (AO)"])):
        short = [t for t in TARGETS if not reached(record, "rl", t)]
        assert [t.task for t in short] == ["tracking"] * len(names)
        text = page(record)["README.md"]
        assert all(name in text for name in names) and ("reaches every target" in text) == (not names)
        assert text.count(" ✗ |") == sum(not reached(record, m, t) for m in ("sft", "rl") for t in TARGETS)


def test_what_takes_steps_of_thought_comes_oftener(tmp_path):
    samples = tuple(Sample(f"{task}-{i}", task, "text", "?", "1") for i in range(8) for task in list_tasks())
    kept = thinned(Samples(samples, tmp_path))
    counts = {task: len(kept.of_task(task)) for task in list_tasks()}
    assert (counts["multiple_choice"], counts["numerical"], counts["math"], counts["tracking"]) == (8, 6, 2, 1)
    assert [s.id for s in kept.of_task("math")] == ["math-0", "math-1"]


@pytest.mark.slow
def test_a_small_run_makes_models_a_record_and_a_page(tmp_path):
    out = tmp_path / "mini"
    made = build_mini(out, quick=True)
    record = json.loads((out / "study.json").read_text(encoding="utf-8"))
    assert made.read_text(encoding="utf-8").startswith("# The mini models")
    assert not record["lr0_moved"] and set(record["runs"]) == {"hold", "sft", "rl", "control-lr0", "control-more-sft"}
    assert {"rl - sft", "rl - control-more-sft"} <= set(record["compared"])
    ship(out, tmp_path / "weights")
    assert {p.name for p in (tmp_path / "weights" / "mini-rl").iterdir()} == {*FILES, RECIPE_FILE, DATA_FILE, SEEN_FILE}
    again = (out / "study.json").stat().st_mtime_ns
    assert build_mini(out, quick=True) == made and (out / "study.json").stat().st_mtime_ns >= again
