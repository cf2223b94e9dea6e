"""Answers that another engine sampled: the trainer's log-probabilities of them, and weights for the difference.

An engine with arithmetic of its own samples from μ where the trainer's policy before the update is π_old. The loss is
then the usual one with ratios to π_old, which is computed again here, each token weighed by min(π_old / μ, cap):
truncated importance sampling (IMPALA, 1802.01561; for rollout engines: Yao et al. 2025, "Your efficient RL framework
secretly brings you off-policy RL training").
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from onethinker.train.distributed import DUMMY_GROUP
from onethinker.train.experience import ScoredGroup
from onethinker.train.loss import MAX_LOG_RATIO
from onethinker.train.policy import Policy
from onethinker.train.prefix import count_written, microbatches, slice_groups
from onethinker.train.step_prompts import StepPrompts


def correct(
    policy: Policy, step_prompts: StepPrompts, groups: Sequence[ScoredGroup]
) -> tuple[list[ScoredGroup], dict[str, float]]:
    """The groups with the trainer's log-probabilities and importance weights, and what is logged of the difference.

    `mismatch`: mean |log π_old − log μ| of a token; `mismatch_max`: the largest; `mismatch_kl`: KL(μ ‖ π_old) as k3;
    `importance`: mean weight; `importance_capped`: share of tokens at the cap. All processes must call it.
    """
    if not groups:
        return [], {}
    cap = policy.recipe.rl.importance_cap
    corrected, away, weights = list[ScoredGroup](), list[np.ndarray](), list[np.ndarray]()
    for group, old_N in zip(groups, _old_logps(policy, step_prompts, groups), strict=True):
        completions = [r.completion for r in group.rollouts]
        ends = np.cumsum([len(c.token_ids) for c in completions])[:-1]
        sampled_N = np.concatenate([np.asarray(c.logps, np.float64) for c in completions])
        away.append((old_N - sampled_N).clip(-MAX_LOG_RATIO, MAX_LOG_RATIO))
        weights.append(np.minimum(np.exp(away[-1]), cap))
        rollouts = [
            replace(rollout, completion=replace(completion, logps=tuple(old.tolist())))
            for rollout, completion, old in zip(group.rollouts, completions, np.split(old_N, ends), strict=True)
        ]
        corrected.append(replace(group, rollouts=rollouts, importance=tuple(np.split(weights[-1], ends))))
    return corrected, _logged(np.concatenate(away), np.concatenate(weights), cap)


def _logged(away_N: np.ndarray, weight_N: np.ndarray, cap: float) -> dict[str, float]:
    if not len(away_N):
        return {}
    return {
        "mismatch": float(np.abs(away_N).mean()),
        "mismatch_max": float(np.abs(away_N).max()),
        "mismatch_kl": float((np.exp(away_N) - away_N - 1).mean()),
        "importance": float(weight_N.mean()),
        "importance_capped": float((weight_N >= cap).mean()),
    }


@torch.no_grad()
def _old_logps(policy: Policy, step_prompts: StepPrompts, groups: Sequence[ScoredGroup]) -> list[np.ndarray]:
    """(N,) log-probabilities of each group's answer tokens before the update; every process computes its share."""
    distributed, found = policy.distributed, list[Tensor]()
    own, encoded = step_prompts.share(groups, release=False)
    packed = [step_prompts.packed(groups[i], prompt) for i, prompt in zip(own, encoded, strict=True)]
    for pieces in distributed.passes(microbatches(packed, policy.recipe.rl.micro_tokens)):
        if pieces is None:
            policy.logps([DUMMY_GROUP])
        else:
            found.append(policy.logps(slice_groups(packed, pieces))[0].double().cpu())
    counts = [sum(map(count_written, group.answers)) for group in packed]
    logps = torch.cat(found).split(counts) if found else []
    shares = distributed.processes.gather({i: part.numpy() for i, part in zip(own, logps, strict=True)})
    together = {i: part for share in shares for i, part in share.items()}
    return [together[i] for i in range(len(groups))]
