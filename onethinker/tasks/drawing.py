"""Draw truth and answer on a frame with PIL: boxes, points, spans, masks and lines of text.

Colours are of one palette that colour-blind eyes tell apart (`util.palette`), and style says the same again: the truth
is a thick line, a full bar, an even tint; the answer a thin line with marked corners, a hatched bar, a striped tint,
and its points have a ring. A dotted box stands between two seconds that have one. Labels lie beside what they name, or
below the frame where there is no room.
"""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageColor, ImageDraw, ImageFont

from onethinker.measure.tracks import Box, interpolate
from onethinker.tasks import strokes
from onethinker.tasks.strokes import Rect
from onethinker.util import palette

TRUTH = palette.GREEN
ANSWER = palette.ORANGE
LABELS = {TRUTH: "truth", ANSWER: "answer"}

SMALLEST_SIDE = 384
"""Pixels of the shorter side of a picture; smaller frames are enlarged."""
MAX_NOTE = 240
"""Characters of a line of text that are shown."""
_FONT_SHARE = 1 / 27
"""Height of a letter as a share of the picture's shorter side."""
_NEAR = 0.1
"""Seconds within which a frame counts as that of a second that has a box; less where frames lie closer."""
_HELD = 1.0
"""Seconds for which the first and the last box of a track are held where there is none before or after."""


@dataclass(frozen=True, slots=True)
class _Box:
    rect: Rect
    colour: str
    label: str
    dotted: bool


