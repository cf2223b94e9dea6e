"""Load and save models: `mini` (built from nothing), a shipped name, a folder or a hub id; LoRA; identities."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Any

import torch
from torch import nn
from transformers import AutoModelForImageTextToText, AutoProcessor
from transformers.utils.logging import disable_progress_bar

from onethinker.models.forward import unwrap, use_patch_matmul
from onethinker.models.shipped import locate, shipped
from onethinker.util.files import replacing_folder

disable_progress_bar()

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}


class ModelError(ValueError):
    """A model that cannot be loaded; says what was looked for and where."""


def pick_device(name: str = "auto") -> torch.device:
    """`auto` is the GPU where there is one (CUDA, then Apple's), else the CPU."""
    if name != "auto":
        return torch.device(name)
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


def load(
    name: str,
    *,
    device: str = "auto",
    dtype: str = "float32",
    attention: str = "sdpa",
    seed: int = 0,
    adapters: bool = False,
) -> tuple[Any, Any]:
    """`(model, processor)` of `mini`, a shipped name, a folder or a hub id. Raises ModelError.

    seed: of the random weights of `mini`, which `mini:SEED` names too. adapters: keep the adapters of a LoRA
    checkpoint apart, to go on training them; else they are folded into the weights.
    """
    if dtype not in DTYPES:
        raise ModelError(f"dtype {dtype!r}; expected one of {', '.join(DTYPES)}")
    if name == "mini" or re.fullmatch(r"mini:\d+", name):
        from onethinker.models import mini

        number = int(name.removeprefix("mini").removeprefix(":") or seed)
        model, processor = mini.build(number)
        model.set_attn_implementation(attention)
        model.name_or_path = f"mini:{number}"
        use_patch_matmul(model)
        return model.to(pick_device(device), DTYPES[dtype]), processor
    where = locate(name)
    local = Path(where).exists() or where.startswith((".", "/"))
    if local and (Path(where) / "adapter_config.json").exists():
        return _load_adapter(Path(where), device, dtype, attention, adapters)
    if local and not (Path(where) / "config.json").exists():
        raise ModelError(f"{where}: no config.json in this folder; expected a checkpoint in transformers' format")
    known = f"neither shipped: {', '.join(['mini', *shipped()])}, nor a folder or hub id"
    if not local and "/" not in where:
        trained = "`make demo` trains one: --model runs/demo/rl/checkpoints/step-NNNNNN"
        raise ModelError(f"cannot load model {name!r} ({known}, which is OWNER/NAME); {trained}")
    try:
        model = AutoModelForImageTextToText.from_pretrained(where, dtype=DTYPES[dtype], attn_implementation=attention)
        processor = AutoProcessor.from_pretrained(where)
    except (OSError, ValueError) as error:
        raise ModelError(f"cannot load model {name!r} ({known}): {error}") from error
    if not model.config.model_type.startswith("qwen3_vl"):
        raise ModelError(f"model {name!r} is of the kind {model.config.model_type}; expected a Qwen3-VL")
    use_patch_matmul(model)
    model.name_or_path = str(Path(where).resolve()) if local and name == where else name
    return model.to(pick_device(device)), processor


def _load_adapter(folder: Path, device: str, dtype: str, attention: str, adapters: bool) -> tuple[Any, Any]:
    from peft import PeftConfig, PeftModel

    base = PeftConfig.from_pretrained(str(folder)).base_model_name_or_path
    if not base:
        raise ModelError(f"{folder}: its adapter_config.json does not say which model the adapters are for")
    model, processor = load(base, device=device, dtype=dtype, attention=attention)
    adapted = PeftModel.from_pretrained(model, str(folder), is_trainable=adapters)
    if adapters:
        return adapted, processor
    merged = adapted.merge_and_unload().requires_grad_(True)
    merged.name_or_path = str(folder.resolve())
    return merged, processor


def save(model: nn.Module, processor: Any, folder: Path, weights: dict[str, Any] | None = None) -> None:
    """An ordinary checkpoint that AutoProcessor, AutoModelForImageTextToText and vLLM load, moved in whole.

    weights: by parameter, in place of the model's own, of which a process may hold a part only.
    """
    # PEFT would ask the hub whether the embeddings grew; adapters here never touch them.
    options: dict[str, Any] = {"save_embedding_layers": False} if hasattr(model, "peft_config") else {}
    if weights is not None:
        options["state_dict"] = weights
    with replacing_folder(folder) as aside:
        model.save_pretrained(aside, **options)  # type: ignore[operator]
        processor.save_pretrained(aside)


def add_lora(model: Any, rank: int, alpha: int, dropout: float) -> Any:
    """Low-rank adapters on every projection of the language model (the vision tower keeps its weights)."""
    from peft import LoraConfig, get_peft_model

    return get_peft_model(
        model,
        LoraConfig(
            r=rank,
            lora_alpha=alpha,
            lora_dropout=dropout,
            target_modules=r".*language_model.*\.(q|k|v|o|gate|up|down)_proj",
        ),
    )


def freeze(model: Any, *, vision: bool, projector: bool) -> None:
    """Freeze the vision tower's blocks and / or its mergers (the projector)."""
    for name, parameter in unwrap(model).model.visual.named_parameters():
        if projector if "merger" in name else vision:
            parameter.requires_grad_(False)


def weights_digest(model: nn.Module) -> str:
    """16 hex digits over every weight (name, shape, bytes); the identity of a model in results."""
    digest = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(f"{name}{tuple(tensor.shape)}{tensor.dtype}".encode())
        digest.update(tensor.detach().cpu().contiguous().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()[:16]
