"""Gaussian GRPO: rewards become standard-normal quantiles of their ranks, twice. OpenVLThinkerV2, arXiv 2604.08539.

Within the group, rank k of N becomes Φ⁻¹((k − ½)/N), and equal rewards share the mean of their quantiles: rewards
[0, 0, 0, 0, 1] give [−0.32 ×4, 1.28]. Then the same mapping runs over all these values of the task in the step, so that
each task's advantages are standard normal.

A group of equal rewards is all zeros after the first stage; after the second it has the quantile of 0 among its task's
values, which is 0 only where these lie evenly about it. No state.
"""

from __future__ import annotations

from statistics import NormalDist

import numpy as np

from onethinker.train.algorithms.base import Algorithm, places


class G2RPO(Algorithm):
    """No options."""

    def advantages(self, rewards_N: np.ndarray, groups_N: np.ndarray, tasks_N: np.ndarray) -> np.ndarray:
        out_N = np.zeros_like(rewards_N)
        for _, at in places(groups_N):
            out_N[at] = to_normal(rewards_N[at])
        for _, at in places(tasks_N):
            out_N[at] = to_normal(out_N[at])
        return out_N


def to_normal(values_N: np.ndarray) -> np.ndarray:
    """Φ⁻¹((k − ½)/N) of the rank k of each of N values; equal ones, to 12 digits, share the mean of theirs."""
    count = len(values_N)
    quantiles_N = np.array([NormalDist().inv_cdf((k + 0.5) / count) for k in range(count)])
    rounded_N = values_N.round(12)
    order_N = np.argsort(rounded_N, kind="stable")
    _, tie_N = np.unique(rounded_N[order_N], return_inverse=True)
    out_N = np.empty(count)
    out_N[order_N] = (np.bincount(tie_N, quantiles_N) / np.bincount(tie_N))[tie_N]
    return out_N