class Picture:
    """One frame being drawn on. Coordinates run 0–1000 of width and height, times are seconds.

    second: this frame's time. seconds: the times of all frames of the clip.
    """

    def __init__(self, frame: Image.Image, second: float = 0.0, seconds: Sequence[float] = (0.0,)):
        self.image = _enlarged(frame)
        self.letter = max(14, round(min(self.image.size) * _FONT_SHARE))
        self.row = round(self.letter * 1.3)
        self.second = second
        self.seconds = seconds
        self._masks: list[tuple[NDArray[np.bool_], str, float]] = []
        self._boxes: list[_Box] = []
        self._points: list[tuple[strokes.Point, str, bool]] = []
        self._notes: list[tuple[str, str]] = []
        self._spans: list[tuple[float, float, str]] = []

    def box(self, box: Sequence[float], colour: str, label: str = "", *, dotted: bool = False) -> None:
        """Outline `x1, y1, x2, y2`, its label beside it; a box of zeros is none."""
        if not any(box):
            return
        (x1, y1), (x2, y2) = self._pixel(box[0], box[1]), self._pixel(box[2], box[3])
        rect = (min(x1, x2), min(y1, y2), max(x1, x2), max(y1, y2))
        self._boxes.append(_Box(rect, colour, label or LABELS.get(colour, ""), dotted))

    def track(self, boxes: Mapping[int, Box], colour: str, span: Sequence[float] | None = None) -> None:
        """The box at this frame's second, of boxes by second: whole at a second that has one, dotted between two.

        span: seconds from and to which there is a box at all. Before the first and after the last box, that one is held
        for up to a second.
        """
        known: dict[float, Box] = {second: box for second, box in boxes.items() if any(box)}
        if not known or (span and not min(span) - _NEAR <= self.second <= max(span) + _NEAR):
            return
        nearest = min(known, key=lambda second: abs(second - self.second))
        away = abs(nearest - self.second)
        if away <= self._near():
            self.box(known[nearest], colour)
        elif min(known) < self.second < max(known) or away < _HELD:
            self.box(interpolate(known, [self.second])[0].tolist(), colour, dotted=True)

    def points(self, points: Sequence[Sequence[float]], colour: str, *, positive: bool) -> None:
        """A plus for each positive point, a cross for each negative one."""
        self._points += [(self._pixel(x, y), colour, positive) for x, y in points]

    def mask(self, mask_HW: NDArray[np.bool_], colour: str, opacity: float = 0.3) -> None:
        """Tint the pixels of a mask of any size."""
        self._masks.append((np.asarray(mask_HW, dtype=bool), colour, opacity))

    def span(self, start: float, end: float, colour: str) -> None:
        """A bar on the time line below the frame."""
        self._spans.append((start, end, colour))

    def note(self, text: str, colour: str) -> None:
        """A line of text below the frame."""
        self._notes.append((_plain(text), colour))

    def is_nearest(self, second: float) -> bool:
        """Whether this frame is the clip's nearest to that second."""
        return abs(self.second - second) <= min(abs(s - second) for s in self.seconds)

    def finish(self) -> Image.Image:
        """The frame with all that was drawn on it, its time line and its lines of text below."""
        frame = self.image.copy()
        for mask, colour, opacity in self._masks:
            strokes.tint(frame, mask, colour, opacity, hatched=colour == ANSWER)
        for box in self._boxes:
            if box.colour != ANSWER:
                strokes.rectangle(frame, box.rect, box.colour, 6, dotted=box.dotted)
                continue
            strokes.rectangle(frame, box.rect, box.colour, 2, strokes.SLIM, dotted=box.dotted)
            strokes.brackets(frame, box.rect, box.colour, 4)
        for at, colour, positive in self._points:
            strokes.mark(frame, at, colour, positive=positive, ringed=colour == ANSWER)
        homeless = self._label(frame)
        width, height = frame.size
        letters = max(round(1.6 * width / self.letter), 16)
        named = " · ".join(f"{text}: {_STYLE.get(ink, 'line')}" for text, ink in homeless)
        notes = [*self._notes, *([(named, "white")] if named else [])]
        lines = [(line, ink) for text, ink in notes for line in textwrap.wrap(text, letters)]
        strip = (2 * self.row + 4) * len(self._spans) + 6 if self._spans else 0
        whole = Image.new("RGB", (width, height + strip + self.row * len(lines) + (8 if lines else 0)), "black")
        whole.paste(frame)
        draw = ImageDraw.Draw(whole)
        self._draw_spans(draw, width, height + 4)
        for row, (line, ink) in enumerate(lines):
            draw.text((6, height + strip + 2 + row * self.row), line, fill=_light(ink), font=face(self.letter))
        return whole

    def _near(self) -> float:
        """How far a second may be from this frame's to be the one shown: half of the way to the next frame."""
        gaps = [b - a for a, b in pairwise(sorted(set(self.seconds)))]
        return min([_NEAR, *(gap / 2 for gap in gaps)])

    def _label(self, frame: Image.Image) -> list[tuple[str, str]]:
        """Write each box's label beside it, clear of every box, point, mask and label; those without room come back."""
        taken = [_grown(box.rect, 5) for box in self._boxes]
        taken += [_grown((x, y, x, y), 15) for (x, y), _, _ in self._points]
        taken += [rect for mask, _, _ in self._masks for rect in _reach(mask, frame.size)]
        draw, font, homeless = ImageDraw.Draw(frame), face(self.letter), []
        for box in self._boxes:
            if not box.label:
                continue
            size = round(draw.textlength(box.label, font=font)) + 8, self.row + 2
            place = strokes.free_place(size, _grown(box.rect, 5), frame.size, taken)
            if place is None:
                homeless.append((box.label, box.colour))
                continue
            taken.append(place)
            draw.rectangle(place, fill=_dark(box.colour))
            draw.text((place[0] + 4, place[1] + 1), box.label, fill="white", font=font)
        return homeless

    def _draw_spans(self, draw: ImageDraw.ImageDraw, width: int, top: int) -> None:
        """A line of words and a bar below it for each span, the clip from left to right, a white stroke at this frame's
        second, which is written at the right of the first line."""
        if not self._spans:
            return
        ends = [e for _, e, colour in self._spans if colour == TRUTH]
        last, font = max([*self.seconds, *ends, 1e-3]), face(self.letter)

        def across(second: float) -> int:
            return round(min(max(second / last, 0.0), 1.0) * (width - 1))

        for row, (start, end, colour) in enumerate(self._spans):
            y = top + row * (2 * self.row + 4)
            when = f"{written(start)} s" if start == end else f"{written(start)}–{written(end)} s"
            draw.text((6, y), f"{LABELS.get(colour, '')} {when}".strip(), fill="white", font=font)
            above, below = y + self.row + 3, y + 2 * self.row
            draw.rectangle((0, above, width - 1, below), fill="#333333")
            left, right = sorted((across(start), across(end)))
            strokes.bar(draw, (left, above, max(right, left + 3), below), colour, hatched=colour == ANSWER)
            now = across(self.second)
            draw.rectangle((now - 2, above - 2, now + 2, below + 2), fill="black")
            draw.line((now, above - 2, now, below + 2), fill="white", width=2)
        draw.text((width - 6, top), f"now {self.second:.1f} s", fill="white", font=font, anchor="ra")

    def _pixel(self, x: float, y: float) -> tuple[float, float]:
        """0–1000 → pixels, held within a picture's reach of the frame."""
        width, height = self.image.size
        x, y = (min(max(v, -1000.0), 2000.0) for v in (x, y))
        return x / 1000 * (width - 1), y / 1000 * (height - 1)


