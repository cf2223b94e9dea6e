"""Files of samples: JSON lines, Parquet, the published JSON and VLMEvalKit's TSV. What they hold is untrusted."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from onethinker.sample.forms import parse_row, to_native, to_published
from onethinker.sample.record import DataError, Sample, Samples
from onethinker.util.files import replacing

MAX_LINE = 64 << 20
"""Bytes of a line of a JSON-lines file; longer ones are refused before they are read."""


def load_samples(path: str | Path, media_root: str | Path | None = None, limit: int | None = None) -> Samples:
    """Read samples from a file or from the first data file of a folder (`samples.jsonl|json|parquet`).

    media_root: the folder media paths are relative to; the data file's folder unless given.
    Raises DataError naming the file, the row and the fix; an id that occurs twice is an error too.
    """
    if limit is not None and limit < 1:
        raise DataError(f"limit is {limit}; expected 1 or more")
    file = _data_file(Path(path))
    if file.suffix == ".tsv":
        from onethinker.sample.tsv import load_tsv

        return load_tsv(file, media_root, limit)
    samples: list[Sample] = []
    seen: dict[str, int] = {}
    for number, row in enumerate(islice(_rows(file), limit), start=1):
        where = f"{file}, row {number}"
        sample = parse_row(row, where)
        _check_storable(sample, where)
        if sample.id in seen:
            raise DataError(f"{where}: id {sample.id!r} is also row {seen[sample.id]}; ids must be unique in a file")
        seen[sample.id] = number
        samples.append(sample)
    if not samples:
        raise DataError(f"{file}: no samples in it")
    return Samples(tuple(samples), Path(media_root) if media_root else file.parent)


def _check_storable(sample: Sample, where: str) -> None:
    """Whether the sample can be written again; a half of a surrogate pair, which JSON can spell, cannot."""
    try:
        json.dumps(to_native(sample), ensure_ascii=False, default=str).encode()
    except (UnicodeEncodeError, RecursionError) as error:
        raise DataError(f"{where}: holds text or nesting that cannot be written again ({error})") from error


def _data_file(path: Path) -> Path:
    if path.is_file():
        return path
    if path.is_dir():
        for name in ("samples.jsonl", "samples.json", "samples.parquet"):
            if (path / name).is_file():
                return path / name
        raise DataError(f"{path}: no samples.jsonl, samples.json or samples.parquet in this folder; name the file")
    raise DataError(f"{path}: no such file or folder")


def _rows(file: Path) -> Iterator[Any]:
    if file.suffix == ".parquet":
        return _parquet_rows(file)
    return _json_rows(file) if file.suffix == ".json" else _line_rows(file)


def _parquet_rows(file: Path) -> Iterator[Any]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        for batch in pq.ParquetFile(file).iter_batches(batch_size=1024):
            yield from batch.to_pylist()
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"{file}: not a whole Parquet file ({error})") from error


def _json_rows(file: Path) -> Iterator[Any]:
    try:
        rows = json.loads(file.read_text(encoding="utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise DataError(f"{file}: not JSON ({error}); one object a line belongs in a .jsonl file") from error
    if not isinstance(rows, list):
        raise DataError(f"{file}: expected a JSON list of samples, found {type(rows).__name__}")
    yield from rows


def _line_rows(file: Path) -> Iterator[Any]:
    with file.open("rb") as lines:
        for number, raw in enumerate(iter(lambda: lines.readline(MAX_LINE + 1), b""), start=1):
            if len(raw) > MAX_LINE:
                raise DataError(f"{file}, line {number}: longer than {MAX_LINE >> 20} MB; write one sample a line")
            try:
                text = raw.decode("utf-8-sig" if number == 1 else "utf-8")
                row = json.loads(text) if text.strip() else None
            except (ValueError, RecursionError) as error:
                raise DataError(f"{file}, line {number}: not JSON ({error}); mend or remove the line") from error
            if text.strip():
                yield row


def save_samples(samples: Sequence[Sample], path: str | Path) -> Path:
    """Write `.jsonl` or `.parquet` (native) or `.json` (published), by the file's suffix; moved in whole."""
    file = Path(path)
    if file.suffix not in (".json", ".jsonl", ".parquet"):
        raise DataError(f"{file}: unknown suffix {file.suffix!r}; use .jsonl, .parquet or .json (published form)")
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
