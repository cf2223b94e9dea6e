"""Samplers: balance, every sample once an epoch, weights, and an order that goes on after a restart."""

from __future__ import annotations

import math
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from onethinker.sample import Sample, Samples
from onethinker.train.algorithms.base import AlgorithmError
from onethinker.train.sampler import Sampler

TASKS = ("ocr", "math", "tracking", "caption")
ITEMS = [
    Sample(f"s{i}", TASKS[min(i // 5, 3)], "video" if i % 7 == 0 else "image", "?", "", media=("m.png",))
    for i in range(30)
]
SAMPLES = Samples(tuple(ITEMS), Path())


def tasks_of(positions) -> Counter:
    return Counter(SAMPLES[p].task for p in positions)


@pytest.mark.parametrize("kind", ["uniform", "curriculum"])
def test_an_epoch_is_every_sample_once(kind):
    sampler = Sampler(kind, SAMPLES, seed=1)
    epochs = [[p for n in (7, 11, 12) for p in sampler.draw(n)] for _ in range(3)]
    assert all(sorted(epoch) == list(range(30)) for epoch in epochs)
    assert epochs[0] != epochs[1] != epochs[2]
    assert Sampler(kind, SAMPLES, seed=1).draw(30) == epochs[0]
    assert Sampler(kind, SAMPLES, seed=2).draw(30) != epochs[0]


def test_images_and_videos_in_equal_numbers():
    """5 clips among 30: each is drawn as often as the others of its kind, and half of all draws are clips."""
    drawn = Sampler("modality_balanced", SAMPLES, seed=0).draw(100)
    videos = [p for p in drawn if SAMPLES[p].modality == "video"]
    assert len(videos) == 50
    assert set(Counter(videos).values()) == {10}
    assert set(Counter(set(drawn) - set(videos)).values()) == {1}


def test_tasks_in_equal_numbers():
    assert set(tasks_of(Sampler("task_balanced", SAMPLES, seed=0).draw(80)).values()) == {20}


def test_task_weights_are_relative_to_the_largest():
    """The release's captions arrive as open-ended questions: a caption goes by that weight."""
    weights = {"ocr": 0.6, "math": 0.3, "tracking": 0.0, "open_ended": 0.1}
    counts = tasks_of(Sampler("task_balanced", SAMPLES, seed=0).draw(1500, weights))
    assert counts["tracking"] == 0
    assert counts["math"] / counts["ocr"] == pytest.approx(0.5, abs=0.06)
    assert counts["caption"] / counts["ocr"] == pytest.approx(1 / 6, abs=0.05)


def test_weights_of_tasks_that_are_not_here_or_all_zero_do_not_stop_the_draw():
    absent = {"ocr": 0.0, "math": 0.0, "tracking": 0.0, "open_ended": 0.0, "regression": 1.0}
    assert len(Sampler("uniform", SAMPLES, seed=0).draw(10, absent)) == 10
    assert tasks_of(Sampler("task_balanced", SAMPLES, seed=0).draw(40, {"ocr": 1.0}))["math"] == 10, "no weight yet"


@pytest.mark.parametrize("weight", [math.nan, math.inf, -1.0])
def test_a_weight_that_is_none_is_told_before_anything_is_drawn(weight):
    with pytest.raises(AlgorithmError, match=f"task_weights gave {{'ocr': {weight}}}; expected finite numbers"):
        Sampler("uniform", SAMPLES, seed=0).draw(1, {"ocr": weight, "math": 1.0})


def test_curriculum_passes_over_what_is_all_right_or_all_wrong():
    sampler = Sampler("curriculum", SAMPLES, seed=0)
    for position in range(30):
        sampler.observe(position, (0.0, 0.5, 1.0)[position % 3])
    drawn = Counter(p % 3 for p in sampler.draw(1200))
    assert drawn[0] / drawn[1] == pytest.approx(0.25, abs=0.08)
    assert drawn[2] / drawn[1] == pytest.approx(0.25, abs=0.08)
    sampler.observe(1, float("nan"))
    assert 1 in sampler.draw(60), "a group without a score says nothing"


@pytest.mark.parametrize("kind", ["uniform", "task_balanced", "modality_balanced", "curriculum"])
def test_goes_on_after_a_restart(kind):
    weights = {"ocr": 0.5, "math": 0.3, "tracking": 0.2}
    whole, cut = (Sampler(kind, SAMPLES, seed=4) for _ in range(2))
    expected = [whole.draw(9, weights), whole.draw(9, weights), whole.draw(40, weights)]
    assert cut.draw(9, weights) == expected[0]
    state = cut.state_dict()
    cut.draw(5)
    again = Sampler(kind, SAMPLES, seed=4)
    again.load_state_dict(state)
    assert [again.draw(9, weights), again.draw(40, weights)] == expected[1:]
    if kind == "curriculum":
        again.observe(3, 1.0)
        third = Sampler(kind, SAMPLES, seed=4)
        third.load_state_dict(again.state_dict())
        assert third.accuracy == {"s3": 1.0}


def test_draws_leave_the_global_random_numbers_alone():
    np.random.seed(0)
    expected = np.random.random()
    np.random.seed(0)
    Sampler("uniform", SAMPLES, seed=0).draw(40, {"ocr": 0.1, "math": 1.0})
    assert np.random.random() == expected


def test_unknown_kind():
    with pytest.raises(ValueError, match="sampler 'random'; expected one of uniform"):
        Sampler("random", SAMPLES, seed=0)
