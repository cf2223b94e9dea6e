"""The pieces of a forward pass that training and decoding share: hidden states, banned tokens, log-probabilities."""

from __future__ import annotations

import sys
from contextlib import nullcontext
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import linear
from torch.utils.checkpoint import checkpoint

BANNED = ("<|image_pad|>", "<|video_pad|>", "<|vision_pad|>", "<|vision_start|>", "<|vision_end|>")
"""Tokens that stand for media. A sampled one would break the next forward pass, so none is ever sampled, and the
training log-probabilities leave them out too, or the ratio at step 0 would not be 1."""


MAX_LOGITS = 1 << 27
"""Logits that may exist at once: half a GB in float32, 883 positions of Qwen's vocabulary."""


def banned_ids(tokenizer: Any) -> list[int]:
    """Ids of the placeholder tokens that this tokenizer has."""
    vocabulary = tokenizer.get_vocab()
    return [vocabulary[token] for token in BANNED if token in vocabulary]


def unwrap(model: Any) -> Any:
    """The Qwen3-VL model inside a LoRA or data-parallel wrapper, adapters in place."""
    while not hasattr(model, "lm_head") or hasattr(model, "get_base_model"):
        model = model.get_base_model() if hasattr(model, "get_base_model") else model.module
    return model


class _PatchMatmul(nn.Conv3d):
    """A convolution whose kernel and stride are its whole input, computed as the matrix product that it is."""

    def forward(self, patches: Tensor) -> Tensor:
        """(N, channels, time, height, width) of one patch each → (N, width of the tower)."""
        return linear(patches.flatten(1), self.weight.flatten(1), self.bias)


def use_patch_matmul(model: Any) -> None:
    """Let the vision tower embed its patches by a matrix product; the general kernel takes several times as long."""
    unwrap(model).model.visual.patch_embed.proj.__class__ = _PatchMatmul


def sampling_logits(logits: Tensor, banned: list[int], temperature: float) -> Tensor:
    """(…, vocabulary) float32 logits at `temperature` (> 0) with the banned tokens at minus infinity."""
    logits = logits.float() / temperature
    if banned:
        logits[..., banned] = -torch.inf
    return logits


def max_logit_positions(vocabulary: int) -> int:
    """How many positions' logits may exist at once."""
    return max(1, MAX_LOGITS // vocabulary)


def has_fast_bfloat16(device: torch.device) -> bool:
    """Whether matrix products in bfloat16 run on hardware of their own: CUDA from compute capability 8.0 on.

    Of the device alone and never timed, so that a resumed run and every rank decide alike. Processors count as slow:
    those with AMX would be quicker in bfloat16, those without are slower, some by two orders of magnitude.
    """
    return device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)


def usable_dtype(device: torch.device, dtype: str) -> str:
    """`dtype`, or float32 in place of a bfloat16 that this machine cannot compute fast, which is said once."""
    if dtype == "bfloat16" and device.type == "cpu" and not has_fast_bfloat16(device):
        _say_float32()
        return "float32"
    return dtype


@cache
def _say_float32() -> None:
    print("this CPU has no fast bfloat16: float32 is used in its place", file=sys.stderr, flush=True)


def autocast(device: torch.device, dtype: str) -> Any:
    """bf16 arithmetic over float32 weights where `dtype` asks for it and the machine can."""
    bfloat16 = usable_dtype(device, dtype) == "bfloat16"
    # Without autocast's cache, which would hold a copy of every weight to the end of the forward pass, those that FSDP
    # and gradient checkpointing have let go included; each weight is used once a pass, so nothing is cast again.
    return torch.autocast(device.type, torch.bfloat16, cache_enabled=False) if bfloat16 else nullcontext()


def token_logps(
    hidden_NH: Tensor, head: Any, ids_N: Tensor, banned: list[int], temperature: float = 1.0
) -> tuple[Tensor, Tensor]:
    """Log-probabilities (N,) of the given tokens and entropies (N,) of their distributions.

    hidden_NH: last hidden states at the positions that predict them. Logits of at most `max_logit_positions` positions
    exist at a time, in the backward pass too, where they are computed again.
    """
    logps, entropies = [], []
    chunk = max_logit_positions(head.weight.shape[0])
    for hidden, ids in zip(hidden_NH.split(chunk), ids_N.split(chunk), strict=True):
        if torch.is_grad_enabled() and len(hidden_NH) > chunk:
            logp, entropy = checkpoint(_chunk_logps, hidden, head, ids, banned, temperature, use_reentrant=False)
        else:
            logp, entropy = _chunk_logps(hidden, head, ids, banned, temperature)
        logps.append(logp)
        entropies.append(entropy)
    return torch.cat(logps), torch.cat(entropies)


def _chunk_logps(
    hidden: Tensor, head: nn.Module, ids: Tensor, banned: list[int], temperature: float
) -> tuple[Tensor, Tensor]:
    logits = sampling_logits(head(hidden), banned, temperature)
    logps = torch.log_softmax(logits, dim=-1)
    with torch.no_grad():
        entropy = -(logps.exp() * logps.clamp(min=-1e9)).sum(-1)
    return logps.gather(-1, ids[:, None])[:, 0], entropy
