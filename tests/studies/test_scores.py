"""From evaluations to a number a seed: ratios of sums, questions that some cell lacks, means over targets."""

from __future__ import annotations

from pathlib import Path

import pytest

from onethinker.studies import scores
from onethinker.studies.scores import mean_over, read_scores
from onethinker.util.runs import JsonLines


class Scored:
    """A stand-in for a Score."""

    def __init__(self, row: dict) -> None:
        self.row = row
        self.accuracy = row.get("accuracy")

    def reward(self, profile: str) -> float:
        return self.row["reward"][profile]


class Counting:
    """A task whose metric is right parts of all parts."""

    @staticmethod
    def counted(score: Scored, profile: str) -> dict[str, tuple[float, float]]:
        assert profile == "official"
        return {"share": score.row["parts"], "other": (0.0, 1.0)}


@pytest.fixture
def out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(scores, "current", lambda rows: dict(enumerate(rows)))
    monkeypatch.setattr(scores, "is_error", lambda row: row.get("error", False))
    monkeypatch.setattr(scores, "score_of", Scored)
    monkeypatch.setattr(scores, "get_task", lambda name: Counting)
    return tmp_path


def write(out: Path, cell: str, rows: list[dict]) -> None:
    log = JsonLines(out / "cells" / cell / "eval" / "results.jsonl")
    for row in rows:
        log.append({"task": "t"} | row)


def greedy(question: str, parts: tuple[int, int], **more: object) -> dict:
    return {"id": question, "decoding": "greedy", "parts": parts, **more}


def sampled(question: str, reward: float) -> dict:
    rewards = {"released": reward, "paper": 0.0}
    return {"id": question, "decoding": "sampled", "reward": rewards, "accuracy": reward / 2}


def test_scores_are_ratios_of_sums_over_what_all_cells_have(out: Path) -> None:
    targets = {"q1": "x", "q2": "x", "q3": "y", "q4": "x"}
    write(out, "sft", [greedy("q1", (1, 4)), greedy("q2", (3, 4)), greedy("q3", (1, 1)), greedy("q4", (0, 9))])
    write(out, "a/seed-0", [greedy("q1", (4, 4)), greedy("q2", (2, 12)), greedy("q3", (0, 1)),
                            greedy("q4", (9, 9), error=True), greedy("elsewhere", (5, 5))])  # fmt: skip
    for cell, factor in (("sft", 1.0), ("a/seed-0", 0.5)):
        write(out, cell, [sampled("q1", factor), sampled("q1", 0.0), sampled("q3", factor)])
    found, left_out = read_scores(out, {"sft": ["sft"], "a": ["a/seed-0"]}, targets, "released")
    assert found["headline"] == {"sft": {"x": [4 / 8], "y": [1.0]}, "a": {"x": [6 / 16], "y": [0.0]}}
    assert found["reward"] == {"sft": {"x": [0.5], "y": [1.0]}, "a": {"x": [0.25], "y": [0.5]}}
    assert left_out == 1
    more, _ = read_scores(out, {"sft": ["sft"]}, targets, "paper", measures=("reward", "accuracy"))
    assert more == {"reward": {"sft": {"x": [0.0], "y": [0.0]}}, "accuracy": {"sft": {"x": [0.25], "y": [0.5]}}}


def test_a_mean_over_targets_is_plain_and_seed_by_seed() -> None:
    assert mean_over({"x": [0.2, 0.4], "y": [0.6, 0.0], "z": [9.0, 9.0]}, ["x", "y"]) == pytest.approx([0.4, 0.2])
