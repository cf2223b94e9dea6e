"""One RL step, ours beside TRL's GRPOTrainer and beside our own loss over plain rows: seconds, memory, and the floor.

    python -m benchmarks.rl_step [--cases image-256 clip-32 …] [--contenders ours plain trl] [--trl-python PYTHON]

The same small Qwen3-VL (patches of 16 pixels), weights and prompts; two groups of 8 answers of 64 tokens, KL 0.01,
AdamW, float32, no gradient checkpointing. Each contender runs in a process of its own, one after the other, and the
fastest of its steps after a first one counts. Memory is the peak above what was resident before that first step.
`--clock cpu` counts processor time instead of wall time, for a machine that others use too.

The floor is every token once: its counted FLOPs through rollout, reference and update at the rate of a 1024² matmul.
TRL takes no clips. It is left out where it is not installed; `--trl-python` names an environment that has it.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from onethinker.engines.base import Request, Sampling
from onethinker.engines.encode import Encoder, Prompt
from onethinker.engines.local import LocalEngine
from onethinker.media import MediaBudget, write_clip, write_image
from onethinker.models import mini
from onethinker.models.forward import use_patch_matmul
from onethinker.recipes.base import RLConfig
from onethinker.train.advantage import make
from onethinker.train.loss import Batch, denominator, policy_loss
from onethinker.train.prefix import TokenGroup, answer_logps
from tests.train.plain import plain_logps

GROUPS, ANSWERS, TOKENS, KL, PATCH = 2, 8, 64, 0.01, 16
QUESTION = "Where is the red disc?"
CASES = {
    "text": "a one-word prompt",
    "image-256": "an image of 256² pixels",
    "image-512": "512²",
    "image-1024": "1024²",
    "clip-8": "a clip of 8 frames of 256²",
    "clip-32": "32 frames of 256²",
}
CONTENDERS = ("ours", "plain", "trl")
CLOCKS = {"wall": time.perf_counter, "cpu": time.process_time}
now = CLOCKS["wall"]


@dataclass
class Clock:
    """Seconds of the parts of every step."""

    steps: list[dict[str, float]] = field(default_factory=list)

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        began = now()
        yield
        self.add(name, now() - began)

    def add(self, name: str, seconds: float) -> None:
        self.steps[-1][name] = self.steps[-1].get(name, 0.0) + seconds

    def fastest(self) -> dict[str, float]:
        return min(self.steps[1:], key=lambda step: step["step"])


def build() -> tuple[Any, Any]:
    """The mini model with patches of 16 pixels, so that 1024² pixels are 1024 tokens, and its processor."""
    from transformers import Qwen3VLForConditionalGeneration

    processor = mini.processor()
    processor.image_processor.patch_size = processor.video_processor.patch_size = PATCH
    config = mini.config(processor.tokenizer)
    config.vision_config.patch_size = PATCH
    torch.manual_seed(0)
    model = Qwen3VLForConditionalGeneration(config)
    model.generation_config.eos_token_id = processor.tokenizer.eos_token_id
    model.generation_config.pad_token_id = processor.tokenizer.pad_token_id
    return model, processor


def make_requests(case: str, folder: Path) -> list[Request]:
    """Two prompts, each with media of its own."""
    kind, _, number = case.partition("-")
    draw, requests = np.random.default_rng(0), []
    for i in range(GROUPS):
        if kind == "text":
            requests.append(Request(f"{i}", "Where?", (), MediaBudget()))
            continue
        if kind == "image":
            side = int(number)
            media = write_image(folder / f"{i}.png", draw.integers(0, 256, (side, side, 3), dtype=np.uint8))
        else:
            frames = draw.integers(0, 256, (int(number), 256, 256, 3), dtype=np.uint8)
            media = write_clip(folder / f"{i}.mp4", frames, 2.0)
        mark = "<image>" if kind == "image" else "<video>"
        budget = MediaBudget(image_pixels=1 << 20, frame_pixels=1 << 16, fps=2.0, max_frames=128)
        requests.append(Request(f"{i}", mark + QUESTION, (media,), budget))
    return requests


# ---- contenders -------------------------------------------------------------------------------------------------


def run_ours(case: str, steps: int, folder: Path, logps: Callable[..., Any], device: str = "cpu") -> dict[str, Any]:
    """Rollout by the local engine, then reference and update through `logps`."""
    model, processor = build()
    use_patch_matmul(model.to(device))
    reference = deepcopy(model).requires_grad_(False)
    requests = make_requests(case, folder)
    config, optimizer = RLConfig(kl=KL, max_tokens=TOKENS), torch.optim.AdamW(model.parameters(), lr=1e-6, fused=True)
    clock, start = Clock(), resident()
    for step in range(steps + 1):
        clock.steps.append({})
        with clock.part("step"):
            with clock.part("rollout"):
                encoder = Encoder(processor)  # which would know the prompts of the step before
                engine = LocalEngine(model, encoder, identity="policy")
                sampling = Sampling(n=ANSWERS, temperature=1.0, max_tokens=TOKENS, seed=step)
                completions = [c for _, group in sorted(engine.answer(requests, sampling)) for c in group]
            prompts = [encoder.encode(request) for request in requests]
            groups = [
                TokenGroup(p, [c.token_ids for c in completions[i * ANSWERS : (i + 1) * ANSWERS]])
                for i, p in enumerate(prompts)
            ]
            with clock.part("reference"), torch.no_grad():
                kept, _ = logps(reference, groups, banned=engine.banned)
            with clock.part("update"):
                batch = make_batch(completions, kept, device)
                found, entropies = logps(model, groups, banned=engine.banned)
                loss, _ = policy_loss(found, batch, config, denominator(batch, config), entropies)
                optimizer.zero_grad()
                loss.backward()
                torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
                optimizer.step()
                if device == "cuda":
                    torch.cuda.synchronize()
    return clock.fastest() | {"memory": peak() - start, "prompt": len(prompts[0]), "flops": flops(model, prompts)}


def make_batch(completions: Sequence[Any], ref_logps_N: torch.Tensor, device: str) -> Batch:
    rewards = np.array([reward(c.token_ids) for c in completions])
    groups = [str(i // ANSWERS) for i in range(len(completions))]
    advantages = make("grpo")(rewards, groups, ["task"] * len(groups))
    return Batch(
        lengths_A=torch.tensor([len(c.token_ids) for c in completions], device=device),
        advantages_A=torch.tensor(advantages, dtype=torch.float32, device=device),
        tasks=["task"] * len(groups),
        old_logps_N=torch.tensor([p for c in completions for p in c.logps], device=device),
        ref_logps_N=ref_logps_N,
    )


def reward(ids: Sequence[int]) -> float:
    return len(set(ids)) / max(1, len(ids))


def run_trl(case: str, steps: int, folder: Path, device: str = "cpu") -> dict[str, Any]:
    """TRL's trainer on the same model and prompts; what it may sample leaves out media tokens, or it would break."""
    from datasets import Dataset
    from PIL import Image
    from transformers import TrainerCallback
    from trl import GRPOConfig, GRPOTrainer

    from onethinker.models.forward import banned_ids

    model, processor = build()
    model.save_pretrained(folder / "model")
    processor.save_pretrained(folder / "model")
    rows: list[dict[str, Any]] = []
    for request in make_requests(case, folder):
        text = request.text.replace("<image>", "")
        rows.append({"prompt": [{"role": "user", "content": text}]})
        if request.media:
            rows[-1]["image"] = Image.open(request.media[0])
    clock = Clock()

    class Steps(TrainerCallback):
        def on_step_begin(self, *args: Any, **kwargs: Any) -> None:
            clock.steps.append({"step": -now()})

        def on_step_end(self, *args: Any, **kwargs: Any) -> None:
            clock.add("step", now())

    trainer = GRPOTrainer(
        model=str(folder / "model"),
        processing_class=processor,
        reward_funcs=lambda completion_ids, **_: [reward(ids) for ids in completion_ids],
        train_dataset=Dataset.from_list(rows * (steps + 1)),
        callbacks=[Steps()],
        args=GRPOConfig(
            output_dir=str(folder / "out"), use_cpu=device == "cpu", bf16=False, gradient_checkpointing=False,
            report_to="none", save_strategy="no", per_device_train_batch_size=GROUPS * ANSWERS,
            num_generations=ANSWERS, beta=KL, max_completion_length=TOKENS, max_steps=steps + 1, learning_rate=1e-6,
            disable_tqdm=True,
            generation_kwargs={"suppress_tokens": banned_ids(processor.tokenizer)},
        ),
    )  # fmt: skip
    generate, logps = trainer._generate, trainer._get_per_token_logps_and_entropies

    def timed_generate(*args: Any, **kwargs: Any) -> Any:
        with clock.part("rollout"):
            return generate(*args, **kwargs)

    def timed_logps(*args: Any, **kwargs: Any) -> Any:
        if torch.is_grad_enabled():
            return logps(*args, **kwargs)
        with clock.part("reference"):
            return logps(*args, **kwargs)

    trainer._generate, trainer._get_per_token_logps_and_entropies = timed_generate, timed_logps
    start = resident()
    trainer.train()
    for step in clock.steps:
        step["update"] = step["step"] - step["rollout"] - step.get("reference", 0.0)
    return clock.fastest() | {"memory": peak() - start}


