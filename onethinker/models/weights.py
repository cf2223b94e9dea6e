"""A policy's weights as an ordinary checkpoint names them, for engines that are not this process."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

from onethinker.models.forward import unwrap
from onethinker.util.files import replacing

Weights = Callable[[], Mapping[str, Tensor]]
"""Gives every weight by its name in a checkpoint, adapters folded in; of all processes where a model is sharded."""

FILE = "model.safetensors"


@torch.no_grad()
def merged_weights(model: Any) -> dict[str, Tensor]:
    """Every weight by its name in a checkpoint; adapters are folded into copies of the weights that they adapt."""
    core = unwrap(model)
    found = {n.replace(".base_layer.", "."): t for n, t in core.state_dict().items() if ".lora_" not in n}
    for name, module in core.named_modules():
        if hasattr(module, "get_delta_weight"):
            weight = f"{name}.weight"
            deltas = (module.get_delta_weight(adapter) for adapter in module.active_adapters)
            found[weight] = sum(deltas, found[weight].clone())
    if core.config.tie_word_embeddings:
        found.pop("lm_head.weight", None)
    return found


def write_weights(weights: Mapping[str, Tensor], folder: Path) -> Path:
    """Write FILE aside and move it in whole; return the absolute folder. Raises OSError."""
    with replacing(folder / FILE) as aside:
        save_file({name: tensor.detach().cpu().contiguous() for name, tensor in weights.items()}, aside)
    return folder.resolve()
