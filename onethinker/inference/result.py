"""What came back: one result for every task, picture and clip. Its fields are typed, it draws, saves and exports
itself, and a notebook shows it."""

from __future__ import annotations

import base64
import html
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from onethinker.engines.base import Turn
from onethinker.inference import drawing, exports
from onethinker.inference.fields import Boxes, Masks, Points, Size
from onethinker.inference.record import record_of
from onethinker.media import MediaBudget, MediaInfo, is_clip, probe, write_image
from onethinker.media.memory import MediaFolder
from onethinker.sample import Sample
from onethinker.sample.answer import Answer, Status
from onethinker.segment import Segmenter, make_segmenter
from onethinker.tasks import get_task
from onethinker.tasks.base import Reading
from onethinker.tasks.found import Found, label_of
from onethinker.util.files import replacing

if TYPE_CHECKING:
    from supervision import Detections, KeyPoints

MASK_RATE, MASK_FRAMES = 10.0, 96
"""Of a clip, at most so many masks a second and in all, evenly, so that they take seconds; `masks_at` gives any."""


@dataclass(frozen=True)
class Result:
    """The answer to one question.

    media: the files asked about. names: what they are called, empty where one came from memory. response: all that the
    model wrote; `thinking` and `text` are its parts. model: whose answer it is, an engine's identity. tokens, seconds:
    of the answer. index: its place in a batch. turns: those before the last, each with its tool call and the response.
    agreement: of several sampled answers how far the others agree with this one, 0–1; None of a single answer. others:
    of a segmentation the values of those; a mask holds the pixels that more than half of all answers' masks hold.
    Boxes, points and times are those of the first medium; without media, or where the answer is in words, there are
    none.
    """

    sample: Sample
    media: tuple[Path, ...]
    response: str
    answer: Answer
    reading: Reading[Any]
    names: tuple[str, ...] = ()
    model: str = ""
    tokens: int = 0
    seconds: float = 0.0
    index: int = 0
    turns: tuple[Turn, ...] = ()
    agreement: float | None = None
    others: tuple[Any, ...] = ()
    segmenter: Callable[[], Segmenter] = field(default=make_segmenter, repr=False, compare=False)
    folder: MediaFolder = field(default_factory=MediaFolder, repr=False, compare=False)
    """Holds the files of media that came from memory."""

    @property
    def status(self) -> Status:
        """ok, or why there is no value: no_answer, malformed, truncated, error."""
        return self.reading.status

    @property
    def ok(self) -> bool:
        return self.status is Status.OK

    @property
    def task(self) -> str:
        return self.sample.task

    @property
    def question(self) -> str:
        return self.sample.question

    @property
    def thinking(self) -> str:
        return self.answer.thinking

    @property
    def text(self) -> str:
        """The answer's own words, or the whole response where there is no answer block."""
        return self.answer.text

    @property
    def value(self) -> Any:
        """The parsed answer, of the task's own type; None where it is not in the task's form (`problem` says why)."""
        return None if self.problem else self.reading.value

    @property
    def problem(self) -> str:
        return self.reading.problem

    def transcript(self) -> Image.Image:
        """The answer turn by turn as one picture: each call, and the pictures and passages that it gave back."""
        from onethinker.inference.transcript import transcript

        return transcript(self)

    def save_turns(self, folder: str | Path) -> list[Path]:
        """Write the pictures that tools gave back, `turn-K-N.png`, and `transcript.png`; return the former's paths."""
        files = [
            Path(folder) / f"turn-{k}-{n}.png"
            for k, turn in enumerate(self.turns, start=1)
            for n, _ in enumerate(turn.pictures, start=1)
        ]
        for file, picture in zip(files, (p for turn in self.turns for p in turn.pictures), strict=True):
            with replacing(file) as aside:
                aside.write_bytes(picture)
        write_image(Path(folder) / "transcript.png", self.transcript())
        return files

    # ---- fields -------------------------------------------------------------------------------------------------

    @cached_property
    def found(self) -> Found:
        """The places and the span in the answer, 0–1000 and seconds, as the task gives them."""
        return Found() if self.value is None else get_task(self.task).found(self.value, self.sample)

    @cached_property
    def infos(self) -> tuple[MediaInfo, ...]:
        """Kind, size and length of each medium. Raises MediaError."""
        return tuple(map(probe, self.media))

    @property
    def size(self) -> Size:
        """(width, height) of the first medium in pixels, upright; (0, 0) without media."""
        return (self.infos[0].width, self.infos[0].height) if self.media else (0, 0)

    @property
    def of_clip(self) -> bool:
        """Whether the first medium is a clip."""
        return bool(self.media) and is_clip(self.media[0])

    @cached_property
    def boxes(self) -> Boxes:
        """The boxes of the answer, none where it has none. Raises MediaError."""
        return Boxes.of(self.found, self.size)

    @cached_property
    def points(self) -> Points:
        """The points of the answer, those that prompt a segmenter too. Raises MediaError."""
        return Points.of(self.found, self.size)

    @property
    def span(self) -> tuple[float, float] | None:
        """Seconds from and to, in the order given; None where the answer has none."""
        return self.found.span

    @cached_property
    def masks(self) -> Masks:
        """What the segmenter makes of a segmentation answer: of a picture one mask, of a clip one a frame, at most
        MASK_RATE a second and MASK_FRAMES, evenly. None of any other task. Raises MediaError, SegmenterError."""
        if not self.of_clip:
            return self.masks_at(None)
        info = self.infos[0]
        count = max(1, min(info.frames, round(info.duration * min(MASK_RATE, info.fps)), MASK_FRAMES))
        return self.masks_at(np.arange(count) * info.duration / count)

    def masks_at(self, times: np.ndarray | None) -> Masks:
        """As `masks`, of a clip at `times` in seconds. Raises ValueError for more than memory holds."""
        return drawing.masks_at(self, times, label_of(self.sample))

    # ---- pictures -----------------------------------------------------------------------------------------------

    def draw(
        self, budget: MediaBudget | None = None, segmenter: Segmenter | None = None
    ) -> tuple[list[Image.Image], list[float]]:
        """Frames with the answer drawn on them, and their seconds (one frame at 0.0 for an image).

        budget: which frames of a clip; unless given all of them, at its own rate, at most `drawing.DRAWN_FRAMES`.
        segmenter: whose masks of a segmentation answer are drawn; the result's own unless given.
        """
        return drawing.draw(self, budget, segmenter)

    def plot(self) -> Image.Image:
        """One picture with the answer drawn on it, of a clip the frame that tells the most: that of the first box, else
        of the span's middle, else the first. Raises MediaError where the question has no media."""
        return drawing.plot(self)

    def show(self) -> None:
        """Show the picture, or in a notebook the clip, with the answer drawn on it."""
        drawing.show(self)

    def save(self, path: str | Path) -> Path:
        """Write the answer by the file's suffix: drawn as .png, .jpg or .webp, a clip as .gif or .mp4 too, or as .json
        (`to_json`). Raises MediaError for any other."""
        return drawing.save(self, Path(path))

    def save_crop(self, folder: str | Path) -> list[Path]:
        """Write what each box holds as `LABEL-N.png`, of a clip from the frame at the box's second; the files."""
        return drawing.save_crop(self, Path(folder))

    def _repr_png_(self) -> bytes | None:
        if not self.media or self.of_clip:
            return None
        made = BytesIO()
        self.plot().save(made, "PNG")
        return made.getvalue()

    def _repr_html_(self) -> str | None:
        """A clip plays with the answer drawn on it, words stand as text; None for a picture, which shows itself."""
        words = f"<p>{html.escape(self.text)}</p>"
        if not self.media:
            return words
        if not self.of_clip:
            return None
        film = base64.b64encode(drawing.film(self)).decode()
        return f'<video controls loop muted src="data:video/mp4;base64,{film}"></video>{words}'

    # ---- records ------------------------------------------------------------------------------------------------

    def record(self, masks: bool = True) -> dict[str, Any]:
        """The result as plain JSON values, see `inference.record`. masks: with those of a segmentation."""
        return record_of(self, masks)

    def to_json(self, masks: bool = True, indent: int | None = None) -> str:
        """The record as JSON, in ASCII and, unless indented, on one line."""
        return json.dumps(self.record(masks), ensure_ascii=True, indent=indent)

    def to_supervision(self, second: float | None = None) -> Detections | KeyPoints:
        """`supervision.Detections`, of points `KeyPoints`; see `exports`. second: of a clip, the frame's."""
        return exports.to_supervision(self, second)

    def to_coco(self) -> dict[str, Any]:
        """A COCO data set of one picture, or of a clip's frames that hold something; see `exports.to_coco`."""
        return exports.to_coco(self)

    def to_mot(self, fps: float | None = None) -> str:
        """The tracks as MOTChallenge lines; see `exports.to_mot`. fps: the clip's own unless given."""
        return exports.to_mot(self, fps)

    def to_davis(self, folder: str | Path) -> list[Path]:
        """The masks as DAVIS has them, a palette PNG a frame; see `exports.to_davis`."""
        return exports.to_davis(self, Path(folder))
