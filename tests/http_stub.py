"""A local HTTP server whose replies a test writes."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Reply = tuple[int, Any] | tuple[int, Any, Mapping[str, str]]
"""Status, then bytes as they are or anything else as JSON, then headers."""


class HttpStub:
    """Sends what `answer` returns. most: of the requests being answered at one time. host: "127.0.0.1:port"."""

    def __init__(self) -> None:
        self.now = self.most = 0
        self._lock = threading.Lock()
        stub = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self._answer(None)

            def do_POST(self) -> None:
                self._answer(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

            def _answer(self, body: Any) -> None:
                with stub._lock:
                    stub.now += 1
                    stub.most = max(stub.most, stub.now)
                status, said, *headers = stub.answer(self.path, body, self.headers["Authorization"])
                with stub._lock:
                    stub.now -= 1
                data = said if isinstance(said, bytes) else json.dumps(said).encode()
                try:
                    self.send_response(status)
                    for name, value in dict(*headers).items():
                        self.send_header(name, value)
                    self.send_header("Content-Length", str(len(data)))
                    self.end_headers()
                    self.wfile.write(data)
                except OSError:
                    pass  # the asker has given up

            def log_message(self, *_: Any) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.http.serve_forever, args=(0.02,), daemon=True).start()
        self.host = f"127.0.0.1:{self.http.server_port}"

    def answer(self, path: str, body: Any, key: str | None) -> Reply:
        """The reply to a request; body is None for GET, key what the asker sent as `Authorization`."""
        raise NotImplementedError

    def close(self) -> None:
        self.http.shutdown()
        self.http.server_close()
