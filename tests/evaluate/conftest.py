"""A small set of questions on real files, and what answers them."""

from pathlib import Path

import pytest
from PIL import Image

from onethinker.evaluate.run import evaluate
from onethinker.recipes.base import EvalConfig
from onethinker.sample import Sample, Samples
from onethinker.tasks.prompts import load_prompts


@pytest.fixture
def samples(tmp_path: Path) -> Samples:
    """Six numerical questions (n0 … n5, the truth is the number) and four boxes (b6 … b9), each on its own picture."""
    root = tmp_path / "media"
    root.mkdir()
    items = []
    for i in range(10):
        Image.new("RGB", (32, 24), (20 * i, 90, 200)).save(root / f"{i}.png")
        if i < 6:
            items.append(Sample(f"n{i}", "numerical", "image", f"What is {i}?", str(i), media=(f"{i}.png",)))
        else:
            box = f'{{"boxes": [{10 * i}, 100, {10 * i + 500}, 600]}}'
            items.append(Sample(f"b{i}", "spatial_grounding", "image", "the thing", box, media=(f"{i}.png",)))
    return Samples(tuple(items), root)


@pytest.fixture
def said():
    """Answer text → a whole response."""
    return lambda text: f"<think>looked</think><answer>{text}</answer>"


@pytest.fixture
def truths(samples, said) -> dict[str, str]:
    """The right response to every question."""
    return {sample.id: said(sample.truth) for sample in samples}


@pytest.fixture
def run():
    """`evaluate` with the settings of these tests; keywords change them."""

    def call(samples, engine, folder, **options):
        settings = {"config": EvalConfig(bootstrap=200), "prompts": load_prompts("short")} | options
        return evaluate(samples, engine, folder, **settings)

    return call
