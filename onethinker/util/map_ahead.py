"""Work beside work: what is made is handled in threads while more of it is being made."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")

SPARE = max(1, min(8, (os.cpu_count() or 1) - 1))
"""Threads beside the one that waits for the model. They decode, resize and cut out, which libraries do without Python's
lock, so that they take cores of their own."""


def map_ahead(work: Callable[[T], R], items: Iterable[T], *, threads: int = SPARE, ahead: int = 64) -> Iterator[R]:
    """`work(item)` of each item, in order, done in threads while further items are taken.

    ahead: how many items may be under way; more are not taken until the first of them is done. Results that are ready
    are given before a next item is taken, all of them before an Exception of `items` is passed on. One of `work` ends
    it, and no later item is worked on. A caller that stops early leaves nothing running but the work begun.
    """
    failed: list[int] = []

    def attempt(number: int, item: T) -> R:
        # Not an earlier one: its thread may begin late, and its result, or its own failure, is given first.
        if failed and number > min(failed):
            raise CancelledError
        try:
            return work(item)
        except BaseException:
            failed.append(number)
            raise

    pool = ThreadPoolExecutor(threads, thread_name_prefix="beside")
    waiting: deque[Future[R]] = deque()
    failure: Exception | None = None
    source = enumerate(items)
    try:
        while failure is None:
            while waiting and (waiting[0].done() or len(waiting) >= ahead):
                yield waiting.popleft().result()
            try:
                waiting.append(pool.submit(attempt, *next(source)))
            except StopIteration:
                break
            except Exception as error:
                failure = error
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
    if failure is not None:
        raise failure


def map_together(work: Callable[[list[T]], Iterable[R]], items: Iterable[T], *, most: int = 64) -> Iterator[R]:
    """What `work` gives for lists of items, in order, done in one thread while further items are taken.

    A list holds whatever came while the last one was worked on, at most `most`: nothing waits to be with others, and
    the slower the work, the more of it is done at once. What was taken before an Exception of `items` is worked on.
    """
    waiting: deque[T] = deque()

    def note(item: T) -> T:
        waiting.append(item)
        return item

    def take(_: T) -> list[R]:
        taken = [waiting.popleft() for _ in range(min(most, len(waiting)))]
        return list(work(taken)) if taken else []

    for found in map_ahead(take, map(note, items), threads=1, ahead=2 * most):
        yield from found
