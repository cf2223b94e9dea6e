"""Watching a real RTSP server whose stream is cut for ten seconds."""

from __future__ import annotations

import shutil
import socket
import subprocess
import threading
import time
from typing import Any

import pytest

from benchmarks.watch import SERVER, free_port
from onethinker.inference.watch.sources import source_of
from onethinker.inference.watch.watcher import Watcher, When
from onethinker.inference.watch.window import Window

pytestmark = pytest.mark.slow
GAP = 10.0
_NEEDS = "import gi; gi.require_version('GstRtspServer', '1.0')"


@pytest.fixture
def python() -> str:
    """An interpreter with GStreamer's RTSP server, most likely the system's own."""
    for name in ("/usr/bin/python3", shutil.which("python3")):
        if name and not subprocess.run([name, "-c", _NEEDS], capture_output=True, check=False).returncode:
            return name
    pytest.skip("no python3 with GStreamer's bindings (Debian: python3-gi, gir1.2-gst-rtsp-server-1.0)")


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_a_stream_that_is_cut_comes_back(model_saying: Any, python: str) -> None:
    """It is lost once, told as such, found again, and asked about with frames of after the gap alone."""
    port, events = free_port(), list[dict[str, Any]]()
    command = [python, "-c", SERVER, str(port)]
    servers = [subprocess.Popen(command)]
    _wait(lambda: _listens(port))  # else the watch begins with a loss
    watcher = Watcher(model_saying("<answer>yes</answer>"), ["Is it?"], Window(2, 4), When(0.5), events.append)
    source = source_of(f"rtsp://user:secret@127.0.0.1:{port}/ball")
    assert "secret" not in source.name
    watching = threading.Thread(target=watcher.run, args=(source, 180.0))
    watching.start()
    try:
        _wait(lambda: _count(events, "answer") >= 2)
        servers[-1].kill()
        servers[-1].wait()
        cut = time.monotonic()
        _wait(lambda: _count(events, "lost") == 1)
        lost = time.monotonic()
        time.sleep(max(0.0, cut + GAP - time.monotonic()))
        away = time.monotonic() - lost  # of the gap, what was left when the loss was noticed
        servers.append(subprocess.Popen(command))
        _wait(lambda: _count(events, "back") == 1)
        answered = _count(events, "answer")
        _wait(lambda: _count(events, "answer") >= answered + 2)
    finally:
        watcher.end()
        watching.join(20)
        servers[-1].kill()
        servers[-1].wait()
    back = next(event for event in events if event["event"] == "back")
    assert back["after"] >= away
    after = events[events.index(back) + 1 :]
    first = next(event for event in after if event["event"] == "answer")
    length = first["result"]["media"][0]["duration"]
    assert length < GAP, "no clip spans the gap"


def _count(events: list[dict[str, Any]], name: str) -> int:
    return sum(event["event"] == name for event in events)


def _wait(is_so: Any, seconds: float = 90.0) -> None:
    end = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.05)
