"""Where events go: lines on the terminal, JSON lines, and server-sent events over HTTP on this machine alone."""

from __future__ import annotations

import json
import queue
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from typing import Any, ClassVar

from PIL import Image

from onethinker.inference.watch.window import Window
from onethinker.util.terminal import printable

KEPT = 200
"""Events that who comes later is told first."""
_BEHIND = 1000
"""Events that wait for a listener who is slow; he then misses the oldest."""
_BEAT = 15.0
"""Seconds after which a line without meaning tells whether a listener is still there."""


class Events:
    """Hands each event to all that listen, from any thread."""

    def __init__(self) -> None:
        self._past = deque[str](maxlen=KEPT)
        self._listeners = set[queue.Queue[str]]()
        self._lock = threading.Lock()

    def tell(self, event: dict[str, Any]) -> None:
        line = json.dumps(event, ensure_ascii=True)
        with self._lock:
            self._past.append(line)
            for waiting in self._listeners:
                if waiting.full():
                    waiting.get_nowait()
                waiting.put_nowait(line)

    @contextmanager
    def listen(self) -> Iterator[queue.Queue[str]]:
        """A queue of the events as JSON, the last KEPT of the past first."""
        waiting = queue.Queue[str](_BEHIND)
        with self._lock:
            for line in self._past:
                waiting.put_nowait(line)
            self._listeners.add(waiting)
        try:
            yield waiting
        finally:
            with self._lock:
                self._listeners.discard(waiting)


def line_of(event: dict[str, Any]) -> str:
    """An event as one line for people."""
    at, kind = event["at"][11:19], event["event"]
    if kind == "answer":
        result = event["result"]
        words = " ".join(result["answer"].split()) or f"({result['status']})"
        note = "" if result["status"] == "ok" else f" ({result['status']})"
        return printable(f"{at}  {event['question']}  {words}{note}  [{event['latency']:.2f} s]")
    if kind == "back":
        return f"{at}  back after {event['after']:.1f} s"
    about = f"{event['question']}  " if "question" in event else ""
    return printable(f"{at}  {about}{kind}: {event['why']}")


@contextmanager
def serve_events(events: Events, window: Window, port: int) -> Iterator[str]:
    """Serve on 127.0.0.1 while the block runs; yields the address. `/events` are server-sent events, `/picture.jpg` is
    the newest frame. port 0 takes a free one. Raises OSError for one that is taken."""
    ended = threading.Event()

    routes = {"/events": lambda asked: _send_events(asked, events, ended), "/picture.jpg": _picture_of(window)}
    server = ThreadingHTTPServer(("127.0.0.1", port), type("Handler", (_Handler,), {"routes": routes}))
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, args=(0.1,), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        ended.set()
        server.shutdown()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    routes: ClassVar[dict[str, Callable[[Any], None]]]
    timeout = 30

    def do_GET(self) -> None:
        # A page elsewhere whose name was made to lead here would ask with that name.
        host = (self.headers.get("Host") or "").rpartition(":")[0]
        if host not in ("127.0.0.1", "localhost"):
            self.send_error(403, "asked under another name than 127.0.0.1")
        elif route := self.routes.get(self.path.partition("?")[0]):
            with suppress(ConnectionError, TimeoutError):  # the listener has left
                route(self)
        else:
            self.send_error(404, "expected /events or /picture.jpg")

    def log_message(self, *_: Any) -> None:
        pass


def _send_events(handler: BaseHTTPRequestHandler, events: Events, ended: threading.Event) -> None:
    handler.send_response(200)
    handler.send_header("Content-Type", "text/event-stream")
    handler.send_header("Cache-Control", "no-store")
    handler.end_headers()
    waited = 0.0
    with events.listen() as waiting:
        while not ended.is_set():
            try:
                handler.wfile.write(f"data: {waiting.get(timeout=0.25)}\n\n".encode())
                waited = 0.0
            except queue.Empty:
                waited += 0.25
                if waited >= _BEAT:
                    handler.wfile.write(b": still here\n\n")
                    waited = 0.0
            handler.wfile.flush()


def _picture_of(window: Window) -> Callable[[BaseHTTPRequestHandler], None]:
    def send(handler: BaseHTTPRequestHandler) -> None:
        newest = window.newest
        if newest is None:
            return handler.send_error(503, "no picture yet; ask again")
        made = BytesIO()
        Image.fromarray(newest.pixels).save(made, "JPEG", quality=85)
        handler.send_response(200)
        for name, value in (("Content-Type", "image/jpeg"), ("Cache-Control", "no-store"),
                            ("Content-Length", str(made.tell()))):  # fmt: skip
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(made.getvalue())

    return send
