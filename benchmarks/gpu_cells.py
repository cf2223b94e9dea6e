"""A study's cells many at a time on one card, for a bounded time; the same command goes on where it stopped.

    python -m benchmarks.gpu_cells --out DIR [--study biased] [--seeds 20] [--processes 12] [--minutes 8]

One process of the mini model leaves a GPU idle most of the time, waiting for Python. So this starts the study's own
command several times in one folder, whose processes share its cells, one thread each, and asks all to stop when the
time is over: each saves the step that it is in. Then it says how many cells and steps there are, and which command
makes the page of the seeds that every arm has; it is not called here, since an arm that no process has begun would then
train beyond the time. `bench biased --known DIR/study.json` takes these seeds over elsewhere.
"""

from __future__ import annotations

import argparse
import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

from onethinker.studies.cells import is_finished
from onethinker.util.progress import bar
from onethinker.util.runs import JsonLines

STOPPING = 60.0
"""Seconds that a process has to save its step before it is killed."""


def command(given: argparse.Namespace, seeds: int) -> list[str]:
    study = [sys.executable, "-m", "onethinker", "bench", given.study, "--out", str(given.out), "--seeds", str(seeds)]
    return [*study, "--quick"] if given.quick else study


def run_processes(given: argparse.Namespace) -> None:
    """The study in several processes until the time is over or all have ended by themselves. Their output goes to
    `DIR/process-K.log`."""
    ends, running = time.monotonic() + 60 * given.minutes, []
    for number in range(given.processes):
        with (given.out / f"process-{number}.log").open("ab") as log:
            environment = os.environ | {"OMP_NUM_THREADS": "1"}
            running.append(subprocess.Popen(command(given, given.seeds), stdout=log, stderr=log, env=environment))
    with bar("seconds", round(60 * given.minutes)) as advance:
        while time.monotonic() < ends and any(process.poll() is None for process in running):
            time.sleep(1)
            advance()
    for process in running:
        process.send_signal(signal.SIGTERM)
    for process in running:
        try:
            process.wait(STOPPING)
        except subprocess.TimeoutExpired:
            process.kill()


def whole_seeds(cells: Path) -> int:
    """How many first seeds every arm has that was begun."""
    begun = {str(folder.parent.relative_to(cells)) for folder in cells.rglob("seed-*")}
    seed = 0
    while begun and all(is_finished(cells.parent, f"{arm}/seed-{seed}") for arm in begun):
        seed += 1
    return seed


def steps(cells: Path) -> int:
    """RL steps made so far in all cells."""
    return sum(rows[-1]["step"] for file in cells.rglob("seed-*/rl/metrics.jsonl") if (rows := JsonLines(file).rows()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--study", default="biased", choices=("algorithms", "biased", "tools", "transfer"))
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--processes", type=int, default=12)
    parser.add_argument("--minutes", type=float, default=8.0)
    parser.add_argument("--quick", action="store_true", help="the study's quick form, to see that this runs")
    given = parser.parse_args()
    cells = given.out / "cells"
    given.out.mkdir(parents=True, exist_ok=True)
    before, began = steps(cells), time.monotonic()
    run_processes(given)
    seconds, made = time.monotonic() - began, steps(cells) - before
    finished = sum(is_finished(given.out, str(f.relative_to(cells))) for f in cells.rglob("seed-*"))
    whole = whole_seeds(cells)
    print(f"{given.processes} processes, {seconds:.0f} s: {made} RL steps, {made / seconds:.2f} a second")
    print(f"{finished} cells finished, {whole} whole seeds of {given.seeds}")
    if whole:
        print(f"the page: {shlex.join(command(given, whole))}")
    else:
        print(f"no whole seed yet: the same command goes on; {given.out}/process-*.log say what each did")


if __name__ == "__main__":
    main()
