"""Decoding steps of Qwen3-VL for many answers to few prompts: one token a row and step.

A prompt's keys and values are kept once and read once for all of its answers; only what an answer has written itself is
kept by row. Prompts with answers of their own may join between two steps. The layers' modules are called one by one,
adapters included, without the library's general machinery, which costs more than the arithmetic of a small model.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import rms_norm

from onethinker.models.cache import GrowingCache


class _Part(NamedTuple):
    """Attention over some keys undivided: out (…, width) = Σ e·value, total (…, 1) = Σ e; e = exp(score − top)."""

    out: Tensor
    total: Tensor
    top: Tensor


_SPARE = 64
"""Columns that no row needs any more are dropped when there are so many, and as many as are needed."""


class Decoder:
    """B active rows over P prompts, `answers` of each prompt to begin with, in the prompts' order."""

    def __init__(
        self, core: Any, prefilled: GrowingCache, seen_PT: Tensor, positions_P: Tensor, answers: int | Tensor
    ) -> None:
        """prefilled: the prompts' keys and values. seen_PT: 0 where padded. positions_P: of the first answer tokens.
        answers: of each prompt, one number or (P,)."""
        self.core = core
        self.prompts = [(layer.keys, layer.values) for layer in prefilled.layers]
        self.hidden_PT = None if bool(seen_PT.all()) else seen_PT == 0
        self.owner_B = torch.arange(len(positions_P), device=positions_P.device).repeat_interleave(answers)
        self.positions_B = positions_P[self.owner_B]
        self.written = GrowingCache()
        self.begins_B = torch.zeros_like(self.owner_B)
        """Column of what is written at which a row begins: 0, or later for one that joined."""
        self._arrange()

    def join(self, other: Decoder) -> None:
        """Take in the rows of a decoder that has written nothing yet, behind these."""
        mine, theirs = (d._hidden() for d in (self, other))
        longest = max(mine.shape[1], theirs.shape[1])
        hidden_PT = torch.cat([_widened(mine, longest, True), _widened(theirs, longest, True)])
        self.hidden_PT = hidden_PT if bool(hidden_PT.any()) else None
        self.prompts = [
            tuple(torch.cat([_widened(a, longest), _widened(b, longest)]) for a, b in zip(ours, new, strict=True))  # type: ignore[misc]
            for ours, new in zip(self.prompts, other.prompts, strict=True)
        ]
        written = self.written.get_seq_length()
        self.written.add_rows(len(other.owner_B))
        self.owner_B = torch.cat([self.owner_B, other.owner_B + len(mine)])
        self.positions_B = torch.cat([self.positions_B, other.positions_B])
        self.begins_B = torch.cat([self.begins_B, torch.full_like(other.begins_B, written)])
        self._arrange()

    def _hidden(self) -> Tensor:
        """(P, T), True where padded."""
        keys = self.prompts[0][0]
        none = torch.zeros(len(keys), keys.shape[2], dtype=torch.bool, device=keys.device)
        return none if self.hidden_PT is None else self.hidden_PT

    def keep(self, rows: Tensor) -> None:
        """Go on with these rows (ascending) only; a prompt without rows is dropped."""
        self.written.batch_select_indices(rows)
        self.owner_B, self.positions_B, self.begins_B = (
            t[rows] for t in (self.owner_B, self.positions_B, self.begins_B)
        )
        first, written = int(self.begins_B.min()), self.written.get_seq_length()
        if first >= max(_SPARE, written - first):
            self.written.drop_columns(first)
            self.begins_B = self.begins_B - first
        prompts, owner_B = torch.unique(self.owner_B, return_inverse=True)
        if len(prompts) < len(self.prompts[0][0]):
            self.prompts = [(keys[prompts], values[prompts]) for keys, values in self.prompts]
            self.hidden_PT = None if self.hidden_PT is None else self.hidden_PT[prompts]
            self.owner_B = owner_B
            self._drop_hidden()
        self._arrange()

    def _drop_hidden(self) -> None:
        """The columns that padding alone fills, once a long prompt has left."""
        if self.hidden_PT is None:
            return
        needed_T = ~self.hidden_PT.all(0)
        needed = int(needed_T.sum())
        if len(needed_T) - needed >= max(_SPARE, needed):
            self.prompts = [(keys[:, :, needed_T], values[:, :, needed_T]) for keys, values in self.prompts]
            self.hidden_PT = self.hidden_PT[:, needed_T]

    def _arrange(self) -> None:
        """Seat the rows in a (P, most rows of a prompt) table; seats left over hold row 0 and are never read."""
        # One matrix product a prompt for all of its rows reads the prompt's keys once; as prompts have different
        # numbers of rows left, the table is filled up with a row that exists.
        counts = torch.bincount(self.owner_B)
        firsts = counts.cumsum(0) - counts
        seat_B = torch.arange(len(self.owner_B), device=counts.device) - firsts[self.owner_B]
        most = int(counts.max())
        self.seat_B = self.owner_B * most + seat_B
        self.rows_S = torch.zeros(len(counts) * most, dtype=torch.long, device=counts.device)
        self.rows_S[self.seat_B] = torch.arange(len(self.owner_B), device=counts.device)
        self.is_ragged = bool(self.begins_B.any())

    def step(self, tokens_B: Tensor) -> Tensor:
        """Last hidden states (B, H) after these tokens."""
        model = self.core.model.language_model
        hidden_BH = self.core.get_input_embeddings()(tokens_B)
        cos, sin = model.rotary_emb(hidden_BH[:, None], self.positions_B.expand(3, -1)[:, :, None])
        half = cos.shape[-1] // 2
        # The rotation's sign goes into the sine once a step, so that each layer rotates by a roll without a negation.
        sin = torch.cat([-sin[..., :half], sin[..., half:]], dim=-1)
        columns = torch.arange(self.written.get_seq_length() + 1, device=tokens_B.device)
        hidden_BU = columns < self.begins_B[:, None] if self.is_ragged else None
        for index, layer in enumerate(model.layers):
            attended = self._attend(
                index, layer.self_attn, _norm(layer.input_layernorm, hidden_BH), cos, sin, hidden_BU
            )
            hidden_BH = hidden_BH + attended
            hidden_BH = hidden_BH + layer.mlp(_norm(layer.post_attention_layernorm, hidden_BH))
        self.positions_B = self.positions_B + 1
        return _norm(model.norm, hidden_BH)

    def _attend(
        self, index: int, attention: Any, states_BH: Tensor, cos: Tensor, sin: Tensor, hidden_BU: Tensor | None
    ) -> Tensor:
        """Self-attention of layer `index`: over the prompt, over what the row has written, and the two put together."""
        rows, width = len(states_BH), attention.head_dim
        query = _norm(attention.q_norm, attention.q_proj(states_BH).view(rows, -1, width))
        key = _norm(attention.k_norm, attention.k_proj(states_BH).view(rows, -1, width))
        value = attention.v_proj(states_BH).view(rows, -1, 1, width)
        heads = query.shape[1]
        both = torch.cat([query, key], dim=1)
        both = both * cos + both.roll(width // 2, -1) * sin
        keys, values = self.written.update(both[:, heads:, None], value, index)
        query = (both[:, :heads] * attention.scaling).view(rows, keys.shape[1], -1, width)
        own, prompt = _part(query, keys, values, hidden_BU), self._prompt_part(index, query)
        # Two softmaxes over parts of the keys make one over all when both are scaled to the larger maximum; adding
        # exponentials of different maxima would overflow or vanish.
        top = torch.maximum(own.top, prompt.top)
        own_share, prompt_share = (own.top - top).exp(), (prompt.top - top).exp()
        total = own.total * own_share + prompt.total * prompt_share
        out = (own.out * own_share + prompt.out * prompt_share) / total
        return attention.o_proj(out.to(states_BH.dtype).view(rows, -1))

    def _prompt_part(self, index: int, query: Tensor) -> _Part:
        """Over the prompts, the queries of a prompt's rows side by side. query: (B, key heads, share, width)."""
        keys, values = self.prompts[index]
        prompts, heads, _, width = keys.shape
        share = query.shape[2]
        seated = query[self.rows_S].view(prompts, -1, heads, share, width).transpose(1, 2)
        part = _part(seated.reshape(prompts, heads, -1, width), keys, values, self.hidden_PT)
        return _Part(
            *(t.view(prompts, heads, -1, share, t.shape[-1]).transpose(1, 2).flatten(0, 1)[self.seat_B] for t in part)
        )


def _widened(tensor: Tensor, columns: int, fill: bool | float = 0.0) -> Tensor:
    """(P, T) or (P, heads, T, width) with so many columns T, the new ones behind."""
    missing = columns - tensor.shape[1 if tensor.dim() == 2 else 2]
    return torch.nn.functional.pad(tensor, (0, missing) if tensor.dim() == 2 else (0, 0, 0, missing), value=fill)


def _part(query: Tensor, keys: Tensor, values: Tensor, hidden_PT: Tensor | None) -> _Part:
    # Scores in float32: in bfloat16 their exponentials would differ from the training pass by more than rounding.
    scores = (query @ keys.transpose(-1, -2)).float()
    if hidden_PT is not None:
        scores = scores.masked_fill(hidden_PT[:, None, None], -torch.inf)
    top = scores.amax(-1, keepdim=True)
    weights = (scores - top).exp_()
    return _Part((weights.to(values.dtype) @ values).float(), weights.sum(-1, keepdim=True), top)


def _norm(module: Any, states: Tensor) -> Tensor:
    return rms_norm(states, states.shape[-1:], module.weight, module.variance_epsilon)
