"""Load and save models: `mini` (built from nothing), a shipped name, a folder or a hub id; LoRA; identities."""

from __future__ import annotations

import copy
import hashlib
import logging
import re
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from torch import nn
from transformers import AutoModelForImageTextToText, AutoProcessor, GenerationConfig
from transformers.utils.logging import disable_progress_bar

from onethinker.media import MediaBudget
from onethinker.models.forward import unwrap, use_patch_matmul
from onethinker.models.shipped import ModelError, known_model, locate, shipped
from onethinker.util.files import replacing_folder

disable_progress_bar()


class _Once(logging.Filter):
    """Of the hub's many words about each attempt, one line."""

    told = False

    def filter(self, record: logging.LogRecord) -> bool:
        words = record.getMessage()
        if "thrown while requesting" not in words and "[Retry " not in words:
            return True
        if self.told:
            return False
        self.told, record.args = True, ()
        record.msg = (
            "the model hub does not answer; trying again a few times (HF_HUB_OFFLINE=1 looks at the disk alone)"
        )
        return True


logging.getLogger("huggingface_hub.utils._http").addFilter(_Once())

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}


def pick_device(name: str = "auto") -> torch.device:
    """`auto` is the GPU where there is one (CUDA, then Apple's), else the CPU. Raises ModelError for one not here."""
    if name != "auto":
        return _device(name)
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


def _device(name: str) -> torch.device:
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise ModelError(f"device {name!r}: expected auto, cpu, cuda, cuda:N or mps") from error
    count = {"cuda": torch.cuda.device_count(), "mps": int(torch.backends.mps.is_available())}.get(device.type, 1)
    if (device.index or 0) >= count:
        here = f"{count} of them" if count else "none"
        raise ModelError(f"device {name!r}: there is {here} on this machine; --device auto takes what is here")
    return device


ATTENTIONS = ("sdpa", "eager", "flash_attention_2", "flex_attention")


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
    if attention not in ATTENTIONS:
        raise ModelError(f"attention {attention!r}; expected one of {', '.join(ATTENTIONS)}")
    device = str(pick_device(device))
    known_model(name)
    if name == "mini" or re.fullmatch(r"mini:\d+", name):
        from onethinker.models import mini

        number = int(name.removeprefix("mini").removeprefix(":") or seed)
        model, processor = mini.build(number)
        try:
            model.set_attn_implementation(attention)
        except ImportError as error:
            raise ModelError(f"attention {attention!r}: {error}") from error
        model.name_or_path = f"mini:{number}"
        use_patch_matmul(model)
        return model.to(pick_device(device), DTYPES[dtype]), processor
    where = locate(name)
    local = Path(where).exists() or where.startswith((".", "/"))
    if local and (Path(where) / "adapter_config.json").exists():
        return _load_adapter(Path(where), device, dtype, attention, adapters)
    if local and not (Path(where) / "config.json").exists():
        raise ModelError(f"{where}: no config.json in this folder; expected a checkpoint in transformers' format")
    try:
        model = AutoModelForImageTextToText.from_pretrained(where, dtype=DTYPES[dtype], attn_implementation=attention)
        processor = AutoProcessor.from_pretrained(where)
    except (ImportError, OSError, ValueError, SafetensorError) as error:
        raise ModelError(f"cannot load model {name!r}: {error}") from error
    if not model.config.model_type.startswith("qwen3_vl"):
        raise ModelError(f"model {name!r} is of the kind {model.config.model_type}; expected a Qwen3-VL")
    use_patch_matmul(model)
    processor.video_processor.cap_pixels_per_frame = False  # the encoder gives every clip a size of its own
    model.name_or_path = str(Path(where).resolve()) if local and name not in shipped() else name
    return model.to(pick_device(device)), processor


def _load_adapter(folder: Path, device: str, dtype: str, attention: str, adapters: bool) -> tuple[Any, Any]:
    from peft import PeftConfig, PeftModel

    try:
        base = PeftConfig.from_pretrained(str(folder)).base_model_name_or_path
        if not base:
            raise ModelError(f"{folder}: its adapter_config.json does not say which model the adapters are for")
        model, processor = load(base, device=device, dtype=dtype, attention=attention)
        adapted = PeftModel.from_pretrained(model, str(folder), is_trainable=adapters)
    except ModelError:
        raise
    except (OSError, ValueError, SafetensorError) as error:
        raise ModelError(f"cannot load the adapters in {folder}: {error}") from error
    if adapters:
        return adapted, processor
    merged = adapted.merge_and_unload().requires_grad_(True)
    merged.name_or_path = str(folder.resolve())
    return merged, processor


def save(
    model: nn.Module,
    processor: Any,
    folder: Path,
    weights: dict[str, Any] | None = None,
    budget: MediaBudget | None = None,
) -> None:
    """An ordinary checkpoint that AutoProcessor, AutoModelForImageTextToText and vLLM load, moved in whole.

    weights: by parameter, in place of the model's own, of which a process may hold a part only. budget: media sizes for
    the processor's files, as far as these can say them; the model is left to answer greedily.
    """
    # PEFT would ask the hub whether the embeddings grew; adapters here never touch them.
    options: dict[str, Any] = {"save_embedding_layers": False} if hasattr(model, "peft_config") else {}
    if weights is not None:
        options["state_dict"] = weights
    with replacing_folder(folder) as aside:
        model.save_pretrained(aside, **options)  # type: ignore[operator]
        (within(processor, budget) if budget else processor).save_pretrained(aside)
        if budget:
            _greedy(unwrap(model).generation_config).save_pretrained(aside)


def within(processor: Any, budget: MediaBudget) -> Any:
    """A copy of the processor whose own settings keep media within the budget: pictures in pixels, clips in pixels of
    a frame, frames a second and frames."""
    made = copy.copy(processor)
    made.image_processor, made.video_processor = map(
        copy.deepcopy, (processor.image_processor, processor.video_processor)
    )
    image, video = made.image_processor, made.video_processor
    unit = image.patch_size * image.merge_size
    for kind, most in ((image, budget.image_pixels), (video, budget.frame_pixels * budget.max_frames)):
        longest = max(most, unit**2)
        kind.size = {"shortest_edge": min(kind.size["shortest_edge"], longest), "longest_edge": longest}
    # `longest_edge` is of a whole clip; this bounds each frame, so that a short clip has no larger ones.
    video.cap_pixels_per_frame, video.max_video_tokens = True, max(1, budget.frame_pixels // unit**2)
    video.fps, video.max_frames, video.min_frames = budget.fps, budget.max_frames, min(2, budget.max_frames)
    return made


def _greedy(config: GenerationConfig) -> GenerationConfig:
    """Its tokens that begin, end and pad, and nothing that changes what is likely: vLLM takes a checkpoint's `top_k` or
    `max_new_tokens` for every request."""
    tokens = {name: getattr(config, name) for name in ("bos_token_id", "eos_token_id", "pad_token_id")}
    return GenerationConfig(do_sample=False, **tokens)


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
        # As a view: a copy of a large vocabulary's embedding is more than a gigabyte.
        digest.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().data)
    return digest.hexdigest()[:16]
