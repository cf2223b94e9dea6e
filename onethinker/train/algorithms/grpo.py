"""GRPO: A = (R − mean of the group) / (std of the group + 1e-6). DeepSeekMath, arXiv 2402.03300, equation 3.

The standard deviation is the population's (`sample=True`: with Bessel's correction, as some trainers have it). Groups
of equal rewards give zeros. No state.
"""

from __future__ import annotations

import numpy as np

from onethinker.train.algorithms.base import EPS, Algorithm, centred, places


class GRPO(Algorithm):
    """sample: divide the squared deviations by G − 1 instead of G."""

    def __init__(self, sample: bool = False) -> None:
        self.sample = sample

    def advantages(self, rewards_N: np.ndarray, groups_N: np.ndarray, tasks_N: np.ndarray) -> np.ndarray:
        out_N = centred(rewards_N, groups_N)
        for _, at in places(groups_N):
            if len(at) > 1:
                out_N[at] /= rewards_N[at].std(ddof=int(self.sample)) + EPS
        return out_N