_STYLE = {TRUTH: "thick line", ANSWER: "marked corners"}


def _dark(colour: str) -> tuple[int, ...]:
    """A shade of a colour on which white is read well."""
    return tuple(round(0.5 * part) for part in ImageColor.getrgb(colour)[:3])


def _light(colour: str) -> tuple[int, ...]:
    """A tint of a colour that is read well on black."""
    return tuple(round(255 - 0.6 * (255 - part)) for part in ImageColor.getrgb(colour)[:3])


def written(value: Any) -> str:
    """A value as people write it: numbers without a needless `.0` and of at most six digits, all else as it is."""
    if isinstance(value, float):
        return f"{value + 0:.0f}" if value.is_integer() and abs(value) < 1e15 else f"{value:.6g}"
    return str(value)


def _grown(rect: Rect, by: float) -> Rect:
    return rect[0] - by, rect[1] - by, rect[2] + by, rect[3] + by


def _reach(mask: NDArray[np.bool_], size: tuple[int, int]) -> list[Rect]:
    """The rectangle around a mask's pixels, in pixels of a picture of that size; none of an empty mask."""
    rows, columns = np.nonzero(mask)
    if not rows.size:
        return []
    across, down = size[0] / mask.shape[1], size[1] / mask.shape[0]
    left, top, right, bottom = columns.min(), rows.min(), columns.max() + 1, rows.max() + 1
    return [(float(left * across), float(top * down), float(right * across), float(bottom * down))]


def _enlarged(frame: Image.Image) -> Image.Image:
    """A colour copy whose shorter side has at least SMALLEST_SIDE pixels, or half of that for long strips."""
    width, height = frame.size
    scale = max(1.0, min(SMALLEST_SIDE / min(width, height), 4 * SMALLEST_SIDE / max(width, height)))
    size = (max(round(width * scale), 1), max(round(height * scale), 1))
    copy = frame.convert("RGB")
    return copy if size == copy.size and copy is not frame else copy.resize(size, Image.Resampling.BICUBIC)


@cache
def face(size: int) -> ImageFont.FreeTypeFont:
    """DejaVu Sans 2.37, shipped whole with its licence: Pillow's own font has no letters beyond ASCII."""
    return ImageFont.truetype(Path(__file__).with_name("fonts") / "DejaVuSans.ttf", size)


def _plain(text: str) -> str:
    """One printable line of at most MAX_NOTE characters."""
    short = text[: MAX_NOTE + 1]
    line = "".join(c if c.isprintable() else " " for c in short)
    return line if len(line) <= MAX_NOTE else line[: MAX_NOTE - 1] + "…"
