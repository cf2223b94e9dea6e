"""A small world, a mini model and a recipe of a few steps, for the tests that train, answer and ask."""

from __future__ import annotations

import copy
import functools
import gc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer.testing
from hypothesis import HealthCheck, settings
from hypothesis.internal.conjecture import providers
from hypothesis.internal.constants_ast import Constants

from onethinker.engines.base import Request
from onethinker.engines.scripted import ScriptedEngine
from onethinker.media import MediaBudget, write_clip, write_image
from onethinker.sample import Samples, load_samples
from tests import amount

typer.testing._get_command = functools.cache(typer.testing._get_command)  # for each `invoke` it builds all commands

REAL = Path(__file__).parents[2] / "shared" / "real"


def pytest_configure(config: pytest.Config) -> None:
    """Tell tests/amount.py, before a test module is read, whether this is the quick suite."""
    amount.quick = "not slow" in config.option.markexpr
    settings.register_profile(
        "ours", max_examples=amount.many(100, 25), deadline=None, suppress_health_check=[HealthCheck.too_slow],
        derandomize=amount.quick,
    )  # fmt: skip  # no test depends on how fast the machine is
    settings.load_profile("ours")
    gc.disable()  # until all is collected: looking for garbage among what the libraries make takes seconds
    if amount.quick:  # numbers and texts of all our files are cases too: four seconds to look for in a fresh clone
        providers._get_local_constants = Constants


def pytest_collection_finish() -> None:
    """Leave what is loaded now out of every later search for garbage."""
    gc.freeze()
    gc.enable()


@pytest.fixture(scope="session")
def real_samples() -> Samples:
    """Photos, a chart, a receipt and clips with published questions."""
    if not (REAL / "samples.json").exists():
        pytest.skip("the real sample pack (shared/real beside the checkout) is not here")
    return load_samples(REAL / "samples.json")


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Samples:
    """Training samples on pictures and clips of 64×64: three of each task that the worlds ask."""
    from onethinker.data.worlds import build_world
    from onethinker.data.worlds.questions import FAMILIES

    folder = build_world(tmp_path_factory.mktemp("world"), n=3 * len(FAMILIES), seed=3, validation=1, test=1)
    return load_samples(folder / "train")


@pytest.fixture(scope="session")
def mini_processor() -> Any:
    """The mini model's processor with the shipped tokenizer."""
    from onethinker.models import mini

    return mini.processor()


@pytest.fixture(scope="session")
def built_mini() -> Any:
    """The mini model of seed 0 in evaluation mode, which nobody may change."""
    from onethinker.models import mini

    return mini.build(0)[0].eval()


@pytest.fixture
def mini_model(built_mini: Any) -> Any:
    """A mini model of seed 0 in evaluation mode, one's own: copying takes a quarter of building."""
    import torch

    torch.set_num_threads(1)
    return copy.deepcopy(built_mini)


@pytest.fixture(scope="session")
def media(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Noise in sizes that need no resizing: `square` and `wide` pictures, clips at 4 fps of `even` 6, `odd` 5 frames,
    and one at `uneven` times."""
    folder = tmp_path_factory.mktemp("media")
    draw = np.random.default_rng(0)

    def noise(*shape: int) -> np.ndarray:
        return draw.integers(0, 256, (*shape, 3), dtype=np.uint8)

    return {
        "square": write_image(folder / "square.png", noise(64, 64)),
        "wide": write_image(folder / "wide.png", noise(32, 64)),
        "even": write_clip(folder / "even.mp4", noise(6, 32, 32), 4.0),
        "odd": write_clip(folder / "odd.mp4", noise(5, 32, 48), 4.0),
        "uneven": write_clip(folder / "uneven.mp4", noise(6, 32, 32), [0.0, 0.31, 0.37, 1.9, 2.0, 4.7]),
    }


@pytest.fixture(scope="session")
def ask(media: dict[str, Path]) -> Callable[..., Request]:
    """`ask(text, *names of media)`: a request with room for every frame."""

    def make(text: str, *names: str, id: str = "", system: str = "", **budget: Any) -> Request:
        sizes = {"image_pixels": 64 * 64, "frame_pixels": 32 * 64, "fps": 4.0, "max_frames": 8} | budget
        return Request(id or f"{text} {names}", text, tuple(media[n] for n in names), MediaBudget(**sizes), system)

    return make


@pytest.fixture(scope="session")
def tiny() -> Callable[..., Any]:
    """`tiny("sft.steps=3", …)`: the mini recipe cut to a few small steps on the CPU, with overrides."""
    from onethinker.recipes import SHIPPED, override

    small = [
        "model.device=cpu", "sft.steps=4", "sft.batch=4", "sft.save_every=100", "sft.optimizer.lr=1e-3",
        "sft.optimizer.kind=adamw",  # Muon's iteration takes most of a small step; what is about it asks for it
        "rl.steps=2", "rl.prompts=4", "rl.minibatch=4", "rl.group=3", "rl.max_tokens=12", "rl.save_every=100",
        "rl.filter_groups=false", "rl.optimizer.lr=1e-3",
    ]  # fmt: skip
    return lambda *changes: override(SHIPPED["mini"], [*small, *changes])


class Listening(ScriptedEngine):
    """Keeps the requests."""

    def answer(self, requests, sampling, **options):
        self.requests, self.sampling = list(requests), sampling
        return super().answer(requests, sampling, **options)


@pytest.fixture
def model_saying() -> Callable[..., Any]:
    """`model_saying(response)`: a model that always says so."""

    def make(response: str, **options: Any) -> Any:
        from onethinker.inference import Model
        from onethinker.tasks.prompts import load_prompts

        engine = Listening(lambda request, index: response, **options)
        return Model(engine, load_prompts("full"), MediaBudget(image_pixels=4096, max_frames=8), max_tokens=50)

    return make
