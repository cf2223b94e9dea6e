"""Which media a reader writes while it reads: clips of sets that ship frames, pictures that stand within tables.

Writing takes the better part of a minute for a hundred large frames, so that whoever only looks, or chooses among many
questions, reads without it and has the media of the chosen ones written by a second reading.
"""

from __future__ import annotations

from collections.abc import Container, Iterator
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar

CACHE = "onethinker-media"
"""Below a set's root, where what is written lies; delete it at will."""

_ALL = frozenset(("clips", "pictures"))
_written: ContextVar[frozenset[str]] = ContextVar("written", default=_ALL)
_wanted: ContextVar[Container[str] | None] = ContextVar("wanted", default=None)


def writes(kind: str) -> bool:
    """Whether media of that kind ("clips", "pictures") are written now."""
    return kind in _written.get()


@contextmanager
def _writing(kinds: frozenset[str]) -> Iterator[None]:
    before = _written.set(kinds)
    try:
        yield
    finally:
        _written.reset(before)


def clips_unwritten() -> AbstractContextManager[None]:
    """Within the block no clip is written: one that is not there yet is named by a frame of it, the first that is
    missing if one is, or by the clip it is cut from."""
    return _writing(_ALL - {"clips"})


def media_unwritten() -> AbstractContextManager[None]:
    """Within the block nothing is written: clips as of `clips_unwritten`, a picture has the name that it would get."""
    return _writing(frozenset())


def media_written() -> AbstractContextManager[None]:
    """Within the block everything is written, whatever the block around it says."""
    return _writing(_ALL)


def is_wanted(id: str) -> bool:
    """Whether the media of that question are to be written although nothing else is."""
    wanted = _wanted.get()
    return wanted is not None and id in wanted


@contextmanager
def picking(wanted: Container[str] | None) -> Iterator[None]:
    """Within the block only the media of the questions with those ids are written; all are where it is None."""
    if wanted is None:
        yield
        return
    before = _wanted.set(wanted)
    try:
        with media_unwritten():
            yield
    finally:
        _wanted.reset(before)
