"""What `onethinker score` reads, as numbered JSON lines: a file of lines, a JSON list, or an evaluation's results.

`RUN/results.jsonl` holds answers by the id of their question; the questions stand beside it in `RUN/samples.jsonl`, so
that an evaluation can be scored again under another profile. Its masks and a judge's grades are not made again.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from onethinker.sample import DataError
from onethinker.sample.files import starts_a_list
from onethinker.scoring.results import RESULTS, SAMPLES

MAX_LIST = 1 << 30
"""Bytes of a JSON list, which is read as a whole."""
Line = tuple[int, bytes | None]
"""Number of a line, or of a list's entry, from 1, and its bytes; None for one that is too long."""


def read_lines(source: Path, longest: int) -> Iterator[Line]:
    """The lines of the file that are not blank. A file that begins as a list and is none is taken for lines.

    longest: bytes of a line; a longer one is skipped without being held in memory. Raises DataError where an
    evaluation's questions cannot be read.
    """
    if starts_a_list(source) and (rows := _list(source)) is not None:
        yield from ((number, json.dumps(row).encode()) for number, row in enumerate(rows, start=1))
        return
    asked = _questions(source, longest)
    for number, raw in _lines(source, longest):
        yield number, _with_question(raw, asked) if asked and raw else raw


def _list(source: Path) -> list[Any] | None:
    if source.stat().st_size > MAX_LIST:
        return None
    try:
        rows = json.loads(source.read_bytes())
    except (ValueError, RecursionError):
        return None
    return rows if isinstance(rows, list) else None


def _lines(source: Path, longest: int) -> Iterator[Line]:
    number = 0
    with source.open("rb") as file:
        while piece := file.readline(longest):
            number += 1
            whole: bytes | None = piece
            while piece and not piece.endswith(b"\n"):  # the file's last line, or one that is too long
                piece = file.readline(longest)
                whole = None if piece else whole
            if whole is None or not whole.isspace():
                yield number, whole


def _questions(source: Path, longest: int) -> dict[str, Mapping[str, Any]]:
    """id → question, of an evaluation's results; nothing for any other file. Raises DataError."""
    beside = source.with_name(SAMPLES)
    if source.name != RESULTS or not beside.is_file():
        return {}
    found: dict[str, Mapping[str, Any]] = {}
    for number, raw in _lines(beside, longest):
        try:
            row = json.loads(raw or b"")
            found[row["id"]] = row
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise DataError(
                f"{beside}, line {number}: not a question of an evaluation ({type(error).__name__}: {error}); "
                "restore the file, or run the evaluation again"
            ) from error
    return found


def _with_question(raw: bytes, asked: Mapping[str, Mapping[str, Any]]) -> bytes:
    """An answer's row with its question; as it is where it holds its own or belongs to none of these."""
    try:
        row = json.loads(raw)
    except (ValueError, RecursionError):
        return raw
    if not isinstance(row, dict) or "question" in row or row.get("id") not in asked:
        return raw
    answer = {"response": row.get("response"), "finish": row.get("finish")}
    return json.dumps({**asked[row["id"]], **answer}).encode()
