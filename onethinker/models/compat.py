"""Names that transformers changed between the oldest version that we support (5.5) and the newest."""

from __future__ import annotations

import inspect
from typing import Any


def cache_argument(model: Any) -> str:
    """What this Qwen3-VL's forward calls its key-value cache: `cache`, before that `past_key_values` (gone in 5.40)."""
    return "cache" if "cache" in inspect.signature(model.forward).parameters else "past_key_values"


def enable_checkpointing(model: Any) -> None:
    """Compute activations again in the backward pass instead of keeping them."""
    options = {"use_reentrant": False}
    if hasattr(model, "activation_checkpointing_enable"):
        model.activation_checkpointing_enable(activation_checkpointing_kwargs=options)
    else:  # the name until v6
        model.gradient_checkpointing_enable(gradient_checkpointing_kwargs=options)
    # Frozen embeddings have no gradient, without which a checkpointed layer would compute none for its adapters.
    model.enable_input_require_grads()
