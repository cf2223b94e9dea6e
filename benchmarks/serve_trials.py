"""What a server does with what it should refuse or outlive: hostile media, slow clients, crowds, foreign names.

    python -m benchmarks.serve_trials [--schemathesis VENV/bin/st] [--requests 2000] [--write docs/serve.md]

The server is a process of its own behind a real socket; its engine answers by a script, so that what is tried is all
before and behind the model. `ok` is whether status and bound are the right ones. Memory is the resident set of the
server's process, its decoders left out (they end and begin anew).
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import httpx2

from benchmarks.generated import filled
from benchmarks.serve import served
from onethinker.serve.records import RED
from tests.serve import hostile

MARKS = ("<!-- trials -->", "<!-- /trials -->")
PORT = 8877
BASE = f"http://127.0.0.1:{PORT}"
LIMITS = {"header_seconds": 2, "upload_seconds": 4, "queue": 100, "decode_seconds": 20, "pixels": 50_000_000}
Trial = tuple[str, str, bool]


def hostile_media() -> Iterator[Trial]:
    """Each medium's status and seconds; after all of them a picture is answered."""
    for name, content, right in hostile.media():
        began = time.perf_counter()
        reply = httpx2.post(f"{BASE}/v1/ask", data={"question": "q"}, files={"media": ("x.png", content)}, timeout=90)
        told = f"{reply.status_code} in {time.perf_counter() - began:.1f} s ({len(content):,} bytes)"
        yield name, told, reply.status_code in right
    yield "then a picture", str(_ask().status_code), _ask().status_code == 200


def _ask(**headers: str) -> httpx2.Response:
    return httpx2.post(f"{BASE}/v1/ask", json={"question": "q", "media": [RED]}, headers=headers, timeout=60)


def foreign() -> Iterator[Trial]:
    """What a request may not name, and by which names it may not ask."""
    named = ("/etc/passwd", "../../etc/passwd", "file:///etc/passwd", "http://127.0.0.1:22/", "http://169.254.169.254/",
             "http://2130706433/", "ftp://example.org/a", "gopher://127.0.0.1:11211/")  # fmt: skip
    statuses = [httpx2.post(f"{BASE}/v1/ask", json={"question": "q", "media": [one]}).status_code for one in named]
    yield f"{len(named)} paths and addresses that are not allowed", _counted(statuses), set(statuses) == {403}
    status = _ask(Host="rebound.example").status_code
    yield "asked by another name (DNS rebinding)", str(status), status == 421
    status = _ask(Origin="https://evil.example").status_code
    yield "asked by a page of another origin", str(status), status == 403


def _counted(statuses: list[int]) -> str:
    return ", ".join(f"{count} × {status}" for status, count in sorted(Counter(statuses).items()))


def slow_headers(count: int = 200) -> Iterator[Trial]:
    """Connections that send a byte of a header now and then, beside one that asks."""
    began, sockets = time.perf_counter(), [socket.create_connection(("127.0.0.1", PORT)) for _ in range(count)]
    for one in sockets:
        one.sendall(b"POST /v1/ask HTTP/1.1\r\nHost: 127.0.0.1\r\nX-")
    waits = [_timed_health() for _ in range(20)]
    closed = 0
    for one in sockets:
        one.settimeout(LIMITS["header_seconds"] * 5)
        try:
            closed += one.recv(1000) == b""
        except ConnectionError:
            closed += 1
        except TimeoutError:
            pass
        one.close()
    told = (
        f"{closed} closed after {time.perf_counter() - began:.1f} s; meanwhile /healthz took {max(waits):.2f} s at most"
    )
    yield f"{count} clients that never end their headers (slowloris)", told, closed == count


def _timed_health() -> float:
    began = time.perf_counter()
    assert httpx2.get(f"{BASE}/healthz", timeout=30).status_code == 200
    return time.perf_counter() - began


def slow_bodies(count: int = 50) -> Iterator[Trial]:
    """Requests whose body never comes; so many under way that further ones are refused."""
    head = b"POST /v1/ask HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{"
    sockets = [socket.create_connection(("127.0.0.1", PORT)) for _ in range(count)]
    for one in sockets:
        one.sendall(head)
    status = _ask().status_code
    yield f"a picture beside {count} requests whose body does not come", str(status), status == 200
    more = [socket.create_connection(("127.0.0.1", PORT)) for _ in range(LIMITS["queue"] - count)]
    for one in more:
        one.sendall(head)
    time.sleep(0.5)
    reply = _ask()
    told = f"{reply.status_code}, Retry-After {reply.headers.get('retry-after')}"
    yield f"one more than the queue of {LIMITS['queue']}", told, reply.status_code == 429
    statuses = [int(_read(one).split(b" ")[1]) for one in sockets + more]
    yield "those whose body did not come", _counted(statuses), set(statuses) == {408}
    yield "then a picture", str(_ask().status_code), _ask().status_code == 200


