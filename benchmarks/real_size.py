"""The published 2B's shape with random weights and the real vocabulary, through the commands that users run.

    python -m benchmarks.shapes 2b FOLDER --ranks dashscope-….whl
    python -m benchmarks.real_size FOLDER [--parts tokens ask sft rl vllm] [--vllm-python PYTHON] [--threads 1]

`tokens` counts every task's prompt and answer in Qwen's tokens, and what media and long answers take. `ask`, `sft` and
`rl` are one question, one step of SFT and one of RL with adapters, in float32 on the CPU, each a command of its own;
`vllm` is the same question in vLLM's environment. Printed: wall and processor seconds and memory at its peak, with
and without the pages of the weights' file, which the system can take back. What a command tells of its parts is in
processor seconds, which on one thread are the wall seconds of a machine that nobody else uses.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.child import Measured, run
from onethinker.media import MediaBudget, write_clip, write_image
from onethinker.recipes import SHIPPED
from onethinker.sample import Sample
from onethinker.tasks import TASKS
from onethinker.tasks.prompts import load_prompts

SIDE, ANSWER = 256, 8
"""Pixels of the pictures' sides; tokens of the answers."""
RECIPE = SHIPPED["qwen3_vl_2b"]
SMALL = ["--device", "cpu", "--dtype", "float32"]


# ---- tokens -----------------------------------------------------------------------------------------------------


def token_rows(folder: Path) -> Iterator[tuple[str, str, int]]:
    """(what, of which, tokens) for every task's prompt and answer, for media and for long answers."""
    from transformers import AutoProcessor

    from onethinker.engines.encode import Encoder

    encoder = Encoder(AutoProcessor.from_pretrained(folder))
    prompts = load_prompts("full")
    for name, task in TASKS.items():
        sample = Sample(name, name, "text", "What is it?", task.example_truth, task.example_options)
        yield "prompt's words", name, len(encoder.encode_text(task.prompt(sample, prompts)))
        if best := task.best(sample):
            yield "answer with its tags", name, len(encoder.encode_text(f"<think></think><answer>{best}</answer>")) + 1
    for name, text in long_answers():
        yield "long answer", name, len(encoder.encode_text(text))
    yield from media_rows(encoder)


def long_answers() -> Iterator[tuple[str, str]]:
    """What fills a budget of tokens: boxes by the second, and thinking."""
    box = "[{}, 204, 305, 411]"
    for count in (8, 32):
        boxes = ", ".join(f'"{i + 1}": {box.format(100 + i)}' for i in range(count))
        yield f"tracking, {count} boxes", f'{{"boxes": {{{boxes}}}}}'
    for count in (10, 60, 128):
        boxes = ", ".join(f'"{i + 9}": {box.format(100 + i)}' for i in range(count))
        yield f"spatial-temporal, {count} s", f'{{"time": [9.2, {9 + count}.4], "boxes": {{{boxes}}}}}'
    words = (Path(__file__).parents[1] / "README.md").read_text().split()
    yield "1,000 words of English (our README)", " ".join(words[:1000])


def media_rows(encoder: Any) -> Iterator[tuple[str, str, int]]:
    """Pictures and clips that fill the recipe's budgets in SFT, RL and evaluation."""
    from onethinker.engines.base import Request

    budgets = {"SFT": RECIPE.sft.budget or RECIPE.media, "RL": RECIPE.media, "evaluation": RECIPE.evaluate.budget}
    alone = len(encoder.encode(Request("none", "?", (), MediaBudget())))
    draw = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as place:
        picture = write_image(Path(place) / "a.png", draw.integers(0, 256, (1200, 1600, 3), dtype=np.uint8))
        for stage, budget in budgets.items():
            request = Request(stage, "?", (picture,), budget)
            yield "picture of 1600 × 1200", stage, len(encoder.encode(request)) - alone
        for seconds in (8, 64):
            frames = np.full((2 * seconds, 360, 640, 3), 90, np.uint8)
            clip = write_clip(Path(place) / f"{seconds}.mp4", frames, 2.0)
            for stage, budget in budgets.items():
                request = Request(f"{stage}{seconds}", "?", (clip,), budget)
                yield f"clip of {seconds} s, 640 × 360", stage, len(encoder.encode(request)) - alone


# ---- commands ---------------------------------------------------------------------------------------------------


ENTRY = "import time; time.perf_counter = time.process_time; from onethinker.cli.app import main; main()"
"""The command line with a clock that other programs do not move."""


LORA = ["lora.rank=16", "watch=[]", "parallel=ddp", "prompts=short"]
STEP = [
    "sft.steps=1", "sft.batch=2", "sft.micro_tokens=512", "sft.max_tokens=512", "rl.reward=length", "rl.steps=1",
    "rl.filter_groups=false", "rl.prompts=1", "rl.minibatch=1", "rl.group=4", f"rl.max_tokens={ANSWER}",
    "rl.micro_tokens=256", "rl.max_prompt_tokens=128",
]  # fmt: skip
"""A step of SFT, and one of RL."""


