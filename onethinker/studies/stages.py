"""What the demo and `make mini` share: timed stages, the evaluation of a model, RL's two controls, the shortest run.

Every stage writes its own folder under the run's and resumes there, so an interrupted run goes on where it stopped.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import numpy as np

from onethinker.recipes import Recipe, override
from onethinker.sample import Samples
from onethinker.studies.bench import evaluate_model
from onethinker.studies.cells import console
from onethinker.studies.timing import StageTimer
from onethinker.train.rl import run_rl
from onethinker.train.sft import run_sft
from onethinker.util.runs import JsonLines

T = TypeVar("T")

CONTROL_LR0, CONTROL_SFT = "control-lr0", "control-more-sft"
"""The folders of the controls."""

QUICK = ["sft.steps=4", "rl.steps=2", "rl.prompts=4", "rl.minibatch=4", "rl.group=4", "rl.refill_tries=0",
         "rl.max_tokens=48", "evaluate.max_tokens=48"]  # fmt: skip
"""A few steps of everything, to see that it runs."""


class Stages(StageTimer):
    """A run's stages, announced on the terminal."""

    def __call__(self, stage: str, work: Callable[[], T]) -> T:
        console.rule(f"[bold]{stage}", align="left")
        return super().__call__(stage, work)

    def summary(self) -> None:
        """Print the seconds by stage and the peak of memory."""
        seconds = self.seconds()
        parts = " · ".join(f"{stage} {value:.0f} s" for stage, value in seconds.items())
        peak = max(row["peak_mb"] for row in self.log.rows())
        console.print(f"{parts} · in all {sum(seconds.values()) / 60:.1f} min, peak memory {peak:.0f} MB")

    def evaluate(self, recipe: Recipe, model: str, samples: Samples, name: str) -> None:
        """The held-out questions in `eval/NAME` of the run's folder."""
        self(f"eval/{name}", lambda: evaluate_model(self.folder / "eval" / name, recipe, model, samples))


def controls(stages: Stages, recipe: Recipe, train: Samples) -> tuple[Path, Path]:
    """Train what RL's gain must be told from and return both models: its own loop with learning rate 0, and its time
    spent on more SFT in another order. Steps of SFT are counted at the pace of the middle step of `sft`, so that what
    slowed that run costs the control none.

    recipe: of the RL run that `rl` of the run's folder holds finished, and `sft` its start.
    """
    out = stages.folder
    lr0 = override(recipe, ["rl.optimizer.lr=0"])
    unmoved = stages(CONTROL_LR0, lambda: run_rl(lr0, train, out / CONTROL_LR0))
    spent = JsonLines(out / "rl" / "metrics.jsonl").rows()[-1]["seconds"]
    ends = [0.0, *(row["seconds"] for row in JsonLines(out / "sft" / "metrics.jsonl").rows())]
    steps = max(1, round(spent / np.median(np.diff(ends))))
    more = override(recipe, [f"sft.steps={steps}", f"seed={recipe.seed + 1}"])
    return unmoved, stages(CONTROL_SFT, lambda: run_sft(more, train, out / CONTROL_SFT))
