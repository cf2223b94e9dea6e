"""Every algorithm: what all of them owe, and each one's own numbers."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm, rankdata

from onethinker.train.advantage import ALGORITHMS, make
from onethinker.train.algorithms.base import Algorithm, AlgorithmError, Candidate
from tests.amount import many

NAMES = sorted(ALGORITHMS)
GROUPWISE = [n for n in NAMES if n != "g2rpo"]


def batch(draw: np.random.Generator, tasks=("ocr", "math", "tracking"), groups=4, size=8):
    """Rewards on each task's own scale, group ids and task ids."""
    rewards, group_ids, task_ids = [], [], []
    for t, task in enumerate(tasks):
        for g in range(groups):
            rewards += draw.beta(0.5 + t, 2, size).round(t + 1).tolist()
            group_ids += [f"{task}-{g}"] * size
            task_ids += [task] * size
    return np.array(rewards), group_ids, task_ids


@st.composite
def batches(draw, equal=False):
    """Up to 6 groups of 1 to 5 answers over three tasks; some rewards NaN."""
    reward = st.one_of(st.floats(0, 1.5), st.sampled_from([0.0, 1.0, float("nan")]))
    rewards, groups, tasks = [], [], []
    for g in range(draw(st.integers(1, 6))):
        size = draw(st.integers(1, 5))
        task = draw(st.sampled_from(["a", "b", "c"]))
        rewards += draw(st.lists(reward, min_size=size, max_size=size))
        groups += [f"g{g}"] * size
        tasks += [task] * size
    return np.array(rewards), groups, tasks


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=many(40, 6), deadline=None)
@given(given_batch=batches(), seed=st.integers(0, 9))
def test_order_does_not_matter(name, given_batch, seed):
    rewards, groups, tasks = given_batch
    order = np.random.default_rng(seed).permutation(len(rewards))
    straight = make(name)(rewards, groups, tasks)
    shuffled = make(name)(rewards[order], [groups[i] for i in order], [tasks[i] for i in order])
    np.testing.assert_allclose(shuffled, straight[order], rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=many(40, 6), deadline=None)
@given(given_batch=batches())
def test_finite_and_nan_rewards_are_left_out(name, given_batch):
    rewards, groups, tasks = given_batch
    found = make(name)(rewards, groups, tasks)
    assert found.dtype == np.float64 and np.isfinite(found).all()
    unknown = np.isnan(rewards)
    assert not found[unknown].any()
    known = np.flatnonzero(~unknown)
    if len(known):
        without = make(name)(rewards[known], [groups[i] for i in known], [tasks[i] for i in known])
        np.testing.assert_array_equal(found[known], without)


@pytest.mark.parametrize("name", GROUPWISE)
@settings(max_examples=many(40, 6), deadline=None)
@given(given_batch=batches())
def test_equal_groups_are_zero_and_others_sum_to_zero(name, given_batch):
    rewards, groups, tasks = given_batch
    options = {"guard": "group_std"} if name == "ema_grpo" else {}
    found = make(name, **options)(rewards, groups, tasks)
    for group in set(groups):
        at = [i for i, g in enumerate(groups) if g == group]
        known = [rewards[i] for i in at if not np.isnan(rewards[i])]
        if known and max(known) == min(known):
            assert not found[at].any()
        assert abs(found[at].sum()) < 1e-6 * max(1.0, np.abs(found[at]).max())


@pytest.mark.parametrize("name", NAMES)
def test_state_survives_a_restart(name):
    draw = np.random.default_rng(1)
    straight, first = make(name), make(name)
    for _ in range(3):
        given_batch = batch(draw)
        np.testing.assert_array_equal(straight(*given_batch), first(*given_batch))
    second = make(name)
    second.load_state_dict(json.loads(json.dumps(first.state_dict())))
    given_batch = batch(draw, tasks=("ocr", "caption", "video_segmentation"))
    np.testing.assert_array_equal(straight(*given_batch), second(*given_batch))
    assert straight.stats() == second.stats() and straight.task_weights() == second.task_weights()


@pytest.mark.parametrize("name", NAMES)
def test_tasks_come_and_go(name):
    draw = np.random.default_rng(2)
    algorithm = make(name)
    for tasks in (("ocr",), ("math",), ("ocr", "new"), ("math", "ocr")):
        assert np.isfinite(algorithm(*batch(draw, tasks))).all()


