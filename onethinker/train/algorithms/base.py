"""The algorithm contract: rewards of grouped answers → advantages. NumPy only; ids are opaque strings."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from onethinker.tasks import statistics_of

EPS = 1e-6


@dataclass(frozen=True, slots=True)
class Candidate:
    """A group that was answered, as `Algorithm.select` sees it: its task and the rewards of its answers.

    trains: whether the trainer's own filter lets it be chosen.
    """

    task: str
    rewards: tuple[float, ...]
    trains: bool = True

    @property
    def informative(self) -> bool:
        """Whether it may train and two answers earned different rewards, so that the group has a gradient."""
        finite = [r for r in self.rewards if not math.isnan(r)]
        return self.trains and len(finite) > 1 and max(finite) > min(finite)


class AlgorithmError(ValueError):
    """An algorithm or an option of one that there is not, which names the nearest, or what one gave that cannot be
    trained on."""


class Algorithm:
    """Called once a step with the gathered rewards of all processes: the same input gives the same output on each.

    The base has no memory and no wishes about what is trained on; an algorithm says in its docstring what it adds.
    """

    def __call__(self, rewards_N: np.ndarray, group_ids: Sequence[str], task_ids: Sequence[str]) -> np.ndarray:
        """Advantages (N,) float64. A NaN reward is left out of every statistic, and its advantage is 0.

        Raises AlgorithmError where `advantages` gave anything but a finite number for each reward.
        """
        rewards_N = np.asarray(rewards_N, dtype=np.float64)
        if rewards_N.ndim != 1 or not len(rewards_N) == len(group_ids) == len(task_ids):
            raise ValueError(
                f"rewards of shape {rewards_N.shape}, {len(group_ids)} group ids and {len(task_ids)} task ids; "
                "expected one of each per answer"
            )
        if np.isinf(rewards_N).any():
            raise ValueError("an infinite reward; rewards must be finite, or NaN where an answer could not be scored")
        known = np.flatnonzero(~np.isnan(rewards_N))
        tasks = np.array([statistics_of(str(t)) for t in task_ids], dtype=object)
        advantages_N = np.zeros(len(rewards_N))
        if len(known):
            groups = np.array([str(g) for g in group_ids], dtype=object)
            found = self.advantages(rewards_N[known], groups[known], tasks[known])
            advantages_N[known] = _checked(found, rewards_N[known], groups[known], type(self).__name__)
        return advantages_N

    def advantages(self, rewards_N: np.ndarray, groups_N: np.ndarray, tasks_N: np.ndarray) -> np.ndarray:
        """As a call, with finite rewards only, ids as strings and shared statistics resolved."""
        raise NotImplementedError

    def select(self, candidates: Sequence[Candidate], count: int) -> list[int]:
        """Indices of at most `count` candidates to train on, ascending; the first ones unless overridden."""
        return list(range(min(count, len(candidates))))

    def task_weights(self, kept: Sequence[str] = (), count: int = 1) -> dict[str, float] | None:
        """How often each task should be drawn next, shares that sum to 1; None leaves it to the sampler.

        kept: the tasks of the groups that the step has so far, of `count` that it wants.
        """
        return None

    def state_dict(self) -> dict[str, Any]:
        """What must survive a restart, plain JSON values."""
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        if state:
            raise ValueError(f"{type(self).__name__} keeps no state, but the checkpoint holds {sorted(state)}")

    def stats(self) -> dict[str, float]:
        """Numbers for the log after a call, such as `ema_std/<task>`; of a name that the trainer logs itself, its own
        number stays."""
        return {}


def _checked(found: Any, rewards_N: np.ndarray, groups_N: np.ndarray, name: str) -> np.ndarray:
    """The advantages as float64. Fewer or one for all would be spread over the answers, and one that is no number makes
    an update that is skipped: nobody would be told of either."""
    values = np.asarray(found, dtype=np.float64)
    if values.shape != rewards_N.shape:
        raise AlgorithmError(
            f"{name}.advantages gave an array of shape {values.shape} for rewards of shape {rewards_N.shape}; expected "
            "one of each"
        )
    if not np.isfinite(values).all():
        at = int(np.flatnonzero(~np.isfinite(values))[0])
        group_G = rewards_N[groups_N == groups_N[at]].tolist()
        raise AlgorithmError(
            f"{name}.advantages gave {values[at]} for the reward {rewards_N[at]} of a group with rewards {group_G}; "
            "expected a finite number"
        )
    return values


def places(ids_N: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
    """Each distinct id, in order, with the places where it stands."""
    names, inverse_N = np.unique(ids_N.astype(str), return_inverse=True)
    for index, name in enumerate(names):
        yield str(name), np.flatnonzero(inverse_N == index)


def centred(rewards_N: np.ndarray, groups_N: np.ndarray) -> np.ndarray:
    """Rewards minus the mean of their group; exactly 0 where a group's rewards are all equal."""
    out_N = np.zeros_like(rewards_N)
    for _, at in places(groups_N):
        group = rewards_N[at]
        if group.max() > group.min():
            out_N[at] = group - group.mean()
    return out_N
