"""What is kept for many threads: made once, bounded, failures forgotten."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from onethinker.util.lru import LRUCache


def test_made_once_though_many_want_it_at_once():
    made, waiting = [], threading.Barrier(4)
    recent = LRUCache[str](len, 100)

    def want(_: int) -> str:
        waiting.wait(10)
        return recent.get("key", lambda: made.append(1) or "value")

    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(want, range(4))) == {"value"}
    assert len(made) == 1


def test_the_least_recently_wanted_goes_first():
    recent = LRUCache[str](len, 10)
    for key in "abc":
        recent.get(key, lambda key=key: key * 4)
    assert recent.kept == 8
    assert recent.get("b", lambda: "new!") == "bbbb"
    assert recent.get("a", lambda: "new!") == "new!", "was the oldest when c came"
    assert recent.get("b", lambda: "no") == "bbbb"


def test_a_value_beyond_the_room_is_given_but_not_kept():
    recent = LRUCache[str](len, 3)
    assert recent.get("a", lambda: "large") == "large"
    assert recent.kept == 0


def test_a_failure_is_not_kept():
    recent = LRUCache[int](lambda _: 1, 10)
    with pytest.raises(ZeroDivisionError):
        recent.get("a", lambda: 1 // 0)
    assert recent.get("a", lambda: 7) == 7
