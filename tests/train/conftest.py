"""The mini model under a short name, one prompt of each kind of media, and answers to them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from onethinker.engines.base import Request
from onethinker.engines.encode import Encoder, Prompt


@pytest.fixture(scope="session")
def encoder(mini_processor) -> Encoder:
    return Encoder(mini_processor)


@pytest.fixture
def model(mini_model) -> Any:
    return mini_model


@pytest.fixture(scope="session")
def requests(ask) -> dict[str, Request]:
    """One request of each kind: text, image, two images, video, video and image."""
    asked = {
        "text": ("Where is the disc?",),
        "image": ("<image> Where is the red disc?", "square"),
        "images": ("<image> and <image>: which is red?", "square", "wide"),
        "video": ("<video> When does it move to the left?", "even"),
        "mixed": ("<video> and <image>: where is it?", "even", "wide"),
    }
    return {name: ask(*words, id=name, frame_pixels=32 * 32) for name, words in asked.items()}


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
