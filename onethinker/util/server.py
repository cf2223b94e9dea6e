"""JSON from a server over HTTP, by `httpx2`: bounded in time and size, asked again where that may help.

Replies are untrusted. The `openai` package would do for some of the paths that we ask (vLLM's own are not in it), but
it reads a refusal of any length into memory, tells every server this machine's OpenAI organisation, and takes seconds
to import.
"""

from __future__ import annotations

import json
import os
import random
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

if TYPE_CHECKING:
    import ssl

    import httpx2

MAX_REPLY = 16 << 20
"""Bytes of a reply."""
MAX_REFUSAL = 300
"""Bytes of a refusal that are quoted."""
PATIENCE = 120.0
"""Seconds that a server may ask for before another attempt."""
KEY = "OPENAI_API_KEY"
_AGAIN = frozenset((408, 425, 429, 500, 502, 503, 504))
"""Statuses that another attempt may mend."""

_MAKING = threading.Lock()

T = TypeVar("T")


class ServerError(RuntimeError):
    """A server that did not give a usable reply in all attempts; says what it gave last.

    status: of the last reply, None where there was none.
    """

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


class _Failed(Exception):
    """An attempt that failed and may be repeated. status: of the reply, None where there was none. after: seconds."""

    def __init__(self, message: str, status: int | None = None, after: float = 0.0) -> None:
        super().__init__(message)
        self.status, self.after = status, after


@cache
def tls_context(*, trust_env: bool = True) -> ssl.SSLContext:
    """httpx2's own, made once a process: reading the authorities' certificates is most of what a client costs."""
    import httpx2

    return httpx2.create_ssl_context(trust_env=trust_env)


def key_from_environment() -> str:
    """The value of OPENAI_API_KEY, empty where it is not set."""
    return os.environ.get(KEY, "").strip()


@dataclass(frozen=True)
class Server:
    """base: `http(s)://host:port/…`, paths are added to it. key: sent as a bearer token.

    timeout: seconds for a whole attempt, to the last byte of the reply. After attempt n waits `backoff · 2^n` seconds,
    at most `max_wait`, half of it at random, so that many askers do not return at once; a reply's `Retry-After` in
    seconds makes it wait longer, at most `PATIENCE`. Several threads may ask at once.
    """

    base: str
    key: str = field(default="", repr=False)
    timeout: float = 120.0
    attempts: int = 5
    backoff: float = 0.5
    max_wait: float = 30.0

    def __post_init__(self) -> None:
        scheme, place = urlsplit(self.base)[:2]
        if scheme not in ("http", "https") or not place:
            raise ServerError(f"{self.base!r} is not a server's address; expected http://host:port/v1")
        if "@" in place:  # addresses are printed, logged and part of a result's identity
            raise ServerError(f"the address of {place.rpartition('@')[2]} holds a password; set {KEY} instead")
        if not (self.key.isascii() and self.key.isprintable()):  # what sends it would quote it in its complaint
            raise ServerError(f"the key for {place} holds characters that no key can have; set {KEY} to the right one")

    def get(self, path: str, read: Callable[[Any], T]) -> T:
        """`read` of the reply's JSON; what `read` cannot use is another reason to ask again. Raises ServerError."""
        return self._ask("GET", path, None, lambda body: read(json.loads(body)))

    def post(self, path: str, body: Any, read: Callable[[Any], T]) -> T:
        """As `get`, after sending a JSON body."""
        return self._ask("POST", path, body, lambda reply: read(json.loads(reply)))

    def stream(self, path: str, body: Any, hear: Callable[[Any], None], read: Callable[[list[Any]], T]) -> T:
        """`read` of all the JSON events of a reply that comes as server-sent events (`data: …` lines, to `[DONE]`),
        each of which `hear` is given as it comes. Asked again only as long as nothing came. Raises ServerError."""
        events = _Events(hear)
        return self._ask("POST", path, body, lambda _: read(events.made), events)

    def tell(self, path: str, body: Any) -> None:
        """As `post`, where what the server answers is of no use; it may be empty."""
        self._ask("POST", path, body, lambda _: None)

    @property
    def _client(self) -> httpx2.Client:
        with _MAKING:  # threads that ask for the first time together share one
            return self._made_client

    @cached_property
    def _made_client(self) -> httpx2.Client:
        """Keeps no connection for a further request, so that nothing is left open; beside what a model takes to answer,
        connecting takes no time. Follows no redirect, which could carry the key elsewhere."""
        import httpx2

        return httpx2.Client(
            # A compressed reply of a few bytes could be any size when unpacked.
            headers={"Accept-Encoding": "identity"} | ({"Authorization": f"Bearer {self.key}"} if self.key else {}),
            timeout=self.timeout,
            verify=tls_context(),
            limits=httpx2.Limits(max_connections=None, max_keepalive_connections=0),
        )

    def _ask(self, method: str, path: str, body: Any, read: Callable[[bytes], T], events: _Events | None = None) -> T:
        content = None if body is None else json.dumps(body).encode()
        failure = _Failed("never asked")
        for attempt in range(self.attempts):
            if attempt:
                wait = min(self.backoff * 2 ** (attempt - 1), self.max_wait)
                time.sleep(max(failure.after, wait * (0.5 + random.random() / 2)))
            try:
                return self._once(method, path, content, read, events)
            except _Failed as error:
                failure = error
            if events and events.made:
                raise ServerError(f"{self.base}{path}: {failure}, in the middle of its answer", failure.status)
        raise ServerError(f"{self.base}{path}: {failure} ({self.attempts} attempts)", failure.status)

    def _once(
        self, method: str, path: str, content: bytes | None, read: Callable[[bytes], T], events: _Events | None
    ) -> T:
        import httpx2

        headers = {"Content-Type": "application/json"} if content is not None else {}
        deadline = _Deadline(self.timeout)
        asked: dict[str, Any] = {"content": content, "headers": headers, "extensions": {"trace": deadline.trace}}
        try:
            with deadline, self._client.stream(method, self.base + path, **asked) as reply:
                if not reply.is_success:
                    raise self._refused(path, reply)
                pieces = _pieces(reply, MAX_REPLY)
                body = b"".join(pieces if events is None else map(events.take, pieces))
            deadline.check()  # a body without a length ends where it is cut off
            return read(body)
        except (httpx2.HTTPError, TimeoutError) as error:
            words = f"{type(error).__name__}: {error}"
            raise _Failed(f"timed out after {self.timeout:g} s" if deadline.over else words) from error
        except httpx2.InvalidURL as error:
            raise ServerError(f"{self.base}{path}: not an address ({error})") from error
        except (ValueError, KeyError, IndexError, TypeError, AttributeError, RecursionError) as error:
            raise _Failed(f"a reply that cannot be used: {type(error).__name__}: {error}", 200) from error

    def _refused(self, path: str, reply: httpx2.Response) -> Exception:
        """What a reply that is no success means, with its first words where they come."""
        import httpx2

        words = b""
        try:
            for piece in _pieces(reply, MAX_REPLY):
                words += piece
                if len(words) >= MAX_REFUSAL:
                    break
        except (httpx2.HTTPError, TimeoutError):
            words = b""  # it is a refusal all the same
        message = f"HTTP {reply.status_code}: {words[:MAX_REFUSAL].decode('utf-8', 'replace')!a}"
        if reply.status_code in _AGAIN:
            return _Failed(message, reply.status_code, _retry_after(reply.headers.get("Retry-After")))
        return ServerError(f"{self.base}{path}: {message}", reply.status_code)


