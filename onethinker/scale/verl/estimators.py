"""Our estimators of advantages as verl calls them: rewards by token and the prompts' uids in, advantages out.

verl hands an estimator no task, no state and no word on which rows are padding. Our trainers open `labelled` around
verl's own computation, and the estimator reads from there what it lacks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

import numpy as np

from onethinker.train.algorithms.base import Algorithm


@dataclass(frozen=True)
class Labels:
    """What verl knows of the N rows of a batch, and what of them an estimator is not told.

    name, algorithm: the estimator that is configured, and its state. keys: verl's `{uid}_{session}_{output}`; an answer
    may be several outputs, of which the last has the reward. tasks. left_out: padding, and answers that could not be
    scored: no part of any statistic, and an advantage of 0.
    """

    name: str
    algorithm: Algorithm
    keys: Sequence[str]
    tasks: Sequence[str]
    left_out: Sequence[bool]


_labels: ContextVar[Labels | None] = ContextVar("labels", default=None)


@contextmanager
def labelled(labels: Labels) -> Iterator[None]:
    """Estimators called within know these labels."""
    token = _labels.set(labels)
    try:
        yield
    finally:
        _labels.reset(token)


def estimator(name: str) -> Callable[..., tuple[Any, Any]]:
    """The function that verl's `register_adv_est` takes for an algorithm of ours."""

    def estimate(
        token_level_rewards: Any, response_mask: Any, index: Any = None, config: Any = None, **_: Any
    ) -> tuple[Any, Any]:
        """token_level_rewards, response_mask: tensors (N, T). index: uids, N. Returns advantages (N, T), twice."""
        labels = _labels.get()
        if labels is None or labels.name != name:
            raise RuntimeError(
                f"the estimator onethinker_{name} needs each answer's task, which verl's own trainers do not hand on: "
                "set trainer.v1.trainer_mode to onethinker_sync, onethinker_colocate_async or onethinker_separate_async"
            )
        rewards_N = token_level_rewards.sum(-1).double().cpu().numpy()
        values_N = advantages(labels, rewards_N, [str(uid) for uid in index])
        values_NT = token_level_rewards.new_tensor(values_N).unsqueeze(-1) * response_mask
        return values_NT, values_NT

    estimate.__name__ = estimate.__qualname__ = f"onethinker_{name}"
    return estimate


def advantages(labels: Labels, rewards_N: np.ndarray, uids: Sequence[str]) -> np.ndarray:
    """(N,) advantages of the rows; the outputs of one answer share its own, and it counts once."""
    if not len(rewards_N) == len(uids) == len(labels.keys):
        raise ValueError(f"{len(rewards_N)} rewards of {len(uids)} uids, but labels of {len(labels.keys)} rows")
    last: dict[str, tuple[int, int]] = {}
    answers = []
    for row, key in enumerate(labels.keys):
        answer, _, output = key.rpartition("_")
        answers.append(answer)
        if answer not in last or int(output) > last[answer][0]:
            last[answer] = int(output), row
    rows = [row for _, row in last.values()]
    known_N = np.where(np.asarray(labels.left_out, dtype=bool), np.nan, rewards_N)
    values = labels.algorithm(known_N[rows], [uids[r] for r in rows], [labels.tasks[r] for r in rows])
    of_answer = dict(zip(last, values.tolist(), strict=True))
    return np.array([of_answer[answer] for answer in answers])
