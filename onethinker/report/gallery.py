"""A browser of right and wrong answers: questions chosen evenly over tasks, drawn on their image or frames."""

from __future__ import annotations

import base64
import hashlib
import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from PIL import Image

from onethinker.engines.base import Request
from onethinker.media import MediaBudget, MediaError, is_clip, open_clip, open_image, probe
from onethinker.report.read import Evaluation, ResultRow
from onethinker.sample import DataError, Sample, Samples, load_samples
from onethinker.sample.answer import Answer as ReadAnswer
from onethinker.sample.answer import Status, read_answer
from onethinker.scoring.results import samples_digest
from onethinker.segment import Segmenter, make_segmenter
from onethinker.segment.answers import masks_of
from onethinker.segment.base import Mask
from onethinker.tasks import get_task
from onethinker.tools import TOOLS, make_tools, needs_of
from onethinker.tools.call import answer_call

_MARKS = re.compile(r"<(?:image|video)>\s*")

RIGHT = 0.5
"""An answer counts as right from this accuracy on."""
FRAMES = 4
"""Of a clip that are shown."""
WIDEST = 640
"""Pixels of a picture on the page."""
_BUDGET = MediaBudget(image_pixels=WIDEST * WIDEST, frame_pixels=WIDEST * WIDEST, fps=1.0, max_frames=FRAMES)


@dataclass(frozen=True, slots=True)
class Picture:
    """uri: a data URI that holds the picture. width, height: its pixels. second: of a clip's frame, else None."""

    uri: str
    width: int
    height: int
    second: float | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """What an evaluation, named by its label, has in a question's row."""

    label: str
    row: ResultRow

    @property
    def text(self) -> str:
        """The answer block's."""
        return read_answer(self.row["response"], self.row["finish"]).text

    @property
    def readable(self) -> bool:
        """Whether it is in its task's form."""
        return str(self.row["status"]) == Status.OK

    @property
    def verdict(self) -> str:
        return "right" if self.row["accuracy"] >= RIGHT else "wrong"


@dataclass(frozen=True, slots=True)
class View:
    """Pictures of one question. label: what is drawn on them, `Truth` or `Answer`; empty for both."""

    label: str
    pictures: tuple[Picture, ...]


@dataclass(frozen=True, slots=True)
class Called:
    """A turn of the drawn answer that called a tool: its words, the passages or times that came back, its pictures."""

    tool: str
    text: str
    response: str
    pictures: tuple[Picture, ...]


@dataclass(frozen=True)
class Card:
    """One question with its answers, of which the last is the one that is drawn.

    topic: by which the cards are filtered, the task's or the benchmark's title. problem: why there are no pictures.
    """

    sample: Sample
    topic: str
    answers: tuple[Answer, ...]
    views: tuple[View, ...]
    problem: str = ""
    turns: tuple[Called, ...] = ()

    @property
    def last(self) -> Answer:
        return self.answers[-1]

    @property
    def thinking(self) -> str:
        """Of the last answer."""
        return read_answer(self.last.row["response"], self.last.row["finish"]).thinking

    @property
    def question(self) -> str:
        """Without the marks of images and clips."""
        return _MARKS.sub("", self.sample.question).strip()

    @property
    def title(self) -> str:
        """The task's."""
        return get_task(self.sample.task).title

    @property
    def wide(self) -> bool:
        """Whether it holds the frames of a clip."""
        return any(len(view.pictures) > 2 for view in self.views)


def samples_of(evaluation: Evaluation) -> Samples:
    """The questions that an evaluation was asked, kept beside its results; older ones read their data again.

    Raises DataError if they are gone or no longer the same.
    """
    data, kept = evaluation.summary["data"], evaluation.folder / "samples.jsonl"
    if not kept.exists() and not data["path"]:
        raise DataError("the evaluation does not name its data")
    path = str(kept) if kept.exists() else data["path"]
    samples = load_samples(path, data["media_root"])
    if samples_digest(samples[: data["n"]]) != data["digest"]:
        raise DataError(f"{path} has changed since the evaluation; evaluate again to see its answers")
    return samples


def choose(evaluation: Evaluation, rows: Mapping[str, ResultRow], samples: Samples, each: int) -> list[Sample]:
    """Up to `each` right and as many wrong answers a task, picked by a hash of their ids: always the same ones. Tasks
    with a place or a time to show come first."""
    order = sorted(samples, key=lambda s: hashlib.sha256(s.id.encode()).digest())
    chosen: list[Sample] = []
    for task in sorted(evaluation.tasks, key=lambda name: not get_task(name).structured):
        for right in (True, False):
            some = [
                s
                for s in order
                if s.task == task
                and s.id in rows
                and rows[s.id]["status"] != Status.ERROR
                and (rows[s.id]["accuracy"] >= RIGHT) == right
            ]
            chosen += some[:each]
    return chosen


