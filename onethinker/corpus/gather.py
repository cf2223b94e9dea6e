"""Read one source of a recipe into work shards, what is left out counted by reason: the first pass writes no media."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections import Counter
from collections.abc import Container, Iterator, Mapping
from contextlib import nullcontext
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from onethinker.corpus.recipe import CorpusRecipe, SourceConfig, group_of, name_of
from onethinker.corpus.rows import ShardWriter, to_table
from onethinker.data.published import say
from onethinker.data.sources import get_source
from onethinker.sample import DataError, Sample
from onethinker.sample.files import iter_samples
from onethinker.util.files import write_whole
from onethinker.util.progress import bar

DONE = "done.json"
CHUNK = 1024
KNOWN = 200_000
"""Names of media that are remembered to be there, since many questions share one."""


@dataclass(frozen=True, slots=True)
class Gathered:
    """What was found of a source.

    rows: that can be taken. left_out: reason → rows that cannot. problem: why it has none, or not all: what is missing,
    or what its reader said. inputs: SHA-256 over what can be taken, whatever its order. name, group, licence: of it.
    """

    key: str
    name: str
    group: str
    rows: int = 0
    left_out: Mapping[str, int] = field(default_factory=dict)
    problem: str = ""
    inputs: str = ""
    licence: str = ""
    split: str = ""


def taken_from(key: str, source: SourceConfig, data_root: Path) -> SourceConfig:
    """The source by the first of its ways that is there; by its own reader where none is."""
    ways = (way.partition(":") for way in source.otherwise)
    others = [source.model_copy(update={"reader": reader, "at": folder, "split": ""}) for reader, _, folder in ways]
    found = [each.model_copy(update={"otherwise": ()}) for each in (source, *others)]
    return next((each for each in found if others and not _absent(key, each, data_root)), found[0])


def root_of(key: str, source: SourceConfig, data_root: Path) -> Path:
    """The folder that the media of a source are relative to, if it lies where it is expected."""
    source = taken_from(key, source, data_root)
    if not source.samples:
        return data_root / (source.at or key.rpartition("/")[2])
    path = _own(source, data_root)
    return path.parent if path.is_file() else path


def _own(source: SourceConfig, data_root: Path) -> Path:
    """The file or folder of own samples; a world's training split of the world's folder."""
    path = data_root / source.samples
    split = source.split or "train"
    return path / split if (path / split).is_dir() else path


def gather(key: str, recipe: CorpusRecipe, data_root: Path, folder: Path) -> Gathered:
    """Read a source into shards of `folder`, unless that was done before of the same files for the same keys."""
    source = taken_from(key, recipe.sources[key], data_root)
    identity = _identity(source, recipe, data_root, root_of(key, source, data_root))
    if (done := _done(folder, identity)) is not None:
        return done
    shutil.rmtree(folder, ignore_errors=True)
    found = Gathered(key, name_of(key, source), group_of(key, source), licence=source.licence)
    if source.unavailable:
        found = replace(found, problem=source.unavailable)
    else:
        found = _read(found, recipe, data_root, folder)
    folder.mkdir(parents=True, exist_ok=True)
    write_whole(folder / DONE, json.dumps({"identity": identity, "found": asdict(found)}, indent=1))
    return found


def _read(found: Gathered, recipe: CorpusRecipe, data_root: Path, folder: Path) -> Gathered:
    source = taken_from(found.key, recipe.sources[found.key], data_root)
    left_out: Counter[str] = Counter()
    digests: list[bytes] = []
    problem = ""

    def rows(advance: Any) -> Iterator[Sample]:
        for item in items_of(found.key, source, data_root):
            advance()
            if isinstance(item, Sample):
                reason = unwanted(item, source, recipe)
                if not reason:
                    digests.append(hashlib.sha256(f"{item.id}\0{item.digest()}".encode()).digest())
                    yield item
                    continue
            else:
                reason = item
            left_out[reason] += 1

    if absent := _absent(found.key, source, data_root):
        others = ", ".join(way.replace(":", " in ") for way in recipe.sources[found.key].otherwise)
        return replace(found, problem=absent + (f"; nor {others}" if others else ""))
    if source.samples:
        say(_own(source, data_root))
    with bar(f"read {found.key}", None) as advance, ShardWriter(folder) as writer:
        try:
            for chunk in chunks(rows(advance)):
                writer.write(to_table(chunk))
        except DataError as error:
            problem = f"read as far as it goes: {_short(error, data_root)}"
    inputs = hashlib.sha256(b"".join(sorted(digests))).hexdigest()
    facts: dict[str, Any] = {
        "rows": len(digests),
        "left_out": dict(sorted(left_out.items())),
        "problem": problem,
        "inputs": inputs,
    }
    if source.reader:
        reader = get_source(source.reader)
        facts |= {"licence": source.licence or reader.licence, "split": source.split or reader.train}
    return replace(found, **facts)


def _absent(key: str, source: SourceConfig, data_root: Path) -> str:
    """Why there is nothing to read: the source is not there, or not whole; empty where it is."""
    root = root_of(key, source, data_root)
    if source.samples:
        path = _own(source, data_root)
        return "" if path.exists() else f"not there: {_short(path, data_root)}"
    if not root.is_dir():
        return f"not there: expected in the folder {_short(root, data_root)}"
    reader = get_source(source.reader)
    try:
        missing = reader.missing(root, source.split or reader.train)
    except DataError as error:
        return str(error)
    names = ", ".join(_short(path, data_root) for path in missing)
    return f"partly there, without {names}" if missing else ""


def _short(text: object, data_root: Path) -> str:
    """Paths as they lie below the data root."""
    return str(text).replace(f"{data_root}/", "")


def items_of(
    key: str, source: SourceConfig, data_root: Path, wanted: Container[str] | None = None
) -> Iterator[Sample | str]:
    """A source's samples under their names in the corpus, and the reason of each row that is none, lazily.

    wanted: ids, in the corpus; only they are given then, with the media that their reader writes. Raises DataError for
    a source that is not there, naming what is missing, and for a file that cannot be read at all.
    """
    source = taken_from(key, source, data_root)
    if source.samples:
        items: Iterator[Sample | str] = _own_items(source, data_root)
    else:
        items = _reader_items(key, source, data_root, wanted)
    for item in items:
        if isinstance(item, Sample):
            item = _named(item, key, source)
            if wanted is not None and item.id not in wanted:
                continue
        yield item


def _named(sample: Sample, key: str, source: SourceConfig) -> Sample:
    meta = {**sample.meta, "group": group_of(key, source)} if group_of(key, source) else sample.meta
    return replace(sample, id=f"{key}/{sample.id}", source=name_of(key, source), meta=meta)


def _own_items(source: SourceConfig, data_root: Path) -> Iterator[Sample | str]:
    path = _own(source, data_root)
    root = path.parent if path.is_file() else path
    seen: set[str] = set()
    there: set[str] = set()
    for item in iter_samples(path):
        if isinstance(item, DataError):
            yield _kind(str(item).partition(": ")[2])
        elif item.id in seen:
            yield "an earlier row has its id"
        else:
            seen.add(item.id)
            lacking = "" if there.issuperset(item.media) else _lacking(item, root)
            if not lacking:
                there = there if len(there) < KNOWN else set()
                there.update(item.media)
            absolute = any(name.startswith("/") for name in item.media)
            names = tuple(_relative(name, root) for name in item.media) if absolute else item.media
            yield lacking or (replace(item, media=names) if absolute else item)


def _relative(name: str, root: Path) -> str:
    return Path(name).relative_to(root.absolute()).as_posix() if name.startswith("/") else name


def _lacking(sample: Sample, root: Path) -> str:
    try:
        missing = [path for path in sample.paths(root) if not path.is_file()]
    except DataError as error:
        return _kind(str(error))
    return "a medium of it is not there" if missing else ""


class _Within:
    """The ids of a reader, of which those in the corpus are wanted."""

    def __init__(self, key: str, wanted: Container[str]) -> None:
        self.key, self.wanted = key, wanted

    def __contains__(self, id: object) -> bool:
        return f"{self.key}/{id}" in self.wanted


def _reader_items(
    key: str, source: SourceConfig, data_root: Path, wanted: Container[str] | None
) -> Iterator[Sample | str]:
    from onethinker.data.sources.writing import media_unwritten

    reader, root = get_source(source.reader), root_of(key, source, data_root)
    split = source.split or reader.train
    if not split:
        raise DataError(f"{reader.name} has no split to train on; name one of {', '.join(reader.splits)} as `split`")
    within = None if wanted is None else _Within(key, wanted)
    rows = reader.rows(root, split, within)
    while True:
        with media_unwritten() if wanted is None else nullcontext():  # not while whoever takes the rows is at work
            item = next(rows, None)
        if item is None:
            return
        yield item if isinstance(item, Sample) else item.kind


def unwanted(sample: Sample, source: SourceConfig, recipe: CorpusRecipe) -> str:
    """Why the recipe takes no such sample; empty where it does."""
    if source.tasks and sample.task not in source.tasks:
        return f"filter: task {sample.task}"
    if source.modalities and sample.modality not in source.modalities:
        return f"filter: modality {sample.modality}"
    if recipe.tasks and sample.task not in recipe.tasks:
        return f"filter: task {sample.task} has no weight"
    limits = recipe.filters
    if len(sample.question) + sum(map(len, sample.options)) > limits.max_question:
        return f"filter: a question of more than {limits.max_question} characters"
    if len(sample.truth) > limits.max_truth:
        return f"filter: a truth of more than {limits.max_truth} characters"
    if len(sample.media) > limits.max_media:
        return f"filter: more than {limits.max_media} media"
    return _difficulty(sample, recipe)


def _difficulty(sample: Sample, recipe: CorpusRecipe) -> str:
    window = recipe.difficulty
    if window is None:
        return ""
    measured = sample.meta.get("difficulty")
    rate = measured.get("pass_rate") if isinstance(measured, dict) else None
    if not isinstance(rate, int | float):
        return "filter: no pass rate" if window.unmeasured == "drop" else ""
    return "" if window.low <= rate <= window.high else "filter: pass rate outside of the window"


def chunks(samples: Iterator[Sample]) -> Iterator[list[Sample]]:
    chunk: list[Sample] = []
    try:
        for sample in samples:
            chunk.append(sample)
            if len(chunk) == CHUNK:
                yield chunk
                chunk = []
    except DataError:  # of a file that breaks off: what was read of it is kept
        if chunk:
            yield chunk
        raise
    if chunk:
        yield chunk


def _kind(reason: str) -> str:
    from onethinker.data.sources.base import LeftOut

    return LeftOut("", reason).kind


# ---- was it done before? ------------------------------------------------------------------------------------------


def _identity(source: SourceConfig, recipe: CorpusRecipe, data_root: Path, root: Path) -> dict[str, Any]:
    """What a reading hangs on: the keys that choose rows, and the names, sizes and times of its files."""
    keys = recipe.model_dump(include={"tasks", "filters", "difficulty"}, mode="json")
    return {"source": source.model_dump(exclude={"cap"}, mode="json"), **keys, "files": _files(source, data_root, root)}


def _files(source: SourceConfig, data_root: Path, root: Path) -> list[list[Any]]:
    if source.samples:
        path = _own(source, data_root)
        places = sorted(path.glob("samples*")) if path.is_dir() else [path]
    elif source.reader and root.is_dir():
        reader = get_source(source.reader)
        split = source.split or reader.train
        places = reader.expected(root, split) if split in reader.splits else []
    else:
        places = []
    return [[str(p), (s := p.stat()).st_size, s.st_mtime_ns] if p.exists() else [str(p), 0, 0] for p in places]


def _done(folder: Path, identity: dict[str, Any]) -> Gathered | None:
    try:
        kept = json.loads((folder / DONE).read_text(encoding="utf-8"))
        return Gathered(**kept["found"]) if kept["identity"] == identity else None
    except (OSError, ValueError, TypeError, KeyError):
        return None
