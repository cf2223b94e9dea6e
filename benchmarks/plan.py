"""`plan` beside measurement: memory at its peak and seconds of a step, from the mini model to the published 2B's shape.

    python -m benchmarks.plan [--shapes mini wide 300m] [--two-b FOLDER [--measured runs/real-size]] [--out runs/plan]

Each shape trains by `onethinker sft` and `onethinker rl` on this machine's CPU, one thread, float32, two pictures of
256², seconds of the processor; the last step counts. The 2B trains adapters with gradient checkpointing, one step; the
others train all weights without, in two passes an update. Memory is what no file holds, above that of a process which
has only imported everything.

What `plan` is told of the machine is measured here as well, in a process of its own for each shape: FLOP/s of one text
layer, forward and backward, on 256 tokens; bytes a second that a product of eight rows reads; seconds to start a layer
of a decoding step, of the mini model. Nothing is fitted to the steps themselves.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from benchmarks.child import run
from benchmarks.real_size import ANSWER, ENTRY, LORA, STEP, training, write_data
from onethinker.plan.estimate import GB, make_plan
from onethinker.plan.machine import GPU, Rate, Typical
from onethinker.recipes import load_recipe
from onethinker.recipes.base import override

WHOLE = [
    "watch=[]", "parallel=ddp", "prompts=short", "sft.batch=2", "sft.gradient_checkpointing=false",
    "sft.freeze_vision=false", "sft.freeze_projector=false", "rl.gradient_checkpointing=false", "rl.reward=length",
    "rl.filter_groups=false", "rl.prompts=2", "rl.minibatch=2", "rl.group=4", f"rl.max_tokens={ANSWER}",
    "sft.max_tokens=512", "sft.micro_tokens=330", "rl.max_prompt_tokens=300", "rl.micro_tokens=330",
]  # fmt: skip
STEPS = {"mini": 3, "wide": 3, "300m": 2}
TOKENS = 256
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


def best(work: Callable[[], Any], times: int) -> float:
    """Seconds of the processor, the least of a few after a first."""
    work()
    found = []
    for _ in range(times):
        began = time.process_time()
        work()
        found.append(time.process_time() - began)
    return min(found)


def calibrate(folder: Path, trains: bool) -> dict[str, float]:
    """FLOP/s of a text layer, bytes a second of memory, seconds to start a layer. trains: whether its weights learn."""
    from transformers import AutoConfig
    from transformers.models.qwen3_vl.modeling_qwen3_vl import Qwen3VLTextDecoderLayer, Qwen3VLTextRotaryEmbedding

    from onethinker.plan.counts import causal_pairs, language_flops

    config = AutoConfig.from_pretrained(folder).text_config
    config._attn_implementation = "sdpa"
    layer = Qwen3VLTextDecoderLayer(config, 0).requires_grad_(trains)
    angles = Qwen3VLTextRotaryEmbedding(config)

    def forward(tokens: int) -> torch.Tensor:
        hidden = torch.randn(1, tokens, config.hidden_size, requires_grad=True)
        places = torch.arange(tokens).expand(3, 1, -1)
        out = layer(hidden, position_embeddings=angles(hidden, places), attention_mask=None)
        return out[0] if isinstance(out, tuple) else out

    both = best(lambda: forward(TOKENS).sum().backward(), 6)
    whole = type("Whole", (), {"text_config": config})
    flops = language_flops(whole, TOKENS, causal_pairs(TOKENS)) / config.num_hidden_layers
    with torch.inference_mode():
        few, weight = (
            torch.randn(8, config.hidden_size),
            torch.randn((1 << 26) // config.hidden_size, config.hidden_size),
        )
        memory = weight.nbytes / best(lambda: torch.nn.functional.linear(few, weight), 4)
    return {"flops": flops * (3 if trains else 2) / both, "memory": memory, "start": start_of_a_layer()}


@torch.inference_mode()
def start_of_a_layer() -> float:
    """Seconds that a layer of one of our decoding steps takes where the arithmetic is next to none."""
    from onethinker.models import mini
    from onethinker.models.cache import GrowingCache
    from onethinker.models.compat import cache_argument
    from onethinker.models.decode import Decoder

    model, cache = mini.build(0)[0].eval(), GrowingCache()
    ids, steps, layers = torch.arange(300, 308)[None], 8, model.config.text_config.num_hidden_layers
    model.model(input_ids=ids, use_cache=True, **{cache_argument(model.model): cache})
    decoder = Decoder(model, cache, torch.ones_like(ids), torch.tensor([8]), 1)

    def decode() -> None:
        for _ in range(steps):
            decoder.step(torch.tensor([300]))

    return best(decode, 5) / (steps * layers)


def measure(shape: str, folder: Path, out: Path) -> dict[str, dict[str, float]]:
    """Stage → seconds and GB that the commands took; run once, then read from `out`."""
    data, settings = write_data(out / "data"), settings_of(shape)
    env = {"OMP_NUM_THREADS": "1", "ONETHINKER_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    found: dict[str, dict[str, float]] = {}
    for verb in ("sft", "rl"):
        kept = out / f"{verb}.json"
        if not kept.exists():
            done = run([sys.executable, "-c", ENTRY, *training(verb, folder, data, out, settings)], limit=7200, env=env)
            (out / f"{verb}.log").write_text(done.output)
            if done.problem:
                print(f"{shape} {verb}: {done.problem}", file=sys.stderr)
                continue
            row = json.loads((out / verb / "metrics.jsonl").read_text().splitlines()[-1])
            kept.write_text(json.dumps(row | {"peak": done.anonymous}))
        found[verb] = json.loads(kept.read_text())
    return found


def settings_of(shape: str) -> list[str]:
    if shape == "2b":
        return [*LORA, *STEP]
    return [*WHOLE, f"sft.steps={STEPS[shape]}", f"rl.steps={STEPS[shape]}"]


def planned(shape: str, folder: Path, found: dict[str, dict[str, float]], machine: dict[str, float]) -> Any:
    """The plan for the very work that was done: its pictures, its tokens, its passes."""
    gpu = GPU("this machine", machine["flops"] / 1e12, 24, machine["memory"] / 1e9, 1.0)
    rate = Rate(gpu, utilisation=1.0, memory=1.0, local=machine["start"])
    settings = [s for s in settings_of(shape) if not s.startswith("rl.reward")]  # a profile that only the run knows
    recipe = load_recipe("qwen3_vl_2b", [*settings, f"model.base={folder}", "model.dtype=float32",
                                         "media.image_pixels=65536", "sft.budget.image_pixels=65536"])  # fmt: skip
    row, pixels = found["sft"], 65536 // make_plan_patch(folder)
    answer = round(row["answer_tokens"] / recipe.sft.batch)
    prompt = round(row["tokens"] / recipe.sft.batch) - answer
    passes = 1 if shape == "2b" else 2
    bounds = {
        "sft": [f"sft.micro_tokens={round(row['tokens']) // passes}", f"sft.max_tokens={answer}"],
        "rl": [f"rl.micro_tokens={prompt + recipe.rl.group * ANSWER}", f"rl.max_prompt_tokens={prompt}"],
    }
    lengths = {"sft": answer, "rl": ANSWER}
    return {
        verb: make_plan(
            override(recipe, bounds[verb]), 1, rate,
            Typical(text_tokens=prompt - pixels - 2, answer_tokens=lengths[verb], images=1.0),
        )
        for verb in found
    }  # fmt: skip


def make_plan_patch(folder: Path) -> int:
    """Pixels of a visual token."""
    vision = json.loads((folder / "config.json").read_text())["vision_config"]
    return (vision["patch_size"] * vision["spatial_merge_size"]) ** 2


def rows(shape: str, folder: Path, out: Path, baseline: float) -> list[tuple[str, str, float, float]]:
    """(shape, what, planned, measured)."""
    found = measure(shape, folder, out)
    command = [sys.executable, "-m", "benchmarks.plan", "--calibrate", str(folder), "" if shape == "2b" else "trains"]
    done = run(command, limit=1200, env={"OMP_NUM_THREADS": "1"})
    if done.problem:
        raise SystemExit(f"{shape}: the machine could not be measured: {done.problem}")
    machine = json.loads(done.output.splitlines()[-1])
    print(f"{shape}: {machine['flops'] / 1e9:.0f} GFLOP/s, {machine['memory'] / 1e9:.1f} GB/s, "
          f"{machine['start'] * 1e3:.2f} ms to start a layer", file=sys.stderr)  # fmt: skip
    plans = planned(shape, folder, found, machine)
    table = []
    if "sft" in found:
        stage = plans["sft"].stages["SFT"]
        table.append((shape, "SFT, seconds a step", stage.seconds, last_step(out, "sft")))
        table.append((shape, "SFT, GB", stage.peak / GB, found["sft"]["peak"] - baseline))
    if "rl" in found:
        stages = plans["rl"].stages
        for name, key in (("RL rollouts", "seconds/rollout"), ("RL updates", "seconds/update")):
            table.append((shape, f"{name}, seconds a step", stages[name].seconds, found["rl"][key]))
        # A reference that is read from a float32 file stays the file's.
        most = max(
            stages[name].peak - stages[name].memory.get("reference", 0) for name in ("RL rollouts", "RL updates")
        )
        table.append((shape, "RL, GB", most / GB, found["rl"]["peak"] - baseline))
    return table


def last_step(out: Path, verb: str) -> float:
    """Seconds of the last step alone; the log adds them up."""
    seconds = [json.loads(line)["seconds"] for line in (out / verb / "metrics.jsonl").read_text().splitlines()]
    return seconds[-1] - (seconds[-2] if len(seconds) > 1 else 0.0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shapes", nargs="*", choices=STEPS, default=list(STEPS))
    parser.add_argument("--two-b", type=Path, help="a folder of the 2B's shape that benchmarks.shapes made")
    parser.add_argument("--measured", type=Path, help="where benchmarks.real_size has run the 2B already")
    parser.add_argument("--out", type=Path, default=Path("runs/plan"))
    parser.add_argument("--calibrate", nargs=2, help=argparse.SUPPRESS)
    given = parser.parse_args()
    torch.set_num_threads(1)
    if given.calibrate:
        print(json.dumps(calibrate(Path(given.calibrate[0]), bool(given.calibrate[1]))))
        return
    data = write_data(given.out / "data")
    baseline = run([sys.executable, "-c", BASELINE, str(data)], limit=600).anonymous
    print(f"memory of a process that has imported everything: {baseline:.2f} GB", file=sys.stderr)
    print("| shape | what | plan | measured | plan ÷ measured |\n|---|---|---:|---:|---:|")
    shapes = {shape: given.out / shape / "model" for shape in given.shapes} | (
        {"2b": given.two_b} if given.two_b else {}
    )
    for shape, folder in shapes.items():
        if not folder.exists():
            from benchmarks.shapes import build

            model, processor = build(shape)
            model.save_pretrained(folder)
            processor.save_pretrained(folder)
        out = given.measured if shape == "2b" and given.measured else given.out / shape
        for name, what, plan, measured in rows(shape, folder, out, baseline):
            print(f"| {name} | {what} | {plan:.3g} | {measured:.3g} | {plan / measured:.2f} |", flush=True)


if __name__ == "__main__":
    main()
