"""What stands before every path: who may ask, how much may be sent, how long it may take, and headers for browsers.

A pure ASGI layer, so that nothing of a body is read before the checks, and nothing is buffered.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import ipaddress
import sys
import traceback
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from onethinker.serve.limits import Limits
from onethinker.serve.metrics import Metrics
from onethinker.serve.problems import PROBLEM_JSON, Problem, busy, is_openai_path

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]

HEADERS = {
    "content-security-policy": "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cache-control": "no-store",
}
"""Of every reply that does not set its own."""
OPEN_PATHS = frozenset(("/healthz", "/readyz"))
"""Paths that need no token."""
NO_STATUS = 499
"""Counted where the client was gone before there was a status."""


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches a server that listens there."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


@dataclass
class Guard:
    """app: what it stands before. token: asked of every path but the open ones; empty where only this machine can
    reach the server, whose requests must then name it as such: a page on the web that resolves its own name to
    127.0.0.1 must not. host: where the server listens. open_below: beginnings of paths whose names are secrets."""

    app: App
    limits: Limits
    metrics: Metrics
    token: str = ""
    host: str = "127.0.0.1"
    open_paths: frozenset[str] = OPEN_PATHS
    open_below: tuple[str, ...] = ()
    under_way: int = 0
    open_bytes: int = 0
    retry_after: Callable[[], float] = field(default=lambda: 1.0)

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            return await self.app(scope, receive, send)
        if scope["type"] != "http":
            return  # no websockets here
        call = _Call(self, scope, receive, send)
        counted = scope["method"] == "POST" and scope["path"].startswith("/v1/")
        self.under_way += counted
        try:
            self._check(scope, counted)
            await self.app(scope, call.receive, call.send)
        except Problem as problem:
            await call.refuse(problem)
        except Exception:
            traceback.print_exc(file=sys.stderr)
            await call.refuse(Problem(500, "the server failed; its log says more, nothing of the request was kept"))
        finally:
            self.under_way -= counted
            self.open_bytes -= call.counted
            self._note(scope, call.status)

    def _check(self, scope: MutableMapping[str, Any], counted: bool) -> None:
        headers = {key: value.decode("latin-1") for key, value in scope["headers"]}
        self._check_place(headers)
        if self.token and not (scope["path"] in self.open_paths or scope["path"].startswith(self.open_below)):
            self._check_token(headers.get(b"authorization", ""))
        length = headers.get(b"content-length", "")
        if length.isdigit() and int(length) > self.limits.request_bytes:
            raise too_many_bytes(int(length), self.limits)
        if counted and self.under_way > self.limits.queue:
            raise busy(f"{self.limits.queue} requests are under way already; ask again later", self.retry_after())

    def _check_place(self, headers: dict[bytes, str]) -> None:
        host = headers.get(b"host", "")
        name = urlsplit(f"//{host}").hostname or ""
        if not self.token and not (is_loopback(name) or name == self.host):
            raise Problem(
                421,
                f"this server is asked as localhost, not as {host[:100]!r}; --token lets it be asked from elsewhere",
            )
        origin = headers.get(b"origin")
        if origin is not None and urlsplit(origin).netloc != host:
            raise Problem(403, f"a page of {origin[:100]!r} may not ask this server; open the server's own page")

    def _check_token(self, given: str) -> None:
        kind, _, word = given.partition(" ")
        # Digests are of one length, so that the time says nothing about the token's.
        same = hmac.compare_digest(_digest(word.strip()), _digest(self.token))
        if kind.lower() != "bearer" or not same:
            what = "with another one" if given else "without one"
            raise Problem(
                401, f"this server asks for a token and the request came {what}; send Authorization: Bearer TOKEN",
                headers={"WWW-Authenticate": 'Bearer realm="onethinker"'},
            )  # fmt: skip

    def _note(self, scope: MutableMapping[str, Any], status: int) -> None:
        route = scope.get("route")
        path = getattr(route, "path", None) or ("refused" if status >= 400 else "other")  # never a path as it came
        self.metrics.requests.labels(path, str(status or NO_STATUS)).inc()
        if status >= 400:
            self.metrics.errors.labels(str(status)).inc()


def too_many_bytes(size: int, limits: Limits) -> Problem:
    return Problem(
        413, f"a request of {size:,} bytes; at most {limits.request_bytes:,} are taken, send smaller or fewer media"
    )


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "replace")).digest()


class _Call:
    """One request's messages, counted and timed."""

    def __init__(self, guard: Guard, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        self.guard, self.scope, self._receive, self._send = guard, scope, receive, send
        self.counted, self.status, self.whole = 0, 0, False
        self.ends = asyncio.get_running_loop().time() + guard.limits.upload_seconds

    async def receive(self) -> Message:
        limits = self.guard.limits
        if self.whole:
            return await self._receive()  # nothing more can come but the client's leaving
        try:
            async with asyncio.timeout_at(self.ends):
                message = await self._receive()
        except TimeoutError:
            raise Problem(
                408, f"the request's body was not there after {limits.upload_seconds:g} s; send it at once"
            ) from None
        if message["type"] == "http.request":
            size = len(message.get("body", b""))
            self.counted += size
            self.guard.open_bytes += size
            self.whole = not message.get("more_body", False)
            if self.counted > limits.request_bytes:
                raise too_many_bytes(self.counted, limits)
            if self.guard.open_bytes > limits.open_bytes:
                raise busy("requests of too many bytes are under way; ask again later", self.guard.retry_after())
        return message

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            present = {key.lower() for key, _ in message["headers"]}
            message["headers"] = [
                *message["headers"],
                *((k.encode(), v.encode()) for k, v in HEADERS.items() if k.encode() not in present),
            ]
        try:
            async with asyncio.timeout(self.guard.limits.send_seconds):
                await self._send(message)
        except TimeoutError:
            raise OSError("the client does not read its reply") from None

    async def refuse(self, problem: Problem) -> None:
        """Answer with the problem, unless an answer has begun; what is still being sent is not read."""
        if self.status:
            return
        openai = is_openai_path(self.scope["path"])
        headers = {"content-type": "application/json" if openai else PROBLEM_JSON} | problem.headers
        if not self.whole:
            headers["connection"] = "close"
        raw = [(k.lower().encode(), v.encode()) for k, v in headers.items()]
        await self.send({"type": "http.response.start", "status": problem.status, "headers": raw})
        await self.send({"type": "http.response.body", "body": problem.body(openai)})
