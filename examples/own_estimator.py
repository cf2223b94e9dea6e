"""An estimator of one's own beside the published ones, in the Table 9 report.

    python examples/own_estimator.py [FOLDER] [MODEL]

MODEL is an SFT checkpoint, such as mini-sft. Without one this starts from the untrained mini model for two steps: that
shows the way, and nothing else. `docs/own_estimator.md` goes through it.
"""

import sys
import tempfile
from pathlib import Path

import numpy as np

from onethinker.studies.algorithms import bench_algorithms
from onethinker.train.advantage import ALGORITHMS
from onethinker.train.algorithms.base import Algorithm, centred


class Asymmetric(Algorithm):
    """A = R − (mean of the group − 0.1): good answers count more than bad ones. AsymRE, arXiv 2506.20520. No state."""

    def advantages(self, rewards_N: np.ndarray, groups_N: np.ndarray, tasks_N: np.ndarray) -> np.ndarray:
        return centred(rewards_N, groups_N) + 0.1


ALGORITHMS["asymmetric"] = Asymmetric

folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(tempfile.mkdtemp())
model = sys.argv[2] if len(sys.argv) > 2 else "mini"
SHORT = ["rl.steps=2", "rl.prompts=4", "rl.max_tokens=8", "evaluate.max_tokens=8", "evaluate.sampled=1"]

page = bench_algorithms(
    folder / "bench",
    model,
    quick=True,
    seeds=1 if model == "mini" else 2,
    algorithms=["ema_grpo", "asymmetric"],
    assignments=SHORT if model == "mini" else [],
    command=f"python examples/own_estimator.py FOLDER {model}",
)
print(f"the report: {page}")
