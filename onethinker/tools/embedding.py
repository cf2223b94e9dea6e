"""Passages by what they mean: cosine similarity of an embedding model's vectors, by sentence-transformers."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Sequence
from contextlib import nullcontext, suppress
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np

from onethinker.tools.base import ToolError
from onethinker.util.progress import bar

MAX_TOKENS = 2048
"""Of a passage or a query; a model that takes fewer cuts earlier."""
BATCH, TOGETHER = 32, 1024
"""Passages of one forward pass; passages that are sorted by length together, so that few are padded."""
_HUB = re.compile(r"[\w-][\w.-]*(/[\w-][\w.-]*)?")


class Meanings:
    """Texts as unit vectors, in float32 on the CPU, the same for the same texts.

    identity: a digest of the model's weights, modules, tokenizer and prompts, wherever it lies. Raises ToolError for a
    model or a library that is not there.
    """

    def __init__(self, texts: Sequence[str], model: str) -> None:
        self._model = _loaded(model)
        self.identity = _identity(self._model)
        self._busy = Lock()  # a tokenizer is set up anew by each call
        distinct = list(dict.fromkeys(texts))  # equal texts have equal scores, to the bit
        place = {text: number for number, text in enumerate(distinct)}
        self._row = np.array([place[text] for text in texts])
        parts = []
        many = len(distinct) > TOGETHER
        with bar("embed passages", len(distinct)) if many else nullcontext(lambda _: None) as advance:
            for start in range(0, len(distinct), TOGETHER):
                parts.append(self._vectors(self._model.encode_document, distinct[start : start + TOGETHER]))
                advance(len(parts[-1]))
        self._vectors_of_texts = np.concatenate(parts)
        if not np.isfinite(self._vectors_of_texts).all():
            raise ToolError(f"{model}: its vectors are not finite numbers; name another with --embedding")

    def best(self, query: str, k: int) -> list[int]:
        """Places of the k nearest texts; of equal ones the earlier first."""
        with self._busy:
            (vector,) = self._vectors(self._model.encode_query, [query])
        scores = (self._vectors_of_texts @ vector)[self._row]
        return np.argsort(-scores, kind="stable")[:k].tolist()

    @staticmethod
    def _vectors(encode: Callable[..., Any], texts: list[str]) -> np.ndarray:
        return np.asarray(
            encode(texts, batch_size=BATCH, normalize_embeddings=True, show_progress_bar=False), dtype=np.float32
        )


def _loaded(name: str) -> Any:
    folder, a_hub_id = Path(name), _HUB.fullmatch(name) and not ("/" in name and Path(name).parent.exists())
    if not folder.is_dir() and (folder.exists() or not a_hub_id):
        raise ToolError(
            f"{name}: no such folder of an embedding model; --embedding (tools.embedding) names a folder or a hub id"
        )
    try:
        from sentence_transformers import SentenceTransformer
    except ImportError as error:
        raise ToolError(
            f"--embedding (tools.embedding) needs sentence-transformers, which is not here ({error}): "
            "pip install 'onethinker[embedding]', or leave it out to search by BM25"
        ) from error
    try:
        model = SentenceTransformer(name, device="cpu").float().eval()
    except Exception as error:  # whatever a folder of someone else's holds
        raise ToolError(f"{name}: not an embedding model that sentence-transformers loads ({error})") from error
    with suppress(AttributeError):  # a table of words takes any number and has no such setting
        model.max_seq_length = min(model.max_seq_length or 512, MAX_TOKENS)
    return model


def _identity(model: Any) -> str:
    from onethinker.models.load import weights_digest

    tokenizer = getattr(model.tokenizer, "backend_tokenizer", model.tokenizer)
    words = tokenizer.to_str() if hasattr(tokenizer, "to_str") else repr(tokenizer)
    told = json.dumps([weights_digest(model), str(model), words, model.prompts, model.default_prompt_name])
    return hashlib.sha256(told.encode()).hexdigest()[:16]
