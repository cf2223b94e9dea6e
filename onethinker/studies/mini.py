"""`make mini`: the weights that come with the package, made from nothing, and the record that their card is made of.

A world, SFT at a constant rate, SFT as the rate falls to nothing, EMA-GRPO, RL's two controls, and every question of
the held-out world. Resumable: `python -m onethinker.studies.mini`, again, goes on where it stopped.
"""

from __future__ import annotations

import argparse
import json
import shutil
from pathlib import Path
from typing import Any

from onethinker.data.worlds import build_world, leaks
from onethinker.models.shipped import DATA_FILE, RECIPE_FILE, SEEN_BYTES, SEEN_FILE, WEIGHTS
from onethinker.recipes import Recipe, load_recipe, override
from onethinker.recipes.base import DataConfig, ModelConfig
from onethinker.report.curves import thin
from onethinker.report.page import write_report
from onethinker.report.read import read_run
from onethinker.sample import Samples, load_samples
from onethinker.scoring.compare import compare
from onethinker.studies.bench import engine_of, how_made, write_record
from onethinker.studies.pages.index import write_study_page
from onethinker.studies.stages import CONTROL_LR0, CONTROL_SFT, QUICK, Stages, controls
from onethinker.tasks import list_tasks
from onethinker.train.card import CARD
from onethinker.train.rl import run_rl
from onethinker.train.sft import run_sft
from onethinker.util.files import write_whole
from onethinker.util.runs import JsonLines

OUT = Path("runs/mini")
TRAIN, TEST, SEED = 104_000, 6_500, 0
HELD = ["sft.steps=5600", "sft.optimizer.warmup=0.00125", "sft.save_every=200"]
FALLING = ["seed=1", "sft.batch=32", "sft.steps=2000", "sft.optimizer.schedule=linear", "sft.optimizer.warmup=0.02",
        "sft.save_every=100"]  # fmt: skip
SHARES = {"multiple_choice": 1.0, "numerical": 0.75, "math": 0.25, "open_ended": 0.25, "ocr": 0.25}
REST = 0.15
"""Of each task the share of its samples that are learned as the rate falls: what needs steps of thought is learned last
and comes oftener, the others keep what they have."""

LONGER = ["rl.steps=150"]
"""RL goes on longer than the demo's."""

CONTROL_RATE = [
    "sft.batch=32",
    "sft.optimizer.schedule=linear",
    "sft.optimizer.lr=1e-3",
    "sft.optimizer.matrix_lr=1.25e-3",
]
"""The control goes on from a quarter of the rate and lets it fall again: a high rate would undo what the fall did."""

MODELS = {"mini-sft": ("sft", "mini"), "mini-rl": ("rl", "mini-sft")}
"""Shipped name → the run whose last checkpoint it is, and the model that this run started from."""

FILES = ("config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json", "generation_config.json",
         "processor_config.json", "chat_template.jinja", CARD)  # fmt: skip


def build_mini(out: Path = OUT, *, quick: bool = False) -> Path:
    """Run or resume everything in `out` and return the page. quick: a few steps of each, to see that it runs.

    Nothing is shipped by this: `ship`, or `--ship`, copies the weights into the package.
    """
    few = QUICK if quick else []
    recipe = load_recipe("mini", ["evaluate.sampled=1", *few])
    stages = Stages(out)
    n, test = (130, 26) if quick else (TRAIN, TEST)
    world = stages("world", lambda: build_world(out / "world", n, SEED, test=test))
    train, held_out = load_samples(world / "train"), load_samples(world / "test")
    hold = stages("hold", lambda: run_sft(override(recipe, [*HELD, *few]), train, out / "hold"))
    falling = override(recipe, [f"model.base={hold}", *FALLING, *few])
    sft = stages("sft", lambda: run_sft(falling, thinned(train), out / "sft"))
    after = override(recipe, [f"model.base={sft}", *LONGER, *few])
    rl = stages("rl", lambda: run_rl(after, train, out / "rl"))
    lr0, more = controls(stages, override(after, CONTROL_RATE), train)
    for model, name in ((sft, "sft"), (rl, "rl"), (more, CONTROL_SFT)):
        stages.evaluate(recipe, str(model), held_out, name)
    if engine_of(recipe, str(lr0)).identity != engine_of(recipe, str(sft)).identity:
        stages.evaluate(recipe, str(lr0), held_out, CONTROL_LR0)
    stages("report", lambda: write_report(out))
    return write_study_page(write_record(out, record(out, stages)))


def thinned(samples: Samples) -> Samples:
    """The first of every task's samples, as many as its share."""
    left = {task: round(SHARES.get(task, REST) * len(samples.of_task(task))) for task in list_tasks()}
    kept = []
    for sample in samples:
        left[sample.task] -= 1
        if left[sample.task] >= 0:
            kept.append(sample)
    return Samples(tuple(kept), samples.root)


