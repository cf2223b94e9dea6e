"""What is assumed: GPUs as their makers describe them, how much of that is reached, and a typical sample."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace


@dataclass(frozen=True)
class GPU:
    """One GPU of a cluster.

    tflops: TFLOP/s in bfloat16 without sparsity. memory: GB. bandwidth: GB/s of its memory. link: GB/s to another GPU
    of its node, one way. network: GB/s between two nodes, all of a node's GPUs together, one way. price: of an hour.
    """

    name: str
    tflops: float
    memory: float
    bandwidth: float
    link: float
    network: float = 400.0
    price: float = 2.5
    node: int = 8


GPUS = {
    "h100": GPU("h100", 989, 80, 3350, 450),
    "h800": GPU("h800", 989, 80, 3350, 200),
    "h200": GPU("h200", 989, 141, 4800, 450, price=3.0),
    "a100": GPU("a100", 312, 80, 2039, 300, network=200.0, price=1.5),
}
"""The SXM modules' data sheets (NVIDIA); eight to a node with as many 400 Gb/s adapters, 200 Gb/s for the A100. Prices
are dollars, of 2025's rental market, and the least certain of all these numbers."""


@dataclass(frozen=True)
class Rate:
    """How fast a GPU is assumed to work.

    utilisation: share of its FLOP/s that passes with many tokens reach. memory, network: shares of its bandwidths that
    are reached. local, vllm: seconds that a layer of one decoding step takes to be started, whatever it computes: ours
    calls kernels one by one, vLLM replays a graph. latency: seconds that an exchange takes for each GPU it passes.
    What is known of a machine only where it was measured: reached, FLOP/s of a part of the model (vision, projector,
    language, head) in place of its share; training, bytes a second that an optimiser's passes over weights reach in
    place of `memory`; each_pass, each_step, seconds that a training pass and a decoding step take besides their layers;
    process, bytes that a process holds beside tensors.
    """

    gpu: GPU = GPUS["h100"]
    utilisation: float = 0.35
    memory: float = 0.6
    network: float = 0.7
    local: float = 3e-4
    vllm: float = 2e-5
    latency: float = 5e-6
    reached: Mapping[str, float] = field(default_factory=dict)
    training: float = 0.0
    each_pass: float = 0.0
    each_step: float = 0.0
    process: float = 0.0

    @property
    def flops(self) -> float:
        """FLOP/s in passes."""
        return self.gpu.tflops * 1e12 * self.utilisation

    def seconds(self, flops: Mapping[str, float]) -> float:
        """Of the arithmetic of a pass, given by part of the model."""
        return sum(count / self.reached.get(part, self.flops) for part, count in flops.items())

    @property
    def streaming(self) -> float:
        """Bytes a second of memory that is gone through once in training."""
        return self.training or self.bandwidth

    @property
    def bandwidth(self) -> float:
        """Bytes a second of a GPU's memory."""
        return self.gpu.bandwidth * 1e9 * self.memory

    def exchange(self, gpus: int) -> float:
        """Bytes a second that each of so many GPUs can receive of what all of them are sent, as rings do it."""
        reached = min(self.gpu.link, self.gpu.network) if gpus > self.gpu.node else self.gpu.link
        return reached * 1e9 * self.network

    def start(self, engine: str) -> float:
        """Seconds to start a layer of a decoding step."""
        return self.vllm if engine == "vllm" else self.local

    def __str__(self) -> str:
        gpu = self.gpu
        return (
            f"{gpu.name}, {gpu.tflops:g} TFLOP/s a GPU ({self.utilisation:.0%} of it reached in passes), "
            f"{gpu.bandwidth:g} GB/s of memory ({self.memory:.0%}), {gpu.link:g} GB/s within a node of {gpu.node} and "
            f"{gpu.network:g} between nodes ({self.network:.0%}), ${gpu.price:g} a GPU and hour"
        )


@dataclass(frozen=True)
class Typical:
    """The sample that time is estimated for: an image or a clip that fills the recipe's budget. images: their share."""

    clip_seconds: float = 30.0
    text_tokens: int = 256
    answer_tokens: int = 512
    images: float = 0.5

    def __post_init__(self) -> None:
        """Raises ValueError."""
        _check("clip-seconds", self.clip_seconds)

    def __str__(self) -> str:
        return (
            f"{self.images:.0%} images, the others clips of {self.clip_seconds:g} s, media filling their budgets, "
            f"{self.text_tokens} tokens of question, answers of {self.answer_tokens} tokens at most"
        )


def make_rate(
    gpu: str = "h100",
    tflops: float | None = None,
    utilisation: float | None = None,
    memory: float | None = None,
    price: float | None = None,
) -> Rate:
    """The rate of a known GPU with what differs. memory: GB. Raises ValueError for an unknown name and for numbers that
    no GPU has."""
    if gpu not in GPUS:
        raise ValueError(
            f"--gpu: no GPU {gpu!r}; expected one of {', '.join(GPUS)} (and --tflops, --memory, --price for yours)"
        )
    _check("tflops", tflops)
    _check("utilisation", utilisation, most=1.0)
    _check("memory", memory)
    if price:
        _check("price", price)
    known = GPUS[gpu]
    made = replace(
        known,
        tflops=known.tflops if tflops is None else tflops,
        memory=known.memory if memory is None else memory,
        price=known.price if price is None else price,
    )
    return Rate(made) if utilisation is None else Rate(made, utilisation)


def _check(name: str, value: float | None, most: float = math.inf) -> None:
    """Raises ValueError for what is no number above 0 and up to `most`."""
    if value is not None and not (0 < value <= most and value < math.inf):
        limit = "" if most == math.inf else f" and at most {most:g}"
        raise ValueError(f"--{name}: {value:g} is no number above 0{limit}")
