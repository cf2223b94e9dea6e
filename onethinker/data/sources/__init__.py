"""Public data sets in their official layouts → samples. A new one is a file beside these and a line here."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from pathlib import Path

from onethinker.data.sources import charades_sta, refcoco, video_choices
from onethinker.data.sources.base import Source
from onethinker.sample import DataError, Sample

__all__ = ["SOURCES", "Source", "get_source", "read"]

SOURCES: dict[str, Source] = {
    source.name: source for source in (*refcoco.SOURCES, charades_sta.SOURCE, *video_choices.SOURCES)
}


def get_source(name: str) -> Source:
    """The source of that name. Raises DataError naming the nearest."""
    if name not in SOURCES:
        near = difflib.get_close_matches(name, SOURCES, 1, 0.0)[0]
        raise DataError(f"no source {name!r}; the nearest is {near!r}, all are {', '.join(SOURCES)}")
    return SOURCES[name]


def read(name: str, root: str | Path, split: str) -> Iterator[Sample]:
    """A split's questions, lazily; media paths are relative to `root`. Raises DataError naming the file and row."""
    return get_source(name).read(Path(root), split)
