"""What somebody meant by a name that there is not."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import SequenceMatcher

_COMPARED = 100
"""Characters of a name that are looked at: comparing takes their square, and a name may come from a file."""


def likeness(a: str, b: str) -> float:
    """How alike two names are, upper and lower case being the same: 0, nothing in common, to 1."""
    return SequenceMatcher(None, a[:_COMPARED].lower(), b[:_COMPARED].lower()).ratio()


def nearest(name: str, known: Iterable[str]) -> str:
    """The known name most like `name`, the first of equals; empty where none is known."""
    return max(known, key=lambda other: likeness(name, other), default="")
