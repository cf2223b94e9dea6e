"""The chosen rows of every source, sorted by source and id → shards of the corpus folder, each after its media."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from onethinker.corpus.mix import Pool
from onethinker.corpus.rows import read_shards, schema
from onethinker.data.sources.convert import place
from onethinker.sample import DataError, resolve_under
from onethinker.sample.shards import shard_files

if TYPE_CHECKING:
    import pyarrow as pa

SORTED_AT_ONCE = 100_000
"""Rows that are in memory to be sorted; a source of more is read once for each so many."""


def pool_of(folder: Path) -> Pool:
    """What can be taken of the rows in a folder of shards."""

    def rows() -> Iterator[tuple[str, str, str]]:
        for batch in read_shards(folder, 8192) if shard_files(folder) else ():
            yield from zip(*(batch.column(name).to_pylist() for name in ("id", "task", "modality")))

    return Pool.of(rows())


def sorted_rows(folder: Path, pool: Pool, taken: NDArray[np.bool_]) -> Iterator[pa.Table]:
    """The rows taken, by id, at most SORTED_AT_ONCE at a time."""
    import pyarrow as pa

    chosen = np.flatnonzero(taken)
    order = np.array(sorted(chosen.tolist(), key=pool.ids.__getitem__), dtype=np.int64)
    place_of = np.full(len(pool), -1, dtype=np.int64)
    place_of[order] = np.arange(len(order))
    for start in range(0, len(order), SORTED_AT_ONCE):
        found, places, row = [], [], 0
        for batch in read_shards(folder, 8192):
            here = place_of[row : row + len(batch)]
            row += len(batch)
            kept = (here >= start) & (here < start + SORTED_AT_ONCE)
            if kept.any():
                found.append(batch.filter(pa.array(kept)))
                places.append(here[kept])
        table = pa.Table.from_batches(found)
        yield table.take(pa.array(np.argsort(np.concatenate(places), kind="stable")))


def named(rows: pa.Table, prefix: str) -> pa.Table:
    """The rows with the names that their media have in the corpus."""
    import pyarrow as pa

    if not prefix:
        return rows
    field = schema().field("media")
    media = [[f"{prefix}/{name}" for name in names] for names in rows.column("media").to_pylist()]
    return rows.set_column(rows.schema.get_field_index("media"), field, pa.array(media, field.type))


def link_media(rows: pa.Table, root: Path, folder: Path, linked: set[str]) -> None:
    """A second name below `folder` for every medium of the rows; copies where a link cannot be had.

    linked: names that have one, to which these are added. Raises OSError, and DataError for one that has gone since it
    was read.
    """
    names = {name for each in rows.column("media").to_pylist() for name in each} - linked
    for name in sorted(names):
        path = resolve_under(root, name)
        if not path.is_file():
            raise DataError(f"{path}: was there when its source was read; put it back, or build anew with --fresh")
        place(path, folder / name)
    linked |= names


def prefix_of(key: str, root: Path, data_root: Path) -> str:
    """Where the media of a source lie: as below the data root, or else under the source's key; empty for the root."""
    try:
        found = root.resolve().relative_to(data_root.resolve()).as_posix()
    except ValueError:
        return key.replace("/", "-")
    return "" if found == "." else found
