"""JSON answers in plain strict form, read by msgspec in a twentieth of the time that `reading` takes.

What is read here is what strict reading gives. Of any other text nothing is said: the task's `parse` tells.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import chain
from typing import Annotated, Any, TypeAlias, TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from onethinker.tasks.reading import MAX_JSON, MAX_NUMBER

Floats: TypeAlias = NDArray[np.float64]
Bools: TypeAlias = NDArray[np.bool_]

Number: TypeAlias = Annotated[float, msgspec.Meta(ge=-MAX_NUMBER, le=MAX_NUMBER)]
Two: TypeAlias = tuple[Number, Number]
Four: TypeAlias = tuple[Number, Number, Number, Number]
Second: TypeAlias = Annotated[int, msgspec.Meta(ge=0, le=999_999_999)]
"""A key: msgspec takes one in plain form only, no leading zero, no plus; `-0` is told by its minus."""

R = TypeVar("R", bound=msgspec.Struct)


def plain_reader(record: type[R], keys: Callable[[R], int] = lambda found: 0) -> Callable[[str], R | None]:
    """Reads JSON of exactly a record's fields and types; None for any other text.

    keys: how many keys beside its fields a record holds. msgspec takes only finite JSON numbers for floats and rounds
    them as Python does; of keys that stand twice it takes the last, so that the quotes are counted.
    """
    decode, fields = msgspec.json.Decoder(record).decode, len(record.__struct_fields__)

    def read(text: str) -> R | None:
        if len(text) > MAX_JSON:
            return None
        try:
            found = decode(text)
        except (ValueError, RecursionError):
            return None
        return found if text.count('"') == 2 * (fields + keys(found)) and '"-' not in text else None

    return read


def rows_of_numbers(values: Sequence[Sequence[float]], width: int) -> Floats:
    """N values of `width` numbers each as an array (N, width)."""
    return np.fromiter(chain.from_iterable(values), np.float64, len(values) * width).reshape(-1, width)


def upright(boxes_N4: Floats) -> Bools:
    """Boxes that lenient reading leaves as they are: corners in order, and not all of 0–1."""
    ordered_N = (boxes_N4[:, 0] <= boxes_N4[:, 2]) & (boxes_N4[:, 1] <= boxes_N4[:, 3])
    return np.asarray(ordered_N & not_fractions(boxes_N4))


def not_fractions(numbers_NW: Floats) -> Bools:
    """Rows that lenient reading does not take for shares of width and height."""
    numbers_WN: Any = np.ascontiguousarray(numbers_NW.T)
    return np.asarray((numbers_WN.min(axis=0) < 0) | (numbers_WN.max(axis=0) > 1))
