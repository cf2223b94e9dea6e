"""The zero-shot study: nothing of it is in what is trained on, and a whole small one."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from onethinker.data.worlds import build_world, build_zeroshot, leaks
from onethinker.data.worlds.zeroshot import CONTROL, GUESSED, MAKERS
from onethinker.models.shipped import ModelError
from onethinker.sample import load_samples
from onethinker.studies import zeroshot
from onethinker.studies.pages.index import study_page
from onethinker.studies.zeroshot import bench_zeroshot, blind
from tests.amount import thinned


@pytest.mark.parametrize("difficulty", thinned((0, 3), 3))
def test_nothing_that_sft_or_rl_sees_has_a_zeroshot_template(difficulty: int, tmp_path: Path) -> None:
    """Both train on a world's train split: questions, options, truths and worked answers; the other splits too."""
    world = build_world(tmp_path / "w", 130, seed=11, difficulty=difficulty, validation=13, test=13)
    for split in ("train", "validation", "test"):
        assert leaks(load_samples(world / split)) == []


def test_a_model_that_there_is_not_is_told_before_a_world_is_built(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="model 'nope' is neither shipped"):
        bench_zeroshot(tmp_path / "study", "mini:1", quick=True, untrained="nope")
    assert not (tmp_path / "study").exists()


@pytest.mark.slow
def test_a_whole_one(tmp_path: Path, small: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zeroshot, "QUICK_QUESTIONS", len(MAKERS))
    page = bench_zeroshot(tmp_path, "mini:1", seeds=1, quick=True, untrained="mini:0", assignments=small)
    data = page.with_name("study.json")
    assert {name: page.with_name(name).read_text() for name in study_page(data)} == study_page(data)
    study = json.loads(data.read_text())
    assert list(study["kinds"]) == list(MAKERS)
    assert list(study["scores"]["headline"]) == ["before", "sft", "rl"]
    after, before = (study["scores"]["reward"][stage] for stage in ("rl", "sft"))
    assert list(after) == [*MAKERS, "mean"]
    mean = np.mean([after[kind][0] for kind in MAKERS if kind != CONTROL])
    assert after["mean"] == [pytest.approx(mean, abs=1e-4)]
    assert [(c["a"], c["b"], c["target"]) for c in study["contrasts"]] == 2 * [("rl", "sft", k) for k in after]
    assert study["contrasts"][-1]["seeds"] == [pytest.approx(after["mean"][0] - before["mean"][0], abs=2e-6)]
    assert set(study["blind"]) == set(MAKERS)
    assert study["trained_on"] == [
        {"data": "SFT", "n": None, "found": None},
        {"data": "RL", "n": 26, "found": 0},
    ]


@pytest.mark.slow
def test_one_fixed_answer_gets_little(tmp_path: Path) -> None:
    """Nor does the fullness of a picture tell a count: there are always four things."""
    found = blind(load_samples(build_zeroshot(tmp_path / "w", 60 * len(MAKERS), seed=5)))
    assert set(GUESSED) <= set(found) == set(MAKERS)
    assert all(share < 0.4 for share in found.values()), found


def test_what_was_searched(tmp_path: Path) -> None:
    train = load_samples(build_world(tmp_path / "w", 26, seed=3, validation=1, test=1) / "train")
    sft, rl = zeroshot._searched("mini-sft", train)
    assert sft["n"] > 100_000 and (sft["found"], rl) == (0, {"data": "RL", "n": 26, "found": 0})
