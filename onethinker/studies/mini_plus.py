"""`mini-plus`: the shipped mini model taught the tasks that the release does not have, and what that costs the others.

A world with the old and the new tasks, SFT from `mini-sft` at a low rate, a short EMA-GRPO run on the new tasks alone,
and the held-out questions before and after: of the published tasks the first of those that the shipped models' card
answers, of the new ones the new world's. Resumable: `python -m onethinker.studies.mini_plus`, again, goes on.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

from onethinker.data.worlds import build_world, tasks_named
from onethinker.recipes import load_recipe, override
from onethinker.sample import Samples, load_samples
from onethinker.studies.mini import SEED
from onethinker.studies.stages import QUICK, Stages
from onethinker.tasks import get_task
from onethinker.train.rl import run_rl
from onethinker.train.sft import run_sft

OUT = Path("runs/mini-plus")
BASE = "mini-sft"
TRAIN, TEST, PUBLISHED = 12_000, 6_000, 6_500
ASKED = 1_300
"""Of the published held-out questions, a hundred a task."""
MIX = "published" + ",extra" * 4
"""A new task comes four times as often as an old one."""
LOW = ["sft.batch=32", "sft.steps=350", "sft.save_every=25", "sft.optimizer.schedule=linear",
       "sft.optimizer.warmup=0.05", "sft.optimizer.lr=1e-3", "sft.optimizer.matrix_lr=1.25e-3"]  # fmt: skip
SHORT = ["rl.steps=30", "rl.prompts=24", "rl.minibatch=24", "rl.save_every=5"]


def build_mini_plus(out: Path = OUT, *, quick: bool = False) -> Path:
    """Run or resume everything in `out` and return it. quick: a few steps of each, to see that it runs."""
    few = QUICK if quick else []
    recipe = load_recipe("mini", ["evaluate.sampled=1", *few])
    stages = Stages(out)
    n, test, published, asked = (200, 100, 26, 13) if quick else (TRAIN, TEST, PUBLISHED, ASKED)
    old = stages("published", lambda: build_world(out / "published", 130, SEED, test=published))
    world = stages("world", lambda: build_world(out / "world", n, SEED, tasks=tasks_named(MIX), test=test))
    old_test = _first(load_samples(old / "test"), asked)
    train, new_test = load_samples(world / "train"), _new(load_samples(world / "test"))
    train = without(train, load_samples(old / "test"))
    sft = stages("sft", lambda: run_sft(override(recipe, [f"model.base={BASE}", *LOW, *few]), train, out / "sft"))
    rl = stages("rl", lambda: run_rl(override(recipe, [f"model.base={sft}", *SHORT, *few]), _new(train), out / "rl"))
    for model, name in ((BASE, "before"), (str(sft), "sft"), (str(rl), "rl")):
        stages.evaluate(recipe, model, old_test, f"{name}-published")
        stages.evaluate(recipe, model, new_test, f"{name}-new")
    return out


def without(train: Samples, held_out: Samples) -> Samples:
    """The samples that show none of the pictures and clips of other ones."""
    shown = {Path(media).name for sample in held_out for media in sample.media}
    return replace(train, items=tuple(s for s in train if not shown & {Path(media).name for media in s.media}))


def _first(samples: Samples, count: int) -> Samples:
    return replace(samples, items=samples.items[:count])


def _new(samples: Samples) -> Samples:
    return replace(samples, items=tuple(s for s in samples if not get_task(s.task).released))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m onethinker.studies.mini_plus", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a few steps of each in runs/mini-plus-quick")
    told = parser.parse_args()
    print(build_mini_plus(Path("runs/mini-plus-quick") if told.quick else OUT, quick=told.quick))
