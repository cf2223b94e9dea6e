"""The local engine's continuous batching: new questions are prefilled and join between two tokens, answers leave when
they end. Every draw is its own, so that an answer does not depend on what else is under way."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from onethinker.engines.base import Asked, Completion, Request, Token
from onethinker.engines.encode import Encoder, Prompt
from onethinker.engines.local import AnswerState, LocalEngine, pick, uniforms_of
from onethinker.models.decode import Decoder
from onethinker.models.forward import autocast, sampling_logits, unwrap

_KEPT_BYTES = 64 << 20
"""Of encoded prompts and opened media: those of strangers rarely come again."""


@dataclass(eq=False)
class _Row:
    """One answer under way. seconds: when it began."""

    asked: Asked
    state: AnswerState
    began: float


class LocalSession:
    """See `Session`."""

    def __init__(self, engine: LocalEngine) -> None:
        self.engine, self.core = engine, unwrap(engine.model)
        self.encoder = Encoder(engine.encoder.processor, _KEPT_BYTES)
        self.context = int(self.core.config.text_config.max_position_embeddings)
        self._rows: list[_Row] = []
        self._decoder: Decoder | None = None
        self._hidden: Tensor
        engine.model.eval()

    @property
    def rows(self) -> int:
        return len(self._rows)

    def encode(self, request: Request) -> Prompt:
        return self.encoder.encode(request)

    def join(self, asked: Sequence[Asked]) -> None:
        began = time.perf_counter()
        counts = torch.tensor([one.sampling.n for one in asked], device=self.core.lm_head.weight.device)
        decoder, hidden = self.engine.start(self.core, [(one.request, one.prompt) for one in asked], counts)
        with torch.inference_mode():
            if self._decoder is None:
                self._decoder, self._hidden = decoder, hidden
            else:
                self._decoder.join(decoder)
                self._hidden = torch.cat([self._hidden, hidden])
        for one in asked:
            for answer in range(one.sampling.n):
                uniforms = uniforms_of(one.request, answer, one.sampling)
                self._rows.append(_Row(one, AnswerState(one.key, answer, uniforms), began))

    @torch.inference_mode()
    def step(self) -> list[Token]:
        if not self._rows:
            return []
        with autocast(self._hidden.device, self.engine.dtype):
            ids, made = self._sample()
            keep = [place for place, token in enumerate(made) if token.completion is None]
            self._keep(keep)
            if keep:
                assert self._decoder is not None
                self._hidden = self._decoder.step(ids[keep] if len(keep) < len(made) else ids)
        return made

    def leave(self, gone: Collection[tuple[Any, int]]) -> None:
        keep = [place for place, row in enumerate(self._rows) if (row.asked.key, row.state.answer) not in gone]
        with torch.inference_mode():
            if len(keep) < len(self._rows):
                self._hidden = self._hidden[keep]
            self._keep(keep)

    def _keep(self, keep: list[int]) -> None:
        """Go on with these rows; the caller sees to their hidden states."""
        if not keep:
            self._rows, self._decoder = [], None
        elif len(keep) < len(self._rows):
            assert self._decoder is not None
            self._decoder.keep(torch.tensor(keep, device=self._hidden.device))
            self._rows = [self._rows[place] for place in keep]

    def _sample(self) -> tuple[Tensor, list[Token]]:
        """The next token of every row, (B,) and as they are told."""
        ids = torch.empty(len(self._rows), dtype=torch.long, device=self._hidden.device)
        made: list[Token | None] = [None] * len(self._rows)
        for places in self._alike():
            rows = [self._rows[place] for place in places]
            sampling = rows[0].asked.sampling
            hidden = self._hidden if len(rows) == len(self._rows) else self._hidden[places]
            logits = sampling_logits(self.core.lm_head(hidden), self.engine.banned, sampling.temperature or 1.0)
            draws = [float(r.state.uniforms[len(r.state.ids)]) if len(r.state.uniforms) else 0.0 for r in rows]
            tokens, logps = pick(logits, draws, sampling)
            ids[places] = tokens
            tops = _likeliest(logits, [row.asked.top for row in rows])
            for place, row, token, logp, top in zip(places, rows, tokens.tolist(), logps.tolist(), tops, strict=True):
                made[place] = self._token(row, token, logp, top)
        return ids, [token for token in made if token is not None]

    def _alike(self) -> Iterator[list[int]]:
        """The places of rows that are sampled alike."""
        groups: dict[tuple[float, float], list[int]] = {}
        for place, row in enumerate(self._rows):
            groups.setdefault((row.asked.sampling.temperature, row.asked.sampling.top_p), []).append(place)
        yield from groups.values()

    def _token(self, row: _Row, token: int, logp: float, top: tuple[tuple[int, float], ...]) -> Token:
        state, sampling = row.state, row.asked.sampling
        state.ids.append(token)
        state.logps.append(logp)
        completion: Completion | None = None
        if token in self.engine.stops or len(state.ids) == sampling.max_tokens:
            seconds = time.perf_counter() - row.began
            completion = self.engine.completion(state, seconds, len(row.asked.prompt))
        return Token(row.asked.key, state.answer, token, logp, top, completion)


def _likeliest(logits: Tensor, counts: list[int]) -> Iterator[tuple[tuple[int, float], ...]]:
    """Of each row its `count` likeliest tokens and their log-probabilities."""
    most = max(counts)
    if not most:
        yield from ((),) * len(counts)
        return
    logps, ids = torch.log_softmax(logits, dim=-1).topk(most, dim=-1)
    for row_ids, row_logps, count in zip(ids.tolist(), logps.tolist(), counts, strict=True):
        yield tuple(zip(row_ids[:count], row_logps[:count], strict=True))
