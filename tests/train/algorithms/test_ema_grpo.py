"""EMA-GRPO against an independent transcription of the published formula, in plain floats, loop by loop."""

from __future__ import annotations

import math

import numpy as np
import pytest

from onethinker.train.advantage import make


class Published:
    """Equations 9–12 of arXiv 2512.03043 with the released run's order: all moments first, then every group."""

    def __init__(self, beta, guard):
        self.beta, self.guard, self.first, self.second = beta, guard, {}, {}

    def step(self, rewards, groups, tasks):
        for task in sorted(set(tasks)):
            mine = [r for r, t in zip(rewards, tasks, strict=True) if t == task]
            mean, square = sum(mine) / len(mine), sum(r * r for r in mine) / len(mine)
            if task in self.first:
                self.first[task] = self.beta * self.first[task] + (1 - self.beta) * mean
                self.second[task] = self.beta * self.second[task] + (1 - self.beta) * square
            else:
                self.first[task], self.second[task] = mean, square
        return [self.one(i, rewards, groups, tasks) for i in range(len(rewards))]

    def one(self, i, rewards, groups, tasks):
        mine = [r for r, g in zip(rewards, groups, strict=True) if g == groups[i]]
        mean = sum(mine) / len(mine)
        variance = self.second[tasks[i]] - self.first[tasks[i]] ** 2
        sigma = math.sqrt(max(variance, 1e-3**2)) + 1e-6
        value = (rewards[i] - mean) / sigma
        if self.guard == "clip":
            return min(max(value, -5.0), 5.0)
        if self.guard == "group_std" and any(abs((r - mean) / sigma) > 5.0 for r in mine):
            own = math.sqrt(sum((r - mean) ** 2 for r in mine) / len(mine))
            return (rewards[i] - mean) / (own + 1e-6)
        return value


def mixed_step(draw, step):
    """Tasks on different scales; one settles and then has an outlier, one comes late, one is seen every third step."""
    rewards, groups, tasks = [], [], []
    for task, scale in (("ocr", 1.0), ("tracking", 0.05), ("late", 0.4), ("rare", 0.2)):
        if (task == "late" and step < 8) or (task == "rare" and step % 3):
            continue
        for g in range(3):
            values = scale * draw.random(8)
            if task == "tracking" and step % 4 == 3 and g == 1:
                values[0] = 1.5
            if g == 2 and step % 2:
                values[:] = scale
            rewards += values.tolist()
            groups += [f"{task}-{g}"] * 8
            tasks += [task] * 8
    return rewards, groups, tasks


@pytest.mark.parametrize("guard", ["clip", "group_std", "none"])
def test_equals_the_published_formula(guard):
    draw = np.random.default_rng(0)
    ours, published, beyond, largest = make("ema_grpo", guard=guard), Published(0.99, guard), 0, 0.0
    unguarded = Published(0.99, "none")
    for step in range(20):
        rewards, groups, tasks = mixed_step(draw, step)
        expected = np.array(published.step(rewards, groups, tasks))
        beyond += int((np.abs(unguarded.step(rewards, groups, tasks)) > 5).sum())
        largest = max(largest, np.abs(ours(np.array(rewards), groups, tasks) - expected).max())
    assert beyond >= 3, "the guard was never hit"
    assert largest < 1e-6
    assert ours.stats()["ema_mean/rare"] == pytest.approx(published.first["rare"])


def test_first_batch_starts_the_moments():
    algorithm = make("ema_grpo")
    algorithm(np.array([0.0, 1.0]), ["g", "g"], ["t", "t"])
    assert algorithm.state_dict() == {"moments": {"t": [0.5, 0.5]}}
    algorithm(np.array([1.0, 1.0]), ["g", "g"], ["t", "t"])
    assert algorithm.state_dict()["moments"]["t"] == pytest.approx([0.505, 0.505])


def test_image_and_video_segmentation_are_two_tasks():
    algorithm = make("ema_grpo")
    algorithm(np.array([0.0, 1, 0, 0.1]), list("aabb"), ["image_segmentation"] * 2 + ["video_segmentation"] * 2)
    assert algorithm.std("image_segmentation") == pytest.approx(0.5)
    assert algorithm.std("video_segmentation") == pytest.approx(0.05)


def test_sigma_within_groups_ignores_how_hard_prompts_are():
    """Two prompts, one easy and one hard, each with a spread of ±0.1: their own variance is 0.01."""
    rewards = np.array([0.9, 0.7, 0.3, 0.1])
    raw, within = make("ema_grpo"), make("ema_grpo", sigma="within")
    raw(rewards, list("aabb"), ["t"] * 4)
    found = within(rewards, list("aabb"), ["t"] * 4)
    assert raw.std("t") == pytest.approx(np.std(rewards)) and within.std("t") == pytest.approx(0.1)
    np.testing.assert_allclose(found, [1, -1, 1, -1], rtol=1e-4)


def test_sigma_of_deviations_makes_tasks_weigh_alike():
    """Two tasks, one with ten times the other's differences and most of them in one answer: mean |A| is 1 in both."""
    rewards = [1.0, 0.0, 0.0, 0.0, 0.3, 0.2, 0.1, 0.2]
    even = make("ema_grpo", sigma="deviation", beta=0)
    found = np.abs(even(rewards, list("aaaabbbb"), ["s"] * 4 + ["t"] * 4))
    assert found[:4].mean() == pytest.approx(1, abs=1e-4) and found[4:].mean() == pytest.approx(1, abs=1e-4)
    slow = make("ema_grpo", sigma="deviation", beta=0.9)
    slow([1.0, 0.0], list("aa"), ["s"] * 2)
    slow([0.2, 0.0], list("aa"), ["s"] * 2)
    assert slow.std("s") == pytest.approx(0.9 * 0.5 + 0.1 * 0.1)


def test_absent_task_keeps_its_moments():
    algorithm = make("ema_grpo")
    algorithm(np.array([0.0, 1.0]), ["g", "g"], ["t", "t"])
    before = algorithm.std("t")
    algorithm(np.array([0.0, 0.2]), ["g", "g"], ["u", "u"])
    assert algorithm.std("t") == before
