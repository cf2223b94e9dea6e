"""The task contract: what one task file provides, and the `Score` that rewards and metrics are two reductions of.

Answers are scored many at a time: each is read (`Task.read`, the one place where a status is decided), and all that one
task was asked are measured together by its one formula (`Task.measure`). One answer is the case N = 1.
"""

from __future__ import annotations

import math
import re
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from functools import lru_cache
from itertools import repeat
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Literal, TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from onethinker.media import VIDEO_SUFFIXES
from onethinker.sample import MODALITIES, DataError, Sample
from onethinker.sample.answer import Answer, Status
from onethinker.sample.marks import place
from onethinker.tasks.asking import Asker
from onethinker.tasks.drawing import ANSWER, LABELS, TRUTH, Picture, written
from onethinker.tasks.found import Found
from onethinker.tasks.pool import METRIC_PROFILES, MetricProfile, Terms, TermSums
from onethinker.tasks.rewards import REWARDS, RewardProfile
from onethinker.tasks.scores import Measured, Result, Score, make_scores

if TYPE_CHECKING:
    from onethinker.tasks.prompts import PromptSet

__all__ = [
    "ANY_MODALITY", "METRIC_PROFILES", "REWARDS", "SEEN", "Malformed", "Measured", "MetricProfile", "Reading", "Result",
    "RewardProfile", "Score", "Task", "Terms", "make_templates", "meta_number",
]  # fmt: skip

ANY_MODALITY: tuple[str, ...] = MODALITIES
SEEN: tuple[str, ...] = ("image", "video", "video-image")

T = TypeVar("T")

_SLOT = re.compile(r"\{question\}|(\s*)\{options\}")


class Malformed(ValueError):
    """An answer that is not in the task's form. Raised by parsers, turned into a status by `Task.score`.

    partial: what could be read, of the task's own type, for the published partial credit; None where nothing could.
    """

    def __init__(self, message: str, partial: Any = None):
        super().__init__(message)
        self.partial = partial


_OK, _NO_ANSWER, _MALFORMED, _ERROR = Status.OK, Status.NO_ANSWER, Status.MALFORMED, Status.ERROR
"""Reading a member of an enum takes as long as a few of a score's formulas."""
_NO_MASK: dict[str, dict[str, float]] = {
    "image": {"inter": 0, "union": 0},
    "clip": dict.fromkeys(("j", "f", "released_j", "released_f"), 0.0),
}
"""What evaluation adds to the evidence of a score with masks, of nothing."""


class Reading(msgspec.Struct, Generic[T], frozen=True):
    """How an answer read. value: what it says, of one not in form what could be read of it, or None. problem: what was
    expected and found, empty where it is in form."""

    status: Status
    value: T | None
    problem: str = ""


