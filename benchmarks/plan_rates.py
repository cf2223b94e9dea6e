"""What `plan` is told of a machine, measured on pieces of a model: one layer, the head, an optimiser, a decoding step.

Pieces have the model's shapes and the work's lengths and belong to no run, and nothing is fitted to a run. Each is the
mean of a few times after a first, in seconds of the processor.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from onethinker.plan import counts

OPTIMISED = 1 << 25
"""Weights that the optimiser is measured on, at most: more than caches hold."""


@dataclass(frozen=True)
class Lengths:
    """Of the work: tokens of a training pass and of its answers, patches of a picture, rows that are decoded together.
    adapters: rank; 0 where all weights learn."""

    tokens: int
    answers: int
    patches: int
    rows: int
    adapters: int


def mean_seconds(work: Callable[[], Any], times: int = 4) -> float:
    """Of the processor, after a first time."""
    work()
    began = time.process_time()
    for _ in range(times):
        work()
    return (time.process_time() - began) / times


def rates(folder: Path, lengths: Lengths) -> dict[str, Any]:
    """Keywords of `Rate`: FLOP/s by part of the model, bytes a second, seconds."""
    from transformers import AutoConfig

    config = AutoConfig.from_pretrained(folder)
    config.text_config._attn_implementation = config.vision_config._attn_implementation = "sdpa"
    vision = vision_flops_a_second(config, lengths)
    return {
        "reached": {"language": language_flops_a_second(config, lengths), "vision": vision, "projector": vision,
                    "head": head_flops_a_second(config, lengths)},
        "training": optimiser_bytes_a_second(),
        "memory": decoding_bytes_a_second(config, lengths.rows),
        "local": seconds_to_start_a_layer(),
    }  # fmt: skip


def language_flops_a_second(config: Any, lengths: Lengths) -> float:
    """Of a text layer, forward and backward."""
    from transformers.models.qwen3_vl.modeling_qwen3_vl import Qwen3VLTextDecoderLayer, Qwen3VLTextRotaryEmbedding

    text, tokens = config.text_config, lengths.tokens
    layer = Qwen3VLTextDecoderLayer(text, 0)
    if lengths.adapters:
        from peft import LoraConfig, inject_adapter_in_model

        names = [n for n, m in layer.named_modules() if isinstance(m, nn.Linear)]
        layer = inject_adapter_in_model(LoraConfig(r=lengths.adapters, target_modules=names), layer)
    angles = Qwen3VLTextRotaryEmbedding(text)
    hidden = torch.randn(1, tokens, text.hidden_size, requires_grad=True)
    places = torch.arange(tokens).expand(3, 1, -1)

    def both() -> None:
        out = layer(hidden, position_embeddings=angles(hidden, places), attention_mask=None)
        (out[0] if isinstance(out, tuple) else out).sum().backward()

    flops = counts.language_flops(config, tokens, counts.causal_pairs(tokens)) / text.num_hidden_layers
    return flops * (2 if lengths.adapters else 3) / mean_seconds(both)


def vision_flops_a_second(config: Any, lengths: Lengths) -> float:
    """Of two blocks of the tower, its patch embedding and its merger; backward too where all weights learn."""
    from transformers.models.qwen3_vl.modeling_qwen3_vl import Qwen3VLVisionModel

    from onethinker.models.forward import _PatchMatmul

    few = type(config.vision_config)(**config.vision_config.to_dict() | {"depth": 2, "deepstack_visual_indexes": []})
    few._attn_implementation = "sdpa"
    tower = Qwen3VLVisionModel(few)
    tower.patch_embed.proj.__class__ = _PatchMatmul
    side, learns = round(lengths.patches**0.5), not lengths.adapters
    pixels = torch.randn(side**2, few.in_channels * few.temporal_patch_size * few.patch_size**2)
    grid = torch.tensor([[1, side, side]])

    def work() -> None:
        with torch.set_grad_enabled(learns):
            out = tower(pixels, grid_thw=grid).pooler_output
            if learns:
                out.sum().backward()

    shape, media = type("Shape", (), {"vision_config": few}), counts.Media(side**2, 1, side**2 // 4 + 2)
    flops = counts.vision_flops(shape, media) + counts.projector_flops(shape, media)
    return flops * (3 if learns else 1) / mean_seconds(work)


def head_flops_a_second(config: Any, lengths: Lengths) -> float:
    """Of answers' logits and log-probabilities, forward and backward."""
    from onethinker.models.forward import token_logps

    text, answers = config.text_config, lengths.answers
    head = nn.Linear(text.hidden_size, text.vocab_size, bias=False).requires_grad_(not lengths.adapters)
    hidden = torch.randn(answers, text.hidden_size, requires_grad=True)
    ids = torch.arange(answers)
    seconds = mean_seconds(lambda: token_logps(hidden, head, ids, [])[0].sum().backward())
    return counts.head_flops(config, answers) * (2 if lengths.adapters else 3) / seconds


def optimiser_bytes_a_second() -> float:
    """Of gradient clipping and AdamW."""
    from onethinker.recipes.base import OptimizerConfig
    from onethinker.train.optimizer import make_optimizer, update

    config = OptimizerConfig(kind="adamw")
    model = nn.Module()
    model.lm_head = nn.Linear(1 << 10, OPTIMISED >> 10, bias=False)
    optimizer, weight = make_optimizer(model, config), model.lm_head.weight
    spare = torch.randn_like(weight)

    def step() -> None:
        weight.grad = spare
        update(model, optimizer, config, 1.0)

    return weight.numel() * counts.UPDATE_BYTES / mean_seconds(step)


@torch.inference_mode()
def decoding_bytes_a_second(config: Any, rows: int) -> float:
    """Of products of so many rows with a layer's matrices: as many as caches cannot hold, or as the model has."""
    text = config.text_config
    each = text.hidden_size * text.intermediate_size
    count = min(3 * text.num_hidden_layers, max(1, (1 << 27) // (4 * each)))
    matrices = [torch.randn(text.intermediate_size, text.hidden_size) for _ in range(count)]
    few = torch.randn(rows, text.hidden_size)

    def read() -> None:
        for matrix in matrices:
            nn.functional.linear(few, matrix)

    return 4 * each * count / mean_seconds(read)


def seconds_to_start_a_layer() -> float:
    """What a layer of one of our decoding steps takes where the arithmetic is next to none: of models of 2 and 10
    layers the difference."""
    from benchmarks.shapes import dot

    few, many = (_decoding_step(dot(layers)) for layers in (2, 10))
    return (many - few) / 8


@torch.inference_mode()
def _decoding_step(config: Any) -> float:
    from transformers import Qwen3VLForConditionalGeneration

    from onethinker.models.cache import GrowingCache
    from onethinker.models.compat import cache_argument
    from onethinker.models.decode import Decoder

    model, cache = Qwen3VLForConditionalGeneration(config).eval(), GrowingCache()
    ids, steps = torch.arange(300, 308)[None], 8
    model.model(input_ids=ids, use_cache=True, **{cache_argument(model.model): cache})
    decoder = Decoder(model, cache, torch.ones_like(ids), torch.tensor([8]), 1)

    def decode() -> None:
        for _ in range(steps):
            decoder.step(torch.tensor([300]))

    return mean_seconds(decode) / steps
