"""Seconds of a step, by what takes them: arithmetic, reading memory, exchanging with other GPUs, having no work.

A step ends when its busiest GPU does. Samples of SFT, prompts that are answered and groups of an update are dealt out
whole, so more GPUs than a step has of them are no help. What FSDP exchanges goes on beside the arithmetic of the layer
before; only what is longer than that is waited for.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from onethinker.plan.counts import EMBEDDING_BYTES, SAMPLED_BYTES, UPDATE_BYTES
from onethinker.plan.machine import Rate


@dataclass(frozen=True)
class Exchanged:
    """What each GPU receives in a step, in bytes, and in how many exchanges that all GPUs take part in."""

    volume: float = 0.0
    count: int = 0

    def seconds(self, rate: Rate, gpus: int) -> float:
        if gpus == 1:
            return 0.0
        return self.volume / rate.exchange(gpus) + self.count * rate.latency * gpus


@dataclass(frozen=True)
class Held:
    """How the model lies on the GPUs. sharded: a part of every weight on each. weights, trained: bytes of all weights
    as they are gathered and of the gradients of those that learn. reference: bytes of the frozen start, 0 without one.
    modules: that are gathered one after the other."""

    gpus: int
    sharded: bool
    weights: float
    trained: float
    reference: float
    modules: int

    def of_passes(self, passes: int, updates: int) -> Exchanged:
        """Of training: under FSDP each pass gathers every weight for the forward and again for the backward pass and
        gives each GPU its part of the gradients; copies exchange gradients once an update, which takes two ways."""
        others = (self.gpus - 1) / self.gpus
        if not self.sharded:
            return Exchanged(2 * updates * self.trained * others, updates)
        volume = passes * (2 * self.weights + self.trained + self.reference) * others
        return Exchanged(volume, passes * self.modules * (4 if self.reference else 3))


def busiest(items: int, gpus: int) -> int:
    """How many of so many items the busiest GPU has."""
    return math.ceil(items / gpus)


def idle_share(items: int, gpus: int) -> float:
    """Share of all GPUs' time in which they have no item, where each takes as long."""
    return 1 - items / (gpus * busiest(items, gpus))


def update_passes(items: int, minibatch: int, gpus: int, tokens: int, micro_tokens: int) -> tuple[int, int]:
    """(updates of a step, passes of its busiest GPU in all of them) for items of so many tokens."""
    updates, together = math.ceil(items / minibatch), max(1, micro_tokens // tokens)
    return updates, updates * math.ceil(busiest(min(items, minibatch), gpus) / together)


def training_seconds(
    rate: Rate,
    held: Held,
    arithmetic: float,
    items: int,
    minibatch: int,
    passes: int,
    states: float,
    embedding: float = 0.0,
    muon: float = 0.0,
) -> tuple[dict[str, float], Exchanged]:
    """Of a step's updates, by part, and what they exchange. arithmetic: seconds on one GPU for all. states: weights
    that the optimiser of one GPU keeps. embedding: its weights, where they learn. muon: FLOPs of an update's
    orthogonal steps."""
    updates = math.ceil(items / minibatch)
    arithmetic *= updates * busiest(min(items, minibatch), held.gpus) / items
    exchanged = held.of_passes(passes, updates) if held.gpus > 1 else Exchanged()
    parts = {
        "arithmetic": arithmetic,
        "embedding's gradient": passes * embedding * EMBEDDING_BYTES / rate.streaming,
        "waiting for exchange": max(0.0, exchanged.seconds(rate, held.gpus) - arithmetic),
        "optimiser": updates * (states * UPDATE_BYTES / rate.streaming + muon / rate.flops),
    }
    if rate.each_pass:
        parts["starting passes"] = passes * rate.each_pass
    return parts, exchanged


@dataclass(frozen=True)
class Decoding:
    """What decoding one token a row reads and computes. weights: bytes. prompt, own: bytes of keys and values of a
    prompt, and of an answer at half its length. flops: of a row. layers: of the language model. steps: tokens of the
    longest answer. vocabulary: logits of a row."""

    weights: float
    prompt: float
    own: float
    flops: float
    layers: int
    steps: int
    vocabulary: int

    def seconds(self, rate: Rate, prompts: int, group: int, together: int, engine: str) -> dict[str, float]:
        """Of answering `prompts` prompts on one GPU, `together` answers at a time: reading or arithmetic, whichever is
        longer, and starting the layers. vLLM answers as many as there are, and reads a prompt once a row."""
        seats = max(1, together // group) if engine == "local" else prompts
        sizes = [min(seats, prompts - first) for first in range(0, prompts, seats)]
        read = started = 0.0
        for size in sizes:
            rows = size * group
            kept = size * self.prompt if engine == "local" else rows * self.prompt
            bytes_ = self.weights + kept + rows * (self.own + self.vocabulary * SAMPLED_BYTES)
            read += self.steps * max(bytes_ / rate.bandwidth, rows * self.flops / rate.flops)
            started += self.steps * (self.layers * rate.start(engine) + rate.each_step)
        return {"decoding": read, "starting kernels": started}


def longest_part(parts: Mapping[str, float]) -> str:
    """The part that takes most."""
    return max(parts, key=lambda name: parts[name])
