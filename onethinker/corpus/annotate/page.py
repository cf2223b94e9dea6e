"""The page of an annotation: table, curves of yield and quality, kept and refused answers drawn on their media."""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from PIL import Image

from onethinker.corpus.annotate.choose import Verdict
from onethinker.data.inspect import draw_sample
from onethinker.media import MediaError
from onethinker.sample import DataError, Sample
from onethinker.util.files import write_whole
from onethinker.util.html import style, templates

WIDEST = 480
"""Pixels of a picture on the page."""
PAGE_BYTES = 6_000_000
"""Of all pictures on it together."""
QUALITIES = (84, 70, 50, 30)
"""Of its JPEGs, the first that fits."""
WIDE, HIGH = 220, 120
"""Units of a plot."""


@dataclass(frozen=True, slots=True)
class Shown:
    """A sample on the page with the answer that was kept, or the first that was not; problem: why it has none."""

    sample: Sample
    verdict: Verdict | None
    problem: str = ""


@dataclass(frozen=True, slots=True)
class _Card:
    reason: str
    shown: Shown
    pictures: tuple[str, ...]
    problem: str


def write_page(file: Path, root: Path, shown: Sequence[tuple[str, Shown]], facts: Mapping[str, Any]) -> None:
    """Write it. shown: (`kept` or the reason, card). facts: as `OUT/annotation/annotation.json` holds them. Media that
    cannot be drawn cost their own card."""
    drawn = [(reason, card, *_draw(card, root)) for reason, card in shown]
    for quality in QUALITIES:
        cards = [_Card(r, card, tuple(_uri(p, quality) for p in some), why) for r, card, some, why in drawn]
        if sum(len(uri) for card in cards for uri in card.pictures) <= PAGE_BYTES:
            break
    reasons = list(dict.fromkeys(card.reason for card in cards)) if shown else []
    plots = [_plot(task, curve, facts) for task, curve in facts["curves"].items()]
    page = templates("onethinker.corpus.annotate").get_template("annotation.html")
    text = page.render(
        cards=cards if shown else [], reasons=reasons, plots=plots, facts=facts, table=facts["table"],
        style=style("cards.css"), wide=WIDE, high=HIGH,
    )  # fmt: skip
    write_whole(file, text)


def _draw(card: Shown, root: Path) -> tuple[list[Image.Image], str]:
    """The card's pictures with truth and answer, or why there are none."""
    answer = card.verdict.answer if card.verdict else None
    try:
        return [_fitted(p) for p in draw_sample(replace(card.sample, question=""), root, answer)], ""
    except (DataError, MediaError, OSError, KeyError) as error:
        return [], str(error)


def _fitted(picture: Image.Image) -> Image.Image:
    if picture.width <= WIDEST:
        return picture
    return picture.resize((WIDEST, round(picture.height * WIDEST / picture.width)), Image.Resampling.LANCZOS)


def _uri(picture: Image.Image, quality: int) -> str:
    buffer = io.BytesIO()
    picture.convert("RGB").save(buffer, "JPEG", quality=quality, optimize=True)
    return f"data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode()}"


def _plot(task: str, curve: Sequence[Mapping[str, float]], facts: Mapping[str, Any]) -> dict[str, Any]:
    """A task's curves as points of polylines, left to right; the threshold that was used as a place and its words."""
    row = next(row for row in facts["table"] if row["task"] == task)
    lines = {
        name: " ".join(f"{WIDE * at['threshold']:.1f},{HIGH * (1 - at[name]):.1f}" for at in curve if _there(at[name]))
        for name in ("yield", "quality")
    }
    used = row["threshold"]
    near = min(curve, key=lambda at: abs(at["threshold"] - used))
    words = f"at {used:g}: {near['yield']:.0%} kept" + (
        f", {near['quality']:.2f} right" if _there(near["quality"]) else ""
    )
    return {"task": task, "lines": lines, "used": WIDE * used, "words": words}


def _there(value: float | None) -> bool:
    return value is not None and math.isfinite(value)
