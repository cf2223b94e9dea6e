"""Pages of what cleaning and decontamination found: counts in tables, and pairs of media drawn side by side."""

from __future__ import annotations

import base64
import io
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from onethinker.corpus.duplicates import Pair
from onethinker.media import MediaBudget, MediaError, is_clip, open_clip, open_image, probe
from onethinker.util.files import write_whole
from onethinker.util.html import asset, style, templates

if TYPE_CHECKING:
    from onethinker.corpus.clean import Gone, Report
    from onethinker.corpus.decontaminate import Contamination

HERE = "onethinker.corpus"
SHOWN = 48
"""Pairs on a page, of each kind of likeness the first ones in turn."""
NAMED = 200
"""Samples on a page that are named one by one."""
WIDEST = 280
FRAMES = 3
HOW = {
    "bytes": "the same bytes", "pixels": "the same pixels", "picture": "near duplicates",
    "clip": "near duplicates, clips", "mirrored": "mirror images",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Side:
    """One of a pair. uris: its picture, or frames of its clip. facts: its size. problem: why it is not drawn."""

    path: str
    uris: tuple[str, ...]
    facts: str
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Card:
    how: str
    sides: tuple[Side, Side]


def cards(pairs: Sequence[Pair], roots: tuple[Path, Path], most: int = SHOWN) -> list[Card]:
    """Pairs with their media drawn, the kinds in turn."""
    by_how: dict[str, list[Pair]] = defaultdict(list)
    for pair in pairs:
        by_how[pair.how].append(pair)
    each = max(1, most // max(1, len(by_how)))
    drawn = []
    for how in (name for name in HOW if name in by_how):
        for pair in by_how[how][:each]:
            first = _side(roots[0], pair.first, max(0.0, -pair.shift))
            second = _side(roots[1], pair.second, max(0.0, pair.shift))
            drawn.append(Card(how, (first, second)))
    return drawn


def _side(root: Path, path: str, begin: float) -> Side:
    """begin: the second from which a clip shows what the other does."""
    file = root / path
    path = str(file) if root == root.parent else path  # benchmarks' media are named by their whole paths
    try:
        if not is_clip(file):
            picture = open_image(file)
            return Side(path, (_uri(picture),), f"{picture.width} × {picture.height}")
        info = probe(file)
        times = np.linspace(begin, max(begin, begin + 0.6 * (info.duration - begin)), FRAMES)
        clip = open_clip(file, MediaBudget(frame_pixels=WIDEST * WIDEST), times=times)
        facts = f"{info.width} × {info.height}, {info.duration:.1f} s, {info.fps:.3g} frames a second"
        return Side(path, tuple(_uri(Image.fromarray(frame)) for frame in clip.frames), facts)
    except (MediaError, OSError) as error:
        return Side(path, (), "", str(error))


def _uri(picture: Image.Image) -> str:
    shown = picture.copy()
    shown.thumbnail((WIDEST, WIDEST))
    file = io.BytesIO()
    shown.save(file, "JPEG", quality=80)
    return "data:image/jpeg;base64," + base64.b64encode(file.getvalue()).decode()


def write_clean_page(report: Report, root: Path, file: Path) -> Path:
    """The page of `data clean`."""
    named = _named(report.gone)
    return _write(
        file, "clean.html", report=report, cards=cards(report.pairs, (root, root)), named=named,
        rest=len(report.gone) - len(named),
    )  # fmt: skip


def _named(gone: Sequence[Gone]) -> list[Gone]:
    """Some of each reason."""
    by_reason: dict[str, list[Gone]] = defaultdict(list)
    for one in gone:
        by_reason[one.reason].append(one)
    each = NAMED // max(1, len(by_reason))
    return [one for some in by_reason.values() for one in some[:each]]


def write_contamination_page(found: Contamination, roots: tuple[Path, Path], file: Path) -> Path:
    """The page of `data decontaminate`."""
    return _write(
        file, "contamination.html", found=found, cards=cards(found.pairs, roots), overlaps=found.overlaps[:NAMED],
        rest=max(0, len(found.overlaps) - NAMED),
    )  # fmt: skip


def _write(file: Path, template: str, **facts: Any) -> Path:
    rules = style("page.css") + asset(HERE, "pairs.css")
    write_whole(file, templates(HERE).get_template(template).render(style=rules, how=HOW, **facts))
    return file
