"""The task contract: what one task file provides, and the `Score` that rewards and metrics are two reductions of.

`Task.score` is the one place where a status is decided; a task file gives the small hooks that it calls.
"""

from __future__ import annotations

import math
import re
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Literal, TypeVar

from PIL import Image

from onethinker.media import VIDEO_SUFFIXES
from onethinker.sample import MODALITIES, DataError, Sample
from onethinker.sample.answer import Answer, Status
from onethinker.sample.marks import place
from onethinker.tasks.drawing import ANSWER, LABELS, TRUTH, Picture

if TYPE_CHECKING:
    from onethinker.tasks.prompts import PromptSet

RewardProfile = Literal["released", "paper", "hardened"]
MetricProfile = Literal["official", "released"]
REWARD_PROFILES: tuple[RewardProfile, ...] = ("released", "paper", "hardened")
METRIC_PROFILES: tuple[MetricProfile, ...] = ("official", "released")

ANY_MODALITY: tuple[str, ...] = MODALITIES
SEEN: tuple[str, ...] = ("image", "video", "video-image")

T = TypeVar("T")
Terms = dict[str, tuple[float, float]]
"""Metric → one answer's (numerator, denominator); the pooled metric is Σ numerators / Σ denominators."""

_SLOT = re.compile(r"\{question\}|(\s*)\{options\}")


class Malformed(ValueError):
    """An answer that is not in the task's form. Raised by parsers, turned into a status by `Task.score`.

    partial: what could be read, of the task's own type, for the published partial credit; None where nothing could.
    """

    def __init__(self, message: str, partial: Any = None):
        super().__init__(message)
        self.partial = partial


@dataclass(frozen=True, slots=True)
class Score:
    """How one answer did.

    accuracy: 0–1, the released profile's accuracy. format: 0 | 1. structure: 0–0.5, 0 without format.
    components: named, each 0–1. evidence: what pooled metrics need (sums of IoU, frames, words; plain JSON).
    r_acc: the accuracy reward R_acc of the `paper` and `hardened` profiles, sums of equations 1–8 that may exceed 1
    (`Task.paper_max`). tidy: 0 | 1, the format that `hardened` pays for.
    """

    status: Status
    accuracy: float = 0.0
    format: int = 0
    structure: float = 0.0
    components: Mapping[str, float] = field(default_factory=dict)
    evidence: Mapping[str, Any] = field(default_factory=dict)
    r_acc: Mapping[str, float] = field(default_factory=dict)
    tidy: int = 0

    def reward(self, profile: RewardProfile = "released") -> float:
        """The scalar that trains. NaN for an `error`, which is left out of averages and never counted as 0.

        released: 0.9·accuracy + 0.1·format + structure, 0–1.5. paper: R_acc + format; hardened: R_acc + tidy; both
        0 unless `ok`.
        """
        if self.status is Status.ERROR:
            return math.nan
        if profile == "released":
            return 0.9 * self.accuracy + 0.1 * self.format + (self.structure if self.format else 0.0)
        if self.status is not Status.OK:
            return 0.0
        return self.r_acc[profile] + (self.format if profile == "paper" else self.tidy)


@dataclass(frozen=True, slots=True)
class Measured:
    """What a task's measure says of one parsed answer. paper, hardened: R_acc, the accuracy unless given."""

    accuracy: float
    components: Mapping[str, float] = field(default_factory=dict)
    evidence: Mapping[str, Any] = field(default_factory=dict)
    paper: float | None = None
    hardened: float | None = None


