"""`mini-plus`: the shipped mini model taught the tasks that the release does not have, and what that costs the others.

A world with the old and the new tasks, SFT from `mini-sft` at a low rate, a short EMA-GRPO run on the new tasks alone,
and held-out questions of both before and after, on pictures and clips that `mini-sft` did not learn from. Resumable:
`python -m onethinker.studies.mini_plus`, again, goes on.
"""

from __future__ import annotations

import argparse
import json
import shutil
from pathlib import Path
from typing import Any

from onethinker.data.worlds import build_world, tasks_named
from onethinker.models.shipped import SEEN_BYTES, SEEN_FILE, WEIGHTS
from onethinker.recipes import load_recipe, override
from onethinker.sample import load_samples
from onethinker.studies.bench import how_made, only, unseen, without, write_record
from onethinker.studies.mini import SEED, data_of, evaluation_row, pictures, seen_of, ship_run
from onethinker.studies.pages.index import README, write_study_page
from onethinker.studies.stages import QUICK, Stages
from onethinker.tasks import get_task
from onethinker.train.card import CARD
from onethinker.train.rl import run_rl
from onethinker.train.sft import run_sft
from onethinker.util.runs import JsonLines

OUT = Path("runs/mini-plus")
NAME, BASE = "mini-plus", "mini-sft"
TRAIN, PUBLISHED, NEW = 24_000, 1_300, 1_200
"""Samples to train on; held-out questions of the published and of the new tasks, before those on seen pictures go."""
MIX = "published" + ",extra" * 4
"""A new task comes four times as often as an old one."""
LOW = ["sft.batch=32", "sft.steps=700", "sft.save_every=50", "sft.optimizer.schedule=linear",
       "sft.optimizer.warmup=0.05", "sft.optimizer.lr=1e-3", "sft.optimizer.matrix_lr=1.25e-3"]  # fmt: skip
SHORT = ["rl.steps=30", "rl.prompts=24", "rl.minibatch=24", "rl.save_every=5"]


def build_mini_plus(out: Path = OUT, *, quick: bool = False) -> Path:
    """Run or resume everything in `out` and return the page. quick: a few steps of each, to see that it runs."""
    few = QUICK if quick else []
    recipe = load_recipe("mini", ["evaluate.sampled=0", *few])
    stages = Stages(out)
    n, published, new = (200, 52, 30) if quick else (TRAIN, PUBLISHED, NEW)
    made = {
        "published": stages("published", lambda: build_world(out / "published", 130, SEED, test=published)),
        "new": stages("new", lambda: build_world(out / "new", 30, SEED, tasks=tasks_named("extra"), test=new)),
    }
    world = stages("world", lambda: build_world(out / "world", n, SEED + 1, tasks=tasks_named(MIX), test=25))
    held_out = {name: unseen(load_samples(folder / "test"), BASE) for name, folder in made.items()}
    train = without(load_samples(world / "train"), pictures(*held_out.values()))
    sft = stages("sft", lambda: run_sft(override(recipe, [f"model.base={BASE}", *LOW, *few]), train, out / "sft"))
    new_only = only(train, lambda s: not get_task(s.task).released)
    rl = stages("rl", lambda: run_rl(override(recipe, [f"model.base={sft}", *SHORT, *few]), new_only, out / "rl"))
    for model, name in ((BASE, "before"), (str(sft), "sft"), (str(rl), "rl")):
        for kind, samples in held_out.items():
            stages.evaluate(recipe, model, samples, f"{name}-{kind}")
    return write_study_page(write_record(out, record(out, stages)))


def record(out: Path, stages: Stages) -> dict[str, Any]:
    """What the page is made of: settings, every evaluation's numbers, and the reward of each step of RL."""
    summaries = sorted((out / "eval").glob("*/summary.json"))
    evaluations = {file.parent.name: json.loads(file.read_text(encoding="utf-8")) for file in summaries}
    sft = json.loads((out / "sft" / "config.json").read_text(encoding="utf-8"))["recipe"]["sft"]
    command = "python -m onethinker.studies.mini_plus"
    made = how_made("mini_plus", command, stages.log.rows(), stages.seconds()) | {
        "samples": sft["steps"] * sft["batch"],
        "sft": {key: sft[key] for key in ("steps", "batch", "optimizer")},
        "evaluations": {name: evaluation_row(summary) for name, summary in evaluations.items()},
    }
    if (rewards := JsonLines(out / "rl" / "metrics.jsonl")).path.exists():
        rl = json.loads((out / "rl" / "config.json").read_text(encoding="utf-8"))["recipe"]["rl"]
        made |= {"rollouts": rl["prompts"] * rl["group"], "rewards": [row["reward"] for row in rewards.rows()]}
    return made


def ship(out: Path, weights: Path = WEIGHTS) -> None:
    """Copy the weights after SFT of a finished `out` into the package, with the page as their card."""
    seen = [(weights / BASE / SEEN_FILE).read_bytes(), seen_of(out / "world")]
    both = {data[at : at + SEEN_BYTES] for data in seen for at in range(0, len(data), SEEN_BYTES)}
    ship_run(out / "sft", weights / NAME, BASE, data_of(out / "world"), b"".join(sorted(both)))
    shutil.copyfile(out / README, weights / NAME / CARD)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m onethinker.studies.mini_plus", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a few steps of each in runs/mini-plus-quick")
    parser.add_argument("--ship", action="store_true", help=f"then copy the weights of {OUT} into the package")
    told = parser.parse_args()
    if told.quick and told.ship:
        parser.error("--quick weights are not for shipping")
    print(build_mini_plus(Path("runs/mini-plus-quick") if told.quick else OUT, quick=told.quick))
    if told.ship:
        ship(OUT)
