"""Attention over a row of groups `[prompt][answer 1]…[answer G]`: a prompt is causal, an answer sees it and itself.

Two ways with the same result: slices of scaled dot-product attention, which never build a mask over the row, and
FlexAttention's block mask. The cost of both is linear in the number of groups.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

from onethinker.models.shipped import ModelError

NAME = "shared_prefix"


class Segment(NamedTuple):
    """One group's places in the row: its prompt is `start:end`, its answers (at least one token each) follow it."""

    start: int
    end: int
    answers: tuple[tuple[int, int], ...]

    @property
    def last(self) -> int:
        return self.answers[-1][1] if self.answers else self.end


@dataclass(frozen=True, eq=False)
class Layout:
    """Where the groups lie in a row. Index tensors are made once and serve every layer."""

    segments: tuple[Segment, ...]
    device: torch.device | str = field(default="cpu")

    def __len__(self) -> int:
        return self.segments[-1].last if self.segments else 0

    def arguments(self, config: Any) -> dict[str, Any]:
        """What the language model is to be called with: a block mask for FlexAttention, else this layout itself."""
        if config._attn_implementation == "flex_attention":
            return {"attention_mask": self.block_mask}
        return {"layout": self}

    @cached_property
    def padded(self) -> tuple[tuple[Tensor, Tensor] | None, ...]:
        """For each group, (answers, longest) places in the row, short answers repeating their last, and which count."""
        return tuple(self._pad(s) if s.answers else None for s in self.segments)

    def _pad(self, segment: Segment) -> tuple[Tensor, Tensor]:
        starts, ends = torch.tensor(segment.answers).T
        steps = torch.arange(int((ends - starts).max()))
        places = starts[:, None] + steps
        real = places < ends[:, None]
        return torch.minimum(places, ends[:, None] - 1).to(self.device), real.to(self.device)

    @cached_property
    def owners(self) -> tuple[Tensor, Tensor]:
        """Group (T,) and answer (T,) of every token; a prompt is answer 0."""
        group = torch.zeros(len(self), dtype=torch.long)
        answer = torch.zeros(len(self), dtype=torch.long)
        for g, segment in enumerate(self.segments):
            group[segment.start : segment.last] = g
            for a, (start, end) in enumerate(segment.answers, start=1):
                answer[start:end] = a
        return group.to(self.device), answer.to(self.device)

    def sees(self, query: Tensor, key: Tensor) -> Tensor:
        """Whether the token at place `query` sees the one at `key`."""
        # Places of one row only: positions would not do, as every answer starts at the same one.
        group, answer = self.owners
        own = (answer[key] == 0) | (answer[key] == answer[query])
        return (key <= query) & (group[key] == group[query]) & own

    @cached_property
    def block_mask(self) -> Any:
        from torch.nn.attention.flex_attention import create_block_mask

        return create_block_mask(
            lambda batch, head, query, key: self.sees(query, key), None, None, len(self), len(self), device=self.device
        )


def use_shared_prefix(core: Any) -> None:
    """Let the language model of this Qwen3-VL read layouts. Passes without one run as before."""
    config = core.model.language_model.config
    if config._attn_implementation in (NAME, "flex_attention"):
        return
    check_attention(config._attn_implementation)
    config._attn_implementation = NAME


def check_attention(name: str) -> None:
    """Raises ModelError for a kernel by which the answers to a prompt cannot share it."""
    if name not in ("sdpa", "eager", "flex_attention"):
        raise ModelError(
            f"attention {name!r} cannot share prefixes, as training does; load the model with attention 'sdpa' or "
            "'flex_attention'"
        )


def shared_prefix_attention(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    *,
    scaling: float | None = None,
    dropout: float = 0.0,
    layout: Layout | None = None,
    **kwargs: Any,
) -> tuple[Tensor, None]:
    """As transformers calls it: query (1, heads, T, width), key and value (1, kv heads, T, width) of one row."""
    if layout is None:
        return sdpa_attention_forward(
            module, query, key, value, attention_mask, scaling=scaling, dropout=dropout, **kwargs
        )
    options: dict[str, Any] = {"scale": scaling, "dropout_p": dropout, "enable_gqa": query.shape[1] != key.shape[1]}
    pieces = []
    for segment, padded in zip(layout.segments, layout.padded, strict=True):
        prompt = slice(segment.start, segment.end)
        q, k, v = query[:, :, prompt], key[:, :, prompt], value[:, :, prompt]
        pieces.append(scaled_dot_product_attention(q, k, v, is_causal=True, **options)[0])
        if padded is not None:
            pieces.append(_answers((query[0], key[0], value[0]), prompt, padded, options))
    return torch.cat(pieces, dim=1).transpose(0, 1)[None], None


def _answers(
    states: tuple[Tensor, Tensor, Tensor], prompt: slice, padded: tuple[Tensor, Tensor], options: dict[str, Any]
) -> Tensor:
    """(heads, tokens, width) of one group's answers: a batch of G rows, each with the prompt's keys before its own."""
    places_GA, real_GA = padded
    answers, longest = places_GA.shape
    q, k, v = (s[:, places_GA].transpose(0, 1) for s in states)
    k, v = (
        torch.cat([s[None, :, prompt].expand(answers, -1, -1, -1), own], dim=2)
        for s, own in zip(states[1:], (k, v), strict=True)
    )
    if q.device.type == "cuda" and options["enable_gqa"]:  # with a mask, CUDA's fast kernels want as many key heads
        k, v = (s.repeat_interleave(q.shape[1] // s.shape[1], dim=1) for s in (k, v))
        options = options | {"enable_gqa": False}
    # Causal from the right: the last `longest` keys are the answer's own, all keys before them are the prompt's. Places
    # that repeat an answer's last token come after it, so no real token sees them, and `real_GA` drops them.
    seen = torch.ones(longest, k.shape[2], dtype=torch.bool, device=q.device).tril(k.shape[2] - longest)
    out = scaled_dot_product_attention(q, k, v, attn_mask=seen, **options)
    return out.transpose(0, 1)[:, real_GA]


AttentionInterface.register(NAME, shared_prefix_attention)
AttentionMaskInterface.register(NAME, sdpa_mask)
