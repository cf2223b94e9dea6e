"""The mini model that knows the other tasks: its page, its held-out questions, its files; slowly, a whole small run."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from onethinker.models.shipped import SEEN_BYTES, seen_pictures, shipped
from onethinker.sample import Sample, Samples
from onethinker.studies.bench import unseen, without
from onethinker.studies.mini import pictures
from onethinker.studies.mini_plus import NAME, build_mini_plus, ship
from onethinker.studies.pages.mini_plus import page


def entry(headline: str, value: float) -> dict:
    found = {"value": value, "low": value - 0.01, "high": value + 0.01}
    return {"n": 160, "headline": headline, "metrics": {headline: found}, "sampled": None}


def evaluation(**tasks: dict) -> dict:
    mean = {"headline": {"value": 0.9, "low": 0.8, "high": None}}
    return {"n": 160 * len(tasks), "mean": mean, "tasks": tasks}


def test_the_page_sets_before_beside_after():
    study = {
        "samples": 12, "sft": {"steps": 3, "batch": 4},
        "evaluations": {
            "sft-new": evaluation(detection=entry("F1@0.5", 0.8)),
            "rl-new": evaluation(detection=entry("F1@0.5", 0.85)),
            "before-published": evaluation(ocr=entry("1-WER", 0.98)),
            "sft-published": evaluation(ocr=entry("1-WER", 0.97)),
        },
        "rewards": [1.0] * 5 + [1.2] * 5, "rollouts": 64,
    }  # fmt: skip
    text = page(study)["README.md"]
    assert "| Detection | F1@0.5 | 160 | 80.0 [79.0, 81.0] | 85.0 [84.0, 86.0] |" in text
    assert "| Text recognition | 1-WER | 160 | 98.0 [97.0, 99.0] | 97.0 [96.0, 98.0] |" in text
    assert "first five steps is 1.000, of the last five 1.200" in text
    del study["rewards"]
    assert "## RL on" not in page(study)["README.md"]


def test_held_out_pictures_are_no_ones(tmp_path):
    known = next(iter(seen_pictures("mini-sft")))
    samples = Samples(
        (Sample("a", "ocr", "image", "?", "x", (), (f"media/{known}.png",)),
         Sample("b", "ocr", "image", "?", "x", (), ("media/" + "0" * 2 * SEEN_BYTES + ".png",))),
        tmp_path,
    )  # fmt: skip
    assert [s.id for s in unseen(samples, "mini-sft")] == ["b"]
    assert [s.id for s in without(samples, pictures(samples))] == []


@pytest.mark.slow
def test_a_small_run_makes_a_model_a_record_and_a_card(tmp_path: Path):
    made = build_mini_plus(tmp_path / "run", quick=True)
    study = json.loads(made.with_name("study.json").read_text(encoding="utf-8"))
    assert made.read_text(encoding="utf-8") == page(study)["README.md"]
    weights = tmp_path / "weights"
    (weights / "mini-sft").mkdir(parents=True)
    (weights / "mini-sft" / "pictures.bin").write_bytes((shipped()["mini-sft"] / "pictures.bin").read_bytes())
    ship(tmp_path / "run", weights)
    assert (weights / NAME / "README.md").read_text(encoding="utf-8") == made.read_text(encoding="utf-8")
    assert len((weights / NAME / "pictures.bin").read_bytes()) > len(
        (weights / "mini-sft" / "pictures.bin").read_bytes()
    )
