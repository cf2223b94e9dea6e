"""`plan` beside measurement: memory at its peak and seconds of a step, from the mini model to the published 2B's shape.

    python -m benchmarks.plan [--shapes mini wide 300m] [--two-b FOLDER] [--out runs/plan]

Each shape trains by `onethinker sft` and `onethinker rl` on this machine's CPU, one thread, float32, two pictures of
256², seconds of the processor; the mean of the steps after the first. The 2B trains adapters with gradient
checkpointing, one step; the others train all weights without, in two passes an update. Memory is what no file holds,
above that of a process which has only imported everything, where glibc returns what is freed.

What `plan` is told of the machine is measured as well, and nothing is fitted to the steps: its rates on pieces of a
model (`benchmarks.plan_rates`), in the process that has just trained, since others use the machine too and what they
leave changes by the minute; and what a pass, a decoding step and a process take besides, by the same commands on a
model of 1 MB.
"""

from __future__ import annotations

import argparse
import gc
import json
import sys
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Any

import torch

from benchmarks.child import run
from benchmarks.plan_rates import Lengths, rates
from benchmarks.real_size import ANSWER, LORA, STEP, training, write_data
from onethinker.plan.estimate import GB, make_plan
from onethinker.plan.machine import GPU, Rate, Typical
from onethinker.recipes import load_recipe
from onethinker.recipes.base import override
from onethinker.util.files import replacing_folder

WHOLE = [
    "watch=[]", "parallel=ddp", "prompts=short", "sft.batch=2", "sft.gradient_checkpointing=false",
    "sft.freeze_vision=false", "sft.freeze_projector=false", "rl.gradient_checkpointing=false", "rl.reward=length",
    "rl.filter_groups=false", "rl.prompts=2", "rl.minibatch=2", "rl.group=4", f"rl.max_tokens={ANSWER}",
    "sft.max_tokens=512", "sft.micro_tokens=330", "rl.max_prompt_tokens=300", "rl.micro_tokens=330",
]  # fmt: skip
RETURNED = {"MALLOC_MMAP_THRESHOLD_": "65536"}
"""glibc returns what is freed. By default its heap keeps blocks of up to 32 MB and loses memory between them: what a
process holds then tells of the heap's history too, some 40 MB of the mini model's."""
STEPS = {"dot": 2, "mini": 4, "wide": 4, "300m": 2}
BASELINE = """
import sys, torch, transformers, peft, onethinker.train.rl, onethinker.train.sft, onethinker.data.doubts
from onethinker.engines.base import Request
from onethinker.engines.encode import Encoder
from onethinker.media import MediaBudget
from onethinker.models import mini
from onethinker.sample import load_samples
from onethinker.tasks import TASKS
load_samples(sys.argv[1] + "/samples.jsonl")
Encoder(mini.processor()).encode(Request("0", "<image>Where?", (sys.argv[1] + "/0.png",), MediaBudget()))
torch.ones(9, requires_grad=True).sum().backward()
"""
"""Everything that training needs but a model."""


ENTRY = """
import sys, time
time.perf_counter = time.process_time
from benchmarks.plan import train_then_measure
train_then_measure(*sys.argv[1:3], sys.argv[3:])
"""
"""In the child, with a clock that other programs do not move."""


def train_then_measure(folder: str, out: str, words: list[str]) -> None:
    """Carry out a command of `onethinker`, then write this machine's rates to `out`, beside an empty file that says
    from when on memory is no longer the command's."""
    from onethinker.cli.app import main as command

    torch.set_num_threads(1)
    sys.argv[1:] = words
    try:
        command()
    except SystemExit as ended:
        if ended.code:
            raise
    Path(out).with_suffix(".trained").touch()
    gc.collect()
    lengths = Lengths(**json.loads(Path(out).with_suffix(".lengths").read_text()))
    Path(out).write_text(json.dumps(rates(Path(folder), lengths)))


