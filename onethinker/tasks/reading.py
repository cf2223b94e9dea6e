"""Answer text → JSON → boxes, points, spans and tracks, strictly or leniently.

Strict reading is JSON as JSON: no duplicate keys, numbers are finite numbers; NaN and Infinity cost the value that they
stand in and no other key, as in the published reading. Lenient reading also takes code fences, single and curly quotes,
trailing commas, a list of one object, "mm:ss", "12.5s", "1m10s", keys "01" and "2.0", one box or span in a list of its
own, Qwen's keys `bbox_2d` and `point_2d`, swapped corners and 0–1 fractions.
The text is untrusted: time and memory are bounded by the `MAX_` sizes, and whatever is wrong is `Malformed`.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

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

_CLOCK = re.compile(r"(?:(\d{1,4}):([0-5]?\d)|(\d{1,4})):([0-5]?\d(?:\.\d{1,9})?)", re.ASCII)
_AMOUNT = r"(\d{1,9}(?:\.\d{1,9})?)\s*"
_DURATION = re.compile(
    rf"(?:{_AMOUNT}h(?:rs?|ours?)?)?[\s,]*(?:{_AMOUNT}m(in(?:s|utes?)?)?)?[\s,]*(?:{_AMOUNT}s(?:ecs?|econds?)?)?",
    re.IGNORECASE | re.ASCII,
)
_SECONDS = re.compile(r"([-+]?\d{1,15}(?:\.\d{1,15})?)\s*(?:s|sec|secs|seconds?)?", re.IGNORECASE | re.ASCII)
KEY = re.compile(r"0|[1-9]\d{0,8}", re.ASCII)
_LENIENT_KEY = re.compile(r"0{0,9}(\d{1,9})(?:\.0{0,9})?", re.ASCII)
_CURLY = str.maketrans("“”„‟＂‘’‚‛＇：，［］｛｝", '"' * 5 + "'" * 5 + ":,[]{}")
_ALIASES = {"boxes": ("bbox_2d", "bbox", "box"), "time": ("timestamps", "timestamp", "span")}
"""Other keys for the same: Qwen's own, and what models write for it."""
_INNER = ("bbox_2d", "point_2d", "bbox", "box", "point")
_FENCE = re.compile(r"```\w*")
_TOKEN = re.compile(r""""([^"]*)"|'([^']*)'|([\[\]{},:])|(\d+(?::\d+(?:\.\d+)?)+|[^\s\[\]{},:"']+)""")
_PLAIN = re.compile(r"-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][-+]?\d+)?|true|false|null")


# ---- text -------------------------------------------------------------------------------------------------------


def read_text(text: str) -> str:
    """Free text, stripped: not empty, valid Unicode, at most MAX_TEXT characters.

    In Unicode's form NFC: an é of one character and an e with an accent are the same letter, in answers and truths.
    """
    if len(text) > MAX_TEXT:
        raise Malformed(f"expected an answer of at most {MAX_TEXT} characters, found {len(text)}")
    stripped = text.strip()
    if not stripped:
        raise Malformed("expected an answer, found nothing")
    if not stripped.isascii() and any("\ud800" <= c <= "\udfff" for c in stripped):
        raise Malformed("expected valid Unicode, found a lone surrogate")
    return stripped if stripped.isascii() else unicodedata.normalize("NFC", stripped)


# ---- JSON -------------------------------------------------------------------------------------------------------


def read_object(text: str, *, lenient: bool = False) -> dict[str, Any]:
    """The JSON object that the text is; leniently, the one it holds, its keys renamed where they have another name."""
    if len(text) > MAX_JSON:
        raise Malformed(f"expected JSON of at most {MAX_JSON} characters, found {len(text)}")
    try:
        found = _load(text)
    except Malformed:
        if not lenient:
            raise
        found = _load(_repair(text))
    if lenient and isinstance(found, list) and len(found) == 1:
        found = found[0]
    if not isinstance(found, dict):
        raise Malformed(f"expected a JSON object, found {_show(found)}")
    return _renamed(found) if lenient else found


def read_list(text: str, key: str, *, lenient: bool = False) -> list[Any]:
    """The list under a key of the JSON object that the text is; leniently also a list alone, as Qwen's models write."""
    if lenient and text.count("[") and not re.match(r"[^\[{]*\{", text):
        inner = text[text.find("[") : text.rfind("]") + 1]
        return _listed(_load(f'{{"{key}": {inner}}}') if len(inner) <= MAX_JSON else None, key)
    return _listed(read_object(text, lenient=lenient), key)


