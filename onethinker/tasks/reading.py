"""Answer text → JSON → boxes, points, spans and tracks, strictly or leniently.

Strict reading is JSON as JSON: no duplicate keys, no NaN or Infinity, numbers are numbers. Lenient reading also takes
code fences, single quotes, trailing commas, "mm:ss", "12.5s", keys "01" and "2.0", swapped corners and 0–1 fractions.
The text is untrusted: time and memory are bounded by the `MAX_` sizes, and whatever is wrong is `Malformed`.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

from onethinker.tasks.base import Malformed

Box = tuple[float, float, float, float]
Span = tuple[float, float]
Point = tuple[float, float]
Points = tuple[Point, Point, Point]
Track = dict[int, Box]

NO_BOX: Box = (0.0, 0.0, 0.0, 0.0)
"""Stands where there is no box: it overlaps with none."""
MAX_TEXT = 32_768
"""Characters of a free-text answer; ROUGE and WER take time in proportion to answer × truth."""
MAX_JSON = 262_144
"""Characters of a JSON answer, some ten thousand boxes."""
MAX_NUMBER = 1e12
"""Largest coordinate or second; its square is far from overflow."""

_CLOCK = re.compile(r"(?:(\d{1,4}):)?(\d{1,4}):(\d{1,2}(?:\.\d{1,9})?)", re.ASCII)
_SECONDS = re.compile(r"([-+]?\d{1,15}(?:\.\d{1,15})?)\s*(?:s|sec|secs|seconds?)?", re.IGNORECASE | re.ASCII)
KEY = re.compile(r"0|[1-9]\d{0,8}", re.ASCII)
_LENIENT_KEY = re.compile(r"0{0,9}(\d{1,9})(?:\.0{0,9})?", re.ASCII)
_FENCE = re.compile(r"```\w*")
_TOKEN = re.compile(r""""([^"]*)"|'([^']*)'|([\[\]{},:])|(\d+(?::\d+(?:\.\d+)?)+|[^\s\[\]{},:"']+)""")
_PLAIN = re.compile(r"-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][-+]?\d+)?|true|false|null")


# ---- text -------------------------------------------------------------------------------------------------------


def read_text(text: str) -> str:
    """Free text, stripped: not empty, valid Unicode, at most MAX_TEXT characters."""
    if len(text) > MAX_TEXT:
        raise Malformed(f"expected an answer of at most {MAX_TEXT} characters, found {len(text)}")
    stripped = text.strip()
    if not stripped:
        raise Malformed("expected an answer, found nothing")
    if any("\ud800" <= c <= "\udfff" for c in stripped):
        raise Malformed("expected valid Unicode, found a lone surrogate")
    return stripped


# ---- JSON -------------------------------------------------------------------------------------------------------


def read_object(text: str, *, lenient: bool = False) -> dict[str, Any]:
    """The JSON object that the text is; leniently, the one it holds."""
    if len(text) > MAX_JSON:
        raise Malformed(f"expected JSON of at most {MAX_JSON} characters, found {len(text)}")
    try:
        found = _load(text)
    except Malformed:
        if not lenient:
            raise
        found = _load(_repair(text))
    if not isinstance(found, dict):
        raise Malformed(f"expected a JSON object, found {_show(found)}")
    return found


def _load(text: str) -> Any:
    try:
        return json.loads(
            text,
            object_pairs_hook=_no_duplicates,
            parse_constant=_no_constant,
            parse_float=_finite,
            parse_int=_finite_int,
        )
    except Malformed:
        raise
    except (ValueError, RecursionError) as error:
        raise Malformed(f"expected JSON, found {_show(text)} ({type(error).__name__})") from error


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise Malformed("expected each key once, found a duplicate")
    return made


def _no_constant(name: str) -> NoReturn:
    raise Malformed(f"expected finite numbers, found {name}")


def _finite(digits: str) -> float:
    value = float(digits)
    if not math.isfinite(value):
        raise Malformed(f"expected finite numbers, found {_show(digits)}")
    return value


def _finite_int(digits: str) -> int | float:
    return int(digits) if len(digits) <= 15 else _finite(digits)


def _repair(text: str) -> str:
    """Strict JSON from what is nearly JSON, in one pass over the tokens between the outermost braces."""
    text = _FENCE.sub(" ", text)
    text = text[max(text.find("{"), 0) : text.rfind("}") + 1]
    made: list[str] = []
    for double, single, mark, word in _TOKEN.findall(text):
        if mark:
            if mark in "]}" and made and made[-1] == ",":
                made.pop()
            if mark == ":" and made and made[-1][0] not in '"{}[],:':
                made[-1] = json.dumps(made[-1])
            made.append(mark)
        elif word:
            made.append(word if _PLAIN.fullmatch(word) else json.dumps(word))
        else:
            made.append(json.dumps(double or single))
    return " ".join(made)


