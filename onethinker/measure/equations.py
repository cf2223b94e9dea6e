"""Whether two mathematical answers are equal. `text.math_equal` is this."""

from __future__ import annotations

import atexit
import json
import os
import re
import subprocess
import sys
import threading
from pathlib import Path

_MAX_CHARS = 2_000
_START_SECONDS = 120.0
_WALL_SECONDS = 5.0  # by the clock, to a second of processor time
_NOT_FINITE = re.compile(r"[+-]?\s*(?:inf|infinity|nan)", re.IGNORECASE)
_PLAIN_NUMBER = re.compile(r"[+-]?(?:[0-9]{1,15}(?:\.[0-9]{0,15})?|\.[0-9]{1,15})(?:[eE][+-]?[0-9]{1,2})?")
_WORDS = re.compile(r"[A-Za-z]{4,}(?:[\s-]+[A-Za-z]+)*")
_DECIMALS = 6  # that count between two decimal fractions: math-verify's default
_WRAPPINGS = (("$$", "$$"), ("$", "$"), (r"\(", r"\)"), (r"\[", r"\]"), (r"\boxed{", "}"), (r"\text{", "}"))


def math_equal(pred: str, true: str, timeout: float = 2.0) -> bool:
    """Whether two answers are mathematically equal, as math-verify finds; compared as text where it reads neither.

    pred, true: LaTeX, bare or in `$…$`, or numbers. Texts that are the same are equal, except those that are read as
    NaN or an infinite float ("inf"). Plain numbers (two decimal fractions to six decimals, as math-verify does) and
    plain words are compared without math-verify, to which "listen" is the same product of letters as "silent".
    timeout: seconds of processor time, so that a busy machine changes no verdict; an answer that takes longer is not
    equal. Texts of more than 2,000 characters are only compared as text.
    math-verify runs in a process of its own, started when first needed, one a process of ours; calls from several
    threads take turns.
    """
    if max(len(pred), len(true)) > _MAX_CHARS:
        return pred.strip() == true.strip()
    a, b = _bare(pred), _bare(true)
    if _NOT_FINITE.fullmatch(a) or _NOT_FINITE.fullmatch(b) or not a or not b:
        return False
    if a == b:
        return True
    if _PLAIN_NUMBER.fullmatch(a) and _PLAIN_NUMBER.fullmatch(b):
        x, y = float(a), float(b)
        return x == y or ("." in a and "." in b and round(x, _DECIMALS) == round(y, _DECIMALS))
    if _WORDS.fullmatch(a) or _WORDS.fullmatch(b):
        return a.casefold() == b.casefold()
    verdict = _worker.ask([_dressed(a), _dressed(b), timeout], _WALL_SECONDS * timeout)
    return bool(verdict) if verdict is not None else a.casefold() == b.casefold()


def _bare(text: str) -> str:
    """Without the dollars, brackets, box or text command around the whole of it, and without a full stop."""
    text = text.strip()
    for left, right in _WRAPPINGS:
        inner = text[len(left) : len(text) - len(right)]
        if inner and text == left + inner + right and left not in inner and _closed(inner):
            text = inner.strip()
    return text.removesuffix(".")


def _closed(text: str) -> bool:
    """Whether every closing brace has its opening one before it."""
    depth = 0
    for char in text:
        depth += (char == "{") - (char == "}")
        if depth < 0:
            return False
    return True


def _dressed(text: str) -> str:
    return text if "$" in text else f"${text}$"


class _Worker:
    """The process that runs math-verify: started when first asked, killed when late, started anew after that."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None
        self.forget()

    def forget(self) -> None:
        """Be as new: a forked child has neither its parent's worker nor its parent's threads."""
        self._lock = threading.Lock()
        self._process = None

    def ask(self, request: list[object], timeout: float) -> bool | None:
        """The verdict; None where math-verify reads neither side; False where it does not answer in time."""
        with self._lock:
            process = self._running()
            line = _exchange(process, json.dumps(request), timeout)
            if not line:
                self.stop()
                return False
            return json.loads(line)

    def _running(self) -> subprocess.Popen[str]:
        if self._process is None or self._process.poll() is not None:
            script = Path(__file__).with_name("math_worker.py")
            self._process = subprocess.Popen(
                [sys.executable, "-P", str(script)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
            )
            if _exchange(self._process, None, _START_SECONDS) != "ready\n":
                self.stop()
                raise RuntimeError("math-verify's process did not start; its own message stands above on stderr")
        return self._process

    def stop(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.communicate()


def _exchange(process: subprocess.Popen[str], line: str | None, timeout: float) -> str:
    """Send a line, if any, and read one; "" if the process ends first: it is killed after `timeout` seconds."""
    assert process.stdin is not None and process.stdout is not None
    late = threading.Event()

    def end() -> None:
        late.set()
        process.kill()

    alarm = threading.Timer(timeout, end)
    alarm.daemon = True
    alarm.start()
    try:
        if line is not None:
            process.stdin.write(line + "\n")
            process.stdin.flush()
        answer = process.stdout.readline()
    except BrokenPipeError:
        answer = ""
    alarm.cancel()
    alarm.join()
    return "" if late.is_set() else answer


_worker = _Worker()


os.register_at_fork(after_in_child=_worker.forget)
atexit.register(_worker.stop)