def ship(out: Path, weights: Path = WEIGHTS) -> None:
    """Copy the weights of a finished `out` into the package under their names, without the paths they were made at, and
    with what their data were."""
    data, seen = data_of(out / "world"), seen_of(out / "world")
    for name, (run, base) in MODELS.items():
        ship_run(out / run, weights / name, base, data, seen)


def ship_run(run: Path, folder: Path, base: str, data: dict[str, Any], seen: bytes) -> None:
    """Copy a run's last checkpoint into the folder of a shipped model. base: the name of what the run started from."""
    checkpoint = sorted((run / "checkpoints").glob("step-*"))[-1]
    folder.mkdir(parents=True, exist_ok=True)
    for file in FILES:
        shutil.copyfile(checkpoint / file, folder / file)
    recipe = Recipe.model_validate_json((checkpoint / RECIPE_FILE).read_text(encoding="utf-8"))
    told = recipe.model_copy(update={"model": ModelConfig(base=base), "data": DataConfig()})
    write_whole(folder / RECIPE_FILE, told.model_dump_json(indent=1))
    write_whole(folder / DATA_FILE, json.dumps(data, indent=1))
    (folder / SEEN_FILE).write_bytes(seen)


def data_of(world: Path) -> dict[str, Any]:
    """What `DATA_FILE` says of a world that was trained on."""
    train = load_samples(world / "train")
    made = json.loads((world / "world.json").read_text(encoding="utf-8"))
    named = {key: made[key] for key in ("seed", "difficulty", "teacher_error", "digest")}
    return {"world": named, "samples": len(train), "leaks": len(leaks(train))}


def seen_of(world: Path) -> bytes:
    """What `SEEN_FILE` says of a world that was trained on."""
    return b"".join(sorted(bytes.fromhex(name)[:SEEN_BYTES] for name in pictures(load_samples(world / "train"))))


def pictures(*samples: Samples) -> set[str]:
    """The names of all pictures and clips, without suffixes."""
    return {Path(media).stem for some in samples for sample in some for media in sample.media}


def record(out: Path, stages: Stages) -> dict[str, Any]:
    """What `study.json` holds: how the weights came to be, their curves, every answer's measure, RL against its
    controls."""
    seconds = stages.seconds()
    runs = {
        run: JsonLines(out / run / "metrics.jsonl").rows() for run in ("hold", "sft", "rl", CONTROL_LR0, CONTROL_SFT)
    }
    evaluations = {e.name: e.summary for e in read_run(out).evaluations}
    return how_made("mini", "make mini", stages.log.rows(), seconds) | {
        "stages": seconds,
        "world": json.loads((out / "world" / "world.json").read_text(encoding="utf-8")),
        "runs": {run: _run(out / run, rows) for run, rows in runs.items()},
        "evaluations": {name: evaluation_row(summary) for name, summary in evaluations.items()},
        "compared": {
            f"{b} - {a}": _compared(out / "eval" / a, out / "eval" / b)
            for a, b in (("sft", "rl"), (CONTROL_SFT, "rl"), ("sft", CONTROL_SFT), ("sft", CONTROL_LR0))
            if {a, b} <= evaluations.keys()
        },
        "lr0_moved": CONTROL_LR0 in evaluations,
    }


def _run(folder: Path, rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Settings and curves of a training run."""
    recipe = json.loads((folder / "config.json").read_text(encoding="utf-8"))["recipe"]
    stage = rows[-1]["stage"]
    config, value = recipe[stage], {"sft": "loss", "rl": "reward"}[stage]
    steps, values = thin([row["step"] for row in rows], [row[value] for row in rows], most=100)
    return {
        "stage": stage,
        "steps": len(rows),
        "batch": config["batch"] if stage == "sft" else config["prompts"],
        "group": config.get("group"),
        "optimizer": config["optimizer"],
        "seconds": rows[-1]["seconds"],
        "curve": {"of": value, "steps": steps, "values": values},
    }


def evaluation_row(summary: dict[str, Any]) -> dict[str, Any]:
    """What a record keeps of an evaluation's summary."""
    keep = ("n", "headline", "metrics", "sampled")
    return {
        "n": summary["n"],
        "mean": summary["mean"],
        "tasks": {task: {key: summary["tasks"][task][key] for key in keep} for task in summary["tasks"]},
    }


def _compared(a: Path, b: Path) -> dict[str, Any]:
    """The paired differences b − a in the mean over tasks: greedy, and the sampled reward."""
    found = compare(a, b)
    return {"headline": found["mean"], "reward": found["sampled"]["difference"]}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m onethinker.studies.mini", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a few steps of each in runs/mini-quick, to see it run")
    parser.add_argument("--ship", action="store_true", help=f"then copy the weights of {OUT} into the package")
    told = parser.parse_args()
    if told.quick and told.ship:
        parser.error("--quick weights are not for shipping")
    print(build_mini(Path("runs/mini-quick") if told.quick else OUT, quick=told.quick))
    if told.ship:
        ship(OUT)
