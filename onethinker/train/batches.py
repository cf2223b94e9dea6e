"""Which samples a step of SFT sees. The order is a function of seed and step alone, so a resumed run sees the same."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np


def sft_batches(count: int, batch: int, seed: int, steps: int, start: int = 0) -> Iterator[list[int]]:
    """Batches number `start` to `steps` (exclusive) of indices below `count`: random, each epoch every index once.

    The last batch of an epoch may be smaller. Rows are packed without padding, so lengths need not be alike.
    """
    per_epoch = -(-count // batch)
    for epoch in range(start // per_epoch, -(-steps // per_epoch)):
        order = np.random.default_rng((seed, epoch)).permutation(count).tolist()
        first, last = max(0, start - epoch * per_epoch), min(per_epoch, steps - epoch * per_epoch)
        yield from (order[i * batch : (i + 1) * batch] for i in range(first, last))
