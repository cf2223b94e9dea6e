"""The paper's claims about estimators and transfer, one by one, beside what the studies here measured.

A row is a contrast that a study declared before its runs, so the table adds no test of its own. A claim *holds* where
the contrast is sure by the rule of `studies.contrasts` and on the claim's side, is *contradicted* where it is sure and
on the other, and else *does not show*, which says how little was seen and not that there is nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from onethinker.studies.contrasts import Contrast, read_contrasts
from onethinker.studies.pages import markdown as md
from onethinker.studies.pages.markdown import Study
from onethinker.tasks import get_task


@dataclass(frozen=True, slots=True)
class Claim:
    """What arXiv 2512.03043 says, in short, and the contrast a − b, above 0 where it is so, of the studies named."""

    words: str
    a: str
    b: str
    studies: tuple[str, ...] = ("algorithms", "biased")
    target: str = ""
    """Of transfer: the task that is asked; the others have targets of their own (`TARGETS`)."""


TARGETS = {"algorithms": ("base",), "biased": ("held out", "while training")}
SETTINGS = {
    ("algorithms", "base"): "a teacher without bias",
    ("biased", "held out"): "a biased annotator, held out",
    ("biased", "while training"): "a biased annotator, while training",
}
WORDS = {"headline": "greedy, points", "accuracy": "sampled accuracy, points", "reward": "sampled reward"}
KIN = "Learning one task helps its kin"
ACROSS = "Image and video help one another"
OTHERS = "third tasks"
CLAIMS = (
    Claim("One scale a task cures the imbalance within a task, where GRPO's scale is each group's own",
          "ema_grpo", "grpo"),
    Claim("One scale a task cures the imbalance between tasks, where Dr.GRPO has no scale", "ema_grpo", "dr_grpo"),
    Claim("A moving average is a better scale than the batch's: over all tasks", "ema_grpo", "batch_std"),
    Claim("A moving average is a better scale than the batch's: task by task", "ema_grpo", "task_batch_std"),
    *(Claim(f"{KIN}: {a} → {b}", a, OTHERS, ("transfer",), b) for a, b in (
        ("spatial_grounding", "spatial_temporal_grounding"), ("temporal_grounding", "spatial_temporal_grounding"),
        ("spatial_temporal_grounding", "tracking"), ("caption", "open_ended"))),
    *(Claim(f"{ACROSS}: {a} → {b}", a, OTHERS, ("transfer",), b) for a, b in (
        ("image_segmentation", "video_segmentation"), ("video_segmentation", "image_segmentation"))),
)  # fmt: skip


def claims_table(studies: Mapping[str, Study]) -> str:
    """The table of `CLAIMS`, as far as there are studies. studies: by name."""
    rows = []
    known = {name: read_contrasts(study) for name, study in studies.items()}
    for claim in CLAIMS:
        words = claim.words
        for name in claim.studies:
            for contrast in _of(claim, name, known.get(name, ())):
                setting = SETTINGS.get((name, contrast.target), "the one task alone")
                effect = md.with_interval(contrast.measure, contrast.estimate, signed=True)
                seeds = str(len(contrast.estimate.seeds))
                study, p = f"[{name}]({name}/README.md)", md.p_value(contrast.holm)
                rows.append((words, study, setting, WORDS[contrast.measure], effect, seeds, p, verdict(contrast)))
                words = ""
    columns = ("Claim", "Study", "Measured with", "In", "Effect", "Seeds", "p, Holm", "So it")
    return md.table(columns, rows, words=4)


def verdict(contrast: Contrast) -> str:
    return "does not show" if not contrast.sure else "holds" if contrast.estimate.value > 0 else "is contradicted"


def _of(claim: Claim, study: str, contrasts: Sequence[Contrast]) -> list[Contrast]:
    targets = (get_task(claim.target).name,) if claim.target else TARGETS[study]
    return [c for c in contrasts if (c.a, c.b) == (claim.a, claim.b) and c.target in targets]
