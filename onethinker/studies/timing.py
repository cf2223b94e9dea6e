"""How long work took across restarts, and where it was done: commit, machine, seconds, memory."""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import resource
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from onethinker.train.parallel import gpus
from onethinker.util.files import write_whole
from onethinker.util.runs import JsonLines, stamp

T = TypeVar("T")


class StageTimer:
    """Runs the stages of a folder's work and logs every attempt in `stages.jsonl`: {stage, seconds, peak_mb, commit,
    machine, at}. An attempt that was killed counts up to the last file that it wrote."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.log, self.running = folder, JsonLines(folder / "stages.jsonl"), folder / "running.json"

    def __call__(self, stage: str, work: Callable[[], T]) -> T:
        """What `work` returns; it is expected to resume by itself where an earlier attempt stopped."""
        if self.running.exists():
            killed = json.loads(self.running.read_text(encoding="utf-8"))
            seconds = _last_written(self.folder) - killed.pop("began")
            self.log.append(killed | {"seconds": max(0.0, seconds), "at": stamp()})
        began = time.perf_counter()
        row = {"stage": stage, "peak_mb": 0.0} | provenance()
        write_whole(self.running, json.dumps(row | {"began": time.time()}))
        try:
            return work()
        finally:
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
            self.log.append(row | {"seconds": time.perf_counter() - began, "peak_mb": peak, "at": stamp()})
            self.running.unlink()

    def seconds(self) -> dict[str, float]:
        """By stage, all attempts together."""
        found: dict[str, float] = {}
        for row in self.log.rows():
            found[row["stage"]] = found.get(row["stage"], 0.0) + row["seconds"]
        return found


def _last_written(folder: Path) -> float:
    """When the folder's last file was written, in seconds of the epoch."""
    return max(f.stat().st_mtime for f in folder.rglob("*") if f.is_file() and not f.name.startswith("."))


def provenance() -> dict[str, str]:
    """Commit and machine of this process."""
    threads = os.environ.get("OMP_NUM_THREADS", "not set")
    system = (
        f"{platform.system()} {platform.machine()}, {_processor()}, {os.cpu_count()} cores, OMP_NUM_THREADS {threads}"
    )
    parts = [system, *filter(None, [gpus()]), f"torch {importlib.metadata.version('torch')}"]
    return {"commit": _commit(), "machine": ", ".join(parts)}


def _commit() -> str:
    """Of the checkout that this package is, with `+` where files differ from it; the version outside of one."""
    here = Path(__file__).parent

    def git(*words: str) -> str:
        done = subprocess.run(["git", "-C", str(here), *words], capture_output=True, text=True, check=False)
        return done.stdout.strip() if done.returncode == 0 else ""

    if not shutil.which("git") or not (head := git("rev-parse", "--short=12", "HEAD")):
        return f"version {importlib.metadata.version('onethinker')}"
    return head + ("+" if git("status", "--porcelain", "--untracked-files=no", "--", "..") else "")


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    names = info.read_text(encoding="utf-8").split("\n") if info.exists() else []
    found = (line.partition(":")[2].strip() for line in names if line.startswith("model name"))
    return next(found, platform.processor() or "unknown processor")
