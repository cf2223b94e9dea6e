"""A recipe and data sets on disk → a corpus folder: read, mix, clean, write shards and media, card and page.

Everything before the shards lies in `.build` in the corpus folder and is taken up again by whoever builds the same
recipe there after a kill; it goes when the corpus is whole. What was read of a source is not read again unless its
files changed, and shards that stand are not written again.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from onethinker.corpus.gather import Gathered, chunks, gather, items_of, root_of
from onethinker.corpus.mix import Pool, mix
from onethinker.corpus.recipe import CorpusRecipe
from onethinker.corpus.rows import ROWS_PER_SHARD, ShardWriter, to_table
from onethinker.corpus.summary import CORPUS, Summary, summarise
from onethinker.corpus.write import link_media, named, pool_of, prefix_of, sorted_rows
from onethinker.sample import Sample
from onethinker.sample.shards import SHARDS, shard_files
from onethinker.util.files import write_whole
from onethinker.util.progress import bar
from onethinker.util.ray import joined_if
from onethinker.util.runs import RunError, differences, free_beside, locked, read_json

if TYPE_CHECKING:
    import pyarrow as pa

WORK = ".build"
Media = Literal["link", "stay"]


@dataclass(frozen=True)
class _Place:
    """Where a build reads and writes."""

    recipe: CorpusRecipe
    data_root: Path
    out: Path
    media: Media
    rows_per_shard: int
    workers: int
    ray: str

    @property
    def work(self) -> Path:
        return self.out / WORK

    def shards_of(self, step: str, key: str) -> Path:
        """The folder of a source's rows after a step."""
        return self.work / step / key.replace("/", "--")


def build(
    recipe: CorpusRecipe,
    data_root: str | Path,
    out: str | Path,
    *,
    media: Media = "link",
    fresh: bool = False,
    workers: int = 0,
    ray: str = "",
    rows_per_shard: int = ROWS_PER_SHARD,
) -> Summary:
    """Build the corpus of a recipe from what lies below `data_root`, or go on where an earlier build of it ended.

    media: `link` gives every medium a second name below `out/media` (a copy on another disk); with `stay` paths are
    relative to the data root. workers: processes that clean; 0 for the machine's cores. ray: an
    address of Ray, which cleans in their place. fresh: build in a folder beside
    `out` where that is taken. Sources that are not there are shortfalls; the rest is built. Raises RunError for a
    folder that holds something else, and where the disk is full; DataError where no source gives a sample.
    """
    folder = free_beside(Path(out)) if fresh else Path(out)
    at = _Place(recipe, Path(data_root), folder, media, rows_per_shard, workers, ray)
    with locked(folder):
        if (whole := _finished(at)) is not None:
            print(f"{folder}: is built already; --fresh builds it anew beside it", file=sys.stderr)
            return whole
        _begin(at)
        try:
            return _build(at)
        except OSError as error:
            shards = len(shard_files(folder))
            raise RunError(
                f"{error.filename or folder}: {error.strerror or error}; {shards} whole shards stand in {folder} and "
                "can be read as they are. Mend it and give the same command to go on"
            ) from error


def _build(at: _Place) -> Summary:
    recipe = at.recipe
    gathered = {key: gather(key, recipe, at.data_root, at.shards_of("read", key)) for key in sorted(recipe.sources)}
    cleaned = recipe.clean or recipe.decontaminate
    read = {key: pool_of(at.shards_of("read", key)) for key in gathered}
    chosen = mix(read, recipe, spare=recipe.spare if cleaned else 0.0)
    for key, found in gathered.items():
        _pick(at, key, read[key], chosen[key], found.inputs)
    picked = {key: pool_of(at.shards_of("picked", key)) for key in gathered}
    gone = _sift(at, picked) if cleaned else {}
    stays = {key: np.array([id not in gone for id in pool.ids], dtype=bool) for key, pool in picked.items()}
    taken = stays
    for key, mask in mix({key: pool.only(stays[key]) for key, pool in picked.items()}, recipe).items():
        taken[key][stays[key]] = mask
    _write(at, picked, taken)
    if cleaned and at.media == "link":
        _unlink_others(at, picked, taken)
    left_out = {}
    for key, pool in picked.items():
        reasons = Counter(gone[id] for id in pool.ids if id in gone)
        unwritten = int(chosen[key].sum()) - len(pool)
        left_out[key] = reasons + Counter({"its medium could not be written": unwritten})
    return _finish(at, gathered, left_out, {key: (picked[key], taken[key]) for key in gathered})