@pytest.mark.parametrize("name", NAMES)
def test_captions_share_the_statistics_of_open_ended_answers(name):
    draw = np.random.default_rng(3)
    rewards, groups, _ = batch(draw, tasks=("caption", "open_ended"))
    mixed = make(name)(rewards, groups, ["caption"] * 32 + ["open_ended"] * 32)
    np.testing.assert_array_equal(mixed, make(name)(rewards, groups, ["open_ended"] * 64))


def test_bad_input_is_refused():
    with pytest.raises(ValueError, match="one of each per answer"):
        make("grpo")(np.ones(3), ["a"] * 3, ["t"] * 2)
    with pytest.raises(ValueError, match="infinite"):
        make("grpo")(np.array([1.0, np.inf]), ["a"] * 2, ["t"] * 2)
    with pytest.raises(ValueError, match="did you mean ema_grpo"):
        make("emagrpo")
    with pytest.raises(ValueError, match="did you mean beta"):
        make("ema_grpo", betta=0.9)
    with pytest.raises(ValueError, match="it takes none"):
        make("dr_grpo", clip=5)
    with pytest.raises(ValueError, match="expected 0 <= beta < 1 and clip > 0"):
        make("ema_grpo", clip=float("nan"))
    with pytest.raises(ValueError, match="guard 'cut'"):
        make("ema_grpo", guard="cut")
    with pytest.raises(ValueError, match="keeps no state"):
        make("grpo").load_state_dict({"moments": {}})


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (1.0, r"Own.advantages gave an array of shape \(\) for rewards of shape \(3,\)"),
        (None, r"of shape \(\)"),
        ([1.0, 2.0], r"of shape \(2,\)"),
        ([[1.0], [2.0], [3.0]], r"of shape \(3, 1\)"),
        ([0.0, np.nan, 0.0], r"gave nan for the reward 1.0 of a group with rewards \[0.0, 1.0\]"),
        ([0.0, 0.0, np.inf], r"gave inf for the reward 0.5 of a group with rewards \[0.5\]"),
    ],
)
def test_what_an_own_one_gives_that_cannot_be_trained_on_is_told(given, said):
    class Own(Algorithm):
        def advantages(self, rewards_N, groups_N, tasks_N):
            return given

    with pytest.raises(AlgorithmError, match=said):
        Own()(np.array([0.0, 1.0, np.nan, 0.5]), list("aaab"), ["t"] * 4)


def test_needs_no_torch():
    code = "import sys, onethinker.train.advantage; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


# ---- each one's numbers -----------------------------------------------------------------------------------------


def test_grpo_and_dr_grpo():
    rewards, groups, tasks = np.array([0.0, 0, 1, 1, 3, 5]), list("aaaabb"), ["t"] * 6
    np.testing.assert_allclose(make("grpo")(rewards, groups, tasks), [-1, -1, 1, 1, -1, 1], atol=1e-5)
    sample = make("grpo", sample=True)(rewards, groups, tasks)
    np.testing.assert_allclose(sample[:4], np.array([-1, -1, 1, 1]) * np.sqrt(3 / 4), atol=1e-5)
    np.testing.assert_allclose(make("dr_grpo")(rewards, groups, tasks), [-0.5, -0.5, 0.5, 0.5, -1, 1])


def test_batch_and_task_deviations():
    rewards, groups, tasks = batch(np.random.default_rng(4))
    centred = make("dr_grpo")(rewards, groups, tasks)
    np.testing.assert_allclose(make("batch_std")(rewards, groups, tasks), centred / (np.std(rewards) + 1e-6))
    by_task = make("task_batch_std")(rewards, groups, tasks)
    ema = make("ema_grpo", beta=0.0, guard="none")(rewards, groups, tasks)
    np.testing.assert_allclose(by_task, ema, rtol=1e-9)
    np.testing.assert_allclose(by_task[:32], centred[:32] / (np.std(rewards[:32]) + 1e-6))


