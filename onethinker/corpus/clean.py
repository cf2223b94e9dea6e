"""A corpus without duplicates and faults: what goes, why, and a report with the pairs drawn. Nothing of the input is
changed.

Rows are looked at one by one (`faults`), media once each (`signatures`), and only then all together: media that are
copies of one another make a group, and of samples that ask the same of the same group the first by source and id stays.
Another question about the same picture is another sample.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from onethinker.corpus.candidates import Groups
from onethinker.corpus.duplicates import Media, Near, Pair, find, grouped
from onethinker.corpus.executor import map_batches
from onethinker.corpus.faults import Inspect, RowChecks
from onethinker.corpus.rows import ROWS_PER_SHARD, ShardWriter, read_shards
from onethinker.corpus.signatures import Signatures
from onethinker.corpus.summary import CORPUS
from onethinker.corpus.texts import PERMUTATIONS, similarity
from onethinker.corpus.write import link_media
from onethinker.sample import DataError
from onethinker.sample.shards import SHARDS
from onethinker.util.files import write_whole
from onethinker.util.progress import bar
from onethinker.util.ray import joined_if
from onethinker.util.runs import RunError, locked

if TYPE_CHECKING:
    import pyarrow as pa

REPORT = "report/clean.json"
DUPLICATE, BROKEN, TOO_LONG = "a duplicate of another sample", "a medium that cannot be read", "a span beyond its clip"
_SMALL = 100
"""Samples of a group that are compared pair by pair; of more, those that share a band of their MinHash."""
_BAND = 4
"""Values of a MinHash that must be equal for two questions of a large group to be compared."""

Key = tuple[str, str]
"""A sample's source and id."""


class CleanConfig(BaseModel):
    """Thresholds of `data clean`; `--set near.bits=10` changes one."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    near: Near = Field(Near(), description="what counts as a near duplicate of a medium")
    rows: RowChecks = Field(RowChecks(), description="what a sample must be by itself")
    question: float = Field(
        0.85, ge=0, le=1, description="similarity of two questions about the same media, with the same numbers and "
        "the same answer, from which they are one",
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Gone:
    """A sample that was left out. other: the one that stays in its place, as SOURCE/ID, or what is wrong in words."""

    source: str
    id: str
    task: str
    reason: str
    other: str = ""


@dataclass
class Report:
    """shared: groups of media that are copies of one another and stay, since they are asked about otherwise."""

    samples: int = 0
    kept: int = 0
    media: int = 0
    gone: list[Gone] = field(default_factory=list)
    pairs: list[Pair] = field(default_factory=list)
    shared: list[list[str]] = field(default_factory=list)

    def reasons(self) -> dict[str, int]:
        return dict(Counter(gone.reason for gone in self.gone).most_common())

    def by_source(self) -> dict[str, dict[str, int]]:
        found: dict[str, Counter[str]] = defaultdict(Counter)
        for gone in self.gone:
            found[gone.source][gone.reason] += 1
        return {source: dict(counts.most_common()) for source, counts in sorted(found.items())}

    def to_json(self) -> str:
        lists = {name: [asdict(item) for item in getattr(self, name)] for name in ("gone", "pairs")}
        counts = {"samples": self.samples, "kept": self.kept, "media": self.media, "reasons": self.reasons()}
        return json.dumps(counts | {"by_source": self.by_source(), "shared": self.shared} | lists, indent=1) + "\n"


def clean(
    corpus: str | Path, out: str | Path, config: CleanConfig | None = None, *, media_root: str | Path | None = None,
    workers: int = 0, ray: str = "", link: bool = True,
) -> Report:  # fmt: skip
    """Write `out`, the corpus without what goes, with `report/clean.json` and a page; return the report.

    link: give each medium a second name below `out`; else paths stay relative to the corpus. Signatures of media are
    kept in `out/signatures`, so that a run that was stopped goes on. Raises DataError, RunError.
    """
    folder, target, chosen = Path(corpus), Path(out), config or CleanConfig()
    root = Path(media_root) if media_root else (folder if folder.is_dir() else folder.parent)
    check_apart(folder, target)
    with locked(target), joined_if(ray):
        report = look(read_shards(folder), root, target / "signatures", chosen, workers=workers, ray=ray)
        keep = {(gone.source, gone.id) for gone in report.gone}
        write_kept(folder, root, target, keep, link=link)
        write_whole(target / REPORT, report.to_json())
        from onethinker.corpus.pairs import write_clean_page

        write_clean_page(report, root, target / "report" / "clean.html")
    return report


def check_apart(corpus: Path, out: Path) -> None:
    """Raises RunError where the one would be written over the other, or over other data."""
    if out.resolve() == corpus.resolve() or corpus.resolve().is_relative_to(out.resolve()):
        raise RunError(f"{out}: holds the corpus {corpus}, of which nothing is changed; give --out another folder")
    if (out / CORPUS).exists() and not (out / "report").exists():
        raise RunError(f"{out}: holds a corpus; give --out a folder of its own")


def write_kept(corpus: Path, root: Path, out: Path, gone: set[Key], *, link: bool = True) -> None:
    """The samples that stay, as shards of `out` with `corpus.json`, their media linked."""
    import pyarrow as pa

    for file in out.glob(SHARDS):
        file.unlink()
    linked: set[str] = set()
    kept = 0
    with ShardWriter(out, ROWS_PER_SHARD) as writer, bar("write", None) as advance:
        for batch in read_shards(corpus):
            keys = zip(batch.column("source").to_pylist(), batch.column("id").to_pylist(), strict=True)
            rows = pa.Table.from_batches([batch]).filter(pa.array([key not in gone for key in keys], pa.bool_()))
            if link:
                link_media(rows, root, out, linked)
            writer.write(rows)
            kept += len(rows)
            advance(len(batch))
    facts = {"of": str(corpus), "samples": kept, "media_root": "" if link else str(root)}
    write_whole(out / "cleaned.json", json.dumps(facts, indent=1) + "\n")


# ---- what goes --------------------------------------------------------------------------------------------------


def look(
    batches: Iterable[pa.RecordBatch], root: Path, signatures: Path, config: CleanConfig, *, workers: int = 0,
    ray: str = "",
) -> Report:  # fmt: skip
    """What goes of these samples, whose media lie below `root`."""
    import pyarrow as pa

    made = list(map_batches(Inspect(config.rows), batches, workers=workers, ray=ray))
    if not made:
        raise DataError("no samples to clean")
    rows = pa.Table.from_batches(made).sort_by([("source", "ascending"), ("id", "ascending")]).combine_chunks()
    media = rows.column("media").to_pylist()
    paths = sorted({path for each in media for path in each})
    table = Signatures(signatures, root).make(paths, workers, ray)
    known = Media(table, [root])
    pairs = find(known, config.near)
    home = grouped(paths, pairs)
    report = Report(len(rows), media=len(paths), pairs=pairs)
    signs = {row["path"]: row for row in known.rows}
    columns = {name: rows.column(name).to_pylist() for name in ("id", "source", "task", "reason", "end")}
    faults = [
        (reason, "") if reason else _of_media([signs[path] for path in each], end, config)
        for reason, end, each in zip(columns["reason"], columns["end"], media, strict=True)
    ]
    good = [at for at, (reason, _) in enumerate(faults) if not reason]
    first = _same(rows, media, home, good, config)
    for at, (reason, words) in enumerate(faults):
        source, name = columns["source"][at], columns["id"][at]
        other = first.get(at)
        if other is not None:
            reason, words = DUPLICATE, f"{columns['source'][other]}/{columns['id'][other]}"
        if reason:
            report.gone.append(Gone(source, name, columns["task"][at], reason, words))
    report.kept = report.samples - len(report.gone)
    report.shared = _shared([media[at] for at in good if at not in first], home)
    return report


def _of_media(signs: Sequence[Mapping[str, Any]], end: float, config: CleanConfig) -> tuple[str, str]:
    """What is wrong with a sample's media."""
    for sign in signs:
        if sign["problem"]:
            return BROKEN, sign["problem"]
    durations = [sign["duration"] for sign in signs if sign["clip"]]
    if durations and end > max(durations) + config.rows.beyond_clip:
        return TOO_LONG, f"ends at {end:g} s of {max(durations):.2f} s"
    return "", ""


