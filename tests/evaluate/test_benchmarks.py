"""Every declaration says all that it should, and the paper's numbers add up to the averages that the paper prints."""

from __future__ import annotations

import re
from collections import Counter
from statistics import mean

import pytest

from onethinker.data.sources import SOURCES
from onethinker.evaluate.benchmarks import BASE, BENCHMARKS, FAMILIES, OURS, Benchmark, BenchmarkError, choose
from onethinker.sample.answer import Status
from onethinker.tasks import get_task
from onethinker.tasks.base import Score

MASKED = {"cIoU", "J&F", "click"}
"""Metrics that appear once masks were made, or of questions with one place."""


def test_the_31_benchmarks_with_their_splits_and_the_unseen_tasks():
    families = Counter(b.family for b in BENCHMARKS.values())
    least = {"image_qa": 8, "video_qa": 7, "caption": 3, "temporal": 3, "spatial": 8, "spatial_temporal": 1,
                        "tracking": 1, "image_segmentation": 3, "video_segmentation": 2, "zero_shot": 6}  # fmt: skip
    assert all(families[family] >= count for family, count in least.items())
    sets = {b.title.rpartition(" ")[0] if b.family == "spatial" else name for name, b in BENCHMARKS.items()
            if b.family != "zero_shot"}  # fmt: skip
    assert len(sets) >= 31
    assert list(FAMILIES) == list(dict.fromkeys(b.family for b in BENCHMARKS.values()))


@pytest.mark.parametrize("benchmark", BENCHMARKS.values(), ids=BENCHMARKS)
def test_a_declaration_is_complete(benchmark: Benchmark):
    assert re.fullmatch(r"[a-z0-9_]+", benchmark.name)
    assert all((benchmark.title, benchmark.split, benchmark.licence, benchmark.origin))
    assert bool(benchmark.table) == (benchmark.family != "beyond")
    metrics = get_task(benchmark.task).metrics([Score(Status.NO_ANSWER)], benchmark.metric_profile)
    assert benchmark.metric in metrics or benchmark.metric in {"accuracy", *MASKED} or benchmark.judge
    assert benchmark.judge == (benchmark.task == "caption") == (benchmark.metric == "judge")
    assert benchmark.size is None or benchmark.size > 0
    assert set(benchmark.paper()) == {BASE, OURS} or benchmark.table in ("Figure 5", "")
    assert benchmark.reason or (benchmark.size and benchmark.published)
    assert 0 < benchmark.budget.max_frames <= 128 and benchmark.prompts == "full"


@pytest.mark.parametrize("benchmark", BENCHMARKS.values(), ids=BENCHMARKS)
def test_every_layout_has_a_reader(benchmark: Benchmark):
    assert benchmark.places
    for place in benchmark.places:
        if place.reader in ("samples", "tsv"):
            assert not place.split
            continue
        source = SOURCES[place.reader]
        assert place.split in source.splits
        assert source.task == benchmark.task


def average(model: str, *families: str, metric: str = "") -> float:
    numbers = [b.paper(metric)[model] for b in BENCHMARKS.values() if b.family in families]
    return 100 * mean(numbers)


@pytest.mark.parametrize(
    ("families", "base", "ours"),
    [  # the paper's Table 9, and for the questions apart its Table 10
        (("image_qa", "video_qa"), 65.0, 69.8),
        (("temporal",), 30.8, 49.7),
        (("spatial",), 86.6, 89.2),
        (("spatial_temporal",), 19.5, 38.1),
        (("tracking",), 33.7, 73.0),
        (("image_segmentation", "video_segmentation"), 50.0, 64.2),
        (("image_qa",), None, 77.4),
        (("video_qa",), None, 61.1),
    ],
)
def test_the_numbers_have_the_averages_that_the_paper_prints(families, base, ours):
    assert average(OURS, *families) == pytest.approx(ours, abs=0.061)
    assert base is None or average(BASE, *families) == pytest.approx(base, abs=0.061)


@pytest.mark.parametrize(
    ("name", "metric", "gain"),
    [  # the gains of the paper's Figure 2
        ("mmmu", "", 10.4), ("mathverse", "", 6.2), ("scienceqa", "", 4.5), ("mmt_bench", "", 3.7),
        ("video_holmes", "", 7.8), ("videomathqa", "", 10.7), ("mmsci_caption", "", 10.6),
        ("charades_sta", "R@0.5", 34.8), ("activitynet", "R@0.5", 17.5), ("anet_rtl", "R@0.5", 14.8),
        ("refcocop_testb", "", 4.9), ("refcoco_testb", "", 3.6), ("refcocog_val", "", 2.4),
        ("stvg", "sIoU@0.5", 28.7), ("got10k", "R@0.7", 58.2), ("reasonvos", "", 35.3),
    ],
)  # fmt: skip
def test_the_gains_are_those_of_the_papers_figure(name, metric, gain):
    numbers = BENCHMARKS[name].paper(metric)
    assert 100 * (numbers[OURS] - numbers[BASE]) == pytest.approx(gain, abs=0.01)


def test_choosing_by_name_family_and_all():
    assert list(choose("all")) == list(BENCHMARKS)
    assert choose("tracking, MMMU") == {"mmmu": True, "got10k": False}
    assert choose("got10k,tracking") == {"got10k": True}
    assert len(choose("zero_shot")) == 6
    with pytest.raises(BenchmarkError, match="no benchmark or family 'mmmuu'; the nearest is 'mmmu'"):
        choose("mmmuu")
    with pytest.raises(BenchmarkError, match="no benchmark named"):
        choose(" , ")
