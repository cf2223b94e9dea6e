"""No text of a model moves the cursor, sets a title, changes colours or turns the reading direction."""

import sys
import unicodedata

from onethinker.util.terminal import printable
from tests.amount import many


def test_hostile_text_is_spelled_out() -> None:
    hostile = "\x1b]0;title\x07 [red]markup[/red] \u202eright to left\u2066 \r over\x9b2J"
    assert printable(hostile) == "\\x1b]0;title\\x07 [red]markup[/red] \\u202eright to left\\u2066 \\r over\\x9b2J"
    assert printable("a\tb\nc é 红 \ud800") == "a\tb\nc é 红 \\ud800"


def test_every_character_there_is() -> None:
    points = [*range(0x10000), *range(0x10000, sys.maxunicode + 1, many(1, 101))]
    shown = printable("".join(map(chr, points)))
    assert {c for c in shown if unicodedata.category(c)[0] == "C" or c in "\u2028\u2029"} == {"\n", "\t"}
    assert shown.encode("utf-8")