def measure(shape: str, folder: Path, out: Path) -> dict[str, dict[str, Any]]:
    """Stage → what the command logged in the mean, its memory and the machine's rates; run once, then read from
    `out`."""
    data, settings = write_data(out / "data"), settings_of(shape)
    env = {"OMP_NUM_THREADS": "1", "ONETHINKER_THREADS": "1", "HF_HUB_OFFLINE": "1", **RETURNED}
    found: dict[str, dict[str, Any]] = {}
    for verb in ("sft", "rl"):
        kept = out / f"{verb}.json"
        if not kept.exists():
            told, trained = out / f"{verb}.rates", out / f"{verb}.trained"
            trained.unlink(missing_ok=True)
            told.with_suffix(".lengths").write_text(json.dumps(asdict(lengths_of(shape, folder, verb))))
            words = [str(folder), str(told), *training(verb, folder, data, out, settings)]
            done = run([sys.executable, "-c", ENTRY, *words], limit=7200, env=env, until=trained)
            (out / f"{verb}.log").write_text(done.output)
            if done.problem:
                raise SystemExit(f"{shape} {verb}: {done.problem}; {out / f'{verb}.log'}")
            rows = [json.loads(line) for line in (out / verb / "metrics.jsonl").read_text().splitlines()]
            kept.write_text(json.dumps(mean_step(rows) | {"peak": done.anonymous, **json.loads(told.read_text())}))
        found[verb] = json.loads(kept.read_text())
    return found


