"""`make(name, **options)` hands out the algorithms of `train/algorithms/`. Imports NumPy only."""

from __future__ import annotations

import inspect
from typing import Any

from onethinker.train.algorithms.base import Algorithm, AlgorithmError
from onethinker.train.algorithms.batch_std import BatchStd
from onethinker.train.algorithms.dr_grpo import DrGRPO
from onethinker.train.algorithms.ema_grpo import EmaGRPO
from onethinker.train.algorithms.g2rpo import G2RPO
from onethinker.train.algorithms.grpo import GRPO
from onethinker.train.algorithms.mt_grpo import MtGRPO
from onethinker.train.algorithms.task_batch_std import TaskBatchStd
from onethinker.train.algorithms.task_running_std import TaskRunningStd
from onethinker.util.names import nearest

ALGORITHMS: dict[str, type[Algorithm]] = {
    "grpo": GRPO,
    "dr_grpo": DrGRPO,
    "batch_std": BatchStd,
    "task_batch_std": TaskBatchStd,
    "task_running_std": TaskRunningStd,
    "ema_grpo": EmaGRPO,
    "g2rpo": G2RPO,
    "mt_grpo": MtGRPO,
}


def make(name: str, **options: Any) -> Algorithm:
    """The algorithm of this name, such as `make("ema_grpo", beta=0.99, clip=5.0, guard="clip")`.

    Raises AlgorithmError for an unknown name or option, naming the nearest.
    """
    if name not in ALGORITHMS:
        raise AlgorithmError(
            f"algorithm {name!r}; did you mean {nearest(name, ALGORITHMS)}? Known: {', '.join(ALGORITHMS)}"
        )
    kind = ALGORITHMS[name]
    known = [] if kind.__init__ is object.__init__ else list(inspect.signature(kind).parameters)
    for option in options:
        if option not in known:
            hint = f"did you mean {nearest(option, known)}? Known: {', '.join(known)}" if known else "it takes none"
            raise AlgorithmError(f"algorithm {name} has no option {option!r}; {hint}")
    try:
        return kind(**options)
    except (TypeError, ValueError) as error:
        raise AlgorithmError(f"algorithm {name}: {error}") from error