def _show(value: Any) -> str:
    """A short, printable form of an untrusted value."""
    if isinstance(value, dict | list):
        return f"{type(value).__name__} of {len(value)}"
    shown = ascii(value[:80] if isinstance(value, str) else value)
    return shown if len(shown) <= 80 else shown[:77] + "..."


# ---- shapes -----------------------------------------------------------------------------------------------------


def read_number(value: Any, *, lenient: bool = False) -> float:
    """A JSON number within ±MAX_NUMBER; leniently also "12.5s", "mm:ss" and "hh:mm:ss" as seconds."""
    if lenient and isinstance(value, str):
        value = _seconds(value.strip())
    if isinstance(value, bool) or not isinstance(value, int | float) or abs(value) > MAX_NUMBER:
        raise Malformed(f"expected a number, found {_show(value)}")
    return float(value)


def _seconds(text: str) -> float | str:
    clock = _CLOCK.fullmatch(text)
    if clock:
        hours, minutes, seconds = (float(part or 0) for part in clock.groups())
        return hours * 3600 + minutes * 60 + seconds
    plain = _SECONDS.fullmatch(text)
    return float(plain.group(1)) if plain else text


def _numbers(value: Any, count: int, what: str, lenient: bool) -> list[float]:
    if not isinstance(value, list) or len(value) != count:
        raise Malformed(f"expected {what}, found {_show(value)}")
    return [read_number(v, lenient=lenient) for v in value]


def read_span(value: Any, *, lenient: bool = False) -> Span:
    """`[start, end]` in seconds; leniently in either order."""
    start, end = _numbers(value, 2, "a span [start, end]", lenient)
    return (min(start, end), max(start, end)) if lenient else (start, end)


def read_box(value: Any, *, lenient: bool = False) -> Box:
    """`[x1, y1, x2, y2]`, 0–1000; leniently with swapped corners or as fractions 0–1."""
    numbers = _numbers(value, 4, "a box [x1, y1, x2, y2]", lenient)
    x1, y1, x2, y2 = _scaled(numbers) if lenient else numbers
    return (min(x1, x2), min(y1, y2), max(x1, x2), max(y1, y2)) if lenient else (x1, y1, x2, y2)


def read_points(value: Any, *, lenient: bool = False) -> Points:
    """Exactly three points `[x, y]`, 0–1000; leniently as fractions 0–1."""
    if not isinstance(value, list) or len(value) != 3:
        raise Malformed(f"expected three points [x, y], found {_show(value)}")
    flat = [n for point in value for n in _numbers(point, 2, "a point [x, y]", lenient)]
    a, b, c, d, e, f = _scaled(flat) if lenient else flat
    return (a, b), (c, d), (e, f)


def _scaled(numbers: Sequence[float]) -> Sequence[float]:
    """Fractions 0–1 as 0–1000; other numbers as they are."""
    return [1000 * n for n in numbers] if all(0 <= n <= 1 for n in numbers) else numbers


@dataclass(frozen=True, slots=True)
class TrackReading:
    """boxes: by whole second, NO_BOX where a box was not readable. faults: whatever was wrong. shaped: the published
    check of the form, a mapping whose values are all boxes, whatever its keys."""

    boxes: Track
    faults: tuple[Malformed, ...]
    shaped: bool


def read_track(value: Any, *, lenient: bool = False) -> TrackReading:
    """Boxes by whole second, `{"9": [x1, y1, x2, y2], …}`; that there is none is a fault too."""
    if not isinstance(value, dict):
        fault = Malformed(f'expected boxes by second {{"1": [x1, y1, x2, y2], …}}, found {_show(value)}')
        return TrackReading({}, (fault,), False)
    boxes: Track = {}
    faults: list[Malformed] = []
    shaped = True
    for key, entry in value.items():
        box = NO_BOX
        try:
            box = read_box(entry, lenient=lenient)
        except Malformed as fault:
            faults.append(fault)
            shaped = False
        try:
            second = _read_key(key, lenient)
            if second in boxes:
                raise Malformed(f"expected each second once, found {_show(key)} again")
            boxes[second] = box
        except Malformed as fault:
            faults.append(fault)
    if not value:
        faults.append(Malformed("expected a box for every second, found none"))
    return TrackReading(boxes, tuple(faults), shaped)


def _read_key(key: str, lenient: bool) -> int:
    match = (_LENIENT_KEY if lenient else KEY).fullmatch(key)
    if match is None:
        raise Malformed(f"expected a whole second as key, found {_show(key)}")
    return int(match.group(1) if lenient else key)
