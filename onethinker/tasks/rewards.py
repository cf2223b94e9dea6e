"""Reward profiles: what a `Score` earns in training. A new one is a function here and a line in `REWARDS`.

A profile sees the whole score: `accuracy`, the named `components`, `r_acc`, `format`, `structure`, `tidy`, and how long
the response was (`characters`, and `tokens` where the engine counted them).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from onethinker.sample.answer import Status

if TYPE_CHECKING:
    from onethinker.tasks.base import Score

RewardProfile: TypeAlias = str
"""A name in `REWARDS`."""


@dataclass(frozen=True, slots=True)
class Reward:
    """earns: the reward of a score that is no error, a finite number. most: the largest there is, of a task's
    `paper_max`; least: 0 unless given."""

    earns: Callable[[Score], float]
    most: Callable[[float], float]
    least: float = 0.0


def released(score: Score) -> float:
    """0.9·accuracy + 0.1·format + structure, 0 to 1.5: what the published run used."""
    return 0.9 * score.accuracy + 0.1 * score.format + (score.structure if score.format else 0.0)


def paper(score: Score) -> float:
    """R_acc + format, the sums of the paper's equations 1–8; 0 unless the answer is ok."""
    return score.r_acc["paper"] + score.format if score.status is Status.OK else 0.0


def hardened(score: Score) -> float:
    """As `paper`, with what a search for cheap reward finds closed, and a stricter format."""
    return score.r_acc["hardened"] + score.tidy if score.status is Status.OK else 0.0


REWARDS: dict[str, Reward] = {
    "released": Reward(released, lambda paper_max: 1.5),
    "paper": Reward(paper, lambda paper_max: paper_max + 1),
    "hardened": Reward(hardened, lambda paper_max: paper_max + 1),
}


def known_reward(name: str) -> str:
    """The name of a profile, as it is. Raises ValueError for any other."""
    if name not in REWARDS:
        raise ValueError(
            f"no reward profile {name!r}; expected one of {', '.join(REWARDS)}, or that of a --plugin FILE"
        )
    return name


class RewardError(ValueError):
    """A profile of the user's own that gave what is no reward."""


def earned(name: str, score: Score) -> float:
    """What a score that is no error earns. Raises RewardError for anything but a finite number, which would otherwise
    leave the answer out of training and make nothing of the averages that it is part of."""
    found = REWARDS[name].earns(score)
    try:
        reward = float(found)
    except (TypeError, ValueError):
        reward = math.nan
    if not math.isfinite(reward):
        raise RewardError(
            f"reward profile {name!r} gave {found!r} for an answer of status {score.status.value} and accuracy "
            f"{score.accuracy:g}; expected a finite number"
        )
    return reward
