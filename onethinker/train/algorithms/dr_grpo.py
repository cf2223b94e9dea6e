"""Dr.GRPO: A = R − mean of the group, nothing divided. Understanding R1-Zero-Like Training, arXiv 2503.20783.

Its constant in place of answer lengths belongs to the loss (`loss: dr_grpo`). No state.
"""

from __future__ import annotations

import numpy as np

from onethinker.train.algorithms.base import Algorithm, centred


class DrGRPO(Algorithm):
    """No options."""

    def advantages(self, rewards_N: np.ndarray, groups_N: np.ndarray, tasks_N: np.ndarray) -> np.ndarray:
        return centred(rewards_N, groups_N)
