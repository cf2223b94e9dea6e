"""The files that a large set is split into: `samples-00000-of-00004.parquet`, … in one folder, or, as a hub has it,
`data/train-00000-of-00004.parquet`, … below it."""

from __future__ import annotations

import re
from pathlib import Path

from onethinker.sample.record import DataError

SHARDS = "samples-*.parquet"
HUB_SHARDS = "data/train-*.parquet"
"""What `datasets` and `data export --form parquet` write, the split to train on."""
_NUMBERS = re.compile(r"-(\d{5})(?:-of-(\d{5}))?\.parquet")


def shard_name(number: int, total: int | None = None) -> str:
    """The name of shard `number`, from 0; without `total` that of one whose set is still being written."""
    return f"samples-{number:05d}.parquet" if total is None else f"samples-{number:05d}-of-{total:05d}.parquet"


def set_files(folder: Path) -> list[Path]:
    """The shards of the set in a folder, in either layout, none where it has none. Raises DataError."""
    return shard_files(folder) or shard_files(folder, HUB_SHARDS)


def shard_files(folder: Path, pattern: str = SHARDS) -> list[Path]:
    """The shards of a folder in order, none where it has none.

    Shards without `-of-N` are those of a set whose writing ended early, and are read as far as they go. Raises
    DataError for one that is missing, for two of one number, and for shards of two sets.
    """
    found: dict[int, Path] = {}
    totals = set()
    name = pattern.rpartition("/")[2].partition("-")[0]
    for file in sorted(folder.glob(pattern)):
        match = _NUMBERS.fullmatch(file.name.removeprefix(name))
        if match is None:
            continue
        number = int(match[1])
        if number in found:
            raise DataError(f"{folder}: {found[number].name} and {file.name} are one shard of two sets; remove one set")
        found[number] = file
        totals |= {int(match[2])} if match[2] else set()
    if len(totals) > 1:
        raise DataError(f"{folder}: holds shards of sets of {' and '.join(map(str, sorted(totals)))}; remove one set")
    expected = max([*totals, *(number + 1 for number in found)], default=0)
    if missing := sorted(set(range(expected)) - set(found))[:3]:
        named = ", ".join(shard_name(number, *totals).replace("samples", name) for number in missing)
        raise DataError(f"{folder}: {named} missing of {expected} shards; fetch it, or build the set again")
    return [found[number] for number in sorted(found)]