def _read(one: socket.socket) -> bytes:
    one.settimeout(30)
    with one:
        return one.recv(4000)


def crowd(clients: int = 64) -> Iterator[Trial]:
    """Many at once, each with a picture, some hostile."""
    bad = [content for name, content, _ in hostile.media() if "cut" in name or "SVG" in name]

    async def run() -> list[int]:
        async with httpx2.AsyncClient(timeout=120, limits=httpx2.Limits(max_connections=clients)) as http:

            async def one(number: int) -> int:
                if number % 4 == 3:
                    files = {"media": bad[number % len(bad)]}
                    return (await http.post(f"{BASE}/v1/ask", data={"question": "q"}, files=files)).status_code
                return (await http.post(f"{BASE}/v1/ask", json={"question": "q", "media": [RED]})).status_code

            return await asyncio.gather(*(one(number) for number in range(clients)))

    statuses = asyncio.run(run())
    right = statuses.count(200) == clients - clients // 4 and set(statuses) <= {200, 415, 422}
    yield f"{clients} clients at once, every fourth with a broken picture", _counted(statuses), right


def memory(process: int, requests: int) -> Iterator[Trial]:
    """The server's resident memory over many requests, each with a picture, a twentieth of them broken."""
    sizes = []
    with httpx2.Client(timeout=60) as http:
        for number in range(requests):
            media = "data:image/png;base64,aGVsbG8=" if number % 20 == 19 else RED
            http.post(f"{BASE}/v1/ask", json={"question": "q", "media": [media]})
            if number % 100 == 99:
                sizes.append(_resident(process))
    first, last = sizes[len(sizes) // 10], sizes[-1]
    told = f"{first:.0f} MB after {(len(sizes) // 10 + 1) * 100:,}, {last:.0f} MB at the end"
    yield f"{requests:,} requests", told, last < 1.1 * first


def _resident(process: int) -> float:
    return int(re.findall(r"VmRSS:\s+(\d+)", Path(f"/proc/{process}/status").read_text())[0]) / 1024


def schemathesis(program: str) -> Iterator[Trial]:
    """Requests made from the OpenAPI. Left out: that whatever fits the schema is accepted; no schema says which base64
    is a picture."""
    command = [program, "run", f"{BASE}/openapi.json", "--max-time", "60", "--checks", "all", "--exclude-checks",
               "positive_data_acceptance", "--continue-on-failure", "--no-color"]  # fmt: skip
    told = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    cases = re.findall(r"(\d+) generated.*", told)
    last = told.strip().splitlines()[-1].strip("= ")
    if "failure" in last:
        print(told, file=sys.stderr)
    yield "schemathesis", f"{', '.join(cases)} cases generated: {last}", "failure" not in last and bool(cases)


def trials(args: argparse.Namespace) -> Iterator[Trial]:
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "answers"
        script.write_text(json.dumps({"ask": "<think>so</think><answer>A</answer>"}))
        bounds = [word for key, value in LIMITS.items() for word in ("--limit", f"{key}={value}")]
        command = [
            sys.executable,
            "-m",
            "onethinker",
            "serve",
            str(script),
            "--engine",
            "scripted",
            "--port",
            str(PORT),
        ]
        with served([*command, *bounds], f"{BASE}/readyz", Path(folder) / "log") as process:
            yield from foreign()
            yield from crowd()
            yield from slow_headers()
            yield from slow_bodies()
            if args.schemathesis:
                yield from schemathesis(args.schemathesis)
            yield from memory(process.pid, args.requests)
            yield from hostile_media()
            process.terminate()
            status = process.wait(90)
            yield "SIGTERM at the end of it all", f"status {status}", status == 0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--schemathesis", help="the program `st` of an environment that has it")
    parser.add_argument("--requests", type=int, default=2000)
    parser.add_argument("--write", type=Path, help="the page whose table is made anew")
    args = parser.parse_args()
    lines = ["| trial | what came of it | ok |", "|---|---|---|"]
    print("\n".join(lines))
    for name, told, right in trials(args):
        lines.append(f"| {name} | {told} | {'yes' if right else '**no**'} |")
        print(lines[-1], flush=True)
    if args.write:
        page = args.write.read_text(encoding="utf-8")
        args.write.write_text(filled(page, MARKS, "\n".join(lines)), encoding="utf-8")


if __name__ == "__main__":
    main()
