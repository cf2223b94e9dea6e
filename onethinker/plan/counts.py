"""What Qwen3-VL costs, from its configuration alone: FLOPs of a pass, bytes that a pass keeps, sizes of prompts.

FLOPs count a multiplication and an addition as two and only matrix products, as `torch.utils.flop_counter` does; bytes
are those that autograd keeps for the backward pass. Tests hold both against the real mini model.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from onethinker.media import MediaBudget

WIDTH = {"float32": 4, "bfloat16": 2}
"""Bytes of a number."""

TIMESTAMP_TOKENS = 9
"""Tokens beside each temporal patch of a clip: its timestamp and the start and end of its frames."""

LOGIT_BYTES = 20
"""Bytes of a logit at the peak: five float32 copies."""

SAMPLED_BYTES = 40
"""Bytes read and written for a logit that a token is drawn from: scaled, normalised, exponentiated, added up, searched.
"""

UPDATE_BYTES = 40
"""Bytes read and written of a float32 weight by an update: its gradient's norm and clipping (12), and AdamW (28), which
reads weight, gradient and two moments and writes all but the gradient."""

EMBEDDING_BYTES = 16
"""Bytes read and written of an embedding's weight by a pass: its gradient is zero but for a few rows, and is written
whole and added whole to what is there."""


@dataclass(frozen=True)
class Media:
    """patches: of the vision tower, all frames. frames: that attend to themselves alone. tokens: in the prompt."""

    patches: int
    frames: int
    tokens: int


def image_size(config: Any, budget: MediaBudget) -> Media:
    """An image that fills its budget."""
    vision = config.vision_config
    patches = budget.image_pixels // vision.patch_size**2
    return Media(patches, 1, patches // vision.spatial_merge_size**2 + 2)


def clip_size(config: Any, budget: MediaBudget, seconds: float) -> Media:
    """A clip of `seconds` whose frames fill their budget."""
    vision = config.vision_config
    frames = min(budget.max_frames, max(1, math.ceil(seconds * budget.fps)))
    steps = math.ceil(frames / vision.temporal_patch_size)
    each = budget.frame_pixels // vision.patch_size**2
    return Media(steps * each, steps, steps * (each // vision.spatial_merge_size**2 + TIMESTAMP_TOKENS))


def causal_pairs(prompt: int, answer: int = 0, answers: int = 1) -> float:
    """Pairs of a token and one that it sees: a prompt of so many tokens, then answers that see it and themselves."""
    return prompt * (prompt + 1) / 2 + answers * (answer * prompt + answer * (answer + 1) / 2)


def language_flops(config: Any, tokens: float, pairs: float) -> float:
    """Forward pass of the language model's layers. pairs: of tokens that attend, T² for T tokens without a mask."""
    text = config.text_config
    queries, keys = text.num_attention_heads * text.head_dim, text.num_key_value_heads * text.head_dim
    weights = text.hidden_size * (2 * queries + 2 * keys + 3 * text.intermediate_size)
    return text.num_hidden_layers * (2 * weights * tokens + 4 * queries * pairs)


def head_flops(config: Any, tokens: float) -> float:
    """Logits of so many tokens."""
    return 2 * tokens * config.text_config.hidden_size * config.text_config.vocab_size


def vision_flops(config: Any, media: Media) -> float:
    """Forward pass of the vision tower without its mergers."""
    vision = config.vision_config
    inputs = vision.in_channels * vision.temporal_patch_size * vision.patch_size**2
    weights = vision.hidden_size * (4 * vision.hidden_size + 2 * vision.intermediate_size)
    pairs = media.patches**2 / media.frames
    blocks = vision.depth * (2 * weights * media.patches + 4 * vision.hidden_size * pairs)
    return blocks + 2 * media.patches * inputs * vision.hidden_size


def projector_flops(config: Any, media: Media) -> float:
    """Forward pass of the merger and the DeepStack mergers."""
    vision = config.vision_config
    square = vision.spatial_merge_size**2
    joined = vision.hidden_size * square
    mergers = 1 + len(vision.deepstack_visual_indexes)
    return mergers * 2 * media.patches / square * joined * (joined + vision.out_hidden_size)


_LAYER_BYTES = {
    ("float32", "float32"): (24, 16, 16, 44),
    ("float32", "bfloat16"): (26, 8, 10, 26),
    ("bfloat16", "bfloat16"): (16, 8, 10, 22),
}
"""(stored, computed) types → bytes that autograd keeps for each number of a token's hidden, intermediate and attention
(query, key, value: queries + keys) widths in a text layer, and of a patch's hidden width in a vision block."""


@dataclass(frozen=True)
class Activations:
    """Bytes kept for the backward pass. `layers` is everything; `inputs` the layers' inputs, which is what gradient
    checkpointing keeps besides `largest`, the layer that is being computed again."""

    layers: float
    inputs: float
    largest: float

    def kept(self, checkpointing: bool) -> float:
        return self.inputs + self.largest if checkpointing else self.layers

    def __add__(self, other: Activations) -> Activations:
        largest = max(self.largest, other.largest)
        return Activations(self.layers + other.layers, self.inputs + other.inputs, largest)


def text_activations(config: Any, tokens: float, stored: str, computed: str) -> Activations:
    """Of the language model's layers for one pass of so many tokens."""
    text = config.text_config
    hidden, intermediate, attention, _ = _LAYER_BYTES[stored, computed]
    heads = (text.num_attention_heads + text.num_key_value_heads) * text.head_dim
    layer = tokens * (hidden * text.hidden_size + intermediate * text.intermediate_size + attention * heads)
    inputs = tokens * text.hidden_size * WIDTH[stored]
    return Activations(text.num_hidden_layers * layer, text.num_hidden_layers * inputs, layer)


def vision_activations(config: Any, patches: float, stored: str, computed: str) -> Activations:
    """Of a vision tower that trains."""
    vision = config.vision_config
    hidden = _LAYER_BYTES[stored, computed][3]
    block = patches * (hidden * vision.hidden_size + 2 * WIDTH[computed] * vision.intermediate_size)
    inputs = patches * vision.hidden_size * WIDTH[stored]
    return Activations(vision.depth * block, vision.depth * inputs, block)


def cache_bytes(config: Any, prompt: int, answer: int, kept: str) -> int:
    """Keys and values of one answer as the local engine keeps them: room that doubles until everything fits."""
    room = prompt + 64
    while room < prompt + answer:
        room *= 2
    return room * token_cache_bytes(config, kept)


def token_cache_bytes(config: Any, kept: str) -> int:
    """Keys and values of one token."""
    text = config.text_config
    return 2 * text.num_hidden_layers * text.num_key_value_heads * text.head_dim * WIDTH[kept]


def muon_flops(rows: int, columns: int) -> float:
    """Of orthogonalising one matrix: five steps of Newton and Schulz on the smaller side's Gram matrix."""
    small, large = sorted((rows, columns))
    return 5 * (4 * small * small * large + 2 * small**3)


def parameters(model: Any) -> Mapping[str, int]:
    """Parameters by part; a head that is the embedding counts as 0."""
    parts = dict.fromkeys(("vision tower", "projector", "language model", "head"), 0)
    for name, weight in model.named_parameters():
        parts[part_of(name)] += weight.numel()
    return parts


def part_of(name: str) -> str:
    """The part that a parameter belongs to, by its name."""
    if "visual." in name:
        return "projector" if "merger" in name else "vision tower"
    return "head" if "lm_head" in name else "language model"
