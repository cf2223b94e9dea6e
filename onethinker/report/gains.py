"""What each stage of a run has over the one before it, paired over the same questions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from onethinker.report.read import Evaluation
from onethinker.scoring.compare import compare
from onethinker.util.runs import RunError

Number = dict[str, float | None]


@dataclass(frozen=True)
class Gain:
    """`after` minus `before`, labels of two evaluations. found: what `compare` says, None where it cannot (`problem`).

    Every number is {value, low, high}, the 95 % interval that of the paired difference.
    """

    before: str
    after: str
    found: dict[str, Any] | None
    problem: str = ""

    @property
    def label(self) -> str:
        return f"{self.after} − {self.before}"

    def headline(self, task: str | None) -> Number | None:
        """Of a task's headline metric; of the mean over tasks for None."""
        if self.found is None:
            return None
        if task is None:
            mean: Number = self.found["mean"]
            return mean
        entry = self.found["tasks"].get(task)
        return entry["metrics"][entry["headline"]]["difference"] if entry else None

    def sampled(self, task: str | None) -> Number | None:
        """The same of the mean reward of sampled answers."""
        sampled = self.found and self.found["sampled"]
        if not sampled:
            return None
        found: Number | None = sampled["difference"] if task is None else sampled["tasks"].get(task)
        return found


def stage_gains(evaluations: Sequence[Evaluation]) -> list[Gain]:
    """Each evaluation against the one before it, controls left out."""
    return [_gain(a, b) for a, b in pairwise(e for e in evaluations if not e.is_control)]


def _gain(a: Evaluation, b: Evaluation) -> Gain:
    try:
        return Gain(a.label, b.label, compare(a.folder, b.folder))
    except RunError as error:
        return Gain(a.label, b.label, None, str(error))
    except (KeyError, TypeError, ValueError) as error:
        why = f"rows of {a.name} and {b.name} cannot be compared ({error!r}); they may come from another version"
        return Gain(a.label, b.label, None, why)
