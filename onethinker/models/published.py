"""Models as shapes alone, on the meta device; those of the published Qwen3-VL checkpoints are known offline."""

from __future__ import annotations

from typing import Any

import torch
from transformers import AutoConfig, AutoModelForImageTextToText, Qwen3VLConfig

from onethinker.models.load import ModelError
from onethinker.models.shipped import locate


def qwen3_vl_2b() -> Qwen3VLConfig:
    """2.13 B parameters; the head is the embedding."""
    return qwen3_vl((2048, 6144, 28, 16), (1024, 4096, 24, 16), [5, 11, 17], tied=True)


def qwen3_vl_8b() -> Qwen3VLConfig:
    """8.77 B parameters."""
    return qwen3_vl((4096, 12288, 36, 32), (1152, 4304, 27, 16), [8, 16, 24], tied=False)


def qwen3_vl(
    text: tuple[int, int, int, int],
    vision: tuple[int, int, int, int],
    deepstack: list[int],
    *,
    tied: bool,
    vocabulary: int = 151_936,
    key_heads: int = 8,
    head_dim: int = 128,
) -> Qwen3VLConfig:
    """A configuration as the published checkpoints have it but for its sizes.

    text, vision: (hidden size, intermediate size, layers, heads). deepstack: the tower's layers that are tapped.
    """
    width, intermediate, layers, heads = text
    vision_width, vision_intermediate, depth, vision_heads = vision
    unit = head_dim // 64  # of the rotation's pairs, 3/8 go to time and 5/16 each to height and width
    return Qwen3VLConfig(
        text_config={
            "hidden_size": width,
            "intermediate_size": intermediate,
            "num_hidden_layers": layers,
            "num_attention_heads": heads,
            "num_key_value_heads": key_heads,
            "head_dim": head_dim,
            "vocab_size": vocabulary,
            "max_position_embeddings": 262_144,
            "rope_parameters": {
                "rope_type": "default",
                "rope_theta": 5_000_000.0,
                "mrope_section": [12 * unit, 10 * unit, 10 * unit],
                "mrope_interleaved": True,
            },
        },
        vision_config={
            "hidden_size": vision_width,
            "intermediate_size": vision_intermediate,
            "depth": depth,
            "num_heads": vision_heads,
            "patch_size": 16,
            "out_hidden_size": width,
            "deepstack_visual_indexes": deepstack,
        },
        tie_word_embeddings=tied,
    )


PUBLISHED = {
    "Qwen/Qwen3-VL-2B-Instruct": qwen3_vl_2b,
    "Qwen/Qwen3-VL-2B-Thinking": qwen3_vl_2b,
    "Qwen/Qwen3-VL-8B-Instruct": qwen3_vl_8b,
    "Qwen/Qwen3-VL-8B-Thinking": qwen3_vl_8b,
}


def meta_model(base: str) -> Any:
    """The model of a recipe's `model.base` on the meta device: its shapes without its weights. Raises ModelError."""
    if base == "mini":
        from onethinker.models import mini

        config: Any = mini.config(mini.processor().tokenizer)
    elif base in PUBLISHED:
        config = PUBLISHED[base]()
    else:
        try:
            config = AutoConfig.from_pretrained(locate(base))
        except (OSError, ValueError) as error:
            known = ", ".join(["mini", *PUBLISHED])
            raise ModelError(
                f"no configuration of model {base!r} (known offline: {known}; else a folder or a hub id): {error}"
            ) from error
    with torch.device("meta"):
        return AutoModelForImageTextToText.from_config(config)
