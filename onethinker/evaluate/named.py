"""Evaluate a model by its name: its own prompts and media sizes, a folder named after model and data."""

from __future__ import annotations

import re
from pathlib import Path

from onethinker.engines import make_engine
from onethinker.evaluate.run import evaluate
from onethinker.recipes import SHIPPED, override, trained_with
from onethinker.sample import load_samples
from onethinker.segment import make_segmenter
from onethinker.tasks.prompts import load_prompts


def evaluate_named(
    model: str,
    data: str,
    out: Path | None = None,
    *,
    media_root: str = "",
    limit: int | None = None,
    prompts: str = "",
    segmenter: str = "grabcut",
    assignments: list[str] | None = None,
    engine: str = "",
    **options: str,
) -> Path:
    """Evaluate and return the folder. A model trained here is asked as its recipe says, any other as published.

    assignments: overrides of the recipe, such as `evaluate.sampled=4`. segmenter: `none` leaves masks out. options:
    `device`, `dtype`, `attention` of a local model.
    """
    recipe = override(trained_with(model) or SHIPPED["qwen3_vl_8b"], assignments or [])
    samples = load_samples(data, media_root or None, limit)
    folder = out or Path("runs/eval") / f"{_plain(model)}--{_plain(data)}"
    evaluate(
        samples,
        make_engine(model, engine or None, **options),
        folder,
        config=recipe.evaluate,
        prompts=load_prompts(prompts or recipe.prompts),
        model=model,
        data=data,
        seed=recipe.seed,
        segmenter=None if segmenter == "none" else make_segmenter(segmenter),
    )
    return folder


def _plain(name: str) -> str:
    """The end of a name, fit for a folder's."""
    parts = [re.sub(r"[^\w.-]+", "-", part) for part in Path(name).parts[-2:] if part not in ("/", "..", ".")]
    return "-".join(parts) or "model"
