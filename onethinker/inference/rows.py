"""Many questions of a file or a folder → one JSON line each, resumable.

A file of questions is JSON lines with `question`, and `media` (a path or a list of them, relative to the file's
folder), `task`, `options` and `id` as far as wanted. A line with a fault is answered by a row that says so. A folder is
one question of each of its pictures and clips.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from onethinker.inference.model import Model
from onethinker.inference.question import AUTO, Question
from onethinker.inference.result import Result
from onethinker.media import PICTURE_SUFFIXES, VIDEO_SUFFIXES
from onethinker.util.files import replacing

MAX_LINE = 1 << 20
"""Characters of a line of questions."""
_KEYS = {"id", "question", "media", "task", "options"}


class RowsError(ValueError):
    """A file or folder of questions that cannot be used; says what to mend."""


@dataclass(frozen=True)
class Row:
    """One question by its id. problem: why it cannot be asked; empty where it can."""

    id: str
    question: Question
    problem: str = ""


def questions_of(source: Path, question: str = "", task: str = AUTO, options: Sequence[str] = ()) -> list[Row]:
    """The rows of a folder, of each of whose media `question` is asked, or of a file of questions. task, options: of
    rows that have none of their own. Raises RowsError."""
    if source.is_dir():
        media = sorted(p for p in source.iterdir() if p.suffix.lower() in PICTURE_SUFFIXES | VIDEO_SUFFIXES)
        if not media:
            raise RowsError(f"{source}: no pictures or clips in this folder; expected files such as .jpg or .mp4")
        return [Row(file.name, Question(str(file), question, task, options)) for file in media]
    rows, ids = list[Row](), set[str]()
    with source.open(encoding="utf-8", errors="replace") as lines:
        for number, line in enumerate(lines, 1):
            if line.strip():
                row = _row(source, number, line, question, task, options)
                if row.id in ids:
                    row = Row(f"{row.id}#{number}", row.question, row.problem)
                ids.add(row.id)
                rows.append(row)
    if not rows:
        raise RowsError(f'{source}: no questions in it; expected lines such as {{"question": "What is it?"}}')
    return rows


def _row(source: Path, number: int, line: str, question: str, task: str, options: Sequence[str]) -> Row:
    def fault(problem: str, id: str = "") -> Row:
        return Row(id or str(number), Question(None, question), f"{source}, line {number}: {problem}")

    if len(line) > MAX_LINE:
        return fault(f"more than {MAX_LINE:,} characters")
    try:
        found = json.loads(line)
    except (ValueError, RecursionError) as error:
        return fault(f"not JSON ({error})")
    if not isinstance(found, dict):
        return fault(f"expected an object, found {type(found).__name__}")
    id = str(found.get("id", number))
    if unknown := found.keys() - _KEYS:
        return fault(f"unknown key {min(unknown)!r}; expected some of {', '.join(sorted(_KEYS))}", id)
    media, words = found.get("media", []), found.get("question", question)
    paths, choices = [media] if isinstance(media, str) else media, found.get("options", list(options))
    if not isinstance(words, str) or not words.strip():
        return fault("expected `question`, a text", id)
    if not _are_texts(paths) or not _are_texts(choices) or not isinstance(found.get("task", ""), str):
        return fault("expected `media` and `options` as lists of texts, `task` as a text", id)
    under = [str(source.parent / path) if not path.startswith(("http://", "https://")) else path for path in paths]
    return Row(id, Question(under or None, words, found.get("task") or task, choices))


def _are_texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(entry, str) for entry in value)


def answer_rows(model: Model, rows: Sequence[Row], done: Callable[[Row, Result], None]) -> None:
    """Answer them, `done` told of each as it comes."""
    asked = [row for row in rows if not row.problem]
    for row in rows:
        if row.problem:
            done(row, model.failed(row.question, row.problem))
    for result in model.answer_many(row.question for row in asked):
        done(asked[result.index], result)


# ---- the file of answers ----------------------------------------------------------------------------------------


def row_key(model: Model, row: Row) -> str:
    """16 hex digits over all that an answer depends on: model, prompts, sizes, samples, words, and each file's path,
    bytes and time of change."""
    question = row.question
    files = question.media if isinstance(question.media, list) else [question.media] if question.media else []
    media = [(str(file), *_stamp(Path(str(file)))) for file in files]
    told = [model.engine.identity, model.prompts.digest, model.budget.model_dump(), model.max_tokens]
    told += [model.samples] if model.samples > 1 else []
    words = [question.text, question.task, list(question.options), media]
    return hashlib.sha256(json.dumps([told, words], sort_keys=True, default=str).encode()).hexdigest()[:16]


def _stamp(file: Path) -> tuple[int, int]:
    try:
        found = file.stat()
    except (OSError, ValueError):
        return 0, 0
    return found.st_size, found.st_mtime_ns


class Answers:
    """The lines of a file of answers, one a row, each on the disk as soon as it is made.

    Those of an earlier run with the same keys stand; others, and a last one cut off, are left out.
    """

    def __init__(self, file: Path, keys: dict[str, str]) -> None:
        """keys: of each row's id, in order."""
        self.file, self.keys = file, keys
        self.lines = dict(_kept(file, keys)) if file.exists() else {}
        file.parent.mkdir(parents=True, exist_ok=True)
        self._write_whole()

    def add(self, id: str, record: dict[str, Any]) -> None:
        """Append a row's record. Raises OSError."""
        line = json.dumps({"id": id, "key": self.keys[id]} | record, ensure_ascii=True)
        with self.file.open("a", encoding="utf-8") as opened:
            opened.write(line + "\n")
        self.lines[id] = line

    def finish(self) -> None:
        """Put the lines in the order of the rows."""
        self._write_whole()

    def _write_whole(self) -> None:
        with replacing(self.file) as aside:
            aside.write_text("".join(f"{self.lines[id]}\n" for id in self.keys if id in self.lines), encoding="utf-8")


def _kept(file: Path, keys: dict[str, str]) -> Iterator[tuple[str, str]]:
    """(id, line) of a whole line whose key is the row's; rows that could not be asked are asked again. Raises RowsError
    where the file is not one of answers, so that nothing of another kind is overwritten."""
    with file.open(encoding="utf-8", errors="replace") as lines:
        for number, line in enumerate(lines, 1):
            try:
                found = json.loads(line)
                id, key, status = found["id"], found["key"], found["status"]
            except (ValueError, KeyError, TypeError) as error:
                if line.endswith("\n"):
                    raise RowsError(
                        f"{file}, line {number}: not a row of answers; name another file by --out"
                    ) from error
                continue  # cut off when it was written
            if keys.get(str(id)) == key and status != "error":
                yield str(id), line.rstrip("\n")