class Task(ABC, Generic[T]):
    """One task family. T is the parsed answer, the same type as the parsed truth.

    name: registry key. title: for people. modalities: which samples it takes. templates: prompt set → template with
    `{question}` and `{options}`. example: the answer's form, shown in help. paper_max: the largest R_acc.
    nothing: the answer that says nothing and earns nothing, measured in place of one that cannot be read.
    structured: whether the answer is JSON, whose form the released reward pays for.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    modalities: ClassVar[tuple[str, ...]]
    templates: ClassVar[Mapping[str, str]]
    example: ClassVar[str]
    paper_max: ClassVar[float] = 1.0
    nothing: ClassVar[Any]
    structured: ClassVar[bool] = False

    @abstractmethod
    def parse(self, text: str, sample: Sample, *, lenient: bool = False) -> T:
        """The answer's text, parsed strictly, or leniently for the second column. Raises Malformed."""

    @abstractmethod
    def measure(self, pred: T, true: T, sample: Sample) -> Measured:
        """Compare a parsed answer with the truth."""

    @abstractmethod
    def terms(self, score: Score, profile: MetricProfile) -> Terms:
        """One score's share of every metric; the first is the task's headline."""

    def structure(self, pred: T, true: T, valid: bool) -> float:
        """Released structure reward, 0–0.5. valid: whether the answer is in the task's form."""
        return 0.5 if valid or not self.structured else 0.0

    def paint(self, picture: Picture, value: T, colour: str, sample: Sample) -> None:
        """Draw a parsed answer or truth on one frame; `picture` knows its second."""
        picture.note(f"{LABELS[colour]}: {value}", colour)

    def truth(self, sample: Sample) -> T:
        """The sample's truth, parsed. Raises DataError naming the sample when it is not in the task's form."""
        try:
            return _parse_truth(self, sample.truth, sample.options)
        except Malformed as error:
            raise DataError(
                f"sample {sample.id} ({self.name}): its truth is not in the form {self.example}: {error}"
            ) from error

    def prompt(self, sample: Sample, prompts: PromptSet) -> str:
        """The user's message, with `<image>` / `<video>` marks where the media belong. Raises DataError, PromptError.

        Marks in the question stay, those that are only words get a backslash (`sample.marks`); a question without any
        has its media first.
        """
        try:
            question, choices, marked = place(
                sample.question.strip(), sample.options, sample.modality, len(sample.media)
            )
        except DataError as error:
            raise DataError(f"sample {sample.id}: {error}") from error
        options = "\n".join(choices)

        def fill(slot: re.Match[str]) -> str:
            return question if slot.group(1) is None else slot.group(1) + options if options else ""

        text = _SLOT.sub(fill, prompts.template(self.name))
        return text if marked else "".join(_mark(sample, path) for path in sample.media) + text

    def read(self, sample: Sample, answer: Answer, *, lenient: bool = False) -> tuple[Status, T | None]:
        """Status and parsed answer; of one that is not in form what could be read of it, or None.

        Text without an answer block is parsed too, for the published partial credit; leniently it counts as answer.
        """
        if answer.status in (Status.MALFORMED, Status.ERROR):
            return answer.status, None
        try:
            value = self.parse(answer.text, sample, lenient=lenient)
        except Malformed as error:
            return (Status.MALFORMED if answer.status is Status.OK else answer.status), error.partial
        return (Status.OK if lenient and answer.status is Status.NO_ANSWER else answer.status), value

    def score(self, sample: Sample, answer: Answer, *, lenient: bool = False) -> Score:
        """Score one answer; bad model output is a status, never an exception. Raises DataError for a bad truth."""
        if answer.status is Status.ERROR:
            return Score(Status.ERROR)
        true = self.truth(sample)
        status, value = self.read(sample, answer, lenient=lenient)
        pred = self.nothing if value is None else value
        measured = self.measure(pred, true, sample)
        accuracy, ok = measured.accuracy, status is Status.OK
        paper = accuracy if measured.paper is None else measured.paper
        hardened = paper if measured.hardened is None else measured.hardened
        return Score(
            status=status,
            accuracy=accuracy,
            format=answer.format,
            structure=self.structure(pred, true, ok) if answer.format else 0.0,
            components=measured.components,
            evidence=measured.evidence,
            r_acc={"paper": paper if ok else 0.0, "hardened": hardened if ok else 0.0},
            tidy=answer.tidy,
        )

    def metrics(self, scores: Sequence[Score], profile: MetricProfile = "official") -> dict[str, float]:
        """Pooled metrics over scores without errors; the first entry is the task's headline. NaN without scores.

        official: an answer that is not `ok` earns 0 everywhere. released: it keeps its partial credit.
        A metric that some scores lack evidence for (masks that were not made) is left out.
        """
        rows = [self.counted(s, profile) for s in scores if s.status is not Status.ERROR]
        if not rows:
            return dict.fromkeys(self.counted(Score(Status.NO_ANSWER), profile), math.nan)
        names = [name for name in rows[0] if all(name in row for row in rows)]
        return {name: _ratio([row[name] for row in rows]) for name in names}

    def counted(self, score: Score, profile: MetricProfile) -> Terms:
        """`terms` as the profile counts them: `official` gives an answer that is not `ok` nothing.

        A resample's metric is Σ numerators / Σ denominators over its scores.
        """
        terms = self.terms(score, profile)
        if profile == "official" and score.status is not Status.OK:
            return {name: (0.0, whole) for name, (_, whole) in terms.items()}
        return terms

    def draw(
        self, sample: Sample, answer: Answer | None, frames: Sequence[Image.Image], times: Sequence[float] = ()
    ) -> list[Image.Image]:
        """The frames (one for an image; a blank one where there are none) with truth, if any, and answer drawn on.

        times: the frames' seconds; may be left out for images.
        """
        shown = list(frames) or [Image.new("RGB", (384, 384), "white")]
        seconds = list(times) or [0.0] * len(shown)
        true = self.truth(sample) if sample.truth else None
        status, value = (None, None) if answer is None else self.read(sample, answer)
        pictures = []
        for frame, second in zip(shown, seconds, strict=True):
            picture = Picture(frame, second, seconds)
            picture.note(sample.question, "white")
            if true is not None:
                self.paint(picture, true, TRUTH, sample)
            if value is not None:
                self.paint(picture, value, ANSWER, sample)
            if status is not None and status is not Status.OK:
                picture.note(f"answer: {status.value}", ANSWER)
            pictures.append(picture.finish())
        return pictures


