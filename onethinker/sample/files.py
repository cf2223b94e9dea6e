"""Files of samples: JSON lines, Parquet, the published JSON and VLMEvalKit's TSV. What they hold is untrusted."""

from __future__ import annotations

import codecs
import json
import re
from collections import Counter
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

from onethinker.sample.forms import parse_row, to_native, to_published
from onethinker.sample.media_fields import unpacked
from onethinker.sample.pictures import unpack
from onethinker.sample.record import DataError, Sample, Samples
from onethinker.sample.shards import HUB_SHARDS, set_files
from onethinker.sample.task_names import check_task
from onethinker.util.files import replacing

MAX_LINE = 64 << 20
"""Bytes of a line of a JSON-lines file; longer ones are refused before they are read."""
_NAMES = ("samples.jsonl", "samples.json", "samples.parquet")
"""Data files of a folder."""


def load_samples(
    path: str | Path, media_root: str | Path | None = None, limit: int | None = None, *, strict: bool = True
) -> Samples:
    """Read samples from a file or from the data file of a folder (`samples.jsonl|json|parquet`, or all of its
    `samples-00000-of-00004.parquet`, …, or `data/train-00000-of-00004.parquet`, …, as a hub has them).

    media_root: the folder media paths are relative to; `path`, or the folder of that file, unless given. An absolute
    path that does not lie in it loses its leading `/`, as the release has it (`Evaluation/Eval/eval_bench.py`). Media
    within the file are unpacked below `images/` there.
    strict: whether the first row that cannot be read raises DataError, naming file, row and fix, or every such row is
    left out and named in `Samples.left_out`; a file that cannot be read at all, and one without a single sample, raise
    in any case. An id that occurs again becomes `ID#2`, `ID#3`, …, by the order of the file (`Samples.renamed`).
    """
    if limit is not None and limit < 1:
        raise DataError(f"limit is {limit}; expected 1 or more")
    files = data_files(Path(path))
    if files[0].suffix == ".tsv":
        from onethinker.sample.tsv import load_tsv

        return load_tsv(files[0], media_root, limit, strict=strict)
    root = Path(media_root) if media_root else _folder(Path(path))
    samples: dict[str, Sample] = {}
    left_out: list[str] = []
    renamed: list[str] = []
    for where, sample in _items(files, root):
        if isinstance(sample, DataError):
            if strict:
                raise sample
            left_out.append(str(sample))
            continue
        if sample.id in samples:
            name = _unused(sample.id, samples)
            renamed.append(f"{where}: id {sample.id!r} is an earlier row's; it is {name!r} here")
            sample = replace(sample, id=name)
        samples[sample.id] = sample
        if len(samples) == limit:
            break
    if not samples:
        raise DataError(f"{path}: no samples in it" + (f"; {left_out[0]}" if left_out else ""))
    return Samples(tuple(samples.values()), root, tuple(left_out), tuple(renamed))


def iter_samples(path: str | Path, media_root: str | Path | None = None) -> Iterator[Sample | DataError]:
    """The samples of what `load_samples` reads, one at a time, with an error in the place of each row that cannot be
    read; ids as they stand. Lines and Parquet are never in memory whole. Raises DataError for a file that cannot be
    read at all."""
    files = data_files(Path(path))
    if files[0].suffix == ".tsv":
        from onethinker.sample.tsv import load_tsv

        samples = load_tsv(files[0], media_root, strict=False)
        yield from (*samples, *map(DataError, samples.left_out))
        return
    for _, item in _items(files, Path(media_root) if media_root else _folder(Path(path))):
        yield item


def _items(files: Sequence[Path], root: Path) -> Iterator[tuple[str, Sample | DataError]]:
    """(where, the sample or what is wrong with its row)."""
    for file in files:
        for number, row in enumerate(_rows(file), start=1):
            where = f"{file}, row {number}"
            try:
                yield where, _read(row, where, root, file.stem)
            except DataError as error:
                yield where, error


