"""A corpus without what benchmarks ask: their media, found as near duplicates, and their questions, by runs of words.

Benchmarks are those of `evaluate.benchmarks`, as far as they lie below the folders given. Media of the two sides are
compared as in `clean`; questions by runs of 13 words (`texts.OVERLAP`), of which those that many samples of the corpus
share are phrases of a template and say nothing.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from onethinker.corpus.clean import Key, check_apart, write_kept
from onethinker.corpus.duplicates import Media, Near, Pair, find
from onethinker.corpus.executor import map_batches
from onethinker.corpus.rows import read_shards, to_samples
from onethinker.corpus.signatures import Signatures
from onethinker.corpus.texts import hash64, overlaps, runs_of
from onethinker.evaluate.benchmarks import BENCHMARKS
from onethinker.evaluate.suite import load, look
from onethinker.sample import DataError, Sample, Samples
from onethinker.util.files import write_whole
from onethinker.util.ray import joined_if
from onethinker.util.runs import locked

if TYPE_CHECKING:
    import pyarrow as pa

REPORT = "report/contamination.json"
HERE = Path("/")
"""Media of benchmarks lie below several roots, so they are named by their whole paths."""


class DecontaminateConfig(BaseModel):
    """Thresholds of `data decontaminate`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    near: Near = Field(Near(), description="what counts as a near duplicate of a medium")
    common: int = Field(10, ge=1, description="samples of the corpus from which a run of words is a template's phrase")


@dataclass(frozen=True, slots=True)
class Read:
    """A benchmark that was compared. missing: media of its questions that are not there."""

    questions: int
    media: int
    missing: int


@dataclass(frozen=True, slots=True)
class Row:
    """What a source shares with a benchmark: samples, by media and by words, and the pictures or clips; and what of the
    samples that stay does."""

    source: str
    benchmark: str
    by_media: int
    by_words: int
    samples: int
    media: int
    samples_after: int
    media_after: int


@dataclass(frozen=True, slots=True)
class Overlap:
    """Words that a sample shares with a benchmark's question."""

    source: str
    id: str
    benchmark: str
    words: str


@dataclass
class Contamination:
    """pairs: the corpus's medium, relative to its root, and the benchmark's, by its whole path."""

    samples: int = 0
    kept: int = 0
    read: dict[str, Read] = field(default_factory=dict)
    absent: list[str] = field(default_factory=list)
    table: list[Row] = field(default_factory=list)
    pairs: list[Pair] = field(default_factory=list)
    overlaps: list[Overlap] = field(default_factory=list)
    gone: list[Key] = field(default_factory=list)

    def to_json(self) -> str:
        return json.dumps(asdict(self), indent=1) + "\n"


def decontaminate(
    corpus: str | Path, out: str | Path, against: Sequence[str | Path], config: DecontaminateConfig | None = None, *,
    media_root: str | Path | None = None, workers: int = 0, ray: str = "", link: bool = True,
) -> Contamination:  # fmt: skip
    """Write `out`, the corpus without what it shares with the benchmarks below the folders `against`, with
    `report/contamination.json` and a page; return what was found. Raises DataError, RunError."""
    folder, target, chosen = Path(corpus), Path(out), config or DecontaminateConfig()
    root = Path(media_root) if media_root else (folder if folder.is_dir() else folder.parent)
    check_apart(folder, target)
    with locked(target), joined_if(ray):
        asked, absent = questions_of(against)
        if not asked:
            raise DataError(f"no benchmark below {', '.join(map(str, against))}; `onethinker eval --list` says where")
        signatures = target / "signatures"
        found = compare(read_shards(folder), root, asked, signatures, chosen, workers=workers, ray=ray)
        found.absent = absent
        write_kept(folder, root, target, set(found.gone), link=link)
        write_whole(target / REPORT, found.to_json())
        from onethinker.corpus.pairs import write_contamination_page

        write_contamination_page(found, (root, HERE), target / "report" / "contamination.html")
    return found


def questions_of(against: Iterable[str | Path]) -> tuple[dict[str, Samples], list[str]]:
    """Each benchmark's questions below the first of the folders that has it whole, and the names of the others."""
    found: dict[str, Samples] = {}
    absent = []
    for name, benchmark in BENCHMARKS.items():
        for root in map(Path, against):
            place = look(benchmark, root)
            if place.place is None:
                continue
            try:
                found[name] = load(place, root)
                break
            except (DataError, OSError) as error:
                absent.append(f"{name} ({error})")
        else:
            if not any(line.startswith(f"{name} (") for line in absent):
                absent.append(name)
    return found, absent


# ---- words ------------------------------------------------------------------------------------------------------


@cache
def schema() -> pa.Schema:
    """Of a sample: what it shares with the benchmarks' questions, as hashes and as words."""
    import pyarrow as pa

    text = pa.string()
    columns: dict[str, Any] = {"id": text, "source": text, "media": pa.list_(text)}
    return pa.schema(columns | {"hashes": pa.list_(pa.uint64()), "words": pa.list_(text)})


