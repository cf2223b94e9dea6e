"""Rows of the files that data sets are published as: Parquet, JSON, JSON lines, CSV; lazily, each within bounds.

A row that cannot be read is a DataError in its place; so is what is left of a file that breaks off.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any, TextIO

from onethinker.data.sources.base import MAX_FILE, as_mapping, bounded, find, get, load_json, show, text_lines
from onethinker.sample import DataError

MAX_STREAMED = 64 << 30
"""Bytes of a JSON file of which one entry is read at a time."""
MAX_ROW = 64 << 20
"""Characters of a row of JSON."""
_BLOCK = 1 << 20
Rows = Iterator[tuple[str, Any]]
"""(where, row), or a DataError in the row's place."""


def table_rows(root: Path, names: tuple[str, ...], inside: str = "", key_as: str = "", folder_as: str = "") -> Rows:
    """Of the files of the first name or pattern that is there. inside, key_as: as of `file_rows`. folder_as: the field
    that the name of a file's folder becomes."""
    for file in sorted(root.glob(find(root, names))):
        for where, row in file_rows(file, inside, key_as):
            if isinstance(row, dict) and folder_as:
                row = {**row, folder_as: file.parent.name}
            yield where, row


def file_rows(file: Path, inside: str = "", key_as: str = "") -> Rows:
    """The rows of a file; a line of text is one with the field `line`.

    inside: the field of a JSON object that holds them. key_as: the rows are the values of an object, whose keys become
    this field of theirs; `inside` may then have several parts, `/` between them.
    """
    try:
        if file.suffix == ".parquet":
            yield from _parquet_rows(file)
        elif file.suffix == ".jsonl":
            yield from _line_rows(file)
        elif file.suffix == ".txt":
            yield from ((where, {"line": line}) for where, line in text_lines(file))
        elif file.suffix in (".csv", ".tsv"):
            yield from _csv_rows(file)
        elif key_as:
            yield from _inner_rows(file, inside, key_as)
        else:
            yield from _json_rows(file, inside)
    except DataError as error:
        yield str(file), error


def _parquet_rows(file: Path) -> Rows:
    import pyarrow as pa
    import pyarrow.parquet as pq

    at = 0
    try:
        table = pq.ParquetFile(bounded(file))
        groups = [table.metadata.row_group(k).total_byte_size for k in range(table.num_row_groups)]
        if max(groups, default=0) > MAX_FILE:
            raise DataError(f"{file}: {max(groups):,} bytes in one of its row groups; at most {MAX_FILE:,} are read")
        for batch in table.iter_batches(batch_size=16):
            for row in batch.to_pylist():
                yield f"{file}, row {at}", row
                at += 1
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"{file}: not a whole Parquet file after row {at} ({error}); fetch it again") from error


def _line_rows(file: Path) -> Rows:
    for where, line in text_lines(file):
        try:
            yield where, json.loads(line)
        except (ValueError, RecursionError) as error:
            yield where, DataError(f"{where}: not JSON ({error}); fetch the file again")


def _csv_rows(file: Path) -> Rows:
    with bounded(file).open(encoding="utf-8-sig", newline="") as lines:
        rows = csv.DictReader(lines, delimiter="\t" if file.suffix == ".tsv" else ",")
        try:
            for row in rows:
                where = f"{file}, line {rows.line_num}"
                if None in row or None in row.values():
                    yield where, DataError(f"{where}: not as many fields as the first line names; mend the line")
                else:
                    yield where, row
        except (csv.Error, UnicodeDecodeError) as error:
            raise DataError(f"{file}, after line {rows.line_num}: not CSV in UTF-8 ({error})") from error


def _inner_rows(file: Path, inside: str, key_as: str) -> Rows:
    """The values of an object, each with its key."""
    found = load_json(file)
    for part in filter(None, inside.split("/")):
        found = get(found, part, str(file))
    for key, row in as_mapping(found, str(file)).items():
        yield f"{file}, {key!r:.80}", {**row, key_as: key} if isinstance(row, dict) else row


def _json_rows(file: Path, inside: str) -> Rows:
    """The entries of a list, with no more of the file in memory than a block and the entry that is read."""
    with bounded(file, MAX_STREAMED).open(encoding="utf-8-sig") as source:
        try:
            text = source.read(_BLOCK)
            at = _space(text, 0)
            if inside and text[at : at + 1] == "{":
                text, at = _member(source, text, at + 1, inside, file)
            if text[at : at + 1] != "[":
                raise DataError(f"{file}: expected a list, found {type(load_json(file)).__name__}")
            at += 1
            for entry in count():
                row, text, at = _entry(source, text, at)
                if row is _END:
                    return
                yield f"{file}, entry {entry}", row
        except (json.JSONDecodeError, UnicodeDecodeError, RecursionError) as error:
            raise DataError(f"{file}: not whole JSON ({error}); fetch the file again") from error


def _member(source: TextIO, text: str, at: int, name: str, file: Path) -> tuple[str, int]:
    """Where an object's member of that name begins; the members before it are read over."""
    names: list[Any] = []
    while True:
        key, text, at = _entry(source, text, at, ends=":}")
        if key is _END:
            raise DataError(f"{file}: no field {name!r}; it has {', '.join(map(show, names[:20]))}")
        names.append(key)
        if key == name:
            if _space(text, at) == len(text):
                text, at = text[at:] + source.read(_BLOCK), 0
            return text, _space(text, at)
        _, text, at = _entry(source, text, at, ends=",}")


_END = object()
_DECODER = json.JSONDecoder()
_SPACE = re.compile(r"[ \t\r\n]*")


def _space(text: str, at: int) -> int:
    """The place of the next character that is no space."""
    found = _SPACE.match(text, at)
    assert found is not None
    return found.end()


def _entry(source: TextIO, text: str, at: int, ends: str = ",]") -> tuple[Any, str, int]:
    """The next entry of a list, or _END; the text read and the place in it after the entry and its comma. ends: what
    parts the entries, and what ends them.

    Raises JSONDecodeError for text that is no list's and for a list that breaks off.
    """
    while True:
        at = _space(text, at)
        if text[at : at + 1] == ends[1]:
            return _END, text, at
        fault: json.JSONDecodeError | None = None
        try:
            row, end = _DECODER.raw_decode(text, at)
            end = _space(text, end)
            if text[end : end + 1] == ends[0]:
                return row, text, end + 1
            if text[end : end + 1] == ends[1]:
                return row, text, end
            if end < len(text):
                raise json.JSONDecodeError(f"no {ends[0]} after an entry", text[end : end + 20], 0)
        except json.JSONDecodeError as error:
            fault = error
        more = source.read(max(_BLOCK, len(text) - at))
        if not more or len(text) - at > MAX_ROW:
            raise fault or json.JSONDecodeError("the list breaks off", text[at : at + 20], 0)
        text, at = text[at:] + more, 0
