"""MT-GRPO against a transcription of its own: the game's gradient by autograd, the sampler by its defining shares."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from onethinker.train.advantage import make
from onethinker.train.algorithms.base import Candidate

TASKS = ("arc", "countdown", "zebra")


def transcribed(means_SK: np.ndarray, trade: float, rate: float, decay: float) -> np.ndarray:
    """Weights (S, K) after each step of the minimax game: ξ falls along the gradient of Σ softmax(ξ)·(I + λJ)."""
    xi = torch.zeros(means_SK.shape[1], dtype=torch.float64, requires_grad=True)
    smooth, weights = None, []
    for mean_K in torch.tensor(means_SK):
        last, smooth = smooth, mean_K if smooth is None else (smooth + mean_K) / 2
        improved = torch.zeros_like(mean_K) if last is None else smooth - last
        gain = torch.softmax(xi, 0) @ (improved + trade * smooth)
        (gradient,) = torch.autograd.grad(gain, xi)
        with torch.no_grad():
            xi -= decay * xi + rate * gradient
        weights.append(torch.softmax(xi.detach(), 0).numpy())
    return np.array(weights)


@pytest.mark.parametrize("trade", [0.0, 0.2, 1.2])
@pytest.mark.parametrize("selects", [True, False])
def test_the_weights_are_the_games(trade, selects):
    draw = np.random.default_rng(0)
    rewards_SKGN = draw.random((20, 3, 4, 8)) * np.linspace(0.1, 1, 20)[:, None, None, None] * [[[[1]], [[2]], [[3]]]]
    options = {"trade": trade, "rate": 0.7, "decay": 1e-2}
    algorithm, found = make("mt_grpo", **options), []
    for rewards_KGN in rewards_SKGN:
        if selects:
            algorithm.select([Candidate(t, tuple(g)) for t, of_task in zip(TASKS, rewards_KGN) for g in of_task], 5)
        groups = np.repeat([f"{t}{g}" for t in TASKS for g in range(4)], 8).tolist()
        algorithm(rewards_KGN.ravel(), groups, np.repeat(TASKS, 32).tolist())
        found.append([algorithm.shares()[task] for task in TASKS])
    expected = transcribed(rewards_SKGN.mean((2, 3)), **options)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)
    assert np.ptp(expected[-1]) > 0.003


def test_the_worst_of_equally_improving_tasks_gains():
    algorithm = make("mt_grpo")
    for step in range(30):
        means = np.array([0.1, 0.4, 0.7]) + 0.005 * step
        rewards = np.stack([means - 0.05, means + 0.05], 1).ravel()
        algorithm(rewards, list("aabbcc"), np.repeat(TASKS, 2).tolist())
    weights = algorithm.shares()
    assert weights["arc"] > weights["countdown"] > weights["zebra"]


def steps(algorithm, lost, count=60):
    """Steps of 20 groups a task, of which the share `lost` has equal rewards."""
    for _ in range(count):
        algorithm.select(
            [Candidate(t, (0.0, 1.0) if i >= 20 * gone else (1.0, 1.0)) for t, gone in lost.items() for i in range(20)],
            12,
        )


def test_tasks_that_lose_groups_are_drawn_more_by_as_much():
    algorithm = make("mt_grpo")
    steps(algorithm, {"arc": 0.75, "countdown": 0.5, "zebra": 0.0})
    assert algorithm.stats()["task_lost/arc"] == pytest.approx(0.75, abs=0.01)
    shares, drawn = algorithm.shares(), algorithm.task_weights()
    assert sum(drawn.values()) == pytest.approx(1)
    kept = {task: drawn[task] * (1 - algorithm.lost[task]) for task in drawn}
    for task, share in shares.items():
        assert kept[task] / sum(kept.values()) == pytest.approx(share), "after the loss each has its share"


def test_inflation_has_its_limit():
    algorithm = make("mt_grpo", inflation=5.0)
    steps(algorithm, {"arc": 1.0, "countdown": 0.0})
    assert algorithm.task_weights()["arc"] / algorithm.task_weights()["countdown"] == pytest.approx(5.0)
    with pytest.raises(ValueError, match=r"inflation 0\.5; expected at least 1"):
        make("mt_grpo", inflation=0.5)


def test_a_refill_draws_what_the_step_lacks():
    algorithm = make("mt_grpo")
    algorithm.load_state_dict({"logits": dict.fromkeys(TASKS, 0.0), "means": {}, "lost": {}})
    drawn = algorithm.task_weights(["zebra"] * 4 + ["arc"] * 2, 12)
    assert drawn == pytest.approx({"arc": 1 / 3, "countdown": 2 / 3, "zebra": 0.0})
    assert algorithm.task_weights(["arc", "countdown", "zebra"] * 4, 12) == pytest.approx(algorithm.shares())
    algorithm.load_state_dict({"logits": {"open_ended": 0.0, "math": 0.0}, "means": {}, "lost": {}})
    assert algorithm.task_weights(["caption"] * 3, 6) == {"open_ended": 0.0, "math": 1.0}


def test_a_group_that_may_not_train_is_seen_and_not_chosen():
    algorithm = make("mt_grpo")
    groups = [Candidate("arc", (0.0, 0.1), trains=False), Candidate("arc", (0.0, 1.0))]
    assert algorithm.select(groups, 2) == [1]
    assert algorithm.lost["arc"] == pytest.approx(0.05)
