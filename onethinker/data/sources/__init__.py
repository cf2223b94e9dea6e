"""Public data sets in their official layouts → samples. A new one is a file, or a table's entry, and a line here."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from onethinker.data.sources import (
    activitynet,
    captions,
    charades_sta,
    got10k,
    instances,
    mixtures,
    moments,
    questions,
    ref_sav,
    refcoco,
    st_align,
    stvg,
    tracks,
    train_clips,
    train_pictures,
    train_texts,
    video_objects,
    video_r1,
)
from onethinker.data.sources.base import Source
from onethinker.sample import DataError, Sample
from onethinker.util.names import nearest

__all__ = ["SOURCES", "Source", "get_source", "read"]

_ALL: tuple[Source, ...] = (
    *questions.SOURCES,
    *captions.SOURCES,
    *refcoco.SOURCES,
    charades_sta.SOURCE,
    *activitynet.SOURCES,
    *stvg.SOURCES,
    got10k.SOURCE,
    *video_objects.SOURCES,
    *train_pictures.SOURCES,
    *train_texts.SOURCES,
    *train_clips.SOURCES,
    *moments.SOURCES,
    st_align.SOURCE,
    *tracks.SOURCES,
    ref_sav.SOURCE,
    *mixtures.SOURCES,
    *video_r1.SOURCES,
    *instances.SOURCES,
)
SOURCES: dict[str, Source] = {source.name: source for source in _ALL}


def get_source(name: str) -> Source:
    """The source of that name. Raises DataError naming the nearest."""
    if name not in SOURCES:
        raise DataError(f"no source {name!r}; the nearest is {nearest(name, SOURCES)!r}, all are {', '.join(SOURCES)}")
    return SOURCES[name]


def read(name: str, root: str | Path, split: str) -> Iterator[Sample]:
    """A split's questions, lazily; media paths are relative to `root`. Raises DataError naming the file and row."""
    return get_source(name).read(Path(root), split)