def test_running_deviation_is_that_of_everything_seen():
    draw, algorithm, seen = np.random.default_rng(5), make("task_running_std"), []
    for _ in range(20):
        rewards, groups, tasks = batch(draw, tasks=("ocr",))
        seen.append(rewards)
        found = algorithm(rewards, groups, tasks)
        expected = make("dr_grpo")(rewards, groups, tasks) / (np.std(np.concatenate(seen)) + 1e-6)
        np.testing.assert_allclose(found, expected, rtol=1e-9)


def test_g2rpo_worked_example():
    found = make("g2rpo")(np.array([0.0, 0, 0, 0, 1]), ["g"] * 5, ["t"] * 5)
    np.testing.assert_allclose(found.round(2), [-0.32] * 4 + [1.28])


def test_g2rpo_is_standard_normal_in_each_task():
    rewards, groups, tasks = batch(np.random.default_rng(6), groups=40)
    found = make("g2rpo")(rewards, groups, tasks)
    quantiles = norm.ppf((np.arange(320) + 0.5) / 320)
    for task in ("ocr", "math", "tracking"):
        values = found[[t == task for t in tasks]]
        assert abs(values.mean()) < 1e-9
        assert np.all(np.diff(np.sort(values)) >= 0) and values.max() <= quantiles.max() + 1e-9
    continuous = np.random.default_rng(0).normal(size=64)
    one_group = make("g2rpo")(continuous, ["g"] * 64, ["t"] * 64)
    np.testing.assert_allclose(one_group, norm.ppf((rankdata(continuous) - 0.5) / 64), atol=1e-9)


def test_g2rpo_lifts_equal_groups_in_its_second_stage():
    rewards = np.array([1.0, 1, 1, 1, 0, 0, 0, 1])
    found = make("g2rpo")(rewards, list("aaaabbbb"), ["t"] * 8)
    assert np.ptp(found[:4]) == 0 and found[0] != 0


def test_mt_grpo_moves_towards_the_worst_task():
    algorithm = make("mt_grpo")
    assert algorithm.task_weights() == {}
    for _ in range(50):
        rewards = np.array([0.9, 1.0, 0.8, 0.9, 0.1, 0.0, 0.2, 0.1])
        found = algorithm(rewards, list("aabbccdd"), ["easy"] * 4 + ["hard"] * 4)
    weights = algorithm.task_weights()
    assert sum(weights.values()) == pytest.approx(1) and weights["hard"] > 0.6
    np.testing.assert_array_equal(found, make("grpo")(rewards, list("aabbccdd"), ["t"] * 8))
    assert algorithm.stats()["task_weight/hard"] == pytest.approx(weights["hard"])


def test_mt_grpo_gives_way_to_the_task_that_improves():
    algorithm = make("mt_grpo", trade=0.0)
    for step in range(10):
        rewards = np.array([0.2, 0.2, 0.05 * step, 0.05 * step])
        algorithm(rewards, list("aabb"), ["still", "still", "rising", "rising"])
    assert algorithm.task_weights()["still"] > 0.5


def test_mt_grpo_selects_in_the_ratio_of_the_weights():
    algorithm = make("mt_grpo")
    algorithm.load_state_dict({"logits": {"easy": 0.0, "hard": float(np.log(3))}, "means": {}, "lost": {}})
    flat, spread = (1.0, 1.0), (0.0, 1.0)
    candidates = [Candidate("easy", flat)] * 5 + [Candidate("easy", spread)] * 20 + [Candidate("hard", spread)] * 9
    chosen = algorithm.select(candidates, 8)
    assert chosen == sorted(chosen) and all(candidates[i].informative for i in chosen)
    assert [candidates[i].task for i in chosen].count("hard") == 6
    assert len(algorithm.select(candidates, 20)) == 20, "a short task is made up for by the others"
    assert len(algorithm.select(candidates, 99)) == 29, "groups without a gradient never fill the batch"
    means = algorithm.state_dict()["means"]
    assert means == {}, "the weights move once a step, in the call"
    algorithm(np.array([0.0, 1.0]), ["g", "g"], ["hard", "hard"])
    assert algorithm.state_dict()["means"] == pytest.approx({"easy": (10 + 20) / 50, "hard": 0.5})


def test_others_select_the_first():
    assert make("grpo").select([Candidate("t", (0.0, 1.0))] * 5, 3) == [0, 1, 2]
    assert make("grpo").task_weights() is None
