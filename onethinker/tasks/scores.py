"""What one answer is worth (`Score`), and what a measure says of N answers (`Measured`), which makes N scores."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import repeat
from typing import Any, TypeAlias

import msgspec
import numpy as np
from msgspec.structs import astuple
from numpy.typing import NDArray

from onethinker.sample import DataError
from onethinker.sample.answer import Answer, Status
from onethinker.tasks.rewards import REWARDS, RewardProfile

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
        and never counted as 0."""
        return math.nan if self.status is _ERROR else REWARDS[profile].earns(self)


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
    """N scores from the columns of what was measured."""
    count = len(answers)
    scores: list[Score] = []
    accuracy = _values(measured.accuracy)
    paper = accuracy if measured.paper is None else _values(measured.paper)
    hardened = paper if measured.hardened is None else _values(measured.hardened)
    form = repeat(None, count) if measured.structure is None else _values(measured.structure)
    rows = _rows(measured.components, count), _rows(measured.evidence, count)
    columns = zip(answers, statuses, accuracy, paper, hardened, form, *rows, strict=True)
    for answer, status, right, r_paper, r_hardened, shape, components, evidence in columns:
        if status is _OK:
            r_acc, usual = {"paper": r_paper, "hardened": r_hardened}, 0.5
        else:
            r_acc, usual = {"paper": 0.0, "hardened": 0.0}, 0.0 if structured else 0.5
        structure = (usual if shape is None else shape) if answer.format else 0.0
        length = answer.characters, answer.tokens
        scores.append(Score(status, right, answer.format, structure, components, evidence, r_acc, answer.tidy, *length))
    return scores


def _values(column: Column) -> Sequence[Any]:
    """Plain Python values."""
    values: Sequence[Any] = column.tolist() if isinstance(column, np.ndarray) else column
    return values


def _rows(columns: Mapping[str, Column], count: int) -> list[dict[str, Any]]:
    """One mapping an answer from a column a name."""
    if not columns:
        return [{} for _ in range(count)]
    if len(columns) == 1:  # most often, and for one answer in half the time
        [(name, column)] = columns.items()
        return [{name: value} for value in _values(column)]
    return [dict(zip(columns, row)) for row in zip(*map(_values, columns.values()), strict=True)]