class _Events:
    """Server-sent events as they come. made: the JSON of those that came whole."""

    def __init__(self, hear: Callable[[Any], None]) -> None:
        self.hear, self.made, self._rest = hear, list[Any](), b""

    def take(self, piece: bytes) -> bytes:
        """Hear what is whole with this piece; gives the piece back. Raises ValueError for what is not JSON."""
        *lines, self._rest = (self._rest + piece).split(b"\n")
        for line in lines:
            said = line.removeprefix(b"data:").strip()
            if line.startswith(b"data:") and said != b"[DONE]":
                self.made.append(json.loads(said))
                self.hear(self.made[-1])
        return piece


def _retry_after(header: str | None) -> float:
    """The seconds that a reply asks for, at most `PATIENCE`; 0 where it names none (a date is not read)."""
    return min(float(header), PATIENCE) if header and header.isascii() and header.isdigit() else 0.0


def _pieces(reply: httpx2.Response, most: int) -> Iterator[bytes]:
    """The body as it comes, never unpacked. Raises ValueError beyond `most` bytes."""
    size = 0
    for piece in reply.iter_raw():
        size += len(piece)
        if size > most:
            raise ValueError(f"more than {most >> 20} MB")
        yield piece


class _Deadline:
    """Cuts a request's connection off when its seconds are over.

    httpx2 bounds each wait by itself: a reply, headers included, that comes a byte at a time could last for days.
    """

    def __init__(self, seconds: float) -> None:
        self.over = False
        self._connection: socket.socket | None = None
        self._lock = threading.Lock()
        self._timer = threading.Timer(seconds, self._cut)
        self._timer.daemon = True

    def __enter__(self) -> None:
        self._timer.start()

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()
        with self._lock:
            self._connection = None

    def trace(self, event: str, info: dict[str, Any]) -> None:
        """What httpcore2 calls as a request goes on; a connection is new with each, see `_client`."""
        if event.endswith(("connect_tcp.complete", "start_tls.complete")):
            with self._lock:
                self._connection = info["return_value"].get_extra_info("socket")
            self.check()

    def check(self) -> None:
        """Raises TimeoutError once the seconds are over."""
        if self.over:
            raise TimeoutError("cut off")

    def _cut(self) -> None:
        with self._lock:
            self.over = True
            if self._connection is not None:
                with suppress(OSError):  # the other side was quicker
                    # `close` would not wake who reads; SSLSocket's own shutdown would have him read what is encrypted
                    socket.socket.shutdown(self._connection, socket.SHUT_RDWR)