# ---- measures ---------------------------------------------------------------------------------------------------


def resident() -> float:
    """Megabytes resident now."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / 2**20


def peak() -> float:
    """Megabytes resident at most, so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def flops(model: Any, prompts: Sequence[Prompt]) -> float:
    """Of one step with every token once: five forwards' worth (rollout, reference, update forward and twice back)."""
    text, vision = model.config.text_config, model.config.vision_config
    layers = sum(p.numel() for p in model.model.language_model.layers.parameters())
    blocks = sum(p.numel() for p in model.model.visual.blocks.parameters())
    mergers = [model.model.visual.merger, *model.model.visual.deepstack_merger_list]
    merged = sum(p.numel() for m in mergers for p in m.parameters())
    patch = model.model.visual.patch_embed.proj.weight.numel()
    width = text.num_attention_heads * text.head_dim * text.num_hidden_layers
    total = 0.0
    for prompt in prompts:
        answers = ANSWERS * TOKENS
        seen = len(prompt) ** 2 / 2 + answers * (len(prompt) + TOKENS / 2)
        total += 2 * layers * (len(prompt) + answers) + 4 * width * seen + 2 * model.lm_head.weight.numel() * answers
        for t, h, w in [g for key, grids in prompt.media.items() if "grid" in key for g in grids.tolist()]:
            total += t * h * w * (2 * (blocks + patch) + 2 * merged / vision.spatial_merge_size**2)
            total += 4 * vision.hidden_size * vision.depth * t * (h * w) ** 2
    return 5 * total


