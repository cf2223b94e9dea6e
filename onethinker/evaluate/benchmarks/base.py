"""What a benchmark's declaration says: whose questions, where they lie, how they are asked and what counts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from onethinker.media import MediaBudget
from onethinker.tasks.base import MetricProfile

Family = Literal[
    "image_qa", "video_qa", "caption", "temporal", "spatial", "spatial_temporal", "tracking", "image_segmentation",
    "video_segmentation", "zero_shot", "beyond",
]  # fmt: skip
FAMILIES: dict[Family, str] = {
    "image_qa": "Image question answering",
    "video_qa": "Video question answering",
    "caption": "Captioning",
    "temporal": "Temporal grounding",
    "spatial": "Spatial grounding",
    "spatial_temporal": "Spatial-temporal grounding",
    "tracking": "Tracking",
    "image_segmentation": "Image segmentation",
    "video_segmentation": "Video segmentation",
    "zero_shot": "Unseen tasks of MMT-Bench",
    "beyond": "Not of the paper's 31: the three tasks beside its thirteen",
}

BASE, OURS = "Qwen3-VL-8B", "OneThinker-8B"
"""The models whose numbers the paper gives: Qwen3-VL-8B-Instruct as its authors measured it, and theirs."""

PAPER = MediaBudget(image_pixels=1024 * 32 * 32, frame_pixels=256 * 32 * 32, fps=2.0, max_frames=128)
"""What the published evaluation shows a model of an image or a clip."""

HERE = "the published JSON and its media, hub data set OneThink/OneThinker-eval"
UNKNOWN_LICENCE = "none found on its card or repository; ask its authors before you use it"


@dataclass(frozen=True, slots=True)
class Place:
    """One layout in which the questions may lie under the data root.

    reader: `samples` (a file that `load_samples` reads, media beside it), `tsv` (VLMEvalKit's), or the name of one of
    `data.sources`. path: the file, or the source's root folder. split: of a source.
    """

    reader: str
    path: str
    split: str = ""


@dataclass(frozen=True, slots=True)
class Benchmark:
    """One benchmark.

    name: on the command line, and of its results' folder. task: of its questions, or of most of them. split: as its
    authors name it. size: questions of that split, None where no source says. metric: the headline, one of the task's
    metrics, or `accuracy` over all questions, whatever their tasks. judge: whether free text needs a model to grade it.
    origin: where to get it. places: the layouts that can be read, the first that is there is taken. where: column of a
    TSV → the values of the rows that belong to it. circular: a question counts if it is right in every rotation of its
    options. mean_over: the column, kept in the questions' meta, over whose values the official number is the mean.
    facts: what the meta of every question holds besides, which says how its official tool measures. released: what
    the published run's evaluation measures otherwise, empty where it measures the same.
    published: model → metric → percent, from the paper's `table`, empty where it has none.
    reason: why a number is missing. note: what else to know when comparing: where our questions, truths or measures
    differ from the official tool's.
    """

    name: str
    title: str
    family: Family
    task: str
    split: str
    size: int | None
    metric: str
    licence: str
    origin: str
    places: tuple[Place, ...]
    table: str
    published: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    reason: str = ""
    metric_profile: MetricProfile = "official"
    budget: MediaBudget = PAPER
    prompts: str = "full"
    judge: bool = False
    where: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    circular: bool = False
    mean_over: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)
    released: str = ""
    note: str = ""

    def paper(self, metric: str = "") -> dict[str, float]:
        """The paper's numbers for a metric (the headline unless given) by model, as fractions of 1."""
        name = metric or self.metric
        return {model: round(found[name] / 100, 6) for model, found in self.published.items() if name in found}


def both(metrics: str, base: str, ours: str) -> dict[str, dict[str, float]]:
    """A row of the paper for each of the two models, in percent: `both("R@0.5 mIoU", "33.5 36.7", "68.3 59.9")`."""
    names = metrics.split()
    return {
        model: dict(zip(names, map(float, row.split()), strict=True)) for model, row in ((BASE, base), (OURS, ours))
    }


def released(file: str) -> Place:
    """A file of the published evaluation data."""
    return Place("samples", f"onethinker-eval/{file}.json")


def vlmevalkit(file: str) -> Place:
    """A TSV of VLMEvalKit, where its own data root (`LMUData`) would have it."""
    return Place("tsv", f"LMUData/{file}.tsv")
