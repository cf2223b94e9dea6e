"""The local engine: transformers models, decoded here. Media are encoded once, a prompt is prefilled once and shared by
its n answers, finished rows leave the batch, and every draw is its own: an answer does not depend on what else is in
the batch."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import compress, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from onethinker.engines.base import Capability, Completion, EngineError, OnText, Request, Sampling
from onethinker.engines.encode import Encoder, Prompt, batch_media
from onethinker.engines.spoken import Aloud
from onethinker.media import VIDEO_SUFFIXES
from onethinker.models.cache import GrowingCache
from onethinker.models.compat import cache_argument
from onethinker.models.decode import Decoder
from onethinker.models.forward import autocast, banned_ids, sampling_logits, unwrap
from onethinker.models.load import weights_digest
from onethinker.util.map_ahead import map_ahead

if TYPE_CHECKING:
    from onethinker.engines.session import LocalSession


@dataclass
class AnswerState:
    """One answer being written. request: its place, or its key in a session. uniforms: one number in [0, 1) a step,
    drawn from the request's own seed. aloud: tells it while it is written."""

    request: Any
    answer: int
    uniforms: np.ndarray
    ids: list[int] = field(default_factory=list)
    logps: list[float] = field(default_factory=list)
    aloud: Aloud | None = None


class LocalEngine:
    """Answers with a model in this process. decode_batch_size: answers decoded together.

    dtype: of the arithmetic."""

    capabilities: frozenset[Capability] = frozenset({"token_ids", "logps"})
    streams = True

    def __init__(
        self,
        model: Any,
        encoder: Encoder,
        decode_batch_size: int = 128,
        identity: str | None = None,
        dtype: str = "float32",
    ) -> None:
        self.model, self.encoder, self.decode_batch_size, self.dtype = model, encoder, decode_batch_size, dtype
        self.identity = identity or f"local:{weights_digest(model)}"
        self.tokenizer = encoder.tokenizer
        self.banned = banned_ids(self.tokenizer)
        stop = unwrap(model).generation_config.eos_token_id
        self.stops = set(stop if isinstance(stop, list) else [stop]) | {self.tokenizer.eos_token_id}

    @property
    def settings(self) -> dict[str, Any]:
        """What is used of a recipe: device, dtype and attention of the model, and answers decoded together."""
        core = unwrap(self.model)
        head = core.lm_head.weight
        dtype = str(head.dtype).removeprefix("torch.") if self.dtype == "float32" else self.dtype
        attention = core.config._attn_implementation
        return {
            "device": str(head.device), "dtype": dtype, "attention": attention, "batch": self.decode_batch_size,
        }  # fmt: skip

    def session(self) -> LocalSession:
        """Answers that new questions join between two tokens; the same tokens as `answer` gives but for rounding."""
        from onethinker.engines.session import LocalSession

        return LocalSession(self)

    def answer(
        self, requests: Sequence[Request], sampling: Sampling, on_text: OnText | None = None
    ) -> Iterator[tuple[int, list[Completion]]]:
        """See `Engine.answer`. Requests of like size are decoded together and those that share media one after the
        other; the next ones are opened and prepared meanwhile. Of single answers a few that are quickly prepared come
        first; where each prompt has several, decoding is what takes long, and a batch half full costs as many steps."""
        order = sorted(range(len(requests)), key=lambda i: _batching_key(requests[i]))
        step = max(1, self.decode_batch_size // sampling.n)
        encoded = map_ahead(lambda i: self._encoded(i, requests[i]), order, ahead=2 * step)
        taken = list(islice(encoded, -(-step // 4) if sampling.n == 1 else step))
        while taken:
            prompts: list[tuple[int, Prompt]] = []
            for index, prompt in taken:
                if isinstance(prompt, Prompt):
                    prompts.append((index, prompt))
                else:
                    yield index, [Completion("", "error", error=str(prompt))] * sampling.n
            if prompts:
                yield from self._decode(requests, prompts, sampling, on_text)
            taken = list(islice(encoded, step))

    def _encoded(self, index: int, request: Request) -> tuple[int, Prompt | ValueError | OSError]:
        """The index, and the prompt or why there is none."""
        try:
            return index, self.encoder.encode(request)
        except (ValueError, OSError) as error:
            return index, error

    def _decode(
        self,
        requests: Sequence[Request],
        prompts: Sequence[tuple[int, Prompt]],
        sampling: Sampling,
        on_text: OnText | None,
    ) -> Iterator[tuple[int, list[Completion]]]:
        """Answers to prompts that are decoded together, each prompt's as soon as the last of them has ended."""
        rows = [
            AnswerState(index, answer, uniforms_of(requests[index], answer, sampling))
            for index, _ in prompts
            for answer in range(sampling.n)
        ]
        for row in rows if on_text else ():
            row.aloud = Aloud(self.tokenizer, partial(on_text, row.request)) if on_text and row.answer == 0 else None
        lengths = {index: len(prompt) for index, prompt in prompts}
        made: dict[int, dict[int, Completion]] = {index: {} for index, _ in prompts}
        training = self.model.training
        self.model.eval()
        try:
            for row, seconds in self._steps([(requests[i], p) for i, p in prompts], rows, sampling):
                answers = made[row.request]
                answers[row.answer] = self.completion(row, seconds, lengths[row.request])
                if len(answers) == sampling.n:
                    yield row.request, [answers[i] for i in range(sampling.n)]
        finally:
            self.model.train(training)

    def completion(self, row: AnswerState, seconds: float, prompt_tokens: int) -> Completion:
        stopped = row.ids[-1] in self.stops
        return Completion(
            text=self.tokenizer.decode(row.ids[: -1 if stopped else None], skip_special_tokens=True),
            finish="stop" if stopped else "length",
            token_ids=tuple(row.ids),
            logps=tuple(row.logps),
            prompt_tokens=prompt_tokens,
            tokens=len(row.ids),
            seconds=seconds,
        )

    def _steps(
        self, asked: Sequence[tuple[Request, Prompt]], rows: list[AnswerState], sampling: Sampling
    ) -> Iterator[tuple[AnswerState, float]]:
        """Prefill, then one token a row and step. Yields each row as it ends, and its seconds: of every step an even
        share with the rows that were then active."""
        core = unwrap(self.model)
        began = time.perf_counter()
        decoder, hidden = self.start(core, asked, sampling.n)
        active, seconds = rows, 0.0
        for step in range(sampling.max_tokens):
            tokens, logps = self._sample(core, hidden, active, step, sampling)
            for row, token, logp in zip(active, tokens.tolist(), logps, strict=True):
                row.ids.append(token)
                row.logps.append(logp)
            last = step + 1 == sampling.max_tokens
            ended = [last or row.ids[-1] in self.stops for row in active]
            for row, over in zip(active, ended, strict=True):
                if row.aloud:
                    row.aloud.hear(row.ids, over)
            keep = [i for i, over in enumerate(ended) if not over]
            seconds += (time.perf_counter() - began) / len(active)
            for row in compress(active, ended):
                yield row, seconds
            if not keep:
                return
            began = time.perf_counter()
            hidden, active = self._advance(decoder, tokens, keep, active), [active[i] for i in keep]

    @torch.inference_mode()
    def start(
        self, core: Any, asked: Sequence[tuple[Request, Prompt]], answers: int | Tensor
    ) -> tuple[Decoder, Tensor]:
        """The decoder of `answers` rows a prompt (one number or (P,)), and their last hidden states (B, H)."""
        device = core.lm_head.weight.device
        requests, prompts = zip(*asked)
        with autocast(device, self.dtype):
            hidden, mask, cache = self._prefill(core, requests, prompts, device)
            positions = torch.tensor([p.next_position for p in prompts], device=device)
            return Decoder(core, cache, mask, positions, answers), hidden.repeat_interleave(answers, dim=0)

    @torch.inference_mode()
    def _sample(
        self, core: Any, hidden: Tensor, active: Sequence[AnswerState], step: int, sampling: Sampling
    ) -> tuple[Tensor, list[float]]:
        """The next token of each row (B,) and its log-probability."""
        with autocast(hidden.device, self.dtype):
            logits = sampling_logits(core.lm_head(hidden), self.banned, sampling.temperature or 1.0)
            tokens, logps = pick(logits, [r.uniforms[step] if len(r.uniforms) else 0.0 for r in active], sampling)
            return tokens, logps.tolist()

    @torch.inference_mode()
    def _advance(self, decoder: Decoder, tokens: Tensor, keep: list[int], active: Sequence[AnswerState]) -> Tensor:
        """Last hidden states after these tokens, of the rows to keep."""
        with autocast(tokens.device, self.dtype):
            if len(keep) < len(active):
                index = torch.tensor(keep, device=tokens.device)
                decoder.keep(index)
                tokens = tokens[index]
            return decoder.step(tokens)

    def _prefill(
        self, core: Any, requests: Sequence[Request], prompts: Sequence[Prompt], device: torch.device
    ) -> tuple[Tensor, Tensor, GrowingCache]:
        """Last hidden state (P, H), mask (P, T) and cache of the prompts. Where some begin with the same media, that
        beginning passes through the model once, and then what each prompt adds to it."""
        cache, shared = GrowingCache(), _shared_prefixes(requests, prompts)
        if len(shared.firsts) == len(prompts):
            pieces = [(p.ids_T, p.positions_3T) for p in prompts]
            return *self._pass(core, pieces, cache, None, batch_media(prompts, device)), cache
        firsts = [(prompts[i], shared.lengths[i]) for i in shared.firsts]
        pieces = [(p.ids_T[:n], p.positions_3T[:, :n]) for p, n in firsts]
        _, seen = self._pass(core, pieces, cache, None, batch_media([p for p, _ in firsts], device))
        owners = torch.tensor(shared.owners, device=device)
        cache.batch_select_indices(owners)
        pieces = [(p.ids_T[n:], p.positions_3T[:, n:]) for p, n in zip(prompts, shared.lengths, strict=True)]
        return *self._pass(core, pieces, cache, seen[owners], {}), cache

    def _pass(
        self,
        core: Any,
        pieces: Sequence[tuple[Tensor, Tensor]],
        cache: GrowingCache,
        seen: Tensor | None,
        media: dict[str, Tensor],
    ) -> tuple[Tensor, Tensor]:
        """Last hidden states (P, H) and the mask of all that is in the cache then, of pieces (ids, positions) padded on
        the left. seen: the mask of what is in the cache already."""
        device = core.lm_head.weight.device
        longest = max(len(ids_T) for ids_T, _ in pieces)
        ids = torch.full((len(pieces), longest), self.tokenizer.pad_token_id)
        mask = torch.zeros(len(pieces), longest, dtype=torch.long)
        positions = torch.zeros(3, len(pieces), longest, dtype=torch.long)
        for i, (ids_T, positions_3T) in enumerate(pieces):
            ids[i, -len(ids_T) :] = ids_T
            mask[i, -len(ids_T) :] = 1
            positions[:, i, -len(ids_T) :] = positions_3T
        mask = mask.to(device) if seen is None else torch.cat([seen, mask.to(device)], dim=1)
        out = core.model(
            input_ids=ids.to(device),
            attention_mask=mask,
            position_ids=positions.to(device),
            use_cache=True,
            **{cache_argument(core.model): cache},
            **media,
        )
        return out.last_hidden_state[:, -1], mask


class _SharedPrefixes(NamedTuple):
    """How prompts begin. firsts: those whose beginning none before them has. owners: for each prompt, which of these it
    begins like. lengths: of each prompt's beginning, in tokens."""

    firsts: list[int]
    owners: list[int]
    lengths: list[int]


def _shared_prefixes(requests: Sequence[Request], prompts: Sequence[Prompt]) -> _SharedPrefixes:
    """A prompt's beginning ends with its media; without any it is the first token."""
    known: dict[Any, int] = {}
    shared = _SharedPrefixes([], [], [])
    for place, (request, prompt) in enumerate(zip(requests, prompts, strict=True)):
        places = prompt.types_T.nonzero()
        length = int(places[-1]) + 1 if len(places) else 1
        pictures = tuple(picture for turn in request.turns for picture in turn.pictures)
        beginning = (request.media, request.budget, pictures, tuple(prompt.ids_T[:length].tolist()))
        owner = known.setdefault(beginning, len(known))
        if owner == len(shared.firsts):
            shared.firsts.append(place)
        shared.owners.append(owner)
        shared.lengths.append(length)
    return shared


def _batching_key(request: Request) -> tuple[int, bool, tuple[str, ...], int]:
    """By which requests are put in order: how many media, clips or pictures, which, and how long the words are."""
    media = tuple(map(str, request.media))
    return len(media), any(Path(name).suffix.lower() in VIDEO_SUFFIXES for name in media), media, len(request.text)


def pick(logits: Tensor, uniforms: list[float], sampling: Sampling) -> tuple[Tensor, Tensor]:
    """Next tokens (B,) and their log-probabilities (B,): the likeliest, or the inverse of the distribution function.

    Raises EngineError where the logits are no numbers.
    """
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
        # Of what is no number the place found is past the end, which a GPU would end the process for.
        found = torch.searchsorted(total, torch.minimum(draws, below), right=True)[:, 0]
        tokens = found.clamp(max=logits.shape[-1] - 1)
    chosen = logps.gather(-1, tokens[:, None])[:, 0]
    if bool(chosen.isnan().any()):
        raise EngineError(
            "the model's probabilities are no numbers: its weights are broken, or its training has diverged; take an "
            "earlier checkpoint, and a lower learning rate if it was trained here"
        )
    return tokens, chosen


def _nucleus(probabilities: Tensor, top_p: float) -> Tensor:
    """The likeliest tokens that together reach top_p; the others at zero."""
    ranked, order = probabilities.sort(dim=-1, descending=True)
    ranked = ranked.masked_fill(ranked.cumsum(-1) - ranked >= top_p, 0.0)
    return torch.zeros_like(probabilities).scatter(-1, order, ranked)


def uniforms_of(request: Request, answer: int, sampling: Sampling) -> np.ndarray:
    """Numbers in [0, 1) of the request's own, of this answer and, after a tool's response, of this turn."""
    if sampling.temperature == 0:
        return np.empty(0)
    turn = f"|turn {len(request.turns)}" if request.turns else ""
    key = hashlib.sha256(f"{sampling.seed}|{request.id}|{request.answer + answer}{turn}".encode()).digest()
    return np.random.Generator(np.random.Philox(key=int.from_bytes(key[:16], "little"))).random(sampling.max_tokens)
