"""Ctrl-C and SIGTERM: the first asks for an orderly end, the second ends the process at once."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

SIGNALS = (signal.SIGINT, signal.SIGTERM)
STATUS = 128
"""The exit status of a process that a signal ended is this and the signal's number."""


class Interrupted(KeyboardInterrupt):
    """Work ended by request. The message says what is kept and how to go on; status: for the process to exit with."""

    def __init__(self, message: str, status: int = STATUS + signal.SIGINT) -> None:
        super().__init__(message)
        self.status = status


def speaks() -> bool:
    """Whether this process tells of an interruption: of several that torchrun started the first does."""
    return os.environ.get("RANK", "0") == "0"


def take_signals() -> None:
    """From now on the first Ctrl-C or SIGTERM raises Interrupted in the main thread; the second ends at once."""
    sys.unraisablehook = _raise_again
    for number in SIGNALS:
        signal.signal(number, _raise)


def _raise_again(ignored: sys.UnraisableHookArgs) -> None:
    """An interruption that came in the middle of a `__del__` or another callback, whose exceptions Python drops, is
    sent anew once that is over."""
    if not isinstance(ignored.exc_value, Interrupted):
        return sys.__unraisablehook__(ignored)
    number = ignored.exc_value.status - STATUS
    for each in SIGNALS:
        signal.signal(each, _raise)
    again = threading.Timer(0.05, signal.pthread_kill, (threading.main_thread().ident, number))
    again.daemon = True
    again.start()


def _raise(number: int, _: FrameType | None) -> None:
    for each in SIGNALS:
        signal.signal(each, _end_at_once)
    # A pool of processes that is torn down in the middle may fail in a thread of its own: no news by then.
    threading.excepthook = lambda _: None
    raise Interrupted("interrupted", STATUS + number)


def _end_at_once(number: int, _: FrameType | None = None) -> None:
    """Leave without cleaning up, but for processes that would wait for this one for ever."""
    if workers := sys.modules.get("multiprocessing"):
        for child in workers.active_children():
            child.kill()
    os._exit(STATUS + number)


@contextmanager
def finish_step(title: str) -> Iterator[Callable[[], int]]:
    """Within it the first Ctrl-C or SIGTERM lets the step under way be finished and saved, the second ends at once.

    Yields a function: the signal's number once it was asked to stop, 0 until then. Outside the main thread, which alone
    is sent signals, it is always 0.
    """
    if threading.current_thread() is not threading.main_thread():
        yield lambda: 0
        return
    asked: list[int] = []

    def ask(number: int, _: FrameType | None) -> None:
        if asked:
            _end_at_once(number)
        asked.append(number)
        if not speaks():
            return
        # Not print: the signal may have come in the middle of one.
        os.write(2, f"\n{title}: finishes this step and saves it; Ctrl-C again ends at once without\n".encode())

    before = {number: signal.signal(number, ask) for number in SIGNALS}
    try:
        yield lambda: asked[0] if asked else 0
    finally:
        for number, handler in before.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)


@contextmanager
def kept(message: Callable[[], str]) -> Iterator[None]:
    """An interruption within it says what is kept: `message()` at that moment, unless a part of the work said so."""
    try:
        yield
    except KeyboardInterrupt as stop:
        if isinstance(stop, Interrupted) and str(stop) != "interrupted":
            raise
        raise Interrupted(message(), getattr(stop, "status", STATUS + signal.SIGINT)) from stop


@contextmanager
def signals_kept_from_children() -> Iterator[None]:
    """Processes started within it by this thread never see Ctrl-C: who started them ends them."""
    before: Any = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
