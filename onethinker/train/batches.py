"""Which samples a step of SFT sees. The order is a function of seed and step alone, so a resumed run sees the same."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np

Order = Callable[[Sequence[int]], np.ndarray]
"""A seed → every position once, as `SampleStream.order`."""


def sft_batches(
    count: int, batch: int, seed: int, steps: int, start: int = 0, order: Order | None = None
) -> Iterator[list[int]]:
    """Batches number `start` to `steps` (exclusive) of indices below `count`: random, each epoch every index once.

    The last batch of an epoch may be smaller. Rows are packed without padding, so lengths need not be alike.
    order: of an epoch, by (seed, epoch), where not all are drawn from at once.
    """
    per_epoch = -(-count // batch)
    for epoch in range(start // per_epoch, -(-steps // per_epoch)):
        key = (seed, epoch)
        places = (order(key) if order else np.random.default_rng(key).permutation(count)).tolist()
        first, last = max(0, start - epoch * per_epoch), min(per_epoch, steps - epoch * per_epoch)
        yield from (places[i * batch : (i + 1) * batch] for i in range(first, last))
