"""A corpus in an order that mixes tasks and sources, a few thousand samples at a time.

A budget that ends early is then spent on all of a corpus alike. The order follows from a seed and the samples' names,
not from where they stand.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from onethinker.corpus.rows import read_shards, to_samples
from onethinker.sample import Sample

if TYPE_CHECKING:
    import pyarrow as pa

PER_PASS = 4096
"""Samples held at once; the corpus's rows are gone through once for each so many."""


def mixed(folder: Path, seed: int, limit: int, per_pass: int = PER_PASS) -> Iterator[Sample]:
    """Every sample once, by a hash of (seed, source, id). limit: only so many of them, the first."""
    places = sorted(_place(seed, batch, row) for batch in read_shards(folder) for row in range(len(batch)))
    places = places[:limit]
    for start in range(0, len(places), per_pass):
        wanted = set(places[start : start + per_pass])
        found: list[tuple[int, Sample]] = []
        for batch in read_shards(folder):
            chosen = [(place, row) for row in range(len(batch)) if (place := _place(seed, batch, row)) in wanted]
            if chosen:
                samples = to_samples(batch.take([row for _, row in chosen]), str(folder))
                found += [(place, sample) for (place, _), sample in zip(chosen, samples, strict=True)]
        yield from (sample for _, sample in sorted(found, key=lambda pair: pair[0]))


def _place(seed: int, batch: pa.RecordBatch, row: int) -> int:
    """64 bits, so that two samples of a corpus do not share one."""
    name = f"{seed}|{batch.column('source')[row].as_py()}|{batch.column('id')[row].as_py()}"
    return int.from_bytes(hashlib.blake2b(name.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big")
