"""`search`: passages of a knowledge base, a folder of text and Markdown files or a JSONL of passages, by BM25."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from onethinker.engines.base import Request
from onethinker.tools.base import Response, ToolError, number, shown
from onethinker.util.served import say

SUFFIXES = (".txt", ".md", ".jsonl")
MAX_FILE, MAX_TOTAL = 16 << 20, 512 << 20
"""Bytes of a file, and of all of them."""
MAX_PASSAGE, MAX_QUERY, MAX_PASSAGES = 2000, 1000, 10
"""Characters of a passage and of a query; passages of one response."""
_PARAGRAPH = re.compile(r"\n\s*\n")


@dataclass(frozen=True, slots=True)
class Passage:
    """id: what an answer cites: `FILE#K`, the K-th passage of a file below the folder, or a JSONL row's own."""

    id: str
    text: str


class Search:
    """Gives back passages, the best first, each after its id in brackets.

    problems: what could not be read, a line each; the rest is indexed. Raises ToolError for a knowledge base that is
    not there or has no passage.
    """

    name = "search"
    description = (
        "Look it up: gives the passages of the knowledge base that fit the query best, each after its id in brackets. "
        "Cite what you use by its id."
    )
    parameters: Mapping[str, Any] = {
        "type": "object",
        "properties": {
            "query": {"type": "string", "description": "what to look for, in a few words"},
            "k": {"type": "integer", "description": f"how many passages, 3 unless given, at most {MAX_PASSAGES}"},
        },
        "required": ["query"],
    }

    def __init__(self, knowledge: Path) -> None:
        import bm25s

        self.problems: list[str] = []
        self.passages = list(self._read(knowledge))
        for problem in self.problems:
            say(f"knowledge base: {problem}; left out")
        if not self.passages:
            raise ToolError(f"{knowledge}: no passages; expected a folder of .txt, .md or .jsonl files, or one of them")
        content = json.dumps([[p.id, p.text] for p in self.passages], ensure_ascii=False).encode()
        self.identity = f"search:{hashlib.sha256(content).hexdigest()[:16]}"
        self._index = bm25s.BM25()
        self._index.index(_tokens([p.text for p in self.passages]), show_progress=False)

    def call(self, arguments: Mapping[str, Any], request: Request) -> Response:
        query = arguments.get("query")
        if not isinstance(query, str) or not query.strip():
            raise ToolError(f"query is {shown(query)}; expected a few words")
        if len(query) > MAX_QUERY:
            raise ToolError(f"query has {len(query):,} characters; expected at most {MAX_QUERY:,}")
        wanted = number(arguments, "k", 3)
        if not 1 <= wanted <= MAX_PASSAGES:
            raise ToolError(f"k is {wanted:g}; expected 1 to {MAX_PASSAGES}")
        found = self.find(query, int(wanted))
        return ("\n".join(f"[{p.id}] {p.text}" for p in found) or "nothing found",)

    def find(self, query: str, k: int) -> list[Passage]:
        """The k best passages, those without a word of the query left out; of equal ones the earlier first."""
        tokens = _tokens([query], vocabulary=False)[0]
        known = [token for token in tokens if token in self._index.vocab_dict]
        if not known:
            return []
        scores = self._index.get_scores(known)
        order = sorted(range(len(scores)), key=lambda i: (-scores[i], i))[:k]
        return [self.passages[i] for i in order if scores[i] > 0]

    def _read(self, knowledge: Path) -> Iterator[Passage]:
        if knowledge.is_dir():
            files = sorted(f for f in knowledge.rglob("*") if f.suffix.lower() in SUFFIXES and f.is_file())
        elif knowledge.is_file():
            files = [knowledge]
        else:
            raise ToolError(f"{knowledge}: no such folder or file of a knowledge base")
        root, left = knowledge if knowledge.is_dir() else knowledge.parent, MAX_TOTAL
        seen: set[str] = set()
        for file in files:
            name = file.relative_to(root).as_posix()
            if not file.resolve().is_relative_to(root.resolve()):
                self.problems.append(f"{name}: a link that leaves the folder")
                continue
            size = file.stat().st_size
            if size > min(MAX_FILE, left):
                self.problems.append(f"{name}: {size:,} bytes, more than may be read")
                continue
            left -= size
            for passage in self._passages(file, name):
                if passage.id in seen:
                    self.problems.append(f"{name}: a second passage with the id {shown(passage.id)}")
                    continue
                seen.add(passage.id)
                yield passage

    def _passages(self, file: Path, name: str) -> Iterator[Passage]:
        try:
            text = file.read_text(encoding="utf-8-sig")
        except (OSError, UnicodeDecodeError) as error:
            self.problems.append(f"{name}: not UTF-8 text ({error})")
            return
        if file.suffix.lower() == ".jsonl":
            yield from self._rows(text, name)
            return
        pieces = (piece.strip() for piece in _PARAGRAPH.split(text))
        cut = (piece[i : i + MAX_PASSAGE] for piece in pieces for i in range(0, len(piece), MAX_PASSAGE))
        yield from (Passage(f"{name}#{number}", piece) for number, piece in enumerate(cut, start=1))

    def _rows(self, text: str, name: str) -> Iterator[Passage]:
        for number_, line in enumerate(text.splitlines(), start=1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
                words, own = row["text"], str(row.get("id", f"{name}#{number_}"))
                if not isinstance(words, str) or not words.strip():
                    raise ValueError("text is empty")
            except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
                self.problems.append(f'{name}, line {number_}: not {{"id": …, "text": …}} ({error})')
                continue
            yield Passage(own[:200], words[:MAX_PASSAGE])


def _tokens(texts: list[str], vocabulary: bool = True) -> Any:
    """Words in lower case, none left out: a knowledge base is small, and its names may be stop words elsewhere."""
    import bm25s

    return bm25s.tokenize(
        texts, stopwords=None, token_pattern=r"(?u)\b\w+\b", return_ids=vocabulary, show_progress=False
    )
