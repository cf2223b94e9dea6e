"""Text of models and of files on a terminal."""

from __future__ import annotations

import unicodedata

_HIDDEN = frozenset(("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"))
"""Unicode categories that a terminal may act upon or not show: controls, formats (which turn the reading direction),
surrogates, private and unassigned characters, line and paragraph separators."""


def printable(text: str) -> str:
    """Text that a terminal shows and does not obey: what it could act upon is spelled out, `\\x1b`; lines stay."""
    return "".join(c if c in "\n\t" or unicodedata.category(c) not in _HIDDEN else _spelled(c) for c in text)


def _spelled(char: str) -> str:
    return char.encode("unicode_escape").decode("ascii")
