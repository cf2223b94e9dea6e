"""Which samples of each source are taken: at most its cap, in the tasks' proportions, pictures and clips balanced.

A sample is chosen by the hash of (seed, id) alone, so that the order of files and rows changes nothing, and a larger
cap keeps what a smaller one took. Proportions are met by raking (iterative proportional fitting; Deming and Stephan,
1940) over the table of tasks × pictures or clips; within one of its cells every source gives the same share.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from onethinker.corpus.recipe import CorpusRecipe

KINDS = {"image": "image", "video": "video", "video-image": "video", "text": "text"}
"""Modality → what it counts as for the balance."""
ROUNDS = 200
Cell = tuple[str, str]
"""(task, kind)."""
Name = TypeVar("Name", str, Cell)


@dataclass(frozen=True)
class Pool:
    """What can be taken of a source, a row each: ids, and the cell (an index into `cells`) of each."""

    ids: NDArray[np.object_]
    cell: NDArray[np.int32]
    cells: tuple[Cell, ...]

    @classmethod
    def of(cls, rows: Iterable[tuple[str, str, str]]) -> Pool:
        """Of (id, task, modality)."""
        ids, cell, seen = [], [], dict[Cell, int]()
        for id, task, modality in rows:
            ids.append(id)
            cell.append(seen.setdefault((task, KINDS[modality]), len(seen)))
        return cls(np.array(ids, dtype=object), np.array(cell, dtype=np.int32), tuple(seen))

    def __len__(self) -> int:
        return len(self.ids)

    def only(self, kept: NDArray[np.bool_]) -> Pool:
        """Those rows alone."""
        return Pool(self.ids[kept], self.cell[kept], self.cells)


def rank(seed: int, ids: Iterable[str]) -> NDArray[np.uint64]:
    """Each id's number, by which samples are taken, the lowest first."""
    numbers = (hashlib.blake2b(f"{seed}\0{id}".encode(), digest_size=8).digest() for id in ids)
    return np.frombuffer(b"".join(numbers), dtype=">u8").astype(np.uint64)


def mix(pools: Mapping[str, Pool], recipe: CorpusRecipe, *, spare: float = 0.0) -> dict[str, NDArray[np.bool_]]:
    """Source → which of its rows are taken. spare: how many more than its cap a source may give."""
    ranks = {key: rank(recipe.seed, pool.ids) for key, pool in pools.items()}
    taken = {}
    for key, pool in pools.items():
        cap = recipe.cap_of(key)
        most = len(pool) if cap is None else min(round(cap * (1 + spare)), len(pool))
        taken[key] = np.zeros(len(pool), dtype=bool)
        taken[key][np.argsort(ranks[key], kind="stable")[:most]] = True
    if not recipe.tasks and recipe.images is None and recipe.total is None:
        return taken
    counts = {key: _counts(pool, taken[key]) for key, pool in pools.items()}
    wanted = rake(sum(counts.values(), Counter()), recipe, spare)
    for cell, most in wanted.items():
        shares = apportion({key: count[cell] for key, count in counts.items() if count[cell]}, most)
        for key, share in shares.items():
            rows = np.flatnonzero(taken[key] & (pools[key].cell == pools[key].cells.index(cell)))
            taken[key][rows[np.argsort(ranks[key][rows], kind="stable")[share:]]] = False
    return taken


def _counts(pool: Pool, taken: NDArray[np.bool_]) -> Counter[Cell]:
    found = np.bincount(pool.cell[taken], minlength=len(pool.cells)).tolist()
    return Counter(dict(zip(pool.cells, found)))


def rake(available: Mapping[Cell, int], recipe: CorpusRecipe, spare: float = 0.0) -> dict[Cell, int]:
    """How many of each cell are taken: as many as there are in the wanted proportions, or `total` of them, as far as
    each cell goes."""
    cells = [cell for cell in sorted(available) if available[cell]]
    there = np.array([available[cell] for cell in cells], dtype=float)
    if not cells:
        return {}
    weight = there / there.sum()
    for _ in range(ROUNDS if recipe.tasks and recipe.images is not None else 1):
        if recipe.tasks:
            weight = _fit(weight, [task for task, _ in cells], recipe.tasks)
        if recipe.images is not None:
            visual = sum(w for w, (_, kind) in zip(weight, cells) if kind != "text")
            goal = {"image": recipe.images, "video": 1 - recipe.images}
            goal = {kind: share * visual for kind, share in goal.items()} | {"text": 1 - visual}
            weight = _fit(weight, [kind for _, kind in cells], goal)
    positive = weight > 0
    most = float((there[positive] / weight[positive]).min())  # the scarcest cell is taken whole
    total = most if recipe.total is None else recipe.total * (1 + spare)
    wanted = apportion(dict(zip(cells, weight * total)), round(total))
    return {cell: min(count, available[cell]) for cell, count in wanted.items()}


def _fit(weight: NDArray[np.float64], names: list[str], goal: Mapping[str, float]) -> NDArray[np.float64]:
    """Weights scaled so that each name has its share of the goal, among the names that have any."""
    sums: defaultdict[str, float] = defaultdict(float)
    for name, one in zip(names, weight):
        sums[name] += one
    present = {name: goal.get(name, 0.0) for name, total in sums.items() if total > 0}
    whole = sum(present.values()) or 1.0
    factors = np.array([present.get(name, 0.0) / whole / sums[name] if sums[name] else 0.0 for name in names])
    return weight * factors


def apportion(weights: Mapping[Name, float], total: int) -> dict[Name, int]:
    """Whole numbers in the proportions of `weights` that sum to `total`, or to the weights' sum if that is less
    (largest remainders, ties by name)."""
    whole = float(sum(weights.values()))
    if whole <= 0:
        return dict.fromkeys(weights, 0)
    scale = min(1.0, total / whole)
    exact = {name: weight * scale for name, weight in sorted(weights.items())}
    found = {name: int(value + 1e-9) for name, value in exact.items()}
    rest = min(total, round(whole)) - sum(found.values())
    for name in sorted(exact, key=lambda name: (found[name] - exact[name], name))[: max(rest, 0)]:
        found[name] += 1
    return found