def _listed(found: Any, key: str) -> list[Any]:
    entries = found.get(key) if isinstance(found, dict) else None
    if not isinstance(entries, list):
        raise Malformed(f'expected a list under "{key}", found {_show(entries)}')
    return entries


def _renamed(found: dict[str, Any]) -> dict[str, Any]:
    """With the usual name in place of an alias, where it stands under one alias and not under its own name."""
    for name, aliases in _ALIASES.items():
        given = [alias for alias in aliases if alias in found]
        if name not in found and len(given) == 1:
            found = found | {name: found[given[0]]}
    return found


def _load(text: str) -> Any:
    try:
        return json.loads(text, object_pairs_hook=_no_duplicates, parse_int=_int)
    except Malformed:
        raise
    except (ValueError, RecursionError) as error:
        raise Malformed(f"expected JSON, found {_show(text)} ({type(error).__name__})") from error


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise Malformed("expected each key once, found a duplicate")
    return made


def _int(digits: str) -> int | float:
    return int(digits) if len(digits) <= 15 else float(digits)


def _repair(text: str) -> str:
    """Strict JSON from what is nearly JSON, in one pass over the tokens between the outermost braces."""
    text = _FENCE.sub(" ", text.translate(_CURLY))
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
    """A JSON number within ±MAX_NUMBER; leniently also "12.5s", "1m10s", "mm:ss" and "hh:mm:ss" as seconds."""
    if lenient and isinstance(value, str):
        value = _seconds(value.strip())
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) <= MAX_NUMBER:
        raise Malformed(f"expected a number, found {_show(value)}")
    return float(value)


def _seconds(text: str) -> float | str:
    clock = _CLOCK.fullmatch(text)
    if clock:
        hours, minutes, alone, seconds = (float(part or 0) for part in clock.groups())
        return hours * 3600 + (minutes + alone) * 60 + seconds
    plain = _SECONDS.fullmatch(text)
    if plain:
        return float(plain.group(1))
    parts = _DURATION.fullmatch(text)
    if parts is None or not (parts[1] or parts[3] or (parts[2] and parts[4])):  # "1 m" may be a metre
        return text
    return 3600 * float(parts[1] or 0) + 60 * float(parts[2] or 0) + float(parts[4] or 0)


def _numbers(value: Any, count: int, what: str, lenient: bool) -> list[float]:
    value = _unwrapped(value) if lenient else value
    if not isinstance(value, list) or len(value) != count:
        raise Malformed(f"expected {what}, found {_show(value)}")
    return [read_number(v, lenient=lenient) for v in value]


def _unwrapped(value: Any) -> Any:
    """What a list of one list or object, or an object of one box or point, holds: `[[1, 2, 3, 4]]`."""
    for _ in range(3):
        if isinstance(value, list) and len(value) == 1 and isinstance(value[0], list | dict):
            value = value[0]
        elif isinstance(value, dict) and len(named := [key for key in _INNER if key in value]) == 1:
            value = value[named[0]]
    return value


def read_span(value: Any, *, lenient: bool = False) -> Span:
    """`[start, end]` in seconds; leniently in either order."""
    start, end = _numbers(value, 2, "a span [start, end]", lenient)
    return (min(start, end), max(start, end)) if lenient else (start, end)


def read_box(value: Any, *, lenient: bool = False) -> Box:
    """`[x1, y1, x2, y2]`, 0–1000; leniently with swapped corners or as fractions 0–1."""
    numbers = _numbers(value, 4, "a box [x1, y1, x2, y2]", lenient)
    x1, y1, x2, y2 = _scaled(numbers) if lenient else numbers
    return (min(x1, x2), min(y1, y2), max(x1, x2), max(y1, y2)) if lenient else (x1, y1, x2, y2)


def read_point_list(values: list[Any], *, lenient: bool = False) -> tuple[Point, ...]:
    """Any number of points `[x, y]`, 0–1000; leniently all as fractions 0–1, or each in an object as `point_2d`."""
    flat = [n for value in values for n in _numbers(value, 2, "a point [x, y]", lenient)]
    flat = list(_scaled(flat)) if lenient else flat
    return tuple(zip(flat[::2], flat[1::2], strict=True))


def read_points(value: Any, *, lenient: bool = False) -> Points:
    """Exactly three points `[x, y]`, 0–1000; leniently as fractions 0–1."""
    if lenient and isinstance(value, list) and len(value) == 1:
        value = value[0]
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
