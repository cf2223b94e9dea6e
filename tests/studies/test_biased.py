"""The study of a biased annotator: a whole small one, taken over elsewhere, and its fixed contrasts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from onethinker.recipes import RecipeError
from onethinker.studies.biased import bench_biased, contrasts_of, own_contrasts
from onethinker.studies.cells import cell_row
from onethinker.studies.pages.biased import steps_to_ceiling
from onethinker.studies.pages.index import study_page


def test_the_contrasts_and_the_step_are_those_of_a_hand() -> None:
    def row(held_out: float, curve: list[float]) -> dict:
        return {"scores": {"headline": {"ocr": held_out, "math": held_out + 0.2}}, "curve": curve}

    arms = {"grpo": [row(0.4, [0.2, 0.4]), row(0.5, [0.2, 0.2])], "ema_grpo": [row(0.6, [0.5, 0.5])]}
    assert [(c["a"], c["b"], c["target"], c["measure"], c["seeds"]) for c in contrasts_of(arms)] == [
        ("ema_grpo", "grpo", "held out", "headline", [0.2]),
        ("ema_grpo", "grpo", "while training", "accuracy", [0.2]),
    ]
    arms["ema_grpo_short"] = [row(0.5, [0.5, 0.5])]
    assert len(contrasts_of(arms)) == 2
    assert [(c["a"], c["b"], c["target"], c["seeds"]) for c in own_contrasts(arms)] == [
        ("ema_grpo_short", "ema_grpo", "held out", [-0.1]),
        ("ema_grpo_short", "grpo", "held out", [0.1]),
        ("ema_grpo_short", "ema_grpo", "while training", [0.0]),
        ("ema_grpo_short", "grpo", "while training", [0.2]),
    ]
    arms["own"] = [row(0.5, [0.5, 0.5])]  # of a plugin, loaded or not
    assert [c["b"] for c in contrasts_of(arms)] == ["grpo", "own", "grpo", "own"]
    rising = [0.0] * 10 + [1.0] * 20
    assert steps_to_ceiling(rising, 0.0, 1.0) == 19  # nine of the last ten steps are at the ceiling
    assert steps_to_ceiling([0.5] * 30, 0.0, 1.0) is None


@pytest.mark.slow
def test_a_whole_one_and_on_another_machine(tmp_path: Path, small: list[str]) -> None:
    def run(folder: Path, known: Path | None = None, seeds: int = 1, more: tuple[str, ...] = (),
            arms: tuple[str, ...] = ("ema_grpo", "grpo")) -> Path:  # fmt: skip
        return bench_biased(
            folder, "mini:1", seeds=seeds, quick=True, algorithms=arms, command="onethinker bench",
            assignments=[*small, *more], known=known,
        )  # fmt: skip

    page = run(tmp_path / "a")
    data = page.with_name("study.json")
    assert {name: page.with_name(name).read_text() for name in study_page(data)} == study_page(data)
    study = json.loads(data.read_text())
    assert list(study["rows"]) == ["base", "sft", "ema_grpo/seed-0", "grpo/seed-0"]
    row = study["rows"]["ema_grpo/seed-0"]
    assert len(row["curve"]) == 2 and sum(row["share"].values()) == pytest.approx(1, abs=1e-3) and row["sampled"]
    assert set(row["scores"]["headline"]) == set(study["rows"]["base"]["scores"]["headline"])

    with pytest.raises(RecipeError, match="other settings"):
        run(tmp_path / "b", data, more=("rl.steps=3",))
    run(tmp_path / "c", data)
    assert cell_row(tmp_path / "c", "grpo/seed-0") == cell_row(tmp_path / "a", "grpo/seed-0")
    assert not (tmp_path / "c" / "cells" / "grpo" / "seed-0" / "rl").exists()

    grown = run(tmp_path / "a", arms=("ema_grpo_short",))
    contrasts = json.loads(grown.with_name("study.json").read_text())
    assert contrasts["contrasts"] == study["contrasts"] and len(contrasts["own"]) == 4
    assert "EMA-GRPO, memory 10 − GRPO" in grown.read_text().partition("## What is it about")[2]
