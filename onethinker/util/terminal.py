"""Text for a terminal: of models and files, and counts of things."""

from __future__ import annotations

import unicodedata

_HIDDEN = frozenset(("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"))
"""Unicode categories that a terminal may act upon or not show: controls, formats (which turn the reading direction),
surrogates, private and unassigned characters, line and paragraph separators."""


def printable(text: str) -> str:
    """Text that a terminal shows and does not obey: what it could act upon is spelled out, `\\x1b`; lines stay."""
    return "".join(c if c in "\n\t" or unicodedata.category(c) not in _HIDDEN else _spelled(c) for c in text)


def counted(count: int | str, word: str) -> str:
    """`1 answer`, `5 answers`, `2, 4 answers`."""
    number = f"{count:,}" if isinstance(count, int) else count
    return f"{number} {word}" if number == "1" else f"{number} {word}s"


def _spelled(char: str) -> str:
    return char.encode("unicode_escape").decode("ascii")
