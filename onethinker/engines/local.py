"""The local engine: transformers models, decoded here. Media are encoded once, a prompt is prefilled once and shared by
its n answers, finished rows leave the batch, and every draw is its own: an answer does not depend on what else is in
the batch."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from onethinker.engines.base import Capability, Completion, Request, Sampling
from onethinker.models.cache import GrowingCache
from onethinker.models.decode import Decoder
from onethinker.models.encode import Encoder, Prompt, batch_media
from onethinker.models.forward import adjusted, autocast, banned_ids, unwrap
from onethinker.models.load import weights_digest
from onethinker.sample import DataError


@dataclass
class _Row:
    """One answer being written. uniforms: one number in [0, 1) a step, drawn from the request's own seed."""

    request: int
    answer: int
    uniforms: np.ndarray
    ids: list[int] = field(default_factory=list)
    logps: list[float] = field(default_factory=list)


class LocalEngine:
    """Answers with a model in this process. rows bounds the answers decoded together; dtype: of the arithmetic."""

    capabilities: frozenset[Capability] = frozenset({"token_ids", "logps"})

    def __init__(
        self, model: Any, encoder: Encoder, rows: int = 128, identity: str | None = None, dtype: str = "float32"
    ) -> None:
        self.model, self.encoder, self.rows, self.dtype = model, encoder, rows, dtype
        self.identity = identity or f"local:{weights_digest(model)}"
        self.tokenizer = encoder.tokenizer
        self.banned = banned_ids(self.tokenizer)
        stop = unwrap(model).generation_config.eos_token_id
        self.stops = set(stop if isinstance(stop, list) else [stop]) | {self.tokenizer.eos_token_id}

    def answer(self, requests: Sequence[Request], sampling: Sampling) -> Iterator[tuple[int, list[Completion]]]:
        """See `Engine.answer`. Requests of like size are decoded together, longest first."""
        order = sorted(
            range(len(requests)), key=lambda i: (len(requests[i].media), len(requests[i].text)), reverse=True
        )
        step = max(1, self.rows // sampling.n)
        for start in range(0, len(order), step):
            prompts: list[tuple[int, Prompt]] = []
            for index in order[start : start + step]:
                try:
                    prompts.append((index, self.encoder.encode(requests[index])))
                except (ValueError, DataError) as error:
                    yield index, [Completion("", "error", error=str(error))] * sampling.n
            if prompts:
                yield from self._decode(requests, prompts, sampling)

    @torch.inference_mode()
    def _decode(
        self, requests: Sequence[Request], prompts: Sequence[tuple[int, Prompt]], sampling: Sampling
    ) -> list[tuple[int, list[Completion]]]:
        began = time.perf_counter()
        rows = [
            _Row(index, answer, _uniforms(requests[index].id, answer, sampling))
            for index, _ in prompts
            for answer in range(sampling.n)
        ]
        training = self.model.training
        self.model.eval()
        try:
            with autocast(unwrap(self.model).lm_head.weight.device, self.dtype):
                finished = self._steps([p for _, p in prompts], rows, sampling)
        finally:
            self.model.train(training)
        seconds = (time.perf_counter() - began) / len(rows)
        lengths = {index: len(prompt) for index, prompt in prompts}
        made: dict[int, list[Completion]] = {index: [] for index, _ in prompts}
        for row in rows:
            stopped = id(row) in finished
            made[row.request].append(
                Completion(
                    text=self.tokenizer.decode(row.ids[: -1 if stopped else None], skip_special_tokens=True),
                    finish="stop" if stopped else "length",
                    token_ids=tuple(row.ids),
                    logps=tuple(row.logps),
                    prompt_tokens=lengths[row.request],
                    tokens=len(row.ids),
                    seconds=seconds,
                )
            )
        return list(made.items())

    def _steps(self, prompts: Sequence[Prompt], rows: list[_Row], sampling: Sampling) -> set[int]:
        """Prefill, then one token a row and step until every row has stopped. Returns the ids of stopped rows."""
        core = unwrap(self.model)
        device = core.lm_head.weight.device
        hidden, mask, cache = self._prefill(core, prompts, device)
        positions = torch.tensor([p.next_position for p in prompts], device=device)
        decoder = Decoder(core, cache, mask, positions, sampling.n)
        hidden = hidden.repeat_interleave(sampling.n, dim=0)
        active, finished = list(rows), set()
        for step in range(sampling.max_tokens):
            logits = adjusted(core.lm_head(hidden), self.banned, sampling.temperature or 1.0)
            tokens, logps = _choose(logits, [r.uniforms[step] if len(r.uniforms) else 0.0 for r in active], sampling)
            keep = []
            for i, (row, token, logp) in enumerate(zip(active, tokens.tolist(), logps.tolist(), strict=True)):
                row.ids.append(token)
                row.logps.append(logp)
                if token in self.stops:
                    finished.add(id(row))
                else:
                    keep.append(i)
            if not keep or step + 1 == sampling.max_tokens:
                break
            if len(keep) < len(active):
                index = torch.tensor(keep, device=device)
                decoder.keep(index)
                tokens = tokens[index]
                active = [active[i] for i in keep]
            hidden = decoder.step(tokens)
        return finished

    def _prefill(
        self, core: Any, prompts: Sequence[Prompt], device: torch.device
    ) -> tuple[Tensor, Tensor, GrowingCache]:
        """Last hidden state (P, H), mask (P, T) and cache of the prompts, padded on the left."""
        longest = max(map(len, prompts))
        ids = torch.full((len(prompts), longest), self.tokenizer.pad_token_id)
        mask = torch.zeros(len(prompts), longest, dtype=torch.long)
        positions = torch.zeros(3, len(prompts), longest, dtype=torch.long)
        for i, prompt in enumerate(prompts):
            ids[i, -len(prompt) :] = prompt.ids_T
            mask[i, -len(prompt) :] = 1
            positions[:, i, -len(prompt) :] = prompt.positions_3T
        cache = GrowingCache()
        out = core.model(
            input_ids=ids.to(device),
            attention_mask=mask.to(device),
            position_ids=positions.to(device),
            past_key_values=cache,
            use_cache=True,
            **batch_media(prompts, device),
        )
        return out.last_hidden_state[:, -1], mask.to(device), cache


def _choose(logits: Tensor, uniforms: list[float], sampling: Sampling) -> tuple[Tensor, Tensor]:
    """Next tokens (B,) and their log-probabilities (B,): the likeliest, or the inverse of the distribution function."""
    logps = torch.log_softmax(logits, dim=-1)
    if sampling.temperature == 0:
        tokens = logps.argmax(-1)
    else:
        probabilities = logps.exp()
        if sampling.top_p < 1:
            probabilities = _nucleus(probabilities, sampling.top_p)
        total = probabilities.cumsum(-1)
        draws = torch.tensor(uniforms, device=logits.device, dtype=total.dtype)[:, None] * total[:, -1:]
        # Below the whole sum, to which a draw may round up: what is past it has no probability, and may be banned.
        below = torch.nextafter(total[:, -1:], torch.zeros_like(draws))
        tokens = torch.searchsorted(total, torch.minimum(draws, below), right=True)[:, 0]
    return tokens, logps.gather(-1, tokens[:, None])[:, 0]


def _nucleus(probabilities: Tensor, top_p: float) -> Tensor:
    """The likeliest tokens that together reach top_p; the others at zero."""
    ranked, order = probabilities.sort(dim=-1, descending=True)
    ranked = ranked.masked_fill(ranked.cumsum(-1) - ranked >= top_p, 0.0)
    return torch.zeros_like(probabilities).scatter(-1, order, ranked)


def _uniforms(request: str, answer: int, sampling: Sampling) -> np.ndarray:
    if sampling.temperature == 0:
        return np.empty(0)
    key = hashlib.sha256(f"{sampling.seed}|{request}|{answer}".encode()).digest()
    return np.random.Generator(np.random.Philox(key=int.from_bytes(key[:16], "little"))).random(sampling.max_tokens)
