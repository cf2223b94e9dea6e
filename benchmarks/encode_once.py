"""One RL step over prompts of a megapixel: how often media are opened and encoded, and how much memory that takes.

    python -m benchmarks.encode_once [--prompts 128]

The step is `run_rl`'s own (length check, answers, mismatch, reference, update) with the mini recipe's model; what the
model computes is replaced by zeros, since only media count here. Each prompt has a picture of 1024×1024 of its own,
25 MB of tensors. Memory is the process's peak over what it had before the step.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import torch

from onethinker.engines import encode
from onethinker.engines.base import Completion, Request, Sampling
from onethinker.engines.encode import Encoder
from onethinker.media import write_image
from onethinker.recipes import SHIPPED, override
from onethinker.sample import Sample, Samples
from onethinker.train import rl
from onethinker.train.distributed import DistributedModel
from onethinker.train.rl import run_rl
from onethinker.train.rollout_engine import RolloutEngine

SIDE, ANSWERS, TOKENS = 1024, 2, 8
MB = 1e6


class Talker:
    """Encodes each prompt, as an engine does, and answers with the same few tokens; every other answer is right."""

    capabilities, identity = frozenset({"token_ids", "logps"}), "talker"

    def __init__(self, encoder: Encoder) -> None:
        self.encoder = encoder

    def answer(self, requests: Sequence[Request], sampling: Sampling) -> Iterator[tuple[int, list[Completion]]]:
        for index, request in enumerate(requests):
            length = len(self.encoder.encode(request))
            ids, logps = tuple(range(40, 40 + TOKENS)), (0.0,) * TOKENS
            texts = (f"<think>so</think><answer>{i}</answer>" for i in range(sampling.n))
            yield index, [Completion(text, "stop", ids, logps, length, TOKENS) for text in texts]


def pictures(folder: Path, count: int) -> Samples:
    ramp = np.linspace(0, 255, SIDE).astype(np.uint8)
    made = []
    for i in range(count):
        pixels = np.stack([np.roll(np.tile(ramp, (SIDE, 1)), 7 * i + c) for c in range(3)], axis=-1)
        name = write_image(folder / f"{i}.png", pixels).name
        made.append(Sample(str(i), "numerical", "image", f"How many of {i}?", "1", media=(name,)))
    return Samples(tuple(made), folder)


def zeros(self: Any, groups: Sequence[Any], **options: Any) -> tuple[torch.Tensor, torch.Tensor]:
    """In place of a forward pass: zeros that depend on a weight, so that there is something to derive."""
    count = sum(len(answer) for group in groups for answer in group.answers)
    weight = next(p for p in self.model.parameters())
    return 0.0 * weight.sum() + torch.zeros(count), torch.zeros(count)


def peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / MB


def counted(counts: Counter[str], name: str, function: Any) -> Any:
    def call(*words: Any) -> Any:
        counts[name] += 1
        return function(*words)

    return call


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--prompts", type=int, default=128)
    prompts = parser.parse_args().prompts
    recipe = override(
        SHIPPED["mini"],
        ["model.device=cpu", "watch=[]", "rl.steps=1", f"rl.prompts={prompts}", "rl.minibatch=32", "rl.kl=0.01",
         f"rl.group={ANSWERS}", "rl.max_prompt_tokens=8192", "rl.micro_tokens=16384", f"media.image_pixels={SIDE**2}"],
    )  # fmt: skip
    counts = Counter[str]()
    with tempfile.TemporaryDirectory() as folder, ExitStack() as patches:
        samples = pictures(Path(folder), prompts)
        for thing, name, function in (
            (encode, "open_image", counted(counts, "pictures opened", encode.open_image)),
            (Encoder, "_encode", counted(counts, "prompts encoded", Encoder._encode)),
            (DistributedModel, "logps", zeros),
            (rl, "make_rollout_engine", lambda *words: RolloutEngine(Talker(words[3]), exact=False)),
        ):
            patches.enter_context(patch.object(thing, name, function))
        before, began = peak(), time.perf_counter()
        run_rl(recipe, samples, Path(folder) / "run")
        took = time.perf_counter() - began
    print(f"{prompts} prompts: " + ", ".join(f"{value} {name}" for name, value in sorted(counts.items())))
    print(f"peak memory {peak() - before:,.0f} MB above the {before:,.0f} MB before the step; {took:.1f} s")


if __name__ == "__main__":
    main()