class Task(ABC, Generic[T]):
    """One task family, which owns all its facts. T is the parsed answer, the same type as the parsed truth.

    name: registry key. title: for people. modalities: which samples it takes. templates: prompt set → template with
    `{question}` and `{options}`. example: the answer's form, shown in help. nothing: the answer that says nothing and
    earns nothing, measured in place of one that cannot be read.

    Facts with a usual value: paper_max: the largest R_acc. structured: whether the answer is JSON, whose form the
    released reward pays for. published: the release's `problem_type`, the name with spaces unless given; tasks that
    share one are told apart by their modalities. group: the column of report tables. judged: whether a judge may grade
    the answer. masks: what the answer prompts a segmenter for, one mask of an image or one a frame of a clip.
    statistics: the task that it is scored like, with which it shares an algorithm's statistics. scenes: the kinds of
    scene that the worlds ask it of in turn. asks: kind of scene → its makers of questions (`tasks.asking`; those of the
    release's tasks stand in `data.worlds.questions`). released: whether the release has the task; worlds and studies go
    over those that it has, and over others where they are named.
    example_truth, example_options: of a sample that tests ask, whose truth earns the most.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    modalities: ClassVar[tuple[str, ...]]
    templates: ClassVar[Mapping[str, str]]
    example: ClassVar[str]
    nothing: ClassVar[Any]
    example_truth: ClassVar[str]
    example_options: ClassVar[tuple[str, ...]] = ()
    paper_max: ClassVar[float] = 1.0
    structured: ClassVar[bool] = False
    published: ClassVar[str] = ""
    group: ClassVar[str] = "QA"
    judged: ClassVar[bool] = False
    masks: ClassVar[Literal["", "image", "clip"]] = ""
    statistics: ClassVar[str] = ""
    scenes: ClassVar[tuple[str, ...]] = ()
    asks: ClassVar[Mapping[str, tuple[Asker, ...]]] = {}
    released: ClassVar[bool] = True

    @abstractmethod
    def parse(self, text: str, sample: Sample, *, lenient: bool = False) -> T:
        """The answer's text, parsed strictly, or leniently for the second column. Raises Malformed."""

    @abstractmethod
    def measure(self, pred: Any, true: Any, samples: Sequence[Sample]) -> Measured:
        """Compare N parsed answers with their truths, both as `arrays` gives them. Raises DataError."""

    @abstractmethod
    def terms(self, score: Score, profile: MetricProfile) -> Terms:
        """One score's share of every metric; the first is the task's headline."""

    @property
    def published_name(self) -> str:
        """The `problem_type` of published rows."""
        return self.published or self.name.replace("_", " ")

    def pooled(self, scores: Sequence[Score], profile: MetricProfile) -> dict[str, float]:
        """Metrics over all scores that are no ratio of sums, such as one that ranks all answers' boxes; NaN without."""
        return {}

    def plain(self, text: str) -> T | None:
        """What `parse` gives strictly for a text in the usual form, in less time; None says nothing of the text."""
        return None

    def arrays(self, values: Sequence[T]) -> Any:
        """N parsed answers as `measure` takes them."""
        return values

    def reads_alike(self, pred: Any) -> NDArray[np.bool_] | None:
        """Which of N answers that are `ok` a lenient reading leaves as they are, (N,); None for all of them."""
        return None

    def found(self, value: T, sample: Sample) -> Found:
        """The boxes, points and the span that a parsed answer names; nothing for an answer in words."""
        return Found()

    def paint(self, picture: Picture, value: T, colour: str, sample: Sample) -> None:
        """Draw a parsed answer or truth on one frame; `picture` knows its second."""
        picture.note(f"{LABELS[colour]}: {written(value)}", colour)

    def truth(self, sample: Sample) -> T:
        """The sample's truth, parsed. Raises DataError naming the sample when it is not in the task's form."""
        try:
            return _parse_truth(self, sample.truth, sample.options)
        except Malformed as error:
            raise DataError(
                f"sample {sample.id} ({self.name}): its truth is not in the form {self.example}: {error}"
            ) from error

    def best(self, sample: Sample) -> str | None:
        """An answer that earns the most, mostly the truth itself; None where none is known. Raises DataError."""
        return sample.truth

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

    def read(self, sample: Sample, answer: Answer, *, lenient: bool = False) -> Reading[T]:
        """Status and parsed answer: the one place where a status is decided.

        Text without an answer block is parsed too, for the published partial credit; leniently it counts as answer.
        """
        if answer.status is _MALFORMED or answer.status is _ERROR:
            return Reading(answer.status, None)
        value = None if lenient else self.plain(answer.text)
        if value is None:
            try:
                value = self.parse(answer.text, sample, lenient=lenient)
            except Malformed as error:
                status = _MALFORMED if answer.status is _OK else answer.status
                return Reading(status, error.partial, str(error))
        return Reading(_OK if lenient and answer.status is _NO_ANSWER else answer.status, value)

    def score(self, sample: Sample, answer: Answer, *, lenient: bool = False) -> Score:
        """Score one answer; bad model output is a status, never an exception. Raises DataError for a bad truth."""
        if answer.status is _ERROR:
            return _failed(answer)
        true = self.truth(sample)
        reading = self.read(sample, answer, lenient=lenient)
        pred = self.arrays([self.nothing if reading.value is None else reading.value])
        measured = self.measure(pred, self.arrays([true]), [sample])
        return make_scores(measured, [answer], [reading.status], self.structured)[0]

    def score_many(
        self, samples: Sequence[Sample], answers: Sequence[Answer], *, lenient: bool = False
    ) -> list[Result]:
        """The score of each answer to this task, in order; a DataError in place of one whose truth is not usable."""
        return [result for result, _ in self._scored(samples, answers, lenient)]

    def score_both(self, samples: Sequence[Sample], answers: Sequence[Answer]) -> list[tuple[Result, Result]]:
        """As `score_many`, each with its score under lenient reading: the same object where reading is the same."""
        strict = self._scored(samples, answers, lenient=False)
        again = [n for n, (_, alike) in enumerate(strict) if not alike]
        lenient = self.score_many([samples[n] for n in again], [answers[n] for n in again], lenient=True)
        both = [(result, result) for result, _ in strict]
        for n, result in zip(again, lenient, strict=True):
            both[n] = (both[n][0], result)
        return both

    def _scored(self, samples: Sequence[Sample], answers: Sequence[Answer], lenient: bool) -> list[tuple[Result, bool]]:
        """Each result, and whether a lenient reading is known to give the same."""
        made: list[tuple[Result, bool] | None] = [None] * len(samples)
        read, readings, truths = [], [], []
        for n, (sample, answer) in enumerate(zip(samples, answers, strict=True)):
            if answer.status is _ERROR:
                made[n] = _failed(answer), True
                continue
            try:
                truths.append(self.truth(sample))
            except DataError as error:
                made[n] = error, True
                continue
            read.append(n)
            readings.append(self.read(sample, answer, lenient=lenient))
        asked, said = [samples[n] for n in read], [answers[n] for n in read]
        for n, result in zip(read, self._measured(asked, said, readings, truths), strict=True):
            made[n] = result
        return [result for result in made if result is not None]

    def _measured(
        self, samples: list[Sample], answers: list[Answer], readings: list[Reading[T]], truths: list[T]
    ) -> list[tuple[Result, bool]]:
        """What `_scored` gives, of answers that were read and have a truth."""
        if not samples:
            return []
        nothing = self.nothing
        pred = self.arrays([nothing if reading.value is None else reading.value for reading in readings])
        try:
            measured = self.measure(pred, self.arrays(truths), samples)
        except DataError as error:  # of one sample's `meta`: the others are measured without it
            if len(samples) == 1:
                return [(error, True)]
            return [
                self._measured([s], [a], [r], [t])[0]
                for s, a, r, t in zip(samples, answers, readings, truths, strict=True)
            ]
        alike = self.reads_alike(pred)
        known = repeat(True, len(samples)) if alike is None else alike.tolist()
        scores = make_scores(measured, answers, [reading.status for reading in readings], self.structured)
        return [(score, same and score.status is _OK) for score, same in zip(scores, known, strict=True)]

    def metrics(self, scores: Sequence[Score], profile: MetricProfile = "official") -> dict[str, float]:
        """Pooled metrics over scores without errors; the first entry is the task's headline. NaN without scores.

        official: an answer that is not `ok` earns 0 everywhere. released: it keeps its partial credit.
        A metric that some scores lack evidence for (masks that were not made) is left out.
        """
        counted = [s for s in scores if s.status is not Status.ERROR]
        sums = TermSums.of(self.counted(s, profile) for s in counted)
        ratios = sums.ratios() if sums.answers else dict.fromkeys(self.metric_names(profile), math.nan)
        return ratios | self.pooled(counted, profile)

    def metric_names(self, profile: MetricProfile = "official", *, masks: bool = False) -> list[str]:
        """The names of the metrics that are ratios of sums, the headline first. masks: with those over masks, where the
        task has them."""
        evidence = {"mask": _NO_MASK[self.masks]} if masks and self.masks else {}
        return list(self.counted(Score(Status.NO_ANSWER, evidence=evidence), profile))

    def counted(self, score: Score, profile: MetricProfile) -> Terms:
        """`terms` as the profile counts them: `official` gives an answer that is not `ok` nothing.

        A resample's metric is Σ numerators / Σ denominators over its scores.
        """
        terms = self.terms(score, profile)
        if profile == "official" and score.status is not Status.OK:
            return {name: (0.0, whole) for name, (_, whole) in terms.items()}
        return terms

    def draw(
        self,
        sample: Sample,
        answer: Answer | None,
        frames: Sequence[Image.Image],
        times: Sequence[float] = (),
        masks: Sequence[NDArray[np.bool_]] = (),
    ) -> list[Image.Image]:
        """The frames (one for an image; a blank one where there are none) with truth, if any, and answer drawn on.

        times: the frames' seconds; may be left out for images. masks: what a segmenter made of the answer, (H, W) a
        frame, where the caller has one.
        """
        shown = list(frames) or [Image.new("RGB", (384, 384), "white")]
        seconds = list(times) or [0.0] * len(shown)
        true = self.truth(sample) if sample.truth else None
        reading = None if answer is None else self.read(sample, answer)
        pictures = []
        for n, (frame, second) in enumerate(zip(shown, seconds, strict=True)):
            picture = Picture(frame, second, seconds)
            if n < len(masks):
                picture.mask(masks[n], ANSWER)
            picture.note(sample.question, "white")
            if true is not None:
                self.paint(picture, true, TRUTH, sample)
            if reading and reading.value is not None:
                self.paint(picture, reading.value, ANSWER, sample)
            if reading and reading.status is not Status.OK:
                picture.note(f"answer: {reading.status.value}", ANSWER)
            pictures.append(picture.finish())
        return pictures


def _failed(answer: Answer) -> Score:
    return Score(Status.ERROR, characters=answer.characters, tokens=answer.tokens)


@lru_cache(maxsize=2048)
def _parse_truth(task: Task[T], truth: str, options: tuple[str, ...]) -> T:
    """Remembered, since a question is answered several times and read twice. Raises Malformed."""
    value = task.plain(truth)
    return task.parse(truth, Sample("", task.name, "text", "", truth, options)) if value is None else value


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
