"""A server of its own process with the mini model: answers, a client that leaves, slow clients, an orderly end."""

from __future__ import annotations

import json
import re
import signal
import socket
import subprocess
import sys
import time

import httpx2
import pytest

from onethinker.serve.records import RED

pytestmark = pytest.mark.slow


@pytest.fixture
def server():
    command = [sys.executable, "-m", "onethinker", "serve", "mini-rl", "--port", "0", "--limit", "header_seconds=1",
               "--limit", "max_tokens=4000"]  # fmt: skip
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            for line in process.stderr:
                if found := re.search(r"http://127\.0\.0\.1:\d+", line):
                    break
            else:
                pytest.fail("the server ended")
            with httpx2.Client(base_url=found[0], timeout=60) as http:
                while _status(http) != 200:
                    time.sleep(0.1)
                yield process, http
        finally:
            process.kill()


def _status(http):
    try:
        return http.get("/readyz").status_code
    except httpx2.HTTPError:
        return 0


LONG = {"question": "Which shape is red?", "task": "open_ended", "max_tokens": 4000, "temperature": 2.0, "stream": True}


def _gauge(http, name):
    return float(re.search(rf"^{name} (\S+)$", http.get("/metrics").text, re.MULTILINE)[1])


def test_a_server_of_its_own(server):
    process, http = server
    told = http.post("/v1/ground", json={"question": "the red circle", "media": [RED]}).json()
    assert told["result"]["task"] == "spatial_grounding" and told["usage"]["completion_tokens"] > 0
    assert http.get("/readyz").json()["batching"] == "continuous"

    with http.stream("POST", "/v1/ask", json=LONG) as reply:  # a client that leaves
        next(reply.iter_lines())
    for _ in range(100):
        if _gauge(http, "onethinker_clients_left_total") == 1:
            break
        time.sleep(0.1)
    else:
        pytest.fail("its place was never freed")

    with socket.create_connection((http.base_url.host, http.base_url.port)) as slow:  # headers that never end
        slow.sendall(b"GET / HTTP/1.1\r\nX-")
        slow.settimeout(20)
        assert slow.recv(100) == b""

    with http.stream("POST", "/v1/ask", json=LONG | {"max_tokens": 100}) as reply:  # an answer under way is finished
        lines = reply.iter_lines()
        next(lines)
        process.send_signal(signal.SIGTERM)
        time.sleep(0.5)
        with pytest.raises(httpx2.HTTPError):
            httpx2.get(str(http.base_url) + "/readyz")
        last = [line for line in lines if line.startswith("data: ")][-1]
    assert json.loads(last.removeprefix("data: "))["usage"]["completion_tokens"] <= 100
    assert process.wait(30) == 0
