"""Where an RL step of the mini recipe goes: processor seconds of every part beside the floor of its arithmetic.

    OMP_NUM_THREADS=1 python -m benchmarks.rl_profile [--steps 8] [--set rl.prompts=13 …]

Trains twice from the same seed on a small world, in this process: once timed by the processor's clock, once with every
operator's FLOPs counted (`torch.utils.flop_counter`), which slows a run down too much to be timed. A part's seconds
leave out those of parts inside it; prompts are encoded on threads, whose seconds are theirs. Floor: a part's counted
FLOPs at the rate of a 1024² float32 matrix product, so it counts what is computed for padding, too. The first steps,
with imports and caches to fill, are left out.
"""

from __future__ import annotations

import argparse
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import wraps
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.rl_step import matmul_rate
from onethinker.data.worlds import build_world
from onethinker.engines.encode import Encoder
from onethinker.engines.local import LocalEngine
from onethinker.recipes import load_recipe
from onethinker.sample import load_samples
from onethinker.scoring import rollout
from onethinker.train import rl
from onethinker.train.distributed import DistributedModel
from onethinker.train.policy import Policy
from onethinker.train.rl import run_rl

PARTS: dict[str, tuple[Any, str]] = {
    "prompts encoded": (Encoder, "encode"),
    "prefill": (LocalEngine, "_prefill"),
    "decoding": (LocalEngine, "_advance"),
    "sampling": (LocalEngine, "_sample"),
    "scores": (rollout, "score_completions"),
    "reference": (Policy, "reference_logps"),
    "forward": (Policy, "logps"),
    "loss": (rl, "policy_loss"),
    "backward": (DistributedModel, "backward"),
    "optimiser": (rl, "update"),
    "rollouts written": (rl, "write_rollouts"),
}
"""What is called for a part."""
REST, WARM = "everything else", 2


class Meter:
    """Adds up what a clock tells, part by part, each without the parts inside it; a thread's parts are its own."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.clock, self.sums, self.steps = clock, Counter[str](), -WARM
        self.local = threading.local()

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        outer = self._switch(name)
        try:
            yield
        finally:
            self._switch(outer)

    def _switch(self, name: str | None) -> str | None:
        """Book what passed since the last switch of this thread on the part that it was in, which is returned."""
        now, was = self.clock(), getattr(self.local, "part", None)
        if was and self.steps >= 0:
            self.sums[was] += now - self.local.at
        self.local.part, self.local.at = name, now
        return was

    def wrapped(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            with self.part(name):
                return function(*args, **kwargs)

        return call

    def per_step(self, name: str) -> float:
        return self.sums[name] / self.steps


def metered(clock: Callable[[], float], train: Callable[[], Any]) -> Meter:
    """What the parts of the steps after the first ones cost by this clock."""
    meter = Meter(clock)

    def written(*args: Any, **kwargs: Any) -> Any:
        """The last thing of a step; the next begins with `everything else`."""
        result = meter.wrapped("rollouts written", write)(*args, **kwargs)
        with meter.part(REST):  # books what is open
            meter.steps += 1
        return result

    write = rl.write_rollouts
    with ExitStack() as stack:
        for name, (owner, attribute) in PARTS.items():
            stack.enter_context(patch.object(owner, attribute, meter.wrapped(name, getattr(owner, attribute))))
        stack.enter_context(patch.object(rl, "write_rollouts", written))
        with meter.part(REST):
            train()
    return meter


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=8, help=f"timed steps, after {WARM} that are not")
    parser.add_argument("--set", nargs="+", default=[], help="overrides of the recipe, which begins with mini-sft")
    given = parser.parse_args()
    torch.set_num_threads(1)
    recipe = load_recipe("mini", ["model.base=mini-sft", f"rl.steps={given.steps + WARM}", *given.set])
    with tempfile.TemporaryDirectory() as folder:
        world = Path(folder) / "world"
        build_world(world, recipe.rl.prompts * recipe.rl.steps, seed=0, difficulty=1, validation=1, test=1)
        samples = load_samples(world / "train")
        rates = [matmul_rate(time.thread_time)]
        timed = metered(time.thread_time, lambda: run_rl(recipe, samples, Path(folder) / "timed"))
        rates.append(matmul_rate(time.thread_time))
        with FlopCounterMode(display=False) as counter:
            counted = metered(counter.get_total_flops, lambda: run_rl(recipe, samples, Path(folder) / "counted"))
    show(timed, counted, max(rates))


def show(timed: Meter, counted: Meter, rate: float) -> None:
    """A line a part, in Markdown: seconds a step, the floor, and how many times the floor that is."""
    print(f"\n{timed.steps} steps, one thread, {rate / 1e9:.0f} GFLOP/s of a 1024² product\n")
    print("| part of a step | processor s | floor, s | ÷ floor |\n|---|---:|---:|---:|")
    names = sorted(timed.sums, key=lambda name: -timed.sums[name])
    rows = [(name, timed.per_step(name), counted.per_step(name) / rate) for name in names]
    for name, seconds, floor in [*rows, ("**all**", sum(r[1] for r in rows), sum(r[2] for r in rows))]:
        ratio = f"{seconds / floor:.1f}" if floor > 0.005 else "–"
        print(f"| {name} | {seconds:.2f} | {floor:.2f} | {ratio} |")


if __name__ == "__main__":
    main()
