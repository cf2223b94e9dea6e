"""Batch standard deviation: A = (R − mean of the group) / (std of the batch's rewards + 1e-6).

Group mean and batch deviation as in Lite PPO (Tricks or Traps?, arXiv 2508.08221) and in REINFORCE++-baseline (arXiv
2501.03262), which whitens what is centred by group. The deviation is the population's, over all rewards of the step,
whatever their task. No state.
"""

from __future__ import annotations

import numpy as np

from onethinker.train.algorithms.base import EPS, Algorithm, centred


class BatchStd(Algorithm):
    """No options."""

    def advantages(self, rewards_N: np.ndarray, groups_N: np.ndarray, tasks_N: np.ndarray) -> np.ndarray:
        return centred(rewards_N, groups_N) / (rewards_N.std() + EPS)
