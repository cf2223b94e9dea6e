"""Draw truth and answer on a frame with PIL: boxes, points, spans, masks and lines of text."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

TRUTH = "#2ca02c"
ANSWER = "#ff7f0e"
LABELS = {TRUTH: "truth", ANSWER: "answer"}

SMALLEST_SIDE = 384
"""Pixels of the shorter side of a picture; smaller frames are enlarged."""
MAX_NOTE = 240
"""Characters of a line of text that are shown."""
_FONT_SHARE = 1 / 27
"""Height of a letter as a share of the picture's shorter side."""


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
        self._notes: list[tuple[str, str]] = []
        self._spans: list[tuple[float, float, str]] = []

    def box(self, box: Sequence[float], colour: str, label: str = "") -> None:
        """Outline `x1, y1, x2, y2` with its label inside the upper left corner; a box of zeros is none."""
        if not any(box):
            return
        draw = ImageDraw.Draw(self.image)
        (x1, y1), (x2, y2) = self._pixel(box[0], box[1]), self._pixel(box[2], box[3])
        corners = (min(x1, x2), min(y1, y2), max(x1, x2), max(y1, y2))
        draw.rectangle(corners, outline=colour, width=2 if colour == ANSWER else 4)
        text = label or LABELS.get(colour, "")
        if text:
            spot = (corners[0] + 4, corners[1] + 3 + (self.row if colour == ANSWER else 0))
            draw.text(spot, text, fill=colour, font=_font(self.letter), stroke_width=2, stroke_fill="black")

    def points(self, points: Sequence[Sequence[float]], colour: str, *, positive: bool) -> None:
        """A plus for each positive point, a cross for each negative one."""
        draw, arm = ImageDraw.Draw(self.image), 7
        for x, y in points:
            px, py = self._pixel(x, y)
            lines = [((-arm, 0), (arm, 0)), ((0, -arm), (0, arm))]
            if not positive:
                lines = [((-arm, -arm), (arm, arm)), ((-arm, arm), (arm, -arm))]
            for width, ink in ((6, "black"), (3, colour)):
                for (ax, ay), (bx, by) in lines:
                    draw.line((px + ax, py + ay, px + bx, py + by), fill=ink, width=width)

    def mask(self, mask_HW: NDArray[np.bool_], colour: str, opacity: float = 0.4) -> None:
        """Tint the pixels of a mask of any size."""
        alpha = Image.fromarray((np.asarray(mask_HW, dtype=bool) * round(255 * opacity)).astype(np.uint8))
        tint = Image.new("RGB", self.image.size, colour)
        self.image.paste(tint, mask=alpha.resize(self.image.size, Image.Resampling.NEAREST))

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
        """The frame with its time line and its lines of text below."""
        width, height = self.image.size
        lines = [
            (line, colour)
            for text, colour in self._notes
            for line in textwrap.wrap(text, max(round(1.6 * width / self.letter), 16))
        ]
        strip = (self.row + 4) * len(self._spans) + 6 if self._spans else 0
        below = strip + self.row * len(lines) + (6 if lines else 0)
        whole = Image.new("RGB", (width, height + below), "black")
        whole.paste(self.image)
        draw = ImageDraw.Draw(whole)
        self._draw_spans(draw, width, height + 4)
        for row, (line, colour) in enumerate(lines):
            draw.text((6, height + strip + 2 + row * self.row), line, fill=colour, font=_font(self.letter))
        return whole

    def _draw_spans(self, draw: ImageDraw.ImageDraw, width: int, top: int) -> None:
        """One row a span, the clip from left to right, a white line at this frame's second."""
        if not self._spans:
            return
        ends = [e for _, e, colour in self._spans if colour == TRUTH]
        last = max([*self.seconds, *ends, 1e-3])

        def across(second: float) -> int:
            return round(min(max(second / last, 0.0), 1.0) * (width - 1))

        for row, (start, end, colour) in enumerate(self._spans):
            y = top + row * (self.row + 4)
            draw.rectangle((0, y, width - 1, y + self.row), fill="#333333")
            left, right = sorted((across(start), across(end)))
            draw.rectangle((left, y, max(right, left + 2), y + self.row), fill=colour)
            when = f"{start:.4g}" if start == end else f"{start:.4g}–{end:.4g}"
            label = f"{LABELS.get(colour, '')} {when} s"
            draw.text((4, y - 1), label, fill="white", font=_font(self.letter), stroke_width=1, stroke_fill="black")
        now = across(self.second)
        draw.line((now, top - 2, now, top + len(self._spans) * (self.row + 4) - 2), fill="white", width=2)

    def _pixel(self, x: float, y: float) -> tuple[float, float]:
        """0–1000 → pixels, held within a picture's reach of the frame."""
        width, height = self.image.size
        x, y = (min(max(v, -1000.0), 2000.0) for v in (x, y))
        return x / 1000 * (width - 1), y / 1000 * (height - 1)


def _enlarged(frame: Image.Image) -> Image.Image:
    """A colour copy whose shorter side has at least SMALLEST_SIDE pixels, or half of that for long strips."""
    width, height = frame.size
    scale = max(1.0, min(SMALLEST_SIDE / min(width, height), 4 * SMALLEST_SIDE / max(width, height)))
    size = (max(round(width * scale), 1), max(round(height * scale), 1))
    copy = frame.convert("RGB")
    return copy if size == copy.size and copy is not frame else copy.resize(size, Image.Resampling.BICUBIC)


@cache
def _font(size: int) -> ImageFont.FreeTypeFont:
    """DejaVu Sans 2.37, shipped whole with its licence: Pillow's own font has no letters beyond ASCII."""
    return ImageFont.truetype(Path(__file__).with_name("fonts") / "DejaVuSans.ttf", size)


def _plain(text: str) -> str:
    """One printable line of at most MAX_NOTE characters."""
    short = text[: MAX_NOTE + 1]
    line = "".join(c if c.isprintable() else " " for c in short)
    return line if len(line) <= MAX_NOTE else line[: MAX_NOTE - 1] + "…"
