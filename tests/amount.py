"""How much a test does: a little in the quick suite (`make test`, or any `-m 'not slow'`), else all of it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest

quick = False
"""Whether this is the quick suite; tests/conftest.py says so before a test module is read."""


def many(count: int, few: int) -> int:
    """How many random cases: `count`, of which the quick suite takes `few`."""
    return few if quick else count


def thinned(cases: Iterable[Any], *kept: Any, every: int = 0) -> list[Any]:
    """A parametrisation of which the quick suite has the cases in `kept` and each `every`-th; the others are slow.

    Raises ValueError for a kept case that is none."""
    cases = list(cases)
    if missing := [case for case in kept if case not in cases]:
        raise ValueError(f"{missing} are none of the cases")
    stay = [case in kept or bool(every and place % every == 0) for place, case in enumerate(cases)]
    if quick and any(stay):  # the others are not so much as collected
        return [case for case, stays in zip(cases, stay, strict=True) if stays]
    return [case if stays else slow(case) for case, stays in zip(cases, stay, strict=True)]


def slow(case: Any) -> Any:
    """The case, marked slow. A tuple is one case's values."""
    values = case if isinstance(case, tuple) else (case,)
    return pytest.param(*values, marks=pytest.mark.slow)
