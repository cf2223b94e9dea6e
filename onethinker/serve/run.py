"""Serve an application until SIGTERM: new requests are refused, those under way are answered, then it ends."""

from __future__ import annotations

import asyncio
import socket
from contextlib import suppress
from typing import Any

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from onethinker.serve.guard import Guard

DRAIN_SECONDS = 60
"""For the answers under way, after SIGTERM."""


def serve(app: Guard, listening: socket.socket) -> None:
    """Answer on a bound socket until a signal says to end; returns once all is answered."""
    config = uvicorn.Config(
        app, http=_timed(app), ws="none", lifespan="on", log_level="warning", access_log=False,
        server_header=False, proxy_headers=False, limit_concurrency=app.limits.connections,
        timeout_keep_alive=10, timeout_graceful_shutdown=DRAIN_SECONDS, h11_max_incomplete_event_size=32 << 10,
    )  # fmt: skip
    with suppress(KeyboardInterrupt):  # uvicorn raises the signal again once it has drained
        _Server(config, app).run([listening])


class _Server(uvicorn.Server):
    """Says that it drains as soon as a signal asks it to end."""

    def __init__(self, config: uvicorn.Config, app: Guard) -> None:
        super().__init__(config)
        self._service = app.app.state.service  # type: ignore[attr-defined]

    def handle_exit(self, sig: int, frame: Any) -> None:
        self._service.draining = True
        super().handle_exit(sig, frame)


def _timed(app: Guard) -> type[H11Protocol]:
    """uvicorn's protocol, which waits for ever for a request's headers, with an end to that."""
    seconds = app.limits.header_seconds

    class Timed(H11Protocol):
        _timer: asyncio.TimerHandle | None = None

        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            self._start_timer()

        def _start_timer(self) -> None:
            self._stop_timer()
            self._timer = self.loop.call_later(seconds, self._no_headers)

        def _stop_timer(self) -> None:
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None

        def handle_events(self) -> None:
            before = self.cycle
            super().handle_events()
            if self.cycle is not before:
                self._stop_timer()

        def on_response_complete(self) -> None:
            super().on_response_complete()
            if self.cycle is None or self.cycle.response_complete:
                self._start_timer()

        def connection_lost(self, exc: Exception | None) -> None:
            self._stop_timer()
            super().connection_lost(exc)

        def _no_headers(self) -> None:
            self.transport.close()

    return Timed
