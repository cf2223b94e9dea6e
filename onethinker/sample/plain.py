"""Any value that a data file can hold → plain JSON, in one documented way, so that every writer can store it.

| what comes | what is kept |
| --- | --- |
| text, whole numbers of 64 bits, finite numbers, true and false | as they are |
| longer whole numbers, decimals, UUIDs, paths | their text |
| dates, times, moments (with their zone) | ISO 8601 text |
| durations | seconds |
| bytes of printable ASCII, such as COCO's run lengths | that text |
| other bytes | `{"base64": …}` |
| tuples, NumPy arrays; sets | lists; sorted lists |
| NumPy scalars, enums | their value |
| NaN, infinities | null |
| a key whose value is null, or an object of nothing but such keys | is not there |

Parquet fills a column that a row lacks with null, a struct with one null for each field; so a null says nothing. It is
kept in lists, and under a key with a digit in it, which names an entry such as a clip's frame rather than a column.
"""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from pathlib import PurePath
from typing import Any
from uuid import UUID

MAX_DEPTH = 64
"""Objects and lists within each other."""
_NULLS = ("NaTType", "NAType")
NEVER_NULL = frozenset((str, bool, int, list, dict, tuple, bytes))
"""Types of which no value is a null."""
_NO_OBJECT = frozenset((str, bool, int, float, list, tuple))
_At = str | tuple[Any, str]
"""Where a value stands: a name, or (where its object stands, its key), which is put into words for an error alone."""


class NotPlain(ValueError):
    """A value that no file of ours can hold; says where it is."""


def plain(value: Any, at: _At = "the value", depth: int = 0) -> Any:
    """The value as plain JSON, None for what is not there. at: names it in errors. Raises NotPlain.

    Nearly all values are JSON's own types, which are told apart first.
    """
    kind = type(value)
    if kind is str or kind is bool:
        return value
    if kind is int and -(1 << 63) <= value < 1 << 63:
        return value
    if kind is float:
        return value if math.isfinite(value) else None
    if depth > MAX_DEPTH:
        raise NotPlain(f"{_said(at)[:200]} … is nested more than {MAX_DEPTH} levels deep")
    if kind is dict:
        return _object(value, at, depth)
    if kind is list:
        return [_item(item, at, depth) for item in value]
    if is_null(value):
        return None
    if isinstance(value, Mapping):
        return _object(value, at, depth)
    if isinstance(value, list | tuple):
        return [_item(item, at, depth) for item in value]
    if isinstance(value, set | frozenset):
        return sorted((_item(item, at, depth) for item in value), key=lambda item: json.dumps(item, sort_keys=True))
    return _scalar(value, at, depth)


def is_null(value: Any) -> bool:
    """None, and NaN, NaT and NA, which stand for it in pandas."""
    if type(value) in NEVER_NULL:
        return False
    return value is None or (isinstance(value, float) and math.isnan(value)) or type(value).__name__ in _NULLS


def _object(value: Mapping[Any, Any], at: _At, depth: int) -> dict[str, Any] | None:
    found: dict[str, Any] = {}
    for key, item in value.items():
        name = str(key)
        if type(item) is str:  # most often, and then a call costs more than the rest
            found[name] = item
            continue
        kept = plain(item, (at, name), depth + 1)
        if kept is not None or any(map(str.isdecimal, name)):
            found[name] = kept
    return found if found or not value else None


def _item(value: Any, at: _At, depth: int) -> Any:
    """An entry of a list, which stays at its place, an object with its nulls."""
    kind = type(value)
    if kind is dict or (kind not in _NO_OBJECT and isinstance(value, Mapping)):
        return {str(key): _item(item, (at, str(key)), depth + 1) for key, item in value.items()}
    return plain(value, at, depth + 1)


def _said(at: _At) -> str:
    keys: list[str] = []
    while not isinstance(at, str):
        at, key = at
        keys.append(f"[{key!r:.60}]")
    return at + "".join(reversed(keys))


def _scalar(value: Any, at: _At, depth: int) -> Any:
    if isinstance(value, Enum):  # before `str` and `int`, which its kinds may also be
        return plain(value.value, at, depth + 1)
    if isinstance(value, str | bool):
        return str(value) if isinstance(value, str) else value
    if isinstance(value, int):
        return int(value) if -(1 << 63) <= value < 1 << 63 else _text(value, at)
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, bytes | bytearray | memoryview):
        return _bytes(bytes(value))
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, Decimal):
        return str(value) if value.is_finite() else None
    if isinstance(value, UUID | PurePath):
        return str(value)
    if hasattr(value, "tolist") and hasattr(value, "dtype"):  # NumPy, which is not imported for it
        if value.dtype.kind in "mM":  # whose nanoseconds come out as bare numbers
            value = value.astype(f"{value.dtype.name.partition('[')[0]}[us]")
        found = value.tolist()
        if isinstance(found, type(value)):
            raise NotPlain(f"{_said(at)} is {type(value).__name__}, which no file can hold")
        return plain(found, at, depth + 1)
    raise NotPlain(f"{_said(at)} is a {type(value).__name__}; expected text, numbers, lists, objects, dates or bytes")


def _text(value: int, at: _At) -> str:
    try:
        return str(int(value))
    except ValueError as error:  # Python writes no number of more than 4,300 digits
        raise NotPlain(f"{_said(at)} is a whole number of {value.bit_length():,} bits; write it as text") from error


def _bytes(value: bytes) -> str | dict[str, str]:
    if value.isascii() and (text := value.decode("ascii")).isprintable():
        return text
    return {"base64": base64.b64encode(value).decode("ascii")}