@lru_cache(maxsize=2048)
def _parse_truth(task: Task[T], truth: str, options: tuple[str, ...]) -> T:
    """Remembered, since a question is answered several times and read twice. Raises Malformed."""
    return task.parse(truth, Sample("", task.name, "text", "", truth, options))


def make_templates(short: str, ask: str, form: str) -> dict[str, str]:
    """A task's prompt templates. ask: what the answer is to be. form: how it looks."""
    full = (
        "{question}\n{options}\n\nLook closely and reason step by step between <think> and </think>. Then write the "
        f"final answer, and nothing else, between <answer> and </answer>. {ask}\n"
        f"Write it like this: <think>your reasoning</think><answer>{form}</answer>"
    )
    return {"short": short, "full": full}


def meta_number(sample: Sample, key: str) -> float | None:
    """`sample.meta[key]` as a finite number above 0, None where there is none. Raises DataError."""
    value = sample.meta.get(key)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < math.inf:
        raise DataError(f"sample {sample.id}: meta[{key!r}] is {value!r}; expected a number above 0")
    return float(value)


def _mark(sample: Sample, path: str) -> str:
    """`video` and `image` say what every medium is; else its suffix does."""
    by_suffix = PurePosixPath(path).suffix.lower() in VIDEO_SUFFIXES
    return "<video>" if sample.modality == "video" or (by_suffix and sample.modality != "image") else "<image>"


def _ratio(terms: Sequence[tuple[float, float]]) -> float:
    part, whole = (math.fsum(column) for column in zip(*terms, strict=True))
    return part / whole if whole else math.nan