def training(verb: str, model: Path, data: Path, out: Path, settings: Sequence[str]) -> list[str]:
    """Arguments of `onethinker` for a few steps of training on the data of `write_data`."""
    plugin = ["--plugin", str(data / "length.py")]
    base = [verb, "qwen3_vl_2b", "--model", str(model), "--data", str(data / "samples.jsonl"), *SMALL]
    return [*base, *plugin, *sets(*settings), "--out", str(out / verb)]


def sets(*assignments: str) -> list[str]:
    return [word for assignment in assignments for word in ("--set", assignment)]


def write_data(folder: Path) -> Path:
    """Two samples of one picture each, with worked answers, and a reward of our own that random words can earn."""
    draw, rows = np.random.default_rng(0), []
    folder.mkdir(parents=True, exist_ok=True)
    for i in range(2):
        write_image(folder / f"{i}.png", draw.integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8))
        rows.append({
            "id": f"{i}", "task": "spatial_grounding", "modality": "image", "question": f"Where is disc {i}?",
            "media": [f"{i}.png"], "truth": '{"boxes": [100, 200, 300, 400]}',
            "meta": {"response": '<think>There it is.</think><answer>{"boxes": [100, 200, 300, 400]}</answer>'},
        })  # fmt: skip
    (folder / "samples.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (folder / "length.py").write_text(
        "from onethinker.tasks.rewards import REWARDS, Reward\n\n"
        "REWARDS['length'] = Reward(lambda score: score.characters % 7 / 7, lambda most: 1.0)\n"
    )
    return folder


def commands(model: Path, data: Path, out: Path, vllm: str) -> dict[str, tuple[str, list[str]]]:
    """Part → (interpreter, arguments of `onethinker`)."""
    ask = ["ask", str(data / "0.png"), "Where is the red disc?", "--task", "spatial_grounding", "--model", str(model),
           "--as", "qwen3_vl_2b", "--prompts", "short", "--json", *sets(f"evaluate.max_tokens={ANSWER}")]  # fmt: skip
    return {
        "ask": (sys.executable, [*ask, *SMALL]),
        "sft": (sys.executable, training("sft", model, data, out, [*LORA, *STEP])),
        "rl": (sys.executable, training("rl", model, data, out, [*LORA, *STEP])),
        "vllm": (vllm, [*ask, "--engine", "vllm", "--dtype", "float32"]),
    }


def said(part: str, measured: Measured, out: Path) -> str:
    """What the command itself tells of its work."""
    if part in ("sft", "rl") and (file := out / part / "metrics.jsonl").exists():
        row = json.loads(file.read_text().splitlines()[-1])
        keys = [
            k for k in row if k.startswith("seconds") or k in ("loss", "grad_norm", "ratio", "kl", "tokens", "reward")
        ]
        return ", ".join(f"{key} {row[key]:.4g}" for key in keys)
    lines = [line for line in measured.output.splitlines() if line.startswith("{")]
    return ", ".join(f"{k} {json.loads(lines[-1])[k]}" for k in ("tokens", "seconds", "status")
                     if k in json.loads(lines[-1])) if lines else ""  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path, help="a folder that benchmarks.shapes made")
    parser.add_argument("--parts", nargs="+", choices=("tokens", "ask", "sft", "rl", "vllm"),
                        default=["tokens", "ask", "sft", "rl"])  # fmt: skip
    parser.add_argument("--vllm-python", default="", help="the interpreter of an environment that has vLLM")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--limit", type=float, default=3600.0, help="seconds for each command")
    parser.add_argument("--out", type=Path, default=Path("runs/real-size"))
    given = parser.parse_args()
    if "tokens" in given.parts:
        print("| what | of | tokens |\n|---|---|---:|")
        for what, of, count in token_rows(given.model):
            print(f"| {what} | {of} | {count:,} |", flush=True)
    made = commands(given.model, write_data(given.out / "data"), given.out, given.vllm_python)
    env = {"OMP_NUM_THREADS": str(given.threads), "ONETHINKER_THREADS": str(given.threads), "HF_HUB_OFFLINE": "1",
           "VLLM_CPU_KVCACHE_SPACE": "1"}  # fmt: skip
    rows = [part for part in given.parts if part != "tokens"]
    if rows:
        print("\n| command | wall s | CPU s | peak GB | of it no file's | it says |\n|---|---:|---:|---:|---:|---|")
    for part in rows:
        python, words = made[part]
        if not python:
            print(f"| {part} | | | | | not run: --vllm-python names no environment |")
            continue
        shutil.rmtree(given.out / part, ignore_errors=True)
        done = run([python, "-c", ENTRY, *words], limit=given.limit, env=env)
        (given.out / f"{part}.log").write_text(done.output)
        words_alone = done.problem if part in ("sft", "rl") else ""  # an answer of random words is not in form
        note = words_alone or said(part, done, given.out) or done.problem
        print(f"| {part} | {done.seconds:.0f} | {done.cpu:.0f} | {done.peak:.1f} | {done.anonymous:.1f} | {note} |",
              flush=True)  # fmt: skip


if __name__ == "__main__":
    main()
