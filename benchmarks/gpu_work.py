"""What the parts of `benchmarks.gpu` share: sizes, clocks, and a model and prompts made of noise."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from benchmarks.shapes import SHAPES
from onethinker.engines.encode import Prompt, mrope_positions
from onethinker.models.forward import use_patch_matmul
from onethinker.plan.estimate import GB
from onethinker.plan.machine import GPU, GPUS
from onethinker.train.prefix import TokenGroup

Tell = Callable[..., None]


@dataclass(frozen=True)
class Sizes:
    """device. large, small: shapes. base: whose plan the large shape has. side: pixels of a picture. text, answer:
    tokens. samples: of an SFT step; prompts, group: of an RL step. lengths: prompts of the attention part. square: of
    the products. steps: of the mini model's RL."""

    device: str
    large: str
    small: str
    base: str
    side: int
    text: int
    answer: int
    samples: int
    prompts: int
    group: int
    lengths: tuple[int, ...]
    square: int
    steps: int


FULL = Sizes("cuda", "2b", "300m", "Qwen/Qwen3-VL-2B-Instruct", 1024, 256, 512, 8, 4, 8, (1024, 4096, 16_384), 8192, 5)
DRY = Sizes("cpu", "mini", "mini", "mini", 64, 16, 6, 2, 2, 2, (48, 96), 64, 1)


def seconds(work: Callable[[], Any], device: str, times: int = 3) -> float:
    """The least of a few, after one that is not counted."""
    work()
    found = []
    for _ in range(times):
        wait(device)
        began = time.perf_counter()
        work()
        wait(device)
        found.append(time.perf_counter() - began)
    return min(found)


def wait(device: str) -> None:
    if device == "cuda":
        torch.cuda.synchronize()


def peak(device: str, work: Callable[[], Any]) -> float:
    """GB that were allocated at most while it ran, all tensors included; 0 on the CPU, where nobody counts."""
    if device != "cuda":
        work()
        return 0.0
    torch.cuda.reset_peak_memory_stats()
    work()
    return torch.cuda.max_memory_allocated() / GB


def build(shape: str, device: str) -> Any:
    """Random weights in float32, made where they are used."""
    from transformers import Qwen3VLForConditionalGeneration

    torch.manual_seed(0)
    with torch.device(device):
        model = Qwen3VLForConditionalGeneration(SHAPES[shape]())
    model.generation_config.eos_token_id = -1  # answers are as long as they may be
    use_patch_matmul(model)
    return model


def make_prompt(config: Any, sizes: Sizes, number: int) -> Prompt:
    """A picture of noise and random words."""
    vision, side = config.vision_config, sizes.side // config.vision_config.patch_size
    draw = torch.Generator().manual_seed(number)
    width = vision.in_channels * vision.temporal_patch_size * vision.patch_size**2
    seen = side * side // vision.spatial_merge_size**2
    types = torch.tensor([0] + [1] * seen + [0] * (sizes.text + 1))
    ids = torch.randint(100, 1000, (len(types),), generator=draw)
    ids[types == 1] = config.image_token_id
    grid = torch.tensor([[1, side, side]])
    media = {"pixel_values": torch.rand(side * side, width, generator=draw), "image_grid_thw": grid}
    return Prompt(ids, mrope_positions(types, {"image_grid_thw": grid}, vision.spatial_merge_size), types, media)


def make_groups(config: Any, sizes: Sizes, count: int, answers: int = 2) -> list[TokenGroup]:
    draw = torch.Generator().manual_seed(1)
    drawn = torch.randint(100, 1000, (count, answers, sizes.answer), generator=draw).tolist()
    return [TokenGroup(make_prompt(config, sizes, i), drawn[i]) for i in range(count)]


def known_gpu(device: str) -> GPU:
    """The data sheet of the card here; an H100's where it is none of those."""
    name = torch.cuda.get_device_name().lower() if device == "cuda" else ""
    return next((gpu for key, gpu in GPUS.items() if key in name), GPUS["h100"])
