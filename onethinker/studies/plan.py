"""What a recipe needs before anything is trained: parameters, memory by part and time, from the model on the meta device."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from onethinker.recipes import Recipe

GB = 1e9
BYTES = {"float32": 4, "bfloat16": 2}
PEAK_TFLOPS = 990.0
"""Dense bf16 of an H100, the vendor's figure; `efficiency` is the share that training is assumed to reach."""
EFFICIENCY = 0.35
SAMPLE_MEDIA = 1.0


@dataclass(frozen=True)
class Plan:
    """parameters and flops are counted; seconds follow from an assumed rate, named in `assumed`. Memory in bytes a GPU."""

    parameters: dict[str, int]
    memory: dict[str, float]
    prompt_tokens: int
    patches: int
    flops: dict[str, float]
    seconds: dict[str, float]
    assumed: str


def meta_model(base: str) -> Any:
    """The model of a name on the meta device: its shapes, not its weights."""
    import torch
    from transformers import AutoConfig, AutoModelForImageTextToText

    from onethinker.models.shipped import locate

    if base == "mini":
        from onethinker.models import mini

        config: Any = mini.config(mini.processor().tokenizer)
    else:
        config = PUBLISHED[base]() if base in PUBLISHED else AutoConfig.from_pretrained(locate(base))
    with torch.device("meta"):
        return AutoModelForImageTextToText.from_config(config)
