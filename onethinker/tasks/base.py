"""The task contract: what one task file provides, and the `Score` that rewards and metrics are two reductions of."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Generic, Literal, TypeVar

import numpy as np
from PIL import Image

from onethinker.answer import Answer, Status
from onethinker.sample import Sample

RewardProfile = Literal["released", "paper", "hardened"]
MetricProfile = Literal["official", "released"]
REWARD_PROFILES: tuple[RewardProfile, ...] = ("released", "paper", "hardened")

T = TypeVar("T")


class Malformed(ValueError):
    """An answer that is not in the task's form. Raised by parsers, turned into a status by `Task.score`."""


@dataclass(frozen=True, slots=True)
class Score:
    """How one answer did.

    accuracy: 0–1, the released profile's accuracy. format: 0 | 1. structure: 0–0.5. components: named, each 0–1.
    evidence: what pooled metrics need (intersections and unions, frames, seconds). r_acc: the accuracy reward R_acc of
    the `paper` and `hardened` profiles, sums of equations 1–8 that may exceed 1 (`Task.paper_max`).
    """

    status: Status
    accuracy: float = 0.0
    format: int = 0
    structure: float = 0.0
    components: Mapping[str, float] = field(default_factory=dict)
    evidence: Mapping[str, Any] = field(default_factory=dict)
    r_acc: Mapping[str, float] = field(default_factory=dict)

    def reward(self, profile: RewardProfile = "released") -> float:
        """The scalar that trains. NaN for an `error`, which is left out of averages and never counted as 0.

        released: 0.9·accuracy + 0.1·format + structure, 0–1.5. paper, hardened: R_acc + format, 0 unless `ok`.
        """
        if self.status is Status.ERROR:
            return math.nan
        if profile == "released":
            return 0.9 * self.accuracy + 0.1 * self.format + (self.structure if self.format else 0.0)
        if self.status is not Status.OK:
            return 0.0
        return self.r_acc[profile] + self.format


class Task(ABC, Generic[T]):
    """One task family. T is the parsed answer, the same type as the parsed truth.

    name: registry key. title: for people. modalities: which samples it takes. templates: prompt set → template with
    `{question}` and `{options}`. example: the answer's form, shown in help. paper_max: the largest R_acc.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    modalities: ClassVar[tuple[str, ...]]
    templates: ClassVar[Mapping[str, str]]
    example: ClassVar[str]
    paper_max: ClassVar[float] = 1.0

    @abstractmethod
    def truth(self, sample: Sample) -> T:
        """The sample's truth, parsed. Raises DataError naming the sample when it is not in the task's form."""

    @abstractmethod
    def parse(self, text: str, sample: Sample, *, lenient: bool = False) -> T:
        """The answer's text, parsed strictly, or leniently for the second column. Raises Malformed."""

    @abstractmethod
    def score(self, sample: Sample, answer: Answer, *, lenient: bool = False) -> Score:
        """Score one answer; bad model output is a status, never an exception."""

    @abstractmethod
    def metrics(self, scores: Sequence[Score], profile: MetricProfile = "official") -> dict[str, float]:
        """Pooled metrics over scores without errors; the first entry is the task's headline."""

    @abstractmethod
    def draw(self, sample: Sample, answer: Answer | None, frames: Sequence[Image.Image],
             times: Sequence[float]) -> list[Image.Image]:
        """The frames (one for an image) with truth and answer drawn on; times are the frames' seconds."""


def mean(values: Sequence[float]) -> float:
    """Mean of finite values; NaN where there are none."""
    finite = [v for v in values if not math.isnan(v)]
    return float(np.mean(finite)) if finite else math.nan