# ---- where the build stands ---------------------------------------------------------------------------------------


def _config(at: _Place) -> dict[str, Any]:
    return {"recipe": at.recipe.model_dump(mode="json"), "media": at.media}


def _finished(at: _Place) -> Summary | None:
    """The corpus that the folder holds, if it is one of this recipe. Raises RunError for another's."""
    file = at.out / CORPUS
    if not file.exists():
        return None
    found = Summary.read(at.out)
    if changed := differences({"recipe": found.recipe, "media": found.media}, _config(at)):
        raise RunError(
            f"{at.out} holds a corpus of another recipe:\n  "
            + "\n  ".join(changed)
            + "\ngive another --out, or --fresh"
        )
    return found


def _begin(at: _Place) -> None:
    """Note what is built here, or go on with it. Raises RunError for what is not ours to overwrite."""
    file = at.work / "config.json"
    config = _config(at) | {"data_root": str(at.data_root.absolute()), "rows_per_shard": at.rows_per_shard}
    if file.exists():
        if changed := differences(read_json(file), config):
            raise RunError(
                f"{at.out} holds half of a corpus of another recipe:\n  "
                + "\n  ".join(changed)
                + "\nbuild the same to go on, or give another --out, or --fresh"
            )
        return
    if taken := sorted(p.name for pattern in (SHARDS, "samples.*", "media") for p in at.out.glob(pattern)):
        raise RunError(f"{at.out} holds {taken[0]}, which no build left there; give another --out, or --fresh")
    at.work.mkdir(parents=True, exist_ok=True)
    write_whole(file, json.dumps(config, indent=1))


# ---- the chosen rows, with their media ------------------------------------------------------------------------------


def _pick(at: _Place, key: str, pool: Pool, chosen: NDArray[np.bool_], inputs: str) -> None:
    """The chosen rows of a source into shards of their own, read again with the media that the reader writes."""
    folder, ids = at.shards_of("picked", key), pool.ids[chosen]
    identity = hashlib.sha256("\0".join([inputs, *sorted(ids)]).encode()).hexdigest()
    done = folder / "done.json"
    if done.exists() and read_json(done) == identity:
        return
    shutil.rmtree(folder, ignore_errors=True)
    source = at.recipe.sources[key]
    with ShardWriter(folder) as writer, bar(f"media {key}", len(ids)) as advance:
        if source.reader and len(ids):
            wanted = set(ids)
            items = (item for item in items_of(key, source, at.data_root, wanted) if isinstance(item, Sample))
            for chunk in chunks(items):
                writer.write(to_table(chunk))
                advance(len(chunk))
        else:
            for table in sorted_rows(at.shards_of("read", key), pool, chosen):
                writer.write(table)
                advance(len(table))
    write_whole(done, json.dumps(identity))


# ---- cleaning -------------------------------------------------------------------------------------------------------


def _sift(at: _Place, picked: Mapping[str, Pool]) -> dict[str, str]:
    """Id → why the candidate goes. With `link` the candidates' media are linked to be looked at, those of what goes
    until the end."""
    from onethinker.corpus.sift import sift

    everything = {key: np.ones(len(pool), dtype=bool) for key, pool in picked.items()}

    def batches() -> Iterator[pa.RecordBatch]:
        for rows in _rows(at, picked, everything):
            yield from rows.to_batches()

    root = at.out if at.media == "link" else at.data_root
    signatures = at.work / "signatures"
    where = {"workers": at.workers, "ray": at.ray}
    with joined_if(at.ray):
        return sift(at.recipe, batches, root, at.out, at.data_root, signatures=signatures, **where)  # type: ignore[arg-type]


