import math

import numpy as np
import pytest
from scipy import stats

from onethinker.scoring.bootstrap import Bootstrap, average, difference, mean, ratio, ratios


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
    assert found.count == 2
    assert (found.row()["low"], found.row()["high"]) == pytest.approx(
        stats.binomtest(1, 2).proportion_ci(method="wilson")
    )


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


@pytest.mark.parametrize(("right", "n"), [(10, 10), (0, 10), (9, 10), (1, 3), (137, 520)])
def test_the_interval_of_a_share_is_scipys_wilson(right, n):
    found = mean([1.0] * right + [0.0] * (n - right), Bootstrap(100)).row()
    peer = stats.binomtest(right, n).proportion_ci(method="wilson")
    assert (found["low"], found["high"]) == pytest.approx((peer.low, peer.high))
    assert 0 <= found["low"] < found["high"] <= 1


def test_a_mean_at_an_end_of_its_scale_is_not_certain():
    """Pooled ratios, means of several tasks, and rewards on their own scale."""
    least = stats.binomtest(5, 5).proportion_ci(method="wilson").low
    assert ratio([(30.0, 30.0)] * 5, Bootstrap(50)).row()["low"] == pytest.approx(least)
    reward = mean([1.5] * 5, Bootstrap(50), (0.0, 1.5)).row()
    assert (reward["value"], reward["low"], reward["high"]) == pytest.approx((1.5, 1.5 * least, 1.5))
    whole = average([mean([1.0] * n, Bootstrap(50).of(str(n))) for n in (4, 6)]).row()
    assert whole["low"] == pytest.approx(stats.binomtest(10, 10).proportion_ci(method="wilson").low)
    assert mean([0.7] * 5, Bootstrap(50)).row() == pytest.approx({"value": 0.7, "low": 0.7, "high": 0.7})


def test_differences_stay_within_their_scale_and_no_change_is_not_certain():
    a, b = (mean([end] * 10, Bootstrap(100)) for end in (0.0, 1.0))
    most, least = difference(a, b).row(), difference(b, a).row()
    wilson = stats.binomtest(10, 10).proportion_ci(method="wilson")
    assert (most["value"], most["low"], most["high"]) == pytest.approx((1, wilson.low, 1))
    assert (least["value"], least["low"], least["high"]) == pytest.approx((-1, -1, -wilson.low))
    same = difference(b, b).row()
    unseen = stats.binomtest(0, 10).proportion_ci(method="wilson").high
    assert (same["low"], same["high"]) == pytest.approx((-unseen, unseen))
    certain = difference(b, b, alike=True).row()
    assert (certain["low"], certain["high"]) == (0, 0)
    both = average([difference(b, b)] * 3).row()
    assert both["high"] == pytest.approx(stats.binomtest(0, 30).proportion_ci(method="wilson").high)
