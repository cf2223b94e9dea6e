"""How long from a frame to its answer, live, and what a stream that is cut for ten seconds costs.

    python -m benchmarks.watch                          # frames of 64×64 at 30 a second, the shipped mini weights
    python -m benchmarks.watch --rtsp /usr/bin/python3  # the same from gst-rtsp-server, killed for ten seconds

The interpreter of `--rtsp` is one that has GStreamer's bindings (Debian: python3-gi, gir1.2-gst-rtsp-server-1.0,
gstreamer1.0-plugins-base, -good, -bad and -ugly).
"""

from __future__ import annotations

import argparse
import socket
import subprocess
import threading
import time
from collections.abc import Generator
from typing import Any

import numpy as np

from onethinker.inference import load_model
from onethinker.inference.watch.events import line_of
from onethinker.inference.watch.sources import Source, source_of
from onethinker.inference.watch.watcher import Watcher, When
from onethinker.inference.watch.window import Window

RATE = 30
SERVER = """
import sys, gi
gi.require_version("Gst", "1.0"); gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtspServer
Gst.init(None)
server = GstRtspServer.RTSPServer(); server.set_address("127.0.0.1"); server.set_service(sys.argv[1])
factory = GstRtspServer.RTSPMediaFactory(); factory.set_shared(True)
factory.set_launch("( videotestsrc is-live=true pattern=ball ! video/x-raw,width=64,height=64,framerate=30/1 "
                   "! x264enc tune=zerolatency speed-preset=ultrafast key-int-max=30 ! rtph264pay name=pay0 )")
server.get_mount_points().add_factory("/ball", factory); server.attach(None)
GLib.MainLoop().run()
"""


def drawn(seconds: float) -> Generator[np.ndarray | None, None, None]:
    """A red square that moves on white, 64×64, at RATE frames a second."""
    began = time.monotonic()
    for n in range(round(seconds * RATE)):
        time.sleep(max(0.0, began + n / RATE - time.monotonic()))
        pixels = np.full((64, 64, 3), 255, np.uint8)
        pixels[20:36, n % 48 : n % 48 + 16] = (220, 30, 30)
        yield pixels


def watch(model: Any, source: Source, seconds: float, window: float, every: float) -> tuple[Watcher, list[dict]]:
    events: list[dict[str, Any]] = []

    def tell(event: dict[str, Any]) -> None:
        events.append(event)
        if event["event"] != "answer":
            print(line_of(event), flush=True)

    watcher = Watcher(model, ["Which shape is leftmost?"], Window(window, 2), When(every), tell)
    watcher.run(source, seconds)
    return watcher, events


def report(name: str, watcher: Watcher) -> None:
    made = watcher.summary()
    print(
        f"{name}: {made['answers']:.0f} answers, frame to answer p50 {made['p50']:.2f} s, p95 {made['p95']:.2f} s; "
        f"{made['seen']:.0f} frames seen, {made['skipped']:.0f} skipped",
        flush=True,
    )


def free_port() -> int:
    with socket.socket() as opened:
        opened.bind(("127.0.0.1", 0))
        return int(opened.getsockname()[1])


def cut(model: Any, python: str, seconds: float, gap: float) -> None:
    """Watch a real server that is killed in the middle and started again after `gap` seconds."""
    port = free_port()
    servers = [subprocess.Popen([python, "-c", SERVER, str(port)])]

    def interrupt() -> None:
        servers[-1].kill()
        servers[-1].wait()
        time.sleep(gap)
        servers.append(subprocess.Popen([python, "-c", SERVER, str(port)]))

    timer = threading.Timer(seconds / 2, interrupt)
    timer.start()
    try:
        watcher, events = watch(model, source_of(f"rtsp://127.0.0.1:{port}/ball"), seconds + gap, 0.0, 0.0)
    finally:
        timer.join()
        servers[-1].kill()
    report(f"RTSP, cut for {gap:g} s", watcher)
    kinds = [event["event"] for event in events]
    back = max((n for n, kind in enumerate(kinds) if kind == "back"), default=-1)
    print(f"answers after it came back: {kinds[back:].count('answer') if back >= 0 else 0}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="mini-rl")
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--rtsp", metavar="PYTHON", default="")
    parser.add_argument("--gap", type=float, default=10.0)
    asked = parser.parse_args()
    model = load_model(asked.model)
    model.ask(np.full((64, 64, 3), 255, np.uint8), "Which shape is leftmost?")  # the first one also loads
    if asked.rtsp:
        return cut(model, asked.rtsp, asked.seconds, asked.gap)
    for name, window in (("newest picture", 0.0), ("clip of the last 4 s", 4.0)):
        source = Source("drawn", lambda: drawn(asked.seconds), False)
        report(name, watch(model, source, asked.seconds, window, 0.0)[0])


if __name__ == "__main__":
    main()