def _unlink_others(at: _Place, picked: Mapping[str, Pool], taken: Mapping[str, NDArray[np.bool_]]) -> None:
    """Take the second names of media away again that no sample in the corpus has."""
    tables = _rows(at, picked, taken)
    used = {name for rows in tables for names in rows.column("media").to_pylist() for name in names}
    for file in (at.out / "media").rglob("*"):
        if file.is_file() and file.relative_to(at.out).as_posix() not in used:
            file.unlink()
    for folder in sorted((p for p in (at.out / "media").rglob("*") if p.is_dir()), reverse=True):
        if not any(folder.iterdir()):
            folder.rmdir()


# ---- shards and media -----------------------------------------------------------------------------------------------


def _write(at: _Place, pools: Mapping[str, Pool], taken: Mapping[str, NDArray[np.bool_]]) -> None:
    """The shards, each after its media; those that an earlier build left are kept if they are of the same rows."""
    plan = _plan(pools, taken)
    note = at.work / "plan.json"
    if not note.exists() or read_json(note) != plan:
        for file in at.out.glob(SHARDS):
            file.unlink()
        write_whole(note, json.dumps(plan))
    first = len(shard_files(at.out))
    skipped = first * at.rows_per_shard
    total = sum(int(mask.sum()) for mask in taken.values())
    with (
        bar("write", total, done=min(skipped, total)) as advance,
        ShardWriter(at.out, at.rows_per_shard, first=first) as writer,
    ):
        for rows in _from(skipped, _rows(at, pools, taken)):
            writer.write(rows)
            advance(len(rows))


def _rows(at: _Place, pools: Mapping[str, Pool], taken: Mapping[str, NDArray[np.bool_]]) -> Iterator[pa.Table]:
    """All rows in order, their media linked. The sources' order is that of their keys."""
    for key in sorted(pools):
        root = root_of(key, at.recipe.sources[key], at.data_root)
        prefix = prefix_of(key, root, at.data_root)
        if at.media == "stay" and not root.resolve().is_relative_to(at.data_root.resolve()):
            raise RunError(f"{root}: lies outside of {at.data_root}, where its media cannot stay; leave --media out")
        linked: set[str] = set()
        for table in sorted_rows(at.shards_of("picked", key), pools[key], taken[key]):
            for start in range(0, len(table), 1024):
                rows = table.slice(start, 1024)
                if at.media == "link":
                    link_media(rows, root, at.out / "media" / prefix, linked)
                yield named(rows, "/".join(filter(None, ("media" if at.media == "link" else "", prefix))))


def _from(skipped: int, tables: Iterator[pa.Table]) -> Iterator[pa.Table]:
    for table in tables:
        if skipped < len(table):
            yield table.slice(skipped)
        skipped = max(0, skipped - len(table))


def _plan(pools: Mapping[str, Pool], taken: Mapping[str, NDArray[np.bool_]]) -> str:
    digest = hashlib.sha256()
    for key in sorted(pools):
        for id in sorted(pools[key].ids[taken[key]]):
            digest.update(f"{id}\0".encode())
    return digest.hexdigest()


# ---- the end --------------------------------------------------------------------------------------------------------


def _finish(
    at: _Place,
    gathered: Mapping[str, Gathered],
    left_out: Mapping[str, Counter[str]],
    taken: Mapping[str, tuple[Pool, NDArray[np.bool_]]],
) -> Summary:
    """Card, page and `corpus.json`, which says that the corpus is whole; then the working files go."""
    from onethinker.corpus.card import write_card
    from onethinker.corpus.page import write_page

    summary = replace(summarise(at.recipe, at.media, str(at.data_root), gathered, left_out, taken), folder=at.out)
    write_card(summary, at.out)
    write_page(summary, at.out)
    write_whole(at.out / CORPUS, summary.to_json())
    shutil.rmtree(at.work)
    return summary
