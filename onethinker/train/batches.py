"""Which samples a step sees. The order is a function of seed and step alone, so a resumed run sees the same."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

WINDOW = 16
"""Batches sorted by length together: long enough for little padding, short enough to stay random."""


def length_grouped(lengths: Sequence[int], batch: int, seed: int, epoch: int) -> list[list[int]]:
    """One epoch of batches of indices whose samples have like lengths, in random order; the last may be smaller."""
    rng = np.random.default_rng((seed, epoch))
    order = rng.permutation(len(lengths))
    batches = []
    for start in range(0, len(order), batch * WINDOW):
        window = sorted(order[start : start + batch * WINDOW].tolist(), key=lambda i: lengths[i])
        batches += [window[i : i + batch] for i in range(0, len(window), batch)]
    return [batches[i] for i in rng.permutation(len(batches))]


def sft_batches(lengths: Sequence[int], batch: int, seed: int, steps: int, start: int) -> Iterator[list[int]]:
    """Batches number `start` to `steps`, epoch after epoch."""
    per_epoch = -(-len(lengths) // batch)
    for epoch in range(start // per_epoch, -(-steps // per_epoch)):
        batches = length_grouped(lengths, batch, seed, epoch)
        first = max(0, start - epoch * per_epoch)
        yield from batches[first : min(per_epoch, steps - epoch * per_epoch)]


def split_by_tokens(lengths: Sequence[int], budget: int) -> list[list[int]]:
    """Indices in groups whose padded size (longest × count) stays within the budget; one alone may exceed it."""
    groups: list[list[int]] = []
    for index in sorted(range(len(lengths)), key=lambda i: lengths[i]):
        if groups and lengths[index] * (len(groups[-1]) + 1) <= budget:
            groups[-1].append(index)
        else:
            groups.append([index])
    return groups
