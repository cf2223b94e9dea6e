"""Task deviation without memory: A = (R − mean of the group) / (std of the task's rewards in the batch + 1e-6).

What EMA-GRPO (arXiv 2512.03043) is with β = 0 and no guard: the deviation is of this step's rewards alone. No state.
"""

from __future__ import annotations

import numpy as np

from onethinker.train.algorithms.base import EPS, Algorithm, centred, places


class TaskBatchStd(Algorithm):
    """No options."""

    def advantages(self, rewards_N: np.ndarray, groups_N: np.ndarray, tasks_N: np.ndarray) -> np.ndarray:
        out_N = centred(rewards_N, groups_N)
        for _, at in places(tasks_N):
            out_N[at] /= rewards_N[at].std() + EPS
        return out_N
