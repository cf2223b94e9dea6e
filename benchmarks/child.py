"""A command in a process of its own, and what it took: seconds, processor time, memory at its peak."""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Measured:
    """seconds: of the wall. cpu: seconds of all its threads. peak: GB resident at most. anonymous: the part of it that
    is no file's, seen a few times a second. output: both streams. problem: why there is no result, empty if none."""

    seconds: float
    cpu: float
    peak: float
    anonymous: float
    output: str
    problem: str = ""


def run(
    command: Sequence[str], *, limit: float, env: Mapping[str, str] | None = None, until: Path | None = None
) -> Measured:
    """Run a command, at most `limit` seconds, after which it and what it started are killed. Never raises for what it
    does. Linux alone tells the memory. until: a file; what no file holds is watched until it exists."""
    began, anonymous, late = time.perf_counter(), 0.0, False
    with tempfile.TemporaryFile() as out:
        child = subprocess.Popen(
            command, stdout=out, stderr=subprocess.STDOUT, env=os.environ | dict(env or {}), start_new_session=True
        )
        while True:
            pid, status, usage = os.wait4(child.pid, os.WNOHANG)
            if pid:
                break
            if until is None or not until.exists():
                anonymous = max(anonymous, _anonymous(child.pid))
            if time.perf_counter() - began > limit and not late:
                late = True
                os.killpg(child.pid, signal.SIGKILL)
            time.sleep(0.1)
        child.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        text = out.read().decode(errors="replace")
    problem = f"stopped after {limit:g} s" if late else ""
    if not late and child.returncode:
        last = [line for line in text.splitlines() if line.strip()][-1:] or ["no word"]
        problem = f"exit status {child.returncode}: {last[0].strip()[:300]}"
    seconds, cpu = time.perf_counter() - began, usage.ru_utime + usage.ru_stime
    return Measured(seconds, cpu, usage.ru_maxrss * 1024 / 1e9, anonymous, text, problem)


def _anonymous(pid: int) -> float:
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) * 1024 / 1e9 for line in lines if line.startswith("RssAnon")), 0.0)
