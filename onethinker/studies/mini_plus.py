"""`mini-plus`: the shipped mini model taught the tasks that the release does not have, and what that costs the others.

A world with the old and the new tasks, SFT from `mini-sft` at a low rate, a short EMA-GRPO run on the new tasks alone,
and held-out questions of both before and after, on pictures and clips that `mini-sft` did not learn from. Resumable:
`python -m onethinker.studies.mini_plus`, again, goes on.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

from onethinker.data.worlds import build_world, tasks_named
from onethinker.models.shipped import SEEN_BYTES, seen_pictures
from onethinker.recipes import load_recipe, override
from onethinker.sample import Samples, load_samples
from onethinker.studies.mini import SEED
from onethinker.studies.stages import QUICK, Stages
from onethinker.tasks import get_task
from onethinker.train.rl import run_rl
from onethinker.train.sft import run_sft

OUT = Path("runs/mini-plus")
BASE = "mini-sft"
TRAIN, PUBLISHED, NEW = 4_000, 1_300, 1_200
"""Samples to train on; held-out questions of the published and of the new tasks, before those on seen pictures go."""
MIX = "published" + ",extra" * 4
"""A new task comes four times as often as an old one."""
LOW = ["sft.batch=12", "sft.steps=130", "sft.save_every=20", "sft.freeze_vision=true", "sft.optimizer.schedule=linear",
       "sft.optimizer.warmup=0.05", "sft.optimizer.lr=1e-3", "sft.optimizer.matrix_lr=1.25e-3"]  # fmt: skip
SHORT = ["rl.steps=20", "rl.prompts=8", "rl.minibatch=8", "rl.save_every=5", "rl.freeze_vision=true"]


def build_mini_plus(out: Path = OUT, *, quick: bool = False) -> Path:
    """Run or resume everything in `out` and return it. quick: a few steps of each, to see that it runs."""
    few = QUICK if quick else []
    recipe = load_recipe("mini", ["evaluate.sampled=0", *few])
    stages = Stages(out)
    n, published, new = (200, 52, 30) if quick else (TRAIN, PUBLISHED, NEW)
    made = {
        "published": stages("published", lambda: build_world(out / "published", 130, SEED, test=published)),
        "new": stages("new", lambda: build_world(out / "new", 30, SEED, tasks=tasks_named("extra"), test=new)),
    }
    world = stages("world", lambda: build_world(out / "world", n, SEED + 1, tasks=tasks_named(MIX), test=25))
    held_out = {name: unseen(load_samples(folder / "test")) for name, folder in made.items()}
    train = without(load_samples(world / "train"), pictures(*held_out.values()))
    sft = stages("sft", lambda: run_sft(override(recipe, [f"model.base={BASE}", *LOW, *few]), train, out / "sft"))
    for model, name in ((str(sft), "sft"), (BASE, "before")):
        for kind, samples in held_out.items():
            stages.evaluate(recipe, model, samples, f"{name}-{kind}")
    new_only = replace(train, items=tuple(s for s in train if not get_task(s.task).released))
    rl = stages("rl", lambda: run_rl(override(recipe, [f"model.base={sft}", *SHORT, *few]), new_only, out / "rl"))
    for kind, samples in held_out.items():
        stages.evaluate(recipe, str(rl), samples, f"rl-{kind}")
    return out


def pictures(*samples: Samples) -> set[str]:
    """The names of all pictures and clips, without suffixes: the same picture has the same name in every world."""
    return {Path(media).stem for some in samples for sample in some for media in sample.media}


def without(samples: Samples, shown: set[str]) -> Samples:
    """Those that show none of these pictures and clips."""
    return replace(samples, items=tuple(s for s in samples if not shown & {Path(media).stem for media in s.media}))


def unseen(samples: Samples) -> Samples:
    """Those whose pictures and clips the model to go on from did not learn from."""
    seen = seen_pictures(BASE)
    return without(samples, {name for name in pictures(samples) if name[: 2 * SEEN_BYTES] in seen})


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m onethinker.studies.mini_plus", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a few steps of each in runs/mini-plus-quick")
    told = parser.parse_args()
    print(build_mini_plus(Path("runs/mini-plus-quick") if told.quick else OUT, quick=told.quick))
