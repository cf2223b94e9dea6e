"""Evaluate a model by its name: its own prompts and media sizes, a folder named after model and data."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from onethinker.data.doubts import tell
from onethinker.engines.base import Engine
from onethinker.evaluate.benchmarks import Benchmark
from onethinker.evaluate.run import evaluate
from onethinker.media import MediaBudget
from onethinker.recipes.answering import AskedAs, answering_engine, asked_as
from onethinker.recipes.base import Recipe, override
from onethinker.recipes.tools import recipe_prompts
from onethinker.sample import Samples, load_samples
from onethinker.scoring.judge import Judge
from onethinker.segment import Segmenter, make_segmenter


@dataclass
class EvalTarget:
    """A model to evaluate and the way it is asked, see `asked_as`.

    segmenter: `none` leaves masks out. assignments: overrides of its recipe, such as `evaluate.sampled=4`, flags
    included. like: a recipe or checkpoint that says how it is asked, where it does not itself. ray: an address of Ray,
    whose GPUs or processors answer.
    """

    model: str
    segmenter: str = "grabcut"
    assignments: list[str] = field(default_factory=list)
    engine_name: str = ""
    judge: Judge | None = None
    like: str = ""
    ray: str = ""

    def evaluate(self, samples: Samples, folder: Path, data: str, benchmark: Benchmark | None = None) -> None:
        """Say what is odd about the questions, ask every one and write the folder; of a benchmark as it says."""
        tell(samples)
        recipe, masks = self.recipe(benchmark), self.masks  # an unknown segmenter is refused before a model is loaded
        evaluate(
            samples,
            self.engine,
            folder,
            config=recipe.evaluate,
            prompts=recipe_prompts(recipe),
            model=self.model,
            data=data,
            seed=recipe.seed,
            segmenter=masks,
            judge=self.judge,
            benchmark=benchmark,
        )

    def recipe(self, benchmark: Benchmark | None = None) -> Recipe:
        """How it is asked. A benchmark sets budget, profile and prompts and asks greedily; a model trained here on less
        is shown less and keeps its own prompts. Assignments have the last word."""
        if benchmark is None:
            return self.asked_as.overridden(self.assignments)
        recipe, trained = self.asked_as.overridden(), self.asked_as.trained
        budget = _smaller(benchmark.budget, recipe.evaluate.budget) if trained else benchmark.budget
        changes = {"budget": budget, "metric_profile": benchmark.metric_profile, "sampled": 0}
        prompts = recipe.prompts if trained else benchmark.prompts
        evaluated = recipe.evaluate.model_copy(update=changes)
        return override(recipe.model_copy(update={"prompts": prompts, "evaluate": evaluated}), self.assignments)

    @cached_property
    def asked_as(self) -> AskedAs:
        return asked_as(self.model, self.like)

    @cached_property
    def engine(self) -> Engine:
        """Made once, when how it is asked has been said."""
        recipe = self.recipe()
        self.asked_as.tell(recipe)
        return answering_engine(recipe, self.engine_name, self.ray)

    @cached_property
    def masks(self) -> Segmenter | None:
        return None if self.segmenter == "none" else make_segmenter(self.segmenter)


def evaluate_data(target: EvalTarget, out: Path | None = None) -> Path:
    """Evaluate on the samples that the recipe's `data` names and return the results' folder."""
    data = target.recipe().data
    folder = out or Path("runs/eval") / f"{plain(target.model)}--{plain(data.evaluate)}"
    samples = load_samples(data.evaluate, data.media_root or None, data.limit, strict=False)
    target.evaluate(samples, folder, data.evaluate)
    return folder


def plain(name: str) -> str:
    """The end of a name, fit for a folder's."""
    parts = [re.sub(r"[^\w.-]+", "-", part) for part in Path(name).parts[-2:] if part not in ("/", "..", ".")]
    return "-".join(parts) or "model"


def _smaller(a: MediaBudget, b: MediaBudget) -> MediaBudget:
    """The lesser of every bound."""
    return MediaBudget(**{name: min(getattr(a, name), getattr(b, name)) for name in MediaBudget.model_fields})