def _read(row: Any, where: str, root: Path, stem: str) -> Sample:
    """One row as a sample whose media lie below the root. Raises DataError."""
    if isinstance(row, DataError):
        raise row
    if isinstance(row, Mapping):
        row = unpacked(row, lambda value: unpack(value, root, stem, where))
    return sample_of_row(row, where, root)


def sample_of_row(row: Any, where: str, root: Path) -> Sample:
    """A row without embedded media as a sample of a task that there is, which can be stored and whose media lie below
    the root. Raises DataError."""
    sample = parse_row(row, where)
    check_task(sample.task, where)
    check_storable(sample, where)
    if any(name.startswith("/") for name in sample.media):
        return replace(sample, media=tuple(_below(root, name) for name in sample.media))
    return sample


def _below(root: Path, name: str) -> str:
    """An absolute path without its leading `/`, unless it lies in the root."""
    return name if Path(name).is_relative_to(root.absolute()) else name.lstrip("/")


def _unused(name: str, taken: Container[str]) -> str:
    return next(found for number in count(2) if (found := f"{name}#{number}") not in taken)


def check_storable(sample: Sample, where: str = "") -> None:
    """Raises DataError for a sample that cannot be written again, such as one with half of a surrogate pair, which JSON
    can spell and UTF-8 cannot."""
    try:
        json.dumps(to_native(sample), ensure_ascii=False, allow_nan=False).encode()
    except (ValueError, TypeError, RecursionError) as error:
        at = where or f"sample {sample.id!a:.80}"
        raise DataError(f"{at}: holds text or nesting that cannot be written again ({error})") from error


def _folder(path: Path) -> Path:
    """The folder itself, or the one of a file."""
    return path if path.is_dir() else path.parent


def data_files(path: Path) -> list[Path]:
    """One file, or the shards of a folder. Raises DataError where there is none, and where a folder has two sets."""
    if path.suffix in (".tar", ".tgz", ".gz"):
        raise DataError(f"{path}: tars are for training alone, and nothing compressed is read; unpack or convert it")
    if path.is_file():
        return [path]
    if path.is_dir():
        found = [path / name for name in _NAMES if (path / name).is_file()]
        shards = set_files(path)
        if len(found) + bool(shards) > 1:
            names = " and ".join(file.name for file in [*found, *shards[:1]])
            raise DataError(f"{path}: holds {names}; name the one to read")
        if found or shards:
            return found or shards
        within = sorted(p.name for p in path.iterdir() if any((p / name).is_file() for name in _NAMES))
        named = f"one of its folders: {', '.join(within[:9])}" if within else "the file"
        raise DataError(f"{path}: no samples.jsonl|json|parquet and no {HUB_SHARDS} in this folder; name {named}")
    if re.match(r"\w[\w+.-]+:/", str(path)):  # of `://` a path keeps one stroke
        raise DataError(
            f"{path}: an address, from which only training reads (`sft`, `rl`, `plan`, `data check`); fetch it"
        )
    raise DataError(f"{path}: no such file or folder")


# ---- rows -------------------------------------------------------------------------------------------------------


def _rows(file: Path) -> Iterator[Any]:
    """Rows as they stand, a DataError in the place of one that cannot be read. Raises DataError for the whole file."""
    if file.suffix == ".parquet":
        return _parquet_rows(file)
    if file.suffix == ".json":
        return iter(json_list(file))
    if starts_a_list(file):
        try:
            return iter(json_list(file))
        except DataError:  # lines of which the first is a list
            pass
    return _line_rows(file)


def _parquet_rows(file: Path) -> Iterator[Any]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    number = 0
    try:
        for batch in pq.ParquetFile(file).iter_batches(batch_size=128):
            try:
                rows = batch.to_pylist()
            except (ValueError, OverflowError):  # a moment that Python has no value for: it costs its row
                rows = [_parquet_row(batch.slice(i, 1), f"{file}, row {number + i + 1}") for i in range(len(batch))]
            number += len(rows)
            yield from rows
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"{file}: not a whole Parquet file ({error})") from error