def matmul_rate(clock: Callable[[], float]) -> float:
    """FLOPs a second, by this clock, of a 1024² float32 matmul, the best of 20."""
    a = torch.randn(1024, 1024)
    best = min(_seconds(lambda: a @ a, clock) for _ in range(20))
    return 2 * 1024**3 / best


def _seconds(run: Callable[[], Any], clock: Callable[[], float]) -> float:
    began = clock()
    run()
    return clock() - began


# ---- table ------------------------------------------------------------------------------------------------------


def measure(case: str, contender: str, steps: int, device: str = "cpu") -> dict[str, Any]:
    """One contender on one case, in this process."""
    with tempfile.TemporaryDirectory() as folder:
        if contender == "trl":
            return run_trl(case, steps, Path(folder), device)
        return run_ours(case, steps, Path(folder), answer_logps if contender == "ours" else plain_logps, device)


def in_child(python: str, case: str, contender: str, given: argparse.Namespace) -> dict[str, Any] | None:
    """The same in a process of its own; None, with the reason on stderr, where it cannot run."""
    command = [python, "-m", "benchmarks.rl_step", "--child", case, contender, "--clock", given.clock]
    command += ["--steps", str(given.steps), "--threads", str(given.threads)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        print(f"{contender} on {case} did not run: {done.stderr.strip().splitlines()[-1]}", file=sys.stderr)
        return None
    return json.loads(done.stdout.splitlines()[-1])


def show(case: str, found: dict[str, dict[str, Any]], rate: float) -> None:
    """One line a contender, ratios to the floor and to ours."""
    ours = found["ours"]
    floor = ours["flops"] / rate
    print(f"\n{case} ({CASES[case]}): prompt of {ours['prompt']} tokens, floor {floor:.2f} s")
    print(f"  {'':6} {'step':>8} {'rollout':>8} {'ref':>8} {'update':>8} {'÷ floor':>8} {'÷ ours':>8} {'MB':>7}")
    for name, row in found.items():
        parts = "".join(f"{row.get(part, 0.0):9.2f}" for part in ("step", "rollout", "reference", "update"))
        ratios = f"{row['step'] / floor:9.1f}{row['step'] / ours['step']:9.1f}"
        print(f"  {name:6}{parts}{ratios}{row['memory']:8.0f}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", nargs="+", choices=CASES, default=list(CASES))
    parser.add_argument("--contenders", nargs="+", choices=CONTENDERS, default=list(CONTENDERS))
    parser.add_argument("--steps", type=int, default=3, help="timed steps, after one that is not")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--trl-python", default=sys.executable, help="an interpreter that has TRL")
    parser.add_argument("--child", nargs=2, metavar=("CASE", "CONTENDER"), help=argparse.SUPPRESS)
    parser.add_argument("--clock", choices=CLOCKS, default="wall")
    given = parser.parse_args()
    global now  # noqa: PLW0603
    now = CLOCKS[given.clock]
    torch.set_num_threads(given.threads)
    if given.child:
        case, contender = given.child
        print(json.dumps(measure(case, contender, given.steps)))
        return
    rate = matmul_rate(now)
    print(f"{GROUPS} groups × {ANSWERS} answers × {TOKENS} tokens; {given.threads} threads, {rate / 1e9:.0f} GFLOP/s")
    for case in given.cases:
        found = {}
        for contender in dict.fromkeys(["ours", *given.contenders]):
            if contender == "trl" and case.startswith("clip"):
                continue
            python = given.trl_python if contender == "trl" else sys.executable
            row = in_child(python, case, contender, given)
            if row:
                found[contender] = row
        show(case, found, rate)


if __name__ == "__main__":
    main()
