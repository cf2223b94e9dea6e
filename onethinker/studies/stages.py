"""What the runs of several stages share: their clock, the measuring of a model, RL's two controls, the shortest run.

Every stage writes its own folder under the run's and resumes there, so an interrupted run goes on where it stopped.
"""

from __future__ import annotations

import json
import resource
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import numpy as np
from rich.console import Console

from onethinker.recipes import Recipe, override
from onethinker.sample import Samples
from onethinker.studies.bench import LEG, examine, last_written, provenance
from onethinker.train.rl import run_rl
from onethinker.train.sft import run_sft
from onethinker.util.files import write_whole
from onethinker.util.runs import JsonLines, stamp

T = TypeVar("T")

STILL, MORE = "control-lr0", "control-more-sft"
"""The folders of the controls."""

QUICK = ["sft.steps=4", "rl.steps=2", "rl.prompts=4", "rl.minibatch=4", "rl.group=4", "rl.refill_tries=0",
         "rl.max_tokens=48", "evaluate.max_tokens=48"]  # fmt: skip
"""A few steps of everything, to see that it runs."""

console = Console(stderr=True)


class Clock:
    """Runs the stages, says what goes on, and keeps their seconds; a resumed stage's seconds add up, and those of a
    process that was killed count to the last file that it wrote."""

    def __init__(self, out: Path) -> None:
        self.out, self.log = out, JsonLines(out / "stages.jsonl")

    def __call__(self, stage: str, work: Callable[[], T]) -> T:
        console.rule(f"[bold]{stage}", align="left")
        leg = self.out / LEG
        if leg.exists():
            killed = json.loads(leg.read_text(encoding="utf-8"))
            seconds = last_written(self.out) - killed.pop("began")
            self.log.append(killed | {"seconds": max(0.0, seconds), "at": stamp()})
        began = time.perf_counter()
        row = {"stage": stage, "peak_mb": 0.0} | provenance()
        write_whole(leg, json.dumps(row | {"began": time.time()}))
        try:
            return work()
        finally:
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
            self.log.append(row | {"seconds": time.perf_counter() - began, "peak_mb": peak, "at": stamp()})
            leg.unlink()

    def seconds(self) -> dict[str, float]:
        """By stage, all of this folder's runs together."""
        found: dict[str, float] = {}
        for row in self.log.rows():
            found[row["stage"]] = found.get(row["stage"], 0.0) + row["seconds"]
        return found

    def summary(self) -> None:
        """Print the seconds by stage and the peak of memory."""
        seconds = self.seconds()
        parts = " · ".join(f"{stage} {value:.0f} s" for stage, value in seconds.items())
        peak = max(row["peak_mb"] for row in self.log.rows())
        console.print(f"{parts} · in all {sum(seconds.values()) / 60:.1f} min, peak memory {peak:.0f} MB")


def measure(clock: Clock, recipe: Recipe, model: str, samples: Samples, out: Path, name: str) -> None:
    """The held-out questions in `out/eval/NAME`."""
    clock(f"eval/{name}", lambda: examine(out / "eval" / name, recipe, model, samples))


def controls(clock: Clock, recipe: Recipe, train: Samples, out: Path) -> tuple[Path, Path]:
    """What RL's gain must be told from: its own loop without learning, and its time spent on more SFT in another order,
    at the pace of the middle step of `out/sft`: what slowed that run costs the control no steps. recipe: of
    RL, which `out/rl` holds finished; `out/sft` its start. Their models."""
    still = override(recipe, ["rl.optimizer.lr=0"])
    unmoved = clock(STILL, lambda: run_rl(still, train, out / STILL))
    spent = JsonLines(out / "rl" / "metrics.jsonl").rows()[-1]["seconds"]
    began = [0.0, *(row["seconds"] for row in JsonLines(out / "sft" / "metrics.jsonl").rows())]
    steps = max(1, round(spent / np.median(np.diff(began))))
    more = override(recipe, [f"sft.steps={steps}", f"seed={recipe.seed + 1}"])
    return unmoved, clock(MORE, lambda: run_sft(more, train, out / MORE))
