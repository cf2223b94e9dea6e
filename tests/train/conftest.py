"""A mini model with a tokenizer trained on the spot, and one prompt of each kind of media."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from onethinker.engines.base import Request
from onethinker.media import MediaBudget, write_clip, write_image
from onethinker.models import mini
from onethinker.models.encode import Encoder, Prompt

BUDGET = MediaBudget(image_pixels=64 * 64, frame_pixels=32 * 32, fps=4.0, max_frames=8)
TEXT = 'Where is the disc? <think>It moves to the left.</think><answer>{"boxes":[10,20,300,400]}</answer> <1.5 seconds>'


@pytest.fixture(scope="session")
def processor(tmp_path_factory: pytest.TempPathFactory):
    file = tmp_path_factory.mktemp("tokenizer") / "tokenizer.json"
    mini.train_tokenizer([TEXT] * 4, size=400).save(str(file))
    return mini.processor(file)


@pytest.fixture(scope="session")
def encoder(processor) -> Encoder:
    return Encoder(processor)


@pytest.fixture
def model(processor):
    """A fresh mini model in evaluation mode, the same weights every time."""
    from transformers import Qwen3VLForConditionalGeneration

    torch.manual_seed(0)
    made = Qwen3VLForConditionalGeneration(mini.config(processor.tokenizer)).eval()
    made.generation_config.eos_token_id = processor.tokenizer.eos_token_id
    made.generation_config.pad_token_id = processor.tokenizer.pad_token_id
    return made


@pytest.fixture(scope="session")
def requests(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Request]:
    """One request of each kind: text, image, two images, video, video and image."""
    folder = tmp_path_factory.mktemp("media")
    draw = np.random.default_rng(0)
    images = [
        write_image(folder / f"{i}.png", draw.integers(0, 256, (h, w, 3), dtype=np.uint8))
        for i, (h, w) in enumerate([(64, 64), (32, 64)])
    ]
    clip = write_clip(folder / "clip.mp4", draw.integers(0, 256, (6, 32, 32, 3), dtype=np.uint8), 4.0)

    def make(name: str, text: str, *media: Path) -> Request:
        return Request(name, text, tuple(media), BUDGET)

    return {
        "text": make("text", "Where is the disc?"),
        "image": make("image", "<image> Where is the red disc?", images[0]),
        "images": make("images", "<image> and <image>: which is red?", *images),
        "video": make("video", "<video> When does it move to the left?", clip),
        "mixed": make("mixed", "<video> and <image>: where is it?", clip, images[1]),
    }


@pytest.fixture(scope="session")
def prompts(encoder: Encoder, requests: dict[str, Request]) -> dict[str, Prompt]:
    return {name: encoder.encode(request) for name, request in requests.items()}


@pytest.fixture
def answers() -> Callable[..., list[list[int]]]:
    """`answers(n, seed)`: n answers of 1 to 12 plain tokens."""

    def make(n: int, seed: int = 0) -> list[list[int]]:
        draw = np.random.default_rng(seed)
        return [draw.integers(10, 260, draw.integers(1, 13)).tolist() for _ in range(n)]

    return make