def _parquet_row(batch: Any, where: str) -> Any:
    try:
        return batch.to_pylist()[0]
    except (ValueError, OverflowError) as error:
        return DataError(f"{where}: a value that Python cannot hold ({error}); write it as text")


def starts_a_list(file: Path) -> bool:
    """Whether the first character that is not blank begins a JSON list."""
    with file.open("rb") as start:
        return start.read(4096).removeprefix(b"\xef\xbb\xbf").lstrip()[:1] == b"["


def json_list(file: Path) -> list[Any]:
    """The rows of a JSON list, in UTF-8, UTF-16 or UTF-32 with a byte-order mark. Raises DataError."""
    try:
        rows = json.loads(file.read_bytes(), object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{file}: not JSON ({error}); one object a line belongs in a .jsonl file") from error
    if not isinstance(rows, list):
        raise DataError(f"{file}: expected a JSON list of samples, found {type(rows).__name__}")
    return [_check_once(row, f"{file}, row {number}") for number, row in enumerate(rows, start=1)]


def json_row(text: str | bytes, where: str) -> Any:
    """What one row's JSON says, or a DataError where a key stands twice. Raises ValueError, RecursionError."""
    return _check_once(json.loads(text, object_pairs_hook=_once), where)


class _Twice(dict[str, Any]):
    """An object of which a key stood twice. key: which."""

    key = ""


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) == len(pairs):
        return found
    twice = _Twice(found)
    twice.key = Counter(key for key, _ in pairs).most_common(1)[0][0]
    return twice


def _check_once(row: Any, where: str) -> Any:
    if isinstance(row, _Twice):
        return DataError(f"{where}: key {row.key!r:.60} stands twice; leave one of the two")
    return row


def _line_rows(file: Path) -> Iterator[Any]:
    with file.open("rb") as lines:
        for number, raw in enumerate(iter(lambda: lines.readline(MAX_LINE + 1), b""), start=1):
            where = f"{file}, line {number}"
            if len(raw) > MAX_LINE:
                raise DataError(f"{where}: longer than {MAX_LINE >> 20} MB; write one sample a line")
            if number == 1 and raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
                raise DataError(f"{where}: not JSON in UTF-8 but UTF-16; convert the file: iconv -f UTF-16 -t UTF-8")
            try:
                text = raw.decode("utf-8-sig" if number == 1 else "utf-8")
                if text.strip():
                    yield json_row(text, where)
            except (ValueError, RecursionError) as error:
                yield DataError(f"{where}: not JSON ({error}); mend or remove the line")


def save_samples(samples: Sequence[Sample], path: str | Path) -> Path:
    """Write `.jsonl` or `.parquet` (native) or `.json` (published), by the file's suffix; moved in whole.

    Raises DataError for a sample that cannot be written, before anything is.
    """
    file = Path(path)
    if file.suffix not in (".json", ".jsonl", ".parquet"):
        raise DataError(f"{file}: unknown suffix {file.suffix!r}; use .jsonl, .parquet or .json (published form)")
    for sample in samples:
        check_storable(sample)
    with replacing(file) as aside:
        if file.suffix == ".json":
            rows = (json.dumps(to_published(s), indent=1, ensure_ascii=False) for s in samples)
            with aside.open("w", encoding="utf-8") as out:
                out.writelines(("," if number else "[") + "\n" + row for number, row in enumerate(rows))
                out.write("\n]\n" if samples else "[]\n")
        elif file.suffix == ".jsonl":
            with aside.open("w", encoding="utf-8") as out:
                for sample in samples:
                    out.write(json.dumps(to_native(sample), ensure_ascii=False) + "\n")
        else:
            import pyarrow as pa
            import pyarrow.parquet as pq

            natives = [to_native(s) for s in samples]
            pq.write_table(pa.Table.from_pylist([r | {"meta": json.dumps(r["meta"])} for r in natives]), aside)
    return file
