"""Which of millions of 64-bit hashes lie near one another, without comparing all with all.

Multi-index hashing (Norouzi, Punjani and Fleet, "Fast Search in Hamming Space with Multi-Index Hashing", 2012): two
hashes that differ in few bits agree, but for one bit at most, in one of a few parts of them. Each part of each query is
looked up among the sorted parts of the entries, as it is and with each of its bits turned. Hashes are parted anew, by
other orders of their bits, `PARTINGS` times, since what differs may by chance lie in all parts at once. The width of a
part grows with the number of entries, so that a look-up meets a handful of them; memory is that of the entries and
of one block of pairs.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

Hashes = NDArray[np.uint64]
Places = NDArray[np.int64]
BITS = 64
PARTINGS = 4
PER_KEY = 8
"""Entries that share a part of a hash, were they spread evenly."""
BLOCK = 1 << 20
"""Pairs of hashes compared at once."""


def near(
    queries: Hashes, entries: Hashes, most: int, *, owners: tuple[Places, Places], per_query: int = 32
) -> tuple[Places, Places]:
    """Places of queries and of entries that differ in at most `most` bits, of each query the nearest `per_query`.

    owners: of the queries and of the entries; those of one owner are not compared with each other. Pairs that differ
    in more bits than the parts allow for are found by chance.
    """
    if not len(queries) or not len(entries):
        return np.empty(0, np.int64), np.empty(0, np.int64)
    found = _Nearest(per_query)
    for shift, width, turned_q, turned_e in _parts(queries, entries):
        mask = np.uint64((1 << width) - 1)
        keys_q, keys_e = ((turned >> np.uint64(shift)) & mask for turned in (turned_q, turned_e))
        order = np.argsort(keys_e, kind="stable")
        ordered = keys_e[order]
        for flip in (0, *(1 << bit for bit in range(width))):
            wanted = keys_q ^ np.uint64(flip)
            first, last = (np.searchsorted(ordered, wanted, side) for side in ("left", "right"))
            for q, at in _expanded(first, last):
                e = order[at]
                distance = np.bitwise_count(queries[q] ^ entries[e])
                close = (distance <= most) & (owners[0][q] != owners[1][e])
                found.add(q[close], e[close], distance[close])
    return found.pairs()


def _parts(queries: Hashes, entries: Hashes) -> Iterator[tuple[int, int, Hashes, Hashes]]:
    """Where a part begins, its width, and all hashes with their bits in that parting's order."""
    width = int(np.clip(np.log2(max(len(entries) / PER_KEY, 1)), 8, 21))
    count = BITS // width
    for parting in range(PARTINGS):
        order = np.random.default_rng(parting).permutation(BITS)
        turned = [_permuted(hashes, order) for hashes in (queries, entries)]
        for part in range(count):
            yield part * width, width, turned[0], turned[1]


def _permuted(hashes: Hashes, order: NDArray[np.int64]) -> Hashes:
    turned = np.zeros_like(hashes)
    for to, bit in enumerate(order):
        turned |= ((hashes >> np.uint64(bit)) & np.uint64(1)) << np.uint64(to)
    return turned


def _expanded(first: Places, last: Places) -> Iterator[tuple[Places, Places]]:
    """Each query's place beside each place of its range, a block at a time."""
    lengths = last - first
    asked = np.flatnonzero(lengths)
    ends = np.cumsum(lengths[asked])
    begin = 0
    while begin < len(asked):
        done = ends[begin - 1] if begin else 0
        stop = max(begin + 1, int(np.searchsorted(ends, done + BLOCK, "right")))
        some = asked[begin:stop]
        counts = lengths[some]
        within = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
        yield np.repeat(some, counts), np.repeat(first[some], counts) + within
        begin = stop


class _Nearest:
    """Pairs, of each query the nearest few, kept small while they are gathered."""

    def __init__(self, per_query: int) -> None:
        self.per_query = per_query
        self.kept = np.empty((0, 3), np.int64)
        self.fresh: list[NDArray[np.int64]] = []
        self.waiting = 0

    def add(self, q: Places, e: Places, distance: NDArray[np.uint8]) -> None:
        self.fresh.append(np.stack([q, e, distance.astype(np.int64)], axis=1))
        self.waiting += len(q)
        if self.waiting > 4 * BLOCK:
            self._settle()

    def _settle(self) -> None:
        rows = np.concatenate([self.kept, *self.fresh])
        self.fresh, self.waiting = [], 0
        rows = rows[np.lexsort((rows[:, 1], rows[:, 2], rows[:, 0]))]
        again = np.zeros(len(rows), bool)
        again[1:] = (rows[1:] == rows[:-1]).all(axis=1)
        rows = rows[~again]
        starts = np.flatnonzero(np.r_[True, rows[1:, 0] != rows[:-1, 0]]) if len(rows) else np.empty(0, np.int64)
        rank = np.arange(len(rows)) - np.repeat(starts, np.diff(np.r_[starts, len(rows)]))
        self.kept = rows[rank < self.per_query]

    def pairs(self) -> tuple[Places, Places]:
        self._settle()
        return self.kept[:, 0], self.kept[:, 1]


class Groups:
    """Places joined into groups: the least place of each stands for it."""

    def __init__(self, count: int) -> None:
        self.parent = np.arange(count)

    def find(self, place: int) -> int:
        while self.parent[place] != place:
            self.parent[place] = self.parent[self.parent[place]]
            place = int(self.parent[place])
        return place

    def join(self, one: int, other: int) -> None:
        low, high = sorted((self.find(one), self.find(other)))
        self.parent[high] = low
