"""The policy loss against sums written out answer by answer, and its pieces against the whole."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch

from onethinker.recipes.base import RLConfig
from onethinker.train.loss import Batch, WeightedMeans, denominator, policy_loss

LENGTHS = [3, 1, 0, 5, 2, 4]
ADVANTAGES = [1.0, -2.0, 3.0, -0.5, 0.0, 2.5]
TRUNCATED = [False, False, False, True, False, True]
TASKS = ["ocr", "ocr", "math", "math", "ocr", "math"]


def make(seed=0, kl=True, spread=0.5):
    draw = torch.Generator().manual_seed(seed)
    count = sum(LENGTHS)
    logps = -torch.rand(count, generator=draw, dtype=torch.double) - 0.1
    batch = Batch(
        torch.tensor(LENGTHS),
        torch.tensor(ADVANTAGES, dtype=torch.double),
        TASKS,
        logps + spread * torch.randn(count, generator=draw, dtype=torch.double),
        logps + 0.3 * torch.randn(count, generator=draw, dtype=torch.double) if kl else None,
        truncated_A=torch.tensor(TRUNCATED),
    )
    return logps.requires_grad_(), batch


def by_hand(logps, batch, config):
    """The definition, one answer and one token at a time, in plain floats."""
    total, counted_tokens, counted, start = 0.0, 0, 0, 0
    for i, length in enumerate(LENGTHS):
        new, old = logps[start : start + length].tolist(), batch.old_logps_N[start : start + length].tolist()
        ref = batch.ref_logps_N[start : start + length].tolist()
        start += length
        if not length or (config.mask_truncated and TRUNCATED[i]):
            continue
        losses = []
        mean = sum(a - b for a, b in zip(new, old, strict=True)) / length
        for a, b, r in zip(new, old, ref, strict=True):
            ratio = math.exp(mean if config.ratio == "sequence" else a - b)
            clipped = min(max(ratio, 1 - config.clip_low), 1 + config.clip_high)
            gain = min(ratio * ADVANTAGES[i], clipped * ADVANTAGES[i])
            if ADVANTAGES[i] < 0:
                gain = max(gain, config.dual_clip * ADVANTAGES[i])
            losses.append(-gain + config.kl * (math.exp(r - a) - (r - a) - 1))
        total += sum(losses) / (length if config.loss == "sequence_mean" else 1)
        counted, counted_tokens = counted + 1, counted_tokens + length
    return (
        total
        / {
            "token_mean": counted_tokens,
            "sequence_mean": counted,
            "dr_grpo": len(LENGTHS) * config.max_tokens,
        }[config.loss]
    )


def pieces(logps, batch, cuts):
    """The same answers in microbatches."""
    for first, last in zip([0, *cuts], [*cuts, len(LENGTHS)], strict=True):
        a, b = sum(LENGTHS[:first]), sum(LENGTHS[:last])
        yield (
            logps[a:b],
            Batch(
                batch.lengths_A[first:last],
                batch.advantages_A[first:last],
                TASKS[first:last],
                batch.old_logps_N[a:b],
                None if batch.ref_logps_N is None else batch.ref_logps_N[a:b],
                None if batch.importance_N is None else batch.importance_N[a:b],
                batch.truncated_A[first:last],
            ),
        )


@pytest.mark.parametrize("loss", ["token_mean", "sequence_mean", "dr_grpo"])
@pytest.mark.parametrize("ratio", ["token", "sequence"])
@pytest.mark.parametrize("mask", [False, True])
def test_equals_the_definition(loss, ratio, mask):
    config = RLConfig(loss=loss, ratio=ratio, mask_truncated=mask, kl=0.05, max_tokens=16)
    logps, batch = make(spread=1.5)
    found, _ = policy_loss(logps, batch, config, denominator(batch, config))
    assert found.item() == pytest.approx(by_hand(logps, batch, config), rel=1e-12)


@pytest.mark.parametrize("loss", ["token_mean", "sequence_mean", "dr_grpo"])
@pytest.mark.parametrize("ratio", ["token", "sequence"])
@pytest.mark.parametrize("cuts", [[1], [2, 3], [1, 2, 3, 4, 5]])
def test_microbatches_sum_to_the_whole(loss, ratio, cuts):
    config = RLConfig(loss=loss, ratio=ratio, mask_truncated=True, kl=0.05)
    logps, batch = make()
    total = denominator(batch, config)
    whole, means = policy_loss(logps, batch, config, total)
    (expected,) = torch.autograd.grad(whole, logps)
    parts = [policy_loss(part, b, config, total) for part, b in pieces(logps, batch, cuts)]
    (found,) = torch.autograd.grad(sum(part for part, _ in parts), logps)
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-15)
    assert sum(denominator(b, config) for _, b in pieces(logps, batch, cuts)) == total
    merged = WeightedMeans().merge(m for _, m in parts).values()
    assert merged == pytest.approx(means.values(), rel=1e-12)


def test_an_answer_without_a_reward_is_as_if_it_were_not_there():
    config = RLConfig(kl=0.05)
    logps, batch = make()
    without = replace(batch, scored_A=torch.tensor([True, True, True, False, True, True]))
    (found,) = torch.autograd.grad(policy_loss(logps, without, config, denominator(without, config))[0], logps)
    (whole,) = torch.autograd.grad(policy_loss(logps, batch, config, denominator(batch, config))[0], logps)
    first = sum(LENGTHS[:3])
    gone = slice(first, first + LENGTHS[3])
    assert whole[gone].any() and not found[gone].any()
    torch.testing.assert_close(found[:first], whole[:first] * sum(LENGTHS) / (sum(LENGTHS) - LENGTHS[3]))


def test_gradient_is_reinforce_at_the_start():
    """At ratio 1 nothing is clipped and the gradient is −A/total."""
    config = RLConfig(kl=0.0)
    logps, batch = make(kl=False)
    batch = Batch(batch.lengths_A, batch.advantages_A, TASKS, logps.detach().clone())
    loss, means = policy_loss(logps, batch, config, denominator(batch, config))
    (gradient,) = torch.autograd.grad(loss, logps)
    expected = -batch.advantages_A[torch.repeat_interleave(batch.lengths_A)] / sum(LENGTHS)
    torch.testing.assert_close(gradient, expected)
    assert means.values()["ratio"] == 1 and means.values()["clip_fraction"] == 0


def test_clipped_tokens_have_no_gradient():
    config = RLConfig(kl=0.0, clip_low=0.2, clip_high=0.3, dual_clip=3.0)
    log_ratios = torch.tensor([0.5, -0.5, 0.5, -0.5, 2.0], dtype=torch.double)
    old = torch.full((5,), -3.0, dtype=torch.double)
    logps = (old + log_ratios).requires_grad_()
    batch = Batch(torch.ones(5, dtype=torch.long), torch.tensor([1.0, 1, -1, -1, -1]), ["a"] * 5, old)
    loss, means = policy_loss(logps, batch, config, 5)
    (gradient,) = torch.autograd.grad(loss, logps)
    assert [bool(g) for g in gradient] == [False, True, True, False, False]
    assert means.values()["clip_fraction"] == pytest.approx(3 / 5)


def test_kl_is_exactly_zero_where_the_reference_is_the_policy():
    logps, batch = make()
    same = Batch(batch.lengths_A, batch.advantages_A, TASKS, batch.old_logps_N, logps.detach().clone())
    assert policy_loss(logps, same, RLConfig(kl=0.1), 1.0)[1].values()["kl"] == 0.0


def test_a_small_kl_is_more_than_rounding():
    """In float32 exp(x) − x − 1 is off by 1e-7, which a KL of x = 1e-4 (5e-9) drowns in, below 0 as often as above."""
    logps = torch.linspace(-3.0, -1.0, sum(LENGTHS))
    ref = logps + 1e-4
    _, batch = make()
    near = Batch(batch.lengths_A, batch.advantages_A, TASKS, logps, ref)
    away = ref.double() - logps.double()
    found = policy_loss(logps, near, RLConfig(kl=0.1), 1.0)[1].values()["kl"]
    assert found == pytest.approx(float((away**2 / 2 + away**3 / 6).mean()), rel=1e-3)


def test_reference_is_needed_only_for_a_kl():
    logps, batch = make(kl=False)
    assert "kl" not in policy_loss(logps, batch, RLConfig(kl=0.0), 1.0)[1].values()
    with pytest.raises(ValueError, match="reference"):
        policy_loss(logps, batch, RLConfig(kl=0.01), 1.0)


def test_importance_weights_scale_the_gain_and_not_the_kl():
    config = RLConfig(kl=0.1)
    logps, batch = make()
    plain = [policy_loss(logps, batch, RLConfig(kl=kl), 1.0)[0] for kl in (0.0, 0.1)]
    doubled = Batch(
        batch.lengths_A,
        batch.advantages_A,
        TASKS,
        batch.old_logps_N,
        batch.ref_logps_N,
        torch.full((sum(LENGTHS),), 2.0),
    )
    found, _ = policy_loss(logps, doubled, config, 1.0)
    torch.testing.assert_close(found, 2 * plain[0] + (plain[1] - plain[0]))


def test_logs_by_task():
    logps, batch = make()
    entropies = torch.arange(sum(LENGTHS), dtype=torch.double)
    values = policy_loss(logps, batch, RLConfig(), 1.0, entropies)[1].values()
    assert values["length/ocr"] == pytest.approx((3 + 1 + 2) / 3)
    assert values["length"] == pytest.approx(sum(LENGTHS) / 6)
    assert values["entropy/ocr"] == pytest.approx((0 + 1 + 2 + 3 + 9 + 10) / 6)
    assert {f"{name}/{task}" for name in ("kl", "ratio", "clip_fraction") for task in ("ocr", "math")} <= values.keys()


def test_far_away_probabilities_stay_numbers():
    logps, batch = make()
    far = Batch(batch.lengths_A, batch.advantages_A, TASKS, batch.old_logps_N - 300, batch.ref_logps_N + 300)
    loss, _ = policy_loss(logps, far, RLConfig(), 1.0)
    assert torch.isfinite(loss) and torch.isfinite(torch.autograd.grad(loss, logps)[0]).all()


def test_no_tokens_at_all():
    """A process without answers still takes part in the backward pass."""
    logps = torch.zeros(0, requires_grad=True)
    empty = Batch(torch.zeros(2, dtype=torch.long), torch.ones(2), ["a", "b"], torch.zeros(0), torch.zeros(0))
    loss, means = policy_loss(logps, empty, RLConfig(), denominator(empty, RLConfig()))
    loss.backward()
    assert loss == 0 and means.values() == {"length": 0.0, "length/a": 0.0, "length/b": 0.0}
