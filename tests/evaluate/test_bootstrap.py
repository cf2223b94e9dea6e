import math

import numpy as np
import pytest
from scipy import stats

from onethinker.evaluate.bootstrap import Bootstrap, average, difference, mean, ratio, ratios


def test_the_interval_of_a_mean_is_scipys():
    values = np.random.default_rng(1).beta(2, 3, size=80)
    ours = mean(values.tolist(), Bootstrap(4000)).row()
    peer = stats.bootstrap((values,), np.mean, n_resamples=4000, method="percentile", rng=2).confidence_interval
    assert ours["value"] == pytest.approx(values.mean())
    assert ours["low"] == pytest.approx(peer.low, abs=0.004)
    assert ours["high"] == pytest.approx(peer.high, abs=0.004)


def test_the_interval_of_a_ratio_is_scipys():
    rng = np.random.default_rng(3)
    union = rng.integers(50, 5000, size=60)
    inter = (union * rng.uniform(0, 1, size=60)).astype(int)
    ours = ratio(np.stack([inter, union], 1), Bootstrap(4000)).row()

    def pooled(a, b, axis):
        return a.sum(axis) / b.sum(axis)

    peer = stats.bootstrap((inter, union), pooled, paired=True, n_resamples=4000, method="percentile", rng=4)
    assert ours["value"] == pytest.approx(inter.sum() / union.sum())
    assert ours["low"] == pytest.approx(peer.confidence_interval.low, abs=0.006)
    assert ours["high"] == pytest.approx(peer.confidence_interval.high, abs=0.006)


def test_one_question_has_a_value_and_no_interval():
    assert mean([0.25], Bootstrap(50)).row() == {"value": 0.25, "low": None, "high": None}


def test_nothing_has_no_value():
    assert mean([], Bootstrap(50)).row() == {"value": None, "low": None, "high": None}
    assert ratios([], Bootstrap(50)) == {}
    assert average([]).row() == {"value": None, "low": None, "high": None}


def test_undefined_terms_are_left_out():
    found = ratio([(1, 1), (math.nan, 1), (0, 1)], Bootstrap(200))
    assert found.value == 0.5
    assert found.row()["low"] == 0.0 and found.row()["high"] == 1.0


def test_resamples_without_any_weight_are_left_out():
    found = ratio([(1, 2), (0, 0)], Bootstrap(200))
    assert found.row() == {"value": 0.5, "low": 0.5, "high": 0.5}


def test_only_metrics_that_all_questions_have():
    assert list(ratios([{"a": (1, 1), "b": (1, 1)}, {"a": (0, 1)}], Bootstrap(50))) == ["a"]


def test_seeds_repeat_and_names_differ():
    values = [0.0, 1.0, 1.0, 0.3, 0.7]
    a, b = (mean(values, Bootstrap(100, seed=5).of("ocr")).draws_R for _ in range(2))
    c = mean(values, Bootstrap(100, seed=5).of("math")).draws_R
    assert (a == b).all() and (a != c).any()


def test_the_average_over_tasks_is_narrower_than_each():
    """Independent means of equal spread: the mean of four has half their standard deviation."""
    rng = np.random.default_rng(0)
    tasks = [mean(rng.uniform(size=50).tolist(), Bootstrap(4000).of(str(i))) for i in range(4)]
    whole = average(tasks)
    assert whole.value == pytest.approx(np.mean([t.value for t in tasks]))
    assert whole.draws_R.std() == pytest.approx(np.mean([t.draws_R.std() for t in tasks]) / 2, rel=0.08)


def test_differences_are_paired():
    """b is a plus a tenth on every question: whatever is drawn, the difference is a tenth."""
    values = np.random.default_rng(0).uniform(size=30)
    found = difference(mean(values.tolist(), Bootstrap(300)), mean((values + 0.1).tolist(), Bootstrap(300))).row()
    assert [round(found[k], 9) for k in ("value", "low", "high")] == [0.1, 0.1, 0.1]