def mean_step(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """The last row with the mean seconds of all but the first step, or of the only one."""
    later = rows[1:] or rows
    whole = rows[-1]["seconds"] - (rows[0]["seconds"] if len(rows) > 1 else 0.0)
    parts = {key: sum(row[key] for row in later) / len(later) for key in rows[0] if key.startswith("seconds/")}
    return rows[-1] | parts | {"seconds": whole / len(later)}


PICTURE = 65536
"""Pixels of a picture."""
WORDS = 26
"""Tokens of a question with what stands around it, and of a worked answer, about."""


def lengths_of(shape: str, folder: Path, verb: str) -> Lengths:
    """Of the work of `settings_of`, within a few tokens."""
    patches, visual = picture_of(folder)
    prompt = visual + WORDS
    whole, prompts = shape != "2b", 1 if shape == "2b" else 2
    answer = 4 * ANSWER if verb == "rl" else WORDS
    together = 1 if whole or verb == "rl" else 2  # samples of a pass
    return Lengths(
        tokens=together * (prompt + answer), answers=together * answer, patches=patches,
        rows=4 * prompts, adapters=0 if whole else 16,
    )  # fmt: skip


def settings_of(shape: str) -> list[str]:
    if shape == "2b":
        return [*LORA, *STEP]
    return [*WHOLE, f"sft.steps={STEPS[shape]}", f"rl.steps={STEPS[shape]}"]


def planned(
    shape: str, folder: Path, found: dict[str, dict[str, Any]], fixed: dict[str, dict[str, float]]
) -> dict[str, Any]:
    """The plan for the very work that was done: its pictures, its tokens, its passes. fixed: stage → keywords of
    `Rate`."""
    settings = [s for s in settings_of(shape) if not s.startswith("rl.reward")]  # a profile that only the run knows
    settings += [f"model.base={folder}", "model.dtype=float32"]
    settings += [f"media.image_pixels={PICTURE}", f"sft.budget.image_pixels={PICTURE}"]
    recipe = load_recipe("qwen3_vl_2b", settings)
    row, (_, visual) = found["sft"], picture_of(folder)
    answer = round(row["answer_tokens"] / recipe.sft.batch)
    prompt = round(row["tokens"] / recipe.sft.batch) - answer
    passes = 1 if shape == "2b" else 2
    bounds = {
        "sft": [f"sft.micro_tokens={round(row['tokens']) // passes}", f"sft.max_tokens={answer}"],
        "rl": [f"rl.micro_tokens={prompt + recipe.rl.group * ANSWER}", f"rl.max_prompt_tokens={prompt}"],
    }
    lengths, plans = {"sft": answer, "rl": ANSWER}, {}
    for verb, told in found.items():
        gpu = GPU("this machine", told["reached"]["language"] / 1e12, 24, told["memory"] / 1e9, 1.0)
        rate = Rate(
            gpu, utilisation=1.0, memory=1.0, local=told["local"], reached=told["reached"], training=told["training"],
            **fixed.get(verb, {}),
        )  # fmt: skip
        typical = Typical(text_tokens=prompt - visual - 2, answer_tokens=lengths[verb], images=1.0)
        plans[verb] = make_plan(override(recipe, bounds[verb]), 1, rate, typical)
    return plans


@cache
def picture_of(folder: Path) -> tuple[int, int]:
    """Patches and visual tokens of a picture, as the model cuts it."""
    vision = json.loads((folder / "config.json").read_text())["vision_config"]
    patches = PICTURE // vision["patch_size"] ** 2
    return patches, patches // vision["spatial_merge_size"] ** 2


def memory_of(plans: dict[str, Any]) -> dict[str, float]:
    """Planned bytes at the peak, by stage. A reference that is read from a float32 file stays the file's."""
    stages = {verb: plan.stages for verb, plan in plans.items()}
    most = {"sft": stages["sft"]["SFT"].peak} if "sft" in stages else {}
    if "rl" in stages:
        most["rl"] = max(s.peak - s.memory.get("reference", 0) for n, s in stages["rl"].items() if n.startswith("RL"))
    return most


def fixed_costs(folder: Path, out: Path, baseline: float) -> dict[str, dict[str, float]]:
    """What passes, decoding steps and a process take besides, by stage: of the least model what its plan leaves."""
    found = measure("dot", folder, out)
    plans, passes = planned("dot", folder, found, {}), 2
    memory, fixed = memory_of(plans), {}
    for verb, told in found.items():
        stages = {name: (told[key], plans[verb].stages[name].seconds) for name, key in STAGES[verb].items()}
        left = {name: max(0.0, took - plan) for name, (took, plan) in stages.items()}
        fixed[verb] = {
            "process": (told["peak"] - baseline) * GB - memory[verb],
            "each_pass": left["SFT" if verb == "sft" else "RL updates"] / passes,
        }
        if verb == "rl":
            fixed[verb]["each_step"] = left["RL rollouts"] / ANSWER
    return fixed


def rows(shape: str, folder: Path, out: Path, baseline: float, fixed: dict[str, dict[str, float]]) -> list[Row]:
    """(shape, what, planned, measured)."""
    found = measure(shape, folder, out)
    plans = planned(shape, folder, found, fixed)
    memory, table = memory_of(plans), []
    for verb, told in found.items():
        reached = ", ".join(f"{part} {flops / 1e9:.1f}" for part, flops in told["reached"].items())
        memories = ", ".join(f"{name} {told[name] / 1e9:.1f}" for name in ("training", "memory"))
        print(f"{shape} {verb}: GFLOP/s of {reached}; GB/s of {memories}; {told['local'] * 1e3:.2f} ms to start a "
              "layer", file=sys.stderr)  # fmt: skip
        for name, key in STAGES[verb].items():
            stage = plans[verb].stages[name]
            parts = ", ".join(f"{part} {seconds:.3g}" for part, seconds in stage.parts.items() if seconds)
            print(f"  {name}: {parts}", file=sys.stderr)
            table.append((shape, f"{name}, seconds a step", stage.seconds, told[key]))
        table.append((shape, f"{verb.upper()}, GB", memory[verb] / GB, told["peak"] - baseline))
    return table


Row = tuple[str, str, float, float]
STAGES = {
    "sft": {"SFT": "seconds"},
    "rl": {"RL rollouts": "seconds/rollout", "RL updates": "seconds/update"},
}


def made(shape: str, out: Path) -> Path:
    """The folder of a model of this shape."""
    folder = out / shape / "model"
    if not folder.exists():
        from benchmarks.shapes import build

        model, processor = build(shape)
        with replacing_folder(folder) as aside:
            model.save_pretrained(aside)
            processor.save_pretrained(aside)
    return folder


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shapes", nargs="*", choices=STEPS, default=[shape for shape in STEPS if shape != "dot"])
    parser.add_argument("--two-b", type=Path, help="a folder of the 2B's shape that benchmarks.shapes made")
    parser.add_argument("--out", type=Path, default=Path("runs/plan"))
    given = parser.parse_args()
    data = write_data(given.out / "data")
    baseline = run([sys.executable, "-c", BASELINE, str(data)], limit=1200).anonymous
    fixed = fixed_costs(made("dot", given.out), given.out / "dot", baseline)
    print(f"GB of a process that has imported everything: {baseline:.2f}; besides: {fixed}", file=sys.stderr)
    print("| shape | what | plan | measured | plan ÷ measured |\n|---|---|---:|---:|---:|")
    shapes = {shape: made(shape, given.out) for shape in given.shapes}
    for shape, folder in (shapes | ({"2b": given.two_b} if given.two_b else {})).items():
        for name, what, plan, measured in rows(shape, folder, given.out / shape, baseline, fixed):
            print(f"| {name} | {what} | {plan:.3g} | {measured:.3g} | {plan / measured:.2f} |", flush=True)


if __name__ == "__main__":
    main()
