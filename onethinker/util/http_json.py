"""JSON over HTTP with bounded time, bounded replies and retries. Replies are untrusted."""

from __future__ import annotations

import http.client
import json
import random
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

MAX_REPLY = 16 << 20
"""Bytes of a reply."""
PATIENCE = 120.0
"""Seconds that a server may ask for before another attempt."""
_AGAIN = frozenset((408, 425, 429, 500, 502, 503, 504))
"""Statuses that another attempt may mend."""

T = TypeVar("T")


class ServerError(RuntimeError):
    """A server that did not give a usable reply in all attempts; says what it gave last.

    status: of the last reply, None where there was none.
    """

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


class _NotNow(Exception):
    """An attempt that failed and may be repeated. status: of the reply, None where there was none. after: seconds."""

    def __init__(self, message: str, status: int | None = None, after: float = 0.0) -> None:
        super().__init__(message)
        self.status, self.after = status, after


@dataclass(frozen=True)
class Server:
    """base: `http(s)://host:port/…`, paths are added to it. key: sent as a bearer token.

    timeout: seconds for a whole attempt. After attempt n waits `backoff · 2^n` seconds, at most `max_wait`, half of it
    at random, so that many askers do not return at once; a reply's `Retry-After` in seconds makes it wait longer, at
    most `PATIENCE`.
    """

    base: str
    key: str = field(default="", repr=False)
    timeout: float = 120.0
    attempts: int = 5
    backoff: float = 0.5
    max_wait: float = 30.0

    def __post_init__(self) -> None:
        if not self.base.startswith(("http://", "https://")):
            raise ServerError(f"{self.base!r} is not a server's address; expected http://host:port/v1")

    def get(self, path: str, read: Callable[[Any], T]) -> T:
        """`read` of the reply's JSON; what `read` cannot use is another reason to ask again. Raises ServerError."""
        return self._ask(path, None, read)

    def post(self, path: str, body: Any, read: Callable[[Any], T]) -> T:
        """As `get`, after sending a JSON body."""
        return self._ask(path, json.dumps(body).encode(), read)

    def tell(self, path: str, body: Any) -> None:
        """As `post`, where what the server answers is of no use; it may be empty."""
        self._ask(path, json.dumps(body).encode(), lambda _: None, parse=bytes)

    def _ask(
        self, path: str, body: bytes | None, read: Callable[[Any], T], parse: Callable[[bytes], Any] = json.loads
    ) -> T:
        failure = _NotNow("never asked")
        for attempt in range(self.attempts):
            if attempt:
                wait = min(self.backoff * 2 ** (attempt - 1), self.max_wait)
                time.sleep(max(failure.after, wait * (0.5 + random.random() / 2)))
            try:
                return self._once(path, body, read, parse)
            except _NotNow as error:
                failure = error
        raise ServerError(f"{self.base}{path}: {failure} ({self.attempts} attempts)", failure.status)

    def _once(self, path: str, body: bytes | None, read: Callable[[Any], T], parse: Callable[[bytes], Any]) -> T:
        headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {self.key}"} if self.key else {})
        request = urllib.request.Request(self.base + path, body, headers)
        try:
            with urllib.request.urlopen(request, timeout=self.timeout) as reply:
                return read(parse(_bounded(reply, time.monotonic() + self.timeout)))
        except urllib.error.HTTPError as error:
            message = f"HTTP {error.code}: {_beginning(error)!a}"
            if error.code in _AGAIN:
                raise _NotNow(message, error.code, _retry_after(error.headers.get("Retry-After"))) from error
            raise ServerError(f"{self.base}{path}: {message}", error.code) from error
        except (OSError, http.client.HTTPException) as error:
            raise _NotNow(f"{type(error).__name__}: {error}") from error
        except (ValueError, KeyError, IndexError, TypeError, AttributeError, RecursionError) as error:
            raise _NotNow(f"a reply that cannot be used: {type(error).__name__}: {error}", 200) from error


def _beginning(refusal: urllib.error.HTTPError) -> str:
    """The first words of a refusal, none where they do not come."""
    with refusal:
        try:
            return refusal.read(300).decode("utf-8", "replace")
        except (OSError, http.client.HTTPException):
            return ""


def _retry_after(header: str | None) -> float:
    """The seconds that a reply asks for, at most `PATIENCE`; 0 where it names none (a date is not read)."""
    return min(float(header), PATIENCE) if header and header.isascii() and header.isdigit() else 0.0


def _bounded(reply: http.client.HTTPResponse, deadline: float) -> bytes:
    """The whole body. Raises TimeoutError at the deadline, ValueError for one beyond `MAX_REPLY`."""
    pieces, size = [], 0
    while piece := reply.read1(1 << 16):
        pieces.append(piece)
        size += len(piece)
        if size > MAX_REPLY:
            raise ValueError(f"more than {MAX_REPLY >> 20} MB")
        if time.monotonic() > deadline:
            raise TimeoutError("the reply was too slow")
    return b"".join(pieces)
