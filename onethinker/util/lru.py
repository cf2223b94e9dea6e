"""What was made lately and may be wanted again, for many threads: made once, kept up to a number of bytes."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from typing import Generic, TypeVar

T = TypeVar("T")


class LRUCache(Generic[T]):
    """size: bytes of a value. room: bytes that may be kept; the least recently wanted goes first. kept: bytes now."""

    def __init__(self, size: Callable[[T], int], room: int) -> None:
        self.size, self.room, self.kept = size, room, 0
        self._lock = threading.Lock()
        self._made: OrderedDict[Hashable, Future[T]] = OrderedDict()

    def get(self, key: Hashable, make: Callable[[], T]) -> T:
        """The value of `key`, made by the first thread that wants it while others wait. A failure is not kept."""
        with self._lock:
            found = self._made.get(key)
            future = self._made.setdefault(key, found or Future())
            self._made.move_to_end(key)
        if found is None:
            self._fill(key, future, make)
        return future.result()

    def _fill(self, key: Hashable, future: Future[T], make: Callable[[], T]) -> None:
        try:
            value = make()
        except BaseException as error:
            with self._lock:
                del self._made[key]
            future.set_exception(error)
            return
        future.set_result(value)
        with self._lock:
            self.kept += self.size(value)
            while self.kept > self.room:
                oldest = next(k for k, f in self._made.items() if f.done())
                self.kept -= self.size(self._made.pop(oldest).result())