def _same(
    rows: pa.Table, media: Sequence[Sequence[str]], home: Mapping[str, str], good: Sequence[int], config: CleanConfig
) -> dict[int, int]:
    """Rows that ask the same of the same media → the first of their group, rows being in order."""
    tasks, answers, numbers = (rows.column(name).to_pylist() for name in ("task", "answered", "numbers"))
    asked = rows.column("asked").to_pylist()
    signatures: NDArray[np.uint32] = rows.column("minhash").combine_chunks().flatten().to_numpy()
    hashes = signatures.reshape(len(rows), PERMUTATIONS)
    alike: dict[tuple[Any, ...], list[int]] = defaultdict(list)
    for at in good:
        # Equal answers to questions with equal numbers: only these are compared word by word.
        alike[tasks[at], tuple(home[path] for path in media[at]), answers[at], numbers[at]].append(at)
    groups = Groups(len(rows))
    for group in alike.values():
        for one, other in _pairs_of(group, hashes):
            if groups.find(one) != groups.find(other) and (
                asked[one] == asked[other] or similarity(hashes[one], hashes[other]) >= config.question
            ):
                groups.join(one, other)
    return {at: stays for at in good if (stays := groups.find(at)) != at}


def _pairs_of(group: Sequence[int], hashes: NDArray[np.uint32]) -> Iterator[tuple[int, int]]:
    """Pairs worth comparing: all of a small group, of a large one those with an equal band, neighbour by neighbour."""
    if len(group) <= _SMALL:
        yield from combinations(group, 2)
        return
    for start in range(0, PERMUTATIONS, _BAND):
        bands: dict[bytes, int] = {}
        for at in group:
            band = hashes[at, start : start + _BAND].tobytes()
            if band in bands:
                yield bands[band], at
            else:
                bands[band] = at


def _shared(media: Iterable[Sequence[str]], home: Mapping[str, str]) -> list[list[str]]:
    """Groups of several media that samples which stay are asked about."""
    found: dict[str, set[str]] = defaultdict(set)
    for path in {path for each in media for path in each}:
        found[home[path]].add(path)
    return sorted(sorted(group) for group in found.values() if len(group) > 1)
