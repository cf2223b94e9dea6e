"""A knowledge base → passages: a folder of text and Markdown files and of JSONL rows, or one such file.

Its files are anyone's: every size is bounded, links stay within the folder, and what cannot be read is named and left
out. An id is one line that can be shown and cited, so that no passage passes for another.
"""

from __future__ import annotations

import json
import os
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from onethinker.engines.base import disarm_response
from onethinker.tools.base import ToolError, shown
from onethinker.util.terminal import counted, printable

SUFFIXES = (".txt", ".md", ".jsonl")
MAX_FILE, MAX_TOTAL = 16 << 20, 512 << 20
"""Bytes of a file, and of all of them."""
MAX_PASSAGE, MAX_ID = 2000, 200
"""Characters of a passage, a longer text is several, and of an id."""
_PARAGRAPH = re.compile(r"\n\s*\n")
_FORM = 'not {"id": …, "text": …}'


@dataclass(frozen=True, slots=True)
class Passage:
    """id: what an answer cites: `FILE#K`, the K-th passage of a file below the folder, or a JSONL row's own, `ID#K`
    where its text is several passages."""

    id: str
    text: str


class Knowledge:
    """passages: in the order of files and rows. problems: what is left out, in words. Raises ToolError for a knowledge
    base that is not there."""

    def __init__(self, source: Path) -> None:
        self.problems: list[str] = []
        self.passages: list[Passage] = []
        left, seen = MAX_TOTAL, set[str]()
        for file, name in self._files(source):
            try:
                size = file.stat().st_size
                if size > min(MAX_FILE, left):
                    bound = f"{MAX_FILE:,} of a file" if size > MAX_FILE else f"{MAX_TOTAL:,} of all files together"
                    self.problems.append(f"{name}: {size:,} bytes; at most {bound} are read")
                    continue
                text = file.read_text(encoding="utf-8-sig")
            except (OSError, UnicodeDecodeError) as error:
                self.problems.append(f"{name}: not UTF-8 text ({error})")
                continue
            left -= size
            for passage in self._rows(text, name) if file.suffix.lower() == ".jsonl" else _paragraphs(text, name):
                if passage.id in seen:
                    self.problems.append(f"{name}: a second passage with the id {shown(passage.id)}")
                    continue
                seen.add(passage.id)
                self.passages.append(passage)

    def _files(self, source: Path) -> Iterator[tuple[Path, str]]:
        """Files with their names below the folder, in the order of their paths."""
        if source.is_file():
            if source.suffix.lower() not in SUFFIXES:
                raise ToolError(f"{source}: expected a folder, or a file that ends in {', '.join(SUFFIXES)}")
            yield source, source.name
            return
        if not source.is_dir():
            raise ToolError(
                f"{source}: no such folder or file of a knowledge base; --knowledge (tools.knowledge) names another"
            )
        others = Counter[str]()
        for file in sorted(self._below(source)):
            name = file.relative_to(source).as_posix()
            if file.suffix.lower() not in SUFFIXES:
                others[file.suffix.lower() or "no suffix"] += 1
            elif not file.is_file():
                self.problems.append(f"{name}: no file, or a link to none")
            elif not file.resolve().is_relative_to(source.resolve()):
                self.problems.append(f"{name}: a link that leaves the folder")
            else:
                yield file, name
        if others:
            self.problems.append(f"{counted(others.total(), 'file')} of other kinds ({', '.join(sorted(others))})")

    def _below(self, folder: Path) -> Iterator[Path]:
        """All files below a folder; links to folders are not followed."""

        def unreadable(error: OSError) -> None:
            self.problems.append(f"{Path(error.filename).relative_to(folder).as_posix()}: {error.strerror}")

        for parent, folders, files in os.walk(folder, onerror=unreadable):
            yield from (Path(parent) / name for name in files)
            for name in folders:
                if (link := Path(parent) / name).is_symlink():
                    self.problems.append(f"{link.relative_to(folder).as_posix()}: a link to a folder")

    def _rows(self, text: str, name: str) -> Iterator[Passage]:
        for number, line in enumerate(text.split("\n"), start=1):  # a row may hold other marks of a line's end
            if not line.strip():
                continue
            try:
                row = json.loads(line)
                words, own = row["text"], _row_id(row, f"{name}#{number}")
                if not isinstance(words, str) or not words.strip():
                    raise ValueError(f"text is {shown(words)}")
            except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
                self.problems.append(f"{name}, line {number}: {_FORM} ({error})")
                continue
            pieces = _cut(words)
            yield from (
                Passage(_one_line(f"{own}#{k}" if len(pieces) > 1 else own), piece) for k, piece in enumerate(pieces, 1)
            )


def _row_id(row: Any, otherwise: str) -> str:
    own = row.get("id")
    if own is None or own == "":
        return otherwise
    if isinstance(own, bool) or not isinstance(own, str | int):
        raise ValueError(f"id is {shown(own)}")
    return str(own)


def _paragraphs(text: str, name: str) -> Iterator[Passage]:
    pieces = (piece for paragraph in _PARAGRAPH.split(text) if paragraph.strip() for piece in _cut(paragraph.strip()))
    yield from (Passage(_one_line(f"{name}#{number}"), piece) for number, piece in enumerate(pieces, start=1))


def _cut(text: str) -> list[str]:
    """The text as passages, with nothing in it that is no character (half of a surrogate pair)."""
    whole = text.encode("utf-8", "replace").decode("utf-8")
    return [whole[i : i + MAX_PASSAGE] for i in range(0, len(whole), MAX_PASSAGE)]


def _one_line(id: str) -> str:
    """An id as it is shown and cited: no brackets, which end it, no lines, nothing hidden, no special token."""
    kept, end = id[:MAX_ID], id.rpartition("#")[2]
    if len(id) > MAX_ID and end.isdecimal():
        kept = f"{id[: MAX_ID - len(end) - 1]}#{end}"
    plain = disarm_response(printable(" ".join(kept.split())))
    return plain.replace("[", "(").replace("]", ")")