@dataclass(frozen=True, slots=True)
class Overlaps:
    """A stage: samples → rows of `schema()`. known: sorted hashes of what the benchmarks' questions hold."""

    known: NDArray[np.uint64]

    def __call__(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        import pyarrow as pa

        return pa.RecordBatch.from_pylist([self._row(sample) for sample in to_samples(batch)], schema())

    def _row(self, sample: Sample) -> dict[str, Any]:
        row = {"id": sample.id, "source": sample.source, "media": list(sample.media)}
        shared = {}
        for run in runs_of(text_of(sample)):
            one = hash64(run)
            at = int(np.searchsorted(self.known, np.uint64(one)))
            if at < len(self.known) and int(self.known[at]) == one:
                shared[one] = run
        return row | {"hashes": list(shared), "words": list(shared.values())}


def text_of(sample: Sample) -> str:
    return " ".join([sample.question, *sample.options])


# ---- both -------------------------------------------------------------------------------------------------------


def compare(
    batches: Iterable[pa.RecordBatch], root: Path, asked: Mapping[str, Samples], signatures: Path,
    config: DecontaminateConfig, *, workers: int = 0, ray: str = "",
) -> Contamination:  # fmt: skip
    """What samples with media below `root` share with benchmarks' questions."""
    known = {name: overlaps([text_of(sample) for sample in samples]) for name, samples in asked.items()}
    stage = Overlaps(np.unique(np.concatenate([*known.values(), np.empty(0, np.uint64)])))
    made = list(map_batches(stage, batches, workers=workers, ray=ray))
    counts = Counter(h for batch in made for hashes in batch.column("hashes").to_pylist() for h in hashes)
    common = {h for h, n in counts.items() if n >= config.common}
    files, owners = _media_of(asked)
    pairs = _pairs(made, root, files, signatures, config, workers, ray)
    of_media: dict[str, set[str]] = defaultdict(set)
    for pair in pairs:
        of_media[pair.first] |= owners[pair.second]
    found = Contamination(sum(map(len, made)), pairs=pairs)
    for name, samples in asked.items():
        media = [path for path, names in owners.items() if name in names]
        found.read[name] = Read(len(samples), len(media), sum(not Path("/", path).is_file() for path in media))
    shared: list[tuple[dict[str, Any], set[str], set[str]]] = []
    for row in (row for batch in made for row in batch.to_pylist()):
        words = {h: text for h, text in zip(row["hashes"], row["words"], strict=True) if h not in common}
        by_words = {name for name, hashes in known.items() if words and np.isin(list(words), hashes).any()}
        by_media = {name for path in row["media"] for name in of_media.get(path, ())}
        for name in sorted(by_words):
            text = next(t for h, t in words.items() if np.isin(h, known[name]))
            found.overlaps.append(Overlap(row["source"], row["id"], name, text))
        if by_media or by_words:
            shared.append((row, by_media, by_words))
            found.gone.append((row["source"], row["id"]))
    found.kept = found.samples - len(found.gone)
    found.table = _table(shared, of_media, set(found.gone))
    return found


def _media_of(asked: Mapping[str, Samples]) -> tuple[list[str], dict[str, set[str]]]:
    """The benchmarks' media, by their whole paths without the first `/`, and the benchmarks of each."""
    owners: dict[str, set[str]] = defaultdict(set)
    for name, samples in asked.items():
        for sample in samples:
            for path in sample.paths(samples.root):
                owners[str(path).lstrip("/")].add(name)
    return [path for path in owners if Path("/", path).is_file()], owners


def _pairs(
    made: Sequence[pa.RecordBatch], root: Path, files: Sequence[str], signatures: Path,
    config: DecontaminateConfig, workers: int, ray: str,
) -> list[Pair]:  # fmt: skip
    """Media of the corpus beside media of the benchmarks that are copies of them."""
    import pyarrow as pa

    paths = {path for batch in made for media in batch.column("media").to_pylist() for path in media}
    ours = Signatures(signatures / "corpus", root).make(paths, workers, ray)
    theirs = Signatures(signatures / "benchmarks", HERE).make(files, workers, ray)
    sides = np.repeat(np.arange(2), (len(ours), len(theirs)))
    return find(Media(pa.concat_tables([ours, theirs]), [root, HERE], sides), config.near)


def _table(
    shared: Sequence[tuple[Mapping[str, Any], set[str], set[str]]], of_media: Mapping[str, set[str]], gone: set[Key]
) -> list[Row]:
    """Counts by source and benchmark, before and after."""
    counts: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    media: dict[tuple[str, str, str], set[str]] = defaultdict(set)
    for row, by_media, by_words in shared:
        stays = (row["source"], row["id"]) not in gone
        for name in by_media | by_words:
            cell = counts[row["source"], name]
            cell["samples"] += 1
            cell["by_media"] += name in by_media
            cell["by_words"] += name in by_words
            cell["samples_after"] += stays
            for path in row["media"]:
                if name in of_media.get(path, ()):
                    for key in ("media", "media_after") if stays else ("media",):
                        media[row["source"], name, key].add(path)
    return [
        Row(
            source, name, cell["by_media"], cell["by_words"], cell["samples"], len(media[source, name, "media"]),
            cell["samples_after"], len(media[source, name, "media_after"]),
        )
        for (source, name), cell in sorted(counts.items())
    ]  # fmt: skip
