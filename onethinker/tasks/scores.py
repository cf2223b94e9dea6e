"""What one answer is worth (`Score`), and what a measure says of N answers (`Measured`), which makes N scores."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import msgspec
import numpy as np
from msgspec.structs import astuple
from numpy.typing import NDArray

from onethinker.sample import DataError
from onethinker.sample.answer import Answer, Status
from onethinker.tasks.rewards import RewardProfile, earned

_OK, _ERROR = Status.OK, Status.ERROR  # reading a member of an enum takes as long as a few of a score's formulas
Column: TypeAlias = Sequence[Any] | NDArray[Any]
"""N values, one an answer."""


class Score(msgspec.Struct, frozen=True, eq=False):
    """How one answer did. `msgspec.structs.replace` makes another of it.

    accuracy: 0–1, the released profile's accuracy. format: 0 | 1. structure: 0–0.5, 0 without format.
    components: named, each 0–1. evidence: what pooled metrics need (sums of IoU, frames, words; plain JSON).
    r_acc: the accuracy reward R_acc of the `paper` and `hardened` profiles, sums of equations 1–8 that may exceed 1
    (`Task.paper_max`). tidy: 0 | 1, the format that `hardened` pays for. characters: of the whole response. tokens: of
    it, None where nobody counted them.
    """

    status: Status
    accuracy: float = 0.0
    format: int = 0
    structure: float = 0.0
    components: Mapping[str, float] = msgspec.field(default_factory=dict)
    evidence: Mapping[str, Any] = msgspec.field(default_factory=dict)
    r_acc: Mapping[str, float] = msgspec.field(default_factory=dict)
    tidy: int = 0
    characters: int = 0
    tokens: int | None = None

    def __eq__(self, other: object) -> bool:
        """Whether both did the same; how long the responses are does not count."""
        return isinstance(other, Score) and astuple(self)[:-2] == astuple(other)[:-2]

    def __hash__(self) -> int:
        return hash(astuple(self)[:-2])

    def reward(self, profile: RewardProfile = "released") -> float:
        """The scalar that trains, as the profile of `REWARDS` has it. NaN for an `error`, which is left out of averages
        and never counted as 0. Raises RewardError for a profile that gives no finite number."""
        return math.nan if self.status is _ERROR else earned(profile, self)


Result: TypeAlias = Score | DataError
"""A score, or what is wrong with the sample's truth."""


class Measured(msgspec.Struct):
    """What a task's measure says of N parsed answers, a column of N each.

    components, evidence: by name. paper, hardened: R_acc, the accuracy unless given. structure: the released structure
    reward of an answer in format, 0–0.5; by `Task.structured` unless given.
    """

    accuracy: Column
    components: Mapping[str, Column] = msgspec.field(default_factory=dict)
    evidence: Mapping[str, Column] = msgspec.field(default_factory=dict)
    paper: Column | None = None
    hardened: Column | None = None
    structure: Column | None = None


def make_scores(
    measured: Measured, answers: Sequence[Answer], statuses: Sequence[Status], structured: bool
) -> list[Score]:
    """N scores from the columns of what was measured. Raises ValueError for a column of another length."""
    count = len(answers)
    accuracy = _values(measured.accuracy)
    paper = accuracy if measured.paper is None else _values(measured.paper)
    hardened = paper if measured.hardened is None else _values(measured.hardened)
    form = None if measured.structure is None else _values(measured.structure)
    if not len(accuracy) == len(paper) == len(hardened) == len(accuracy if form is None else form) == count:
        raise ValueError(f"a measure gave columns of other lengths than its {count} answers")
    components, evidence = _rows(measured.components, count), _rows(measured.evidence, count)
    scores: list[Score] = []
    for n, answer in enumerate(answers):  # by place: for one answer in half the time of a zip of so many columns
        status = statuses[n]
        if status is _OK:
            r_acc, structure = {"paper": paper[n], "hardened": hardened[n]}, 0.5
        else:
            r_acc, structure = {"paper": 0.0, "hardened": 0.0}, 0.0 if structured else 0.5
        if not answer.format:
            structure = 0.0
        elif form is not None:
            structure = form[n]
        length = answer.characters, answer.tokens
        found = components[n], evidence[n]
        scores.append(Score(status, accuracy[n], answer.format, structure, *found, r_acc, answer.tidy, *length))
    return scores


def _values(column: Column) -> Sequence[Any]:
    """Plain Python values."""
    values: Sequence[Any] = column.tolist() if isinstance(column, np.ndarray) else column
    return values


def _rows(columns: Mapping[str, Column], count: int) -> list[dict[str, Any]]:
    """One mapping an answer from a column a name."""
    if count == 1:  # one answer by itself: in half the time
        return [{name: _values(column)[0] for name, column in columns.items()}]
    rows: list[dict[str, Any]] = [{} for _ in range(count)]
    for name, column in columns.items():
        for row, value in zip(rows, _values(column), strict=True):
            row[name] = value
    return rows
