"""The files that a large set is split into: `samples-00000-of-00004.parquet`, … in one folder, or, as a hub has it,
`data/train-00000-of-00004.parquet`, … below it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from onethinker.sample.record import DataError

SHARDS = "samples-*.parquet"
HUB_SHARDS = "data/train-*.parquet"
"""What `datasets` and `data export --form parquet` write, the split to train on."""
_NUMBERED = re.compile(r"(.+?)-(\d{5})(?:-of-(\d{5}))?(?:-[0-9a-f]{16})?\.(parquet|tar)")
"""Earlier versions of `datasets` put 16 hex digits after the numbers."""
_SPLIT = re.compile(r"(?:^|[-_.])(train|validation|valid|val|test|dev|eval)(?=[-_.\d])")


def shard_name(number: int, total: int | None = None) -> str:
    """The name of shard `number`, from 0; without `total` that of one whose set is still being written."""
    return f"samples-{number:05d}.parquet" if total is None else f"samples-{number:05d}-of-{total:05d}.parquet"


def set_files(folder: Path) -> list[Path]:
    """The shards of the set in a folder, in either layout, none where it has none. Raises DataError."""
    return shard_files(folder) or shard_files(folder, HUB_SHARDS)


def shard_files(folder: Path, pattern: str = SHARDS) -> list[Path]:
    """The shards of a folder in order, none where it has none. Raises DataError as `in_order`."""
    files = {file.name: file for file in folder.glob(pattern)}
    return [files[name] for name in in_order(files, _prefix(pattern), str(folder))]


def _prefix(pattern: str) -> str:
    return pattern.rpartition("/")[2].partition("-")[0]


def in_order(names: Iterable[str], prefix: str, where: str) -> list[str]:
    """Of the names of files in one folder those of the numbered set `prefix`, by their numbers.

    Shards without `-of-N` are those of a set whose writing ended early, and are read as far as they go. Raises
    DataError for one that is missing, for two of one number, and for shards of two sets.
    """
    found: dict[int, str] = {}
    totals = set()
    ending = "parquet"
    for name in sorted(names):
        match = _NUMBERED.fullmatch(name)
        if match is None or match[1] != prefix:
            continue
        number, ending = int(match[2]), match[4]
        if number in found:
            raise DataError(f"{where}: {found[number]} and {name} are one shard of two sets; remove one set")
        found[number] = name
        totals |= {int(match[3])} if match[3] else set()
    if len(totals) > 1:
        raise DataError(f"{where}: holds shards of sets of {' and '.join(map(str, sorted(totals)))}; remove one set")
    expected = max([*totals, *(number + 1 for number in found)], default=0)
    if missing := sorted(set(range(expected)) - set(found))[:3]:
        of = "".join(f"-of-{total:05d}" for total in totals)
        named = ", ".join(f"{prefix}-{number:05d}{of}.{ending}" for number in missing)
        raise DataError(f"{where}: {named} missing of {expected} shards; fetch it, or build the set again")
    return [found[number] for number in sorted(found)]


def chosen(names: Sequence[str], pattern: str, where: str) -> list[str]:
    """Of the files of one folder that have a pattern those to train on, in order: a numbered set whole, and where names
    tell splits apart that of `train`. Raises DataError where there is none such, and as `in_order`."""
    if pattern in (SHARDS, HUB_SHARDS) and (numbered := in_order(names, _prefix(pattern), where)):
        return numbered
    splits = {name: match[1] for name in names if (match := _SPLIT.search(name))}
    held_out = sorted({split for split in splits.values() if split != "train"})
    if "train" in splits.values():
        names = [name for name in names if splits.get(name) == "train"]
    elif held_out:
        raise DataError(
            f"{where}: its files are of the split {' and '.join(held_out)}, none of train; name those that are meant, "
            f"such as {where}/{pattern[: pattern.rfind('/') + 1]}{held_out[0]}-*"
        )
    for prefix in sorted({match[1] for name in names if (match := _NUMBERED.fullmatch(name)) and match[3]}):
        in_order(names, prefix, where)
    return sorted(names)
