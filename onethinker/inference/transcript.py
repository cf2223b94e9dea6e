"""A result turn by turn as one picture: what was asked about, each call with what it gave back, and the answer."""

from __future__ import annotations

import io
import textwrap
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageDraw

from onethinker.media import MediaBudget, open_clip, open_image
from onethinker.sample.answer import read_answer
from onethinker.tasks.drawing import face
from onethinker.util import palette
from onethinker.util.terminal import printable

if TYPE_CHECKING:
    from onethinker.engines.base import Turn
    from onethinker.inference.result import Result

WIDTH, GAP, LETTER = 860, 14, 17
"""Pixels of the picture's width, between its parts, and of a letter's size."""
SIDE, SMALL = 300, 144
"""Pixels that a picture's longer side is shown with: one alone, one of several."""
MOST_PICTURES, MOST_WORDS = 10, 600
"""Of a turn that are drawn, and characters of each text."""
SHOWN_FRAMES = 5
INK, MUTED, RULE = "#16181d", "#5b6472", "#d8dde5"

Captioned = tuple[Image.Image, str]


def transcript(result: Result) -> Image.Image:
    """Raises MediaError for media that are gone."""
    parts = [_words(result.question, INK, "asked")]
    if result.media:
        parts.append(_row(_asked_about(result)))
    for turn in result.turns:
        parts += _turn(turn)
    if result.thinking:
        parts.append(_words(result.thinking, MUTED, "thinks"))
    parts.append(_words(result.text or result.problem, INK, "answers"))
    sheet = Image.new("RGB", (WIDTH, sum(part.height + GAP for part in parts) + GAP), "white")
    top = GAP
    for part in parts:
        sheet.paste(part, (0, top))
        top += part.height + GAP
    return sheet


def _asked_about(result: Result) -> list[Captioned]:
    """The media, of a clip a few frames with their seconds."""
    shown = list[Captioned]()
    for file, info in zip(result.media, result.infos, strict=True):
        if info.kind != "clip":
            shown.append((open_image(file, SIDE * SIDE * 4), ""))
            continue
        times = np.linspace(0, max(0.0, info.duration - 1 / (info.fps or 1)), SHOWN_FRAMES)
        clip = open_clip(file, MediaBudget(frame_pixels=SIDE * SIDE), times=times)
        shown += [(Image.fromarray(f), f"{t:.1f} s") for f, t in zip(clip.frames, clip.times, strict=True)]
    return shown


def _turn(turn: Turn) -> list[Image.Image]:
    thinking, _, call = turn.text.rpartition("<tool_call>")
    said = read_answer(thinking, "stop").thinking or thinking.replace("<think>", "").replace("</think>", "")
    parts = [_words(said, MUTED, "thinks")] if said.strip() else []
    parts.append(_words(call.partition("</tool_call>")[0].strip() or turn.text, palette.BLUE, "calls"))
    words, pictures, caption = list[str](), list[Captioned](), ""
    for part in turn.response:
        if isinstance(part, bytes):
            pictures.append((Image.open(io.BytesIO(part), formats=["PNG"]).convert("RGB"), caption))
            caption = ""
        elif part.startswith("<") and part.endswith(" seconds>"):
            caption = f"{part[1:-9]} s"
        else:
            words.append(part)
    if pictures:
        parts.append(_row(pictures[:MOST_PICTURES], turn.tool))
    if words:
        parts.append(_words("".join(words).strip(), palette.ORANGE if turn.failed else INK, turn.tool or "fails"))
    return parts


_NAME = 90
"""Pixels of the column that says who speaks."""


def _words(text: str, colour: str, who: str) -> Image.Image:
    letters = (WIDTH - _NAME - 2 * GAP) // (LETTER * 6 // 10)
    cut = printable(text if len(text) <= MOST_WORDS else f"{text[:MOST_WORDS]} …")
    lines = [part for line in cut.splitlines() or [""] for part in textwrap.wrap(line, letters) or [""]]
    deep = LETTER * 4 // 3
    made = Image.new("RGB", (WIDTH, max(1, len(lines)) * deep), "white")
    pen = ImageDraw.Draw(made)
    pen.text((GAP, 0), who, MUTED, face(LETTER - 3))
    for n, line in enumerate(lines):
        pen.text((_NAME, n * deep), line, colour, face(LETTER))
    return made


def _row(pictures: list[Captioned], who: str = "") -> Image.Image:
    """Pictures beside one another, in as many lines as it takes, small ones enlarged by whole pixels."""
    side = SIDE if len(pictures) == 1 else SMALL
    tiles = [(_fitted(picture, side), caption) for picture, caption in pictures]
    across = max(1, (WIDTH - _NAME - GAP) // (side + 6))
    deep = max(tile.height for tile, _ in tiles) + LETTER + 6
    made = Image.new("RGB", (WIDTH, deep * -(-len(tiles) // across)), "white")
    pen = ImageDraw.Draw(made)
    pen.text((GAP, 0), who, MUTED, face(LETTER - 3))
    for n, (tile, caption) in enumerate(tiles):
        left, top = _NAME + n % across * (side + 6), n // across * deep
        made.paste(tile, (left, top))
        pen.rectangle((left, top, left + tile.width - 1, top + tile.height - 1), outline=RULE)
        pen.text((left, top + tile.height + 2), caption, MUTED, face(LETTER - 4))
    return made


def _fitted(picture: Image.Image, side: int) -> Image.Image:
    scale = side / max(picture.size)
    how = Image.Resampling.NEAREST if scale > 1 else Image.Resampling.LANCZOS
    return picture.resize((max(1, round(picture.width * scale)), max(1, round(picture.height * scale))), how)