def make_cards(evaluations: Sequence[Evaluation], samples: Samples, each: int = 3) -> list[Card]:
    """Cards on the last evaluation's answers, with the earlier ones beside them."""
    rows = [(e.label, e.greedy()) for e in evaluations]
    grabcut = str(evaluations[-1].summary.get("segmenter") or "").startswith("grabcut")  # others want their weights
    segmenter = make_segmenter("grabcut") if grabcut else None
    benchmark = evaluations[-1].benchmark
    cards = []
    for sample in choose(evaluations[-1], rows[-1][1], samples, each):
        topic = str(benchmark["title"]) if benchmark else get_task(sample.task).title
        answers = tuple(Answer(label, by_id[sample.id]) for label, by_id in rows if sample.id in by_id)
        try:
            drawn = views(sample, samples.root, answers[-1].row, segmenter)
            turns = turns_of(sample, samples.root, answers[-1].row, evaluations[-1].budget)
            cards.append(Card(sample, topic, answers, drawn, turns=turns))
        except (DataError, MediaError) as error:
            cards.append(Card(sample, topic, answers, (), str(error)))
    return cards


def turns_of(sample: Sample, root: Path, row: ResultRow, budget: MediaBudget) -> tuple[Called, ...]:
    """The turns of an answer that called tools. Their pictures are no part of the row: tools are pure, and those that
    need nothing but the request give them again. budget: that of the evaluation."""
    request, found = Request(sample.id, "", tuple(sample.paths(root)), budget), list[Called]()
    for turn in row.get("turns", ()):
        pictures: tuple[Picture, ...] = ()
        if "[picture " in turn["response"]:
            again = answer_call(turn["text"], request, make_tools([name for name in TOOLS if not needs_of(name)]))
            opened = (Image.open(io.BytesIO(png), formats=["PNG"]).convert("RGB") for png in again.pictures)
            pictures = tuple(_picture(picture, None) for picture in opened)
        found.append(Called(turn["tool"], turn["text"], turn["response"], pictures))
    return tuple(found)


_APART = ("Spatial", "Spatial-temporal", "Tracking", "Segmentation")
"""Groups of tasks with boxes, points or masks, whose truth and answer are seen best side by side."""


def views(sample: Sample, root: Path, row: ResultRow, segmenter: Segmenter | None = None) -> tuple[View, ...]:
    """The truth beside the answer where both have a place on the picture, else both on one. segmenter: makes the masks
    of a segmentation answer. Raises DataError, MediaError."""
    answer, task = read_answer(row["response"], row["finish"]), get_task(sample.task)
    wordless = replace(sample, question="")
    shown = _Shown.of(sample, root)
    if task.group not in _APART:
        return (View("", shown.drawn(wordless, answer)),)
    value = task.read(sample, answer).value if segmenter and row["status"] == Status.OK else None
    file = sample.paths(root)[0]
    masks = masks_of(segmenter, sample, file, [value], shown.seconds) if segmenter else []
    truthless = replace(wordless, truth="")
    return View("Truth", shown.drawn(wordless, None)), View("Answer", shown.drawn(truthless, answer, masks))


@dataclass(frozen=True)
class _Shown:
    """What of a question's media is shown. times: of a clip's frames, None for images."""

    frames: list[Image.Image]
    times: list[float | None]

    @property
    def seconds(self) -> list[float]:
        return [time or 0.0 for time in self.times]

    @classmethod
    def of(cls, sample: Sample, root: Path) -> _Shown:
        return cls(*_media(sample, root))

    def drawn(self, sample: Sample, answer: ReadAnswer | None, masks: Sequence[Mask] = ()) -> tuple[Picture, ...]:
        drawn = get_task(sample.task).draw(sample, answer, self.frames, self.seconds, masks)
        return tuple(_picture(picture, second) for picture, second in zip(drawn, [*self.times, None]))


def _media(sample: Sample, root: Path) -> tuple[list[Image.Image], list[float | None]]:
    frames: list[Image.Image] = []
    times: list[float | None] = []
    for path in sample.paths(root):
        if is_clip(path):
            clip = open_clip(path, _BUDGET, times=_seconds(probe(path).duration))
            frames += [Image.fromarray(frame) for frame in clip.frames]
            times += [float(t) for t in clip.times]
        else:
            frames.append(open_image(path, _BUDGET.image_pixels))
            times.append(None)
    return frames, times


def _seconds(duration: float) -> list[float]:
    """Evenly spread seconds of a clip; whole ones, where answers have their boxes, if it is long enough."""
    spread = np.linspace(0, duration, FRAMES + 2)[1:-1]
    return [float(t) for t in (np.unique(spread.round()) if duration >= FRAMES else spread)]


def _picture(picture: Image.Image, second: float | None) -> Picture:
    if picture.width > WIDEST:
        picture = picture.resize((WIDEST, round(picture.height * WIDEST / picture.width)), Image.Resampling.LANCZOS)
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=86, optimize=True)
    uri = "data:image/jpeg;base64," + base64.b64encode(file.getvalue()).decode("ascii")
    return Picture(uri, *picture.size, second)


SHORT = 60
"""Characters that are shown of what could not be read."""


def cut_short(text: str) -> str:
    """One line: the beginning of a text that is not worth more."""
    line = " ".join(text[: 4 * SHORT].split())
    return line if len(line) <= SHORT and len(text) <= 4 * SHORT else f"{line[:SHORT]} …"


def cut(text: str, most: int) -> str:
    """The text, or its beginning and how long it is."""
    return text if len(text) <= most else f"{text[:most]} … ({len(text):,} characters)"
