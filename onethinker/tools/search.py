"""`search`: passages of a knowledge base, a folder of text and Markdown files or a JSONL of passages, by BM25 or
by an embedding model."""

from __future__ import annotations

import hashlib
import json
import re
import unicodedata
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from onethinker.engines.base import Request
from onethinker.tools.base import Response, ToolError, number, shown
from onethinker.tools.knowledge import SUFFIXES, Knowledge, Passage
from onethinker.util.served import say

MANY = 20_000
"""Passages whose indexing takes seconds, so that it is said."""
MAX_QUERY, MAX_PASSAGES, MAX_SAID = 1000, 10, 10
"""Characters of a query; passages of one response; problems of a knowledge base that are said, the rest is counted."""
_WHOLE = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
"""Chinese characters and kana: words are not parted there, so that each is looked for by itself."""
_WORD = re.compile(rf"[{_WHOLE}]|[^\W{_WHOLE}]+")


class Search:
    """Gives back passages, the best first, each after its id in brackets.

    embedding: a folder or hub id of a model whose vectors say what fits; BM25 says it if empty. problems: what could
    not be read, a line each; the rest is indexed. Raises ToolError for a knowledge base that is not there or has no
    passage, and for a model or an index that cannot be loaded.
    """

    name = "search"
    needs = ("knowledge", "embedding")
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

    def __init__(self, knowledge: str | Path, embedding: str = "") -> None:
        if not knowledge:
            raise ToolError("search needs a knowledge base: name a folder or file with --knowledge (tools.knowledge)")
        base = Knowledge(Path(knowledge))
        self.passages, self.problems = base.passages, base.problems
        for problem in self.problems[:MAX_SAID]:
            say(f"knowledge base: {problem}; left out")
        if len(self.problems) > MAX_SAID:
            say(f"knowledge base: {len(self.problems) - MAX_SAID:,} more like these; left out")
        if len(self.passages) > MANY:
            say(f"knowledge base: indexing {len(self.passages):,} passages")
        texts = [p.text for p in self.passages]
        if not any(_WORD.search(_plain(text)) for text in texts):
            raise ToolError(
                f"{knowledge}: no passages with a word in them; expected a folder of {', '.join(SUFFIXES)} files, or "
                "one of them"
            )
        content = json.dumps([[p.id, p.text] for p in self.passages], ensure_ascii=False).encode()
        self.identity = f"search:{hashlib.sha256(content).hexdigest()[:16]}"
        if embedding:
            from onethinker.tools.embedding import Meanings

            self._best = (meanings := Meanings(texts, embedding)).best
            self.identity += f"+{meanings.identity}"
        else:
            self._best = _Words(texts).best

    def call(self, arguments: Mapping[str, Any], request: Request) -> Response:
        query = arguments.get("query")
        if not isinstance(query, str) or not query.strip():
            raise ToolError(f"query is {shown(query)}; expected a few words")
        if len(query) > MAX_QUERY:
            raise ToolError(f"query has {len(query):,} characters; expected at most {MAX_QUERY:,}")
        wanted = number(arguments, "k", 3)
        if wanted != int(wanted) or not 1 <= wanted <= MAX_PASSAGES:
            raise ToolError(f"k is {wanted:g}; expected a whole number, 1 to {MAX_PASSAGES}")
        found = self.find(query, int(wanted))
        return ("\n".join(f"[{p.id}] {_indented(p.text)}" for p in found) or "nothing found",)

    def find(self, query: str, k: int) -> list[Passage]:
        """The k best passages, by BM25 those without a word of the query left out; of equal ones the earlier first."""
        return [self.passages[i] for i in self._best(query, k)]


class _Words:
    """Texts by the words that they share with a query, as BM25 weighs them."""

    def __init__(self, texts: Sequence[str]) -> None:
        try:
            import bm25s
        except ImportError as error:
            raise ToolError(
                f"search indexes with bm25s, which is not here ({error}): pip install 'onethinker[tools]'"
            ) from error

        self._index = bm25s.BM25()
        self._index.index(_tokens(texts), show_progress=False)

    def best(self, query: str, k: int) -> list[int]:
        """Places of the k best texts, those without a word of the query left out; of equal ones the earlier first."""
        tokens = _tokens([query], vocabulary=False)[0]
        known = [token for token in tokens if token in self._index.vocab_dict]
        if not known:
            return []
        scores = self._index.get_scores(known)
        fit = np.flatnonzero(scores > 0)
        return fit[np.argsort(-scores[fit], kind="stable")[:k]].tolist()


def _indented(text: str) -> str:
    """A passage whose later lines do not begin as another passage would."""
    return "\n  ".join(text.splitlines())


def _plain(text: str) -> str:
    return unicodedata.normalize("NFKC", text).casefold()


def _tokens(texts: Sequence[str], vocabulary: bool = True) -> Any:
    """Words however they are written, none left out: a knowledge base is small, and its names may be stop words
    elsewhere."""
    import bm25s

    plain = [_plain(text) for text in texts]
    return bm25s.tokenize(
        plain, stopwords=None, token_pattern=_WORD.pattern, return_ids=vocabulary, show_progress=False
    )
