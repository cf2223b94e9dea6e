"""Steps of SFT and RL a second, with tools and without, on questions that need them.

    python -m benchmarks.tools [--steps 4] [--prompts 12] [--group 6] [--batch 12]

`mini-sft` on a world that needs tools, at the budgets of the study (`studies.tools`): with tools little is seen and one
call an answer is made, its response then passing the model too; without, as many visual tokens stand in the prompt. In
RL every answer with tools is made to call what its teacher calls, since this model knows no tools; answers have at most
48 tokens a turn. Seconds are of processor time of this process, the median over the steps after the first.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any
from unittest.mock import patch

from onethinker.data.worlds import build_needs
from onethinker.engines.base import Completion, Engine, Request, Sampling
from onethinker.recipes import Recipe, override, trained_with
from onethinker.sample import Samples, load_samples
from onethinker.studies.tools import ARMS, KINDS, arm_settings
from onethinker.train import rl, rollout_engine, sft


class Calling:
    """`engine`, whose every answer ends its first turn in the teacher's call."""

    def __init__(self, engine: Engine, calls: dict[str, str]) -> None:
        self.engine, self.calls = engine, calls
        self.identity, self.capabilities = engine.identity, engine.capabilities

    def answer(self, requests: Sequence[Request], sampling: Sampling) -> Iterator[tuple[int, list[Completion]]]:
        for index, made in self.engine.answer(requests, sampling):
            request = requests[index]
            if not request.turns:
                made = [replace(c, text=c.text + self.calls[request.id], finish="stop") for c in made]
            yield index, made


def timed(kind: Any, run: Callable[[], Any]) -> float:
    """Processor seconds of a step, from one update to the next."""
    ends, update = list[float](), kind.update

    def noting(*args: Any) -> Any:
        made = update(*args)
        ends.append(time.process_time())
        return made

    with patch.object(kind, "update", noting):
        run()
    return median(b - a for a, b in pairwise(ends))


def measured(arm: str, recipe: Recipe, samples: Samples, out: Path) -> tuple[float, float]:
    """Seconds of a step of SFT and of RL."""
    calls, make = {s.id: s.meta["turns"][0] for s in samples}, rl.make_rollout_engine

    def made(*args: Any, **kwargs: Any) -> rollout_engine.RolloutEngine:
        found = make(*args, **kwargs)
        return rollout_engine.RolloutEngine(Calling(found.engine, calls), found.ready, found.exact)

    learned = timed(sft, lambda: sft.run_sft(recipe, samples, out / "sft"))
    with patch.object(rl, "make_rollout_engine", made if arm == "tools" else make):
        return learned, timed(rl, lambda: rl.run_rl(recipe, samples, out / "rl"))


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.tools", description=__doc__)
    for name, default in (("steps", 4), ("prompts", 12), ("group", 6), ("batch", 12)):
        parser.add_argument(f"--{name}", type=int, default=default)
    told = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder)
        needs = build_needs(out / "needs", 2 * told.prompts, 0, teacher_error=0.0, validation=1, test=1)
        samples = load_samples(needs / "train")
        for arm in ARMS:
            recipe = override(
                trained_with("mini-sft"),  # type: ignore[arg-type]
                [*arm_settings(arm, out, KINDS), "model.base=mini-sft", f"sft.steps={told.steps}",
                 f"sft.batch={told.batch}", f"rl.steps={told.steps}", f"rl.prompts={told.prompts}",
                 f"rl.minibatch={told.prompts}",
                 f"rl.group={told.group}", "rl.max_tokens=48", "rl.filter_groups=false", "watch=[]"],
            )  # fmt: skip
            learned, trained = measured(arm, recipe, samples, out / arm)
            print(f"{arm}: SFT {1 / learned:.3f} steps/s ({learned:.2f} s)", end=", ")
            print(f"RL {1 / trained:.3f} steps/s ({trained:.2f} s)", flush=True)


if __name__ == "__main__":
    main()
