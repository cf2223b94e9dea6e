"""Evaluate a model by its name: its own prompts and media sizes, a folder named after model and data."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from onethinker.engines import make_engine
from onethinker.engines.base import Engine
from onethinker.evaluate.benchmarks import Benchmark
from onethinker.evaluate.run import evaluate
from onethinker.media import MediaBudget
from onethinker.recipes import SHIPPED, override, trained_with
from onethinker.recipes.base import Recipe
from onethinker.sample import Samples, load_samples
from onethinker.scoring.judge import Judge
from onethinker.segment import Segmenter, make_segmenter
from onethinker.tasks.prompts import load_prompts


@dataclass
class Examinee:
    """A model and the way it is asked. One trained here is asked as its recipe says, any other as published.

    prompts: a set or file in place of its own. segmenter: `none` leaves masks out. assignments: overrides of the
    recipe, such as `evaluate.sampled=4`. options: `device`, `dtype`, `attention` of a local model.
    """

    model: str
    prompts: str = ""
    segmenter: str = "grabcut"
    assignments: list[str] = field(default_factory=list)
    engine_name: str = ""
    judge: Judge | None = None
    options: dict[str, str] = field(default_factory=dict)

    def evaluate(self, samples: Samples, folder: Path, data: str, benchmark: Benchmark | None = None) -> None:
        """Ask every question and write the folder; of a benchmark as it says."""
        recipe = self.recipe(benchmark)
        evaluate(
            samples,
            self.engine,
            folder,
            config=recipe.evaluate,
            prompts=load_prompts(self.prompts or recipe.prompts),
            model=self.model,
            data=data,
            seed=recipe.seed,
            segmenter=self.masks,
            judge=self.judge,
            benchmark=benchmark,
        )

    def recipe(self, benchmark: Benchmark | None = None) -> Recipe:
        """How it is asked. A benchmark sets budget, profile and prompts and asks greedily; a model trained here on less
        is shown less and keeps its own prompts. Assignments have the last word."""
        trained = trained_with(self.model)
        recipe = trained or SHIPPED["qwen3_vl_8b"]
        if benchmark:
            budget = _smaller(benchmark.budget, trained.evaluate.budget) if trained else benchmark.budget
            changes = {"budget": budget, "metric_profile": benchmark.metric_profile, "sampled": 0}
            prompts = recipe.prompts if trained else benchmark.prompts
            recipe = recipe.model_copy(
                update={"prompts": prompts, "evaluate": recipe.evaluate.model_copy(update=changes)}
            )
        return override(recipe, self.assignments)

    @cached_property
    def engine(self) -> Engine:
        return make_engine(self.model, self.engine_name or None, **self.options)

    @cached_property
    def masks(self) -> Segmenter | None:
        return None if self.segmenter == "none" else make_segmenter(self.segmenter)


def evaluate_named(
    examinee: Examinee, data: str, out: Path | None = None, *, media_root: str = "", limit: int | None = None
) -> Path:
    """Evaluate on a file or folder of samples and return the results' folder."""
    folder = out or Path("runs/eval") / f"{plain(examinee.model)}--{plain(data)}"
    examinee.evaluate(load_samples(data, media_root or None, limit), folder, data)
    return folder


def plain(name: str) -> str:
    """The end of a name, fit for a folder's."""
    parts = [re.sub(r"[^\w.-]+", "-", part) for part in Path(name).parts[-2:] if part not in ("/", "..", ".")]
    return "-".join(parts) or "model"


def _smaller(a: MediaBudget, b: MediaBudget) -> MediaBudget:
    """The lesser of every bound."""
    return MediaBudget(**{name: min(getattr(a, name), getattr(b, name)) for name in MediaBudget.model_fields})
