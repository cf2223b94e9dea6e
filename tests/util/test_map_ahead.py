"""Work beside work: the order, the failures and that it really overlaps."""

from __future__ import annotations

import threading
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from onethinker.util.map_ahead import map_ahead, map_together


def test_in_order_whatever_is_done_first():
    first = threading.Event()

    def work(item: int) -> int:
        if item == 0:
            assert first.wait(10)
        if item == 3:
            first.set()
        return item * 10

    assert list(map_ahead(work, range(8), threads=2)) == [0, 10, 20, 30, 40, 50, 60, 70]


def test_items_are_taken_while_work_goes_on():
    """The second item is only made once the first is being worked on, and the work only ends once it is made."""
    begun, taken = threading.Event(), threading.Event()

    def items():
        yield 0
        assert begun.wait(10)
        taken.set()
        yield 1

    def work(item: int) -> int:
        begun.set()
        assert taken.wait(10)
        return item

    assert list(map_ahead(work, items(), threads=1)) == [0, 1]


def test_no_more_than_ahead_are_under_way():
    taken = []

    def items():
        for i in range(20):
            taken.append(i)
            yield i

    most = 0
    for done in map_ahead(lambda i: i, items(), threads=1, ahead=3):
        most = max(most, len(taken) - done)
    assert most <= 4


def test_what_was_made_before_a_failure_comes_first():
    def items():
        yield from range(3)
        raise RuntimeError("engine gone")

    found = []
    with pytest.raises(RuntimeError, match="engine gone"):
        for done in map_ahead(lambda i: i, items()):
            found.append(done)
    assert found == [0, 1, 2]


def test_an_item_whose_thread_begins_after_a_later_one_failed_is_worked_on(monkeypatch):
    """A thread may be held up between taking an item and beginning it."""

    class HoldsTheFirst(ThreadPoolExecutor):
        held = None

        def submit(self, work, number, item):
            if number == 0:
                self.held, first = (work, number, item), Future()
                self.first = first
                return first
            made = super().submit(work, number, item)
            if self.held:
                assert isinstance(made.exception(10), ZeroDivisionError)
                (work, number, item), self.held = self.held, None
                self.first.set_result(work(number, item))
            return made

    monkeypatch.setattr("onethinker.util.map_ahead.ThreadPoolExecutor", HoldsTheFirst)
    found = map_ahead(lambda i: 1 // (i - 1), [0, 1, 2], threads=1)
    assert next(found) == -1
    with pytest.raises(ZeroDivisionError):
        next(found)


def test_a_failure_of_the_work_is_passed_on_and_a_caller_may_stop():
    with pytest.raises(ZeroDivisionError):
        list(map_ahead(lambda i: 1 // i, [1, 0, 1]))
    worked = []
    with pytest.raises(ZeroDivisionError):
        list(map_ahead(lambda i: worked.append(i) or 1 // (i - 1), range(50), threads=1))
    assert worked == [0, 1], "nothing after the failure"
    closed = []

    def items():
        try:
            yield from range(100)
        finally:
            closed.append(True)

    source = items()
    made = map_ahead(lambda i: i, source)
    assert next(made) == 0
    made.close()
    source.close()
    assert closed == [True]


def test_what_comes_while_others_are_worked_on_is_done_together():
    begun, more, lists = threading.Event(), threading.Event(), []

    def work(items):
        lists.append(items)
        begun.set()
        assert more.wait(10)
        return [10 * item for item in items]

    def items():
        yield 0
        assert begun.wait(10)
        yield from range(1, 5)
        more.set()

    assert list(map_together(work, items(), most=3)) == [10 * item for item in range(5)]
    assert lists == [[0], [1, 2, 3], [4]]


def test_what_was_taken_before_a_failure_is_worked_on():
    def items():
        yield 1
        yield 2
        raise RuntimeError("gone")

    found = map_together(list, items())
    assert [next(found), next(found)] == [1, 2]
    with pytest.raises(RuntimeError, match="gone"):
        next(found)
