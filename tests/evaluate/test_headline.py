"""A benchmark's one number, and what a result's identity is made of."""

from __future__ import annotations

import math

import pytest

from onethinker.engines.base import Sampling
from onethinker.evaluate.benchmarks import BENCHMARKS
from onethinker.evaluate.headline import measured
from onethinker.media import MediaBudget
from onethinker.sample import Sample
from onethinker.sample.answer import Status
from onethinker.scoring.bootstrap import Bootstrap
from onethinker.scoring.results import Settings, score_row
from onethinker.tasks.base import Score


def test_the_judge_is_part_of_a_results_identity():
    def digest(judge):
        return Settings("e", "p", Sampling(), MediaBudget(), "official", "", judge).digest()

    assert len({digest(""), digest("one"), digest("two")}) == 3


def row(name: str, score: Score, task: str = "multiple_choice") -> dict:
    return {"id": name, "task": task, "decoding": "greedy"} | score_row(score)


def test_a_benchmarks_number_is_over_questions_of_whatever_task():
    right = Score(Status.OK, 1.0)
    rows = [row("a", right), row("b", Score(Status.OK, 0.0)), row("c", right, "numerical"),
            row("d", Score(Status.NO_ANSWER, 1.0)), row("e", Score(Status.ERROR)), row("other", right)]  # fmt: skip
    samples = [Sample(name, "multiple_choice", "text", "?", "A") for name in "abcde"]
    found = measured(BENCHMARKS["mathvista"], rows, samples, "official", Bootstrap(50))
    assert (found["value"], found["n"], found["errors"], found["questions"]) == (0.5, 4, 1, 5)
    assert measured(BENCHMARKS["mathvista"], rows, samples, "released", Bootstrap(50))["value"] == 0.75


def test_masks_that_nobody_made_are_no_number():
    score = Score(Status.OK, 0.9, components={"iou": 0.9, "positive": 1.0, "negative": 1.0})
    samples = [Sample("a", "image_segmentation", "image", "?", "{}")]
    found = measured(BENCHMARKS["seg_refcoco"], [row("a", score, "image_segmentation")], samples, "official",
                     Bootstrap(50))  # fmt: skip
    assert (found["metric"], found["value"], found["low"]) == ("cIoU", None, None)
    assert not any(math.isnan(v) for v in found["published"].values())


def test_the_value_by_the_releases_formulas_stands_beside():
    """One right box of two: officially half, in the published run's formula whole; masks by both squares and disks."""
    tube = Score(Status.OK, 0.5, components={"tiou": 1.0, "siou": 1.0}, evidence={"siou_true": 0.5, "viou": 0.5})
    mask = {"j": 0.5, "f": 0.6, "released_j": 0.4, "released_f": 0.9}
    cases = {
        "stvg": (tube, (0.75, 1.0)),
        "mevis": (Score(Status.OK, 0.5, evidence={"mask": mask}), (0.55, 0.65)),
    }
    for name, (score, (official, released)) in cases.items():
        benchmark = BENCHMARKS[name]
        samples, rows = [Sample("a", benchmark.task, "video", "?", "{}")], [row("a", score, benchmark.task)]
        for profile, value in (("official", official), ("released", released)):
            found = measured(benchmark, rows, samples, profile, Bootstrap(50))
            assert found["value"] == pytest.approx(value)
            assert found["released"]["value"] == pytest.approx(released)
        assert benchmark.released
