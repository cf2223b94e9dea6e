"""A browser of right and wrong answers: questions chosen evenly over tasks, drawn on their image or frames."""

from __future__ import annotations

import base64
import hashlib
import html
import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from PIL import Image

from onethinker.media import MediaBudget, MediaError, is_clip, open_clip, open_image, probe
from onethinker.report.read import Evaluation, ResultRow
from onethinker.sample import DataError, Sample, Samples, load_samples
from onethinker.sample.answer import Status, read_answer
from onethinker.scoring.results import samples_digest
from onethinker.tasks import get_task

_MARKS = re.compile(r"<(?:image|video)>\s*")

RIGHT = 0.5
"""An answer counts as right from this accuracy on."""
FRAMES = 4
"""Of a clip that are shown."""
WIDEST = 640
"""Pixels of a picture on the page."""
_BUDGET = MediaBudget(image_pixels=WIDEST * WIDEST, frame_pixels=WIDEST * WIDEST, fps=1.0, max_frames=FRAMES)
LONGEST = 1500
"""Characters of a model's text that are shown."""


@dataclass(frozen=True, slots=True)
class Picture:
    """uri: the picture itself, as a data URI. second: of a clip's frame, None for an image."""

    uri: str
    second: float | None = None


@dataclass(frozen=True)
class Card:
    """One question with its answers, the evaluations' labels beside their rows; the last is the one that is drawn.

    topic: by which the cards are filtered, the task's or the benchmark's title.
    """

    sample: Sample
    topic: str
    answers: tuple[tuple[str, ResultRow], ...]
    pictures: tuple[Picture, ...]
    problem: str = ""

    @property
    def row(self) -> ResultRow:
        return self.answers[-1][1]

    @property
    def right(self) -> bool:
        return bool(self.row["accuracy"] >= RIGHT)


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
    """Up to `each` right and as many wrong answers a task, picked by a hash of their ids: always the same ones."""
    order = sorted(samples, key=lambda s: hashlib.sha256(s.id.encode()).digest())
    chosen: list[Sample] = []
    for task in evaluation.tasks:
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
    benchmark = evaluations[-1].benchmark
    cards = []
    for sample in choose(evaluations[-1], rows[-1][1], samples, each):
        topic = str(benchmark["title"]) if benchmark else get_task(sample.task).title
        answers = tuple((label, by_id[sample.id]) for label, by_id in rows if sample.id in by_id)
        try:
            cards.append(Card(sample, topic, answers, tuple(draw(sample, samples.root, answers[-1][1]))))
        except (DataError, MediaError) as error:
            cards.append(Card(sample, topic, answers, (), str(error)))
    return cards


def draw(sample: Sample, root: Path, row: ResultRow) -> list[Picture]:
    """The images and frames of the clips, with truth and answer drawn on. Raises DataError, MediaError."""
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
    wordless, answer = replace(sample, question=""), read_answer(row["response"], row["finish"])
    drawn = get_task(sample.task).draw(wordless, answer, frames, [t or 0.0 for t in times])
    return [Picture(_uri(picture), second) for picture, second in zip(drawn, [*times, None])]


def _seconds(duration: float) -> list[float]:
    """Evenly spread seconds of a clip; whole ones, where answers have their boxes, if it is long enough."""
    spread = np.linspace(0, duration, FRAMES + 2)[1:-1]
    return [float(t) for t in (np.unique(spread.round()) if duration >= FRAMES else spread)]


def _uri(picture: Image.Image) -> str:
    if picture.width > WIDEST:
        picture = picture.resize((WIDEST, round(picture.height * WIDEST / picture.width)), Image.Resampling.LANCZOS)
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=86, optimize=True)
    return "data:image/jpeg;base64," + base64.b64encode(file.getvalue()).decode("ascii")


# ---- HTML -------------------------------------------------------------------------------------------------------


def to_html(cards: Sequence[Card]) -> str:
    """The cards below buttons that filter them by topic and verdict. All text of samples and models is escaped."""
    options = "".join(f"<option>{_e(topic)}</option>" for topic in dict.fromkeys(card.topic for card in cards))
    buttons = "".join(
        f'<button type="button" data-verdict="{value}" aria-pressed="{str(not value).lower()}">{name}</button>'
        for value, name in (("", "All"), ("right", "Right"), ("wrong", "Wrong"))
    )
    controls = (
        '<div class="controls"><select id="topic" aria-label="Show"><option value="">All</option>'
        f'{options}</select><div class="choice">{buttons}</div><span id="shown" class="muted"></span></div>'
    )
    return controls + '<div class="cards">' + "".join(_card(card) for card in cards) + "</div>"


def _card(card: Card) -> str:
    sample, verdict, several = card.sample, "right" if card.right else "wrong", len(card.pictures) > 2
    pictures = "".join(_picture(picture, sample) for picture in card.pictures)
    if card.problem:
        pictures = f'<p class="muted">No picture: {_e(card.problem)}</p>'
    question = _MARKS.sub("", sample.question).strip()
    choices = "".join(f"<li>{_e(_cut(option, 200))}</li>" for option in sample.options)
    answers = "".join(_answer(label, row) for label, row in card.answers)
    thinking = read_answer(card.row["response"], card.row["finish"]).thinking
    details = f"<details><summary>Thinking</summary><p>{_e(_cut(thinking))}</p></details>" if thinking else ""
    return (
        f'<article class="card{" clip" if several else ""}" data-topic="{_e(card.topic)}" data-verdict="{verdict}">'
        f'<div class="pictures{" strip" if several else ""}">{pictures}</div><div class="said">'
        f'<p class="about"><span class="chip">{_e(card.topic)}</span>'
        f'<span class="verdict {verdict}">{verdict} · {card.row["accuracy"]:.2f}</span>'
        f'<span class="muted id">{_e(sample.id)}</span></p>'
        f'<p class="question">{_e(_cut(question, 600))}</p>{f"<ul>{choices}</ul>" if choices else ""}'
        f"<dl><dt>Truth</dt><dd>{_e(_cut(sample.truth, 400))}</dd>{answers}</dl>{details}</div></article>"
    )


def _picture(picture: Picture, sample: Sample) -> str:
    alt = f"{get_task(sample.task).title}, {sample.id}, with truth and answer drawn on"
    when = "" if picture.second is None else f"<figcaption>{picture.second:.3g} s</figcaption>"
    return f'<figure><img loading="lazy" src="{picture.uri}" alt="{_e(alt)}">{when}</figure>'


def _answer(label: str, row: ResultRow) -> str:
    read = read_answer(row["response"], row["finish"])
    said = _cut(read.text, 400) or "(nothing)"
    note = "" if row["status"] == "ok" else f' <em class="muted">{_e(row["status"].replace("_", " "))}</em>'
    dot = "right" if row["accuracy"] >= RIGHT else "wrong"
    return f'<dt><i class="dot {dot}"></i>{_e(label)}</dt><dd>{_e(said)}{note}</dd>'


def _cut(text: str, most: int = LONGEST) -> str:
    return text if len(text) <= most else f"{text[:most]} … ({len(text):,} characters)"


def _e(text: str) -> str:
    return html.escape(text)
