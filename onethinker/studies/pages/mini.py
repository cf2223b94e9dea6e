"""The page of the weights that come with the package, made of `study.json` alone; `docs/build.py` makes their card.

Everything here was trained once, so intervals are the bootstrap's over questions, as `onethinker eval` gives them.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from onethinker.report.tables import duration
from onethinker.studies.pages import markdown as md
from onethinker.studies.pages.figures import panels
from onethinker.studies.pages.markdown import Page, Study
from onethinker.tasks import get_task


class Target(NamedTuple):
    """What a metric was meant to reach."""

    task: str
    metric: str
    value: float


TARGETS = (
    Target("multiple_choice", "accuracy", 0.85),
    Target("numerical", "accuracy", 0.85),
    Target("math", "accuracy", 0.85),
    Target("regression", "MRA", 0.75),
    Target("ocr", "1-WER", 0.85),
    Target("open_ended", "ROUGE", 0.75),
    Target("caption", "ROUGE", 0.75),
    Target("spatial_grounding", "Acc@0.5", 0.85),
    Target("temporal_grounding", "mIoU", 0.70),
    Target("spatial_temporal_grounding", "tIoU", 0.65),
    Target("spatial_temporal_grounding", "sIoU", 0.55),
    Target("tracking", "AO", 0.60),
    Target("image_segmentation", "cIoU", 0.75),
    Target("video_segmentation", "J&F", 0.60),
)

RUNS = {
    "hold": "SFT, rate held",
    "sft": "SFT, rate falling",
    "rl": "EMA-GRPO",
    "control-lr0": "Control: RL with learning rate 0",
    "control-more-sft": "Control: more SFT",
}
MODELS = {"sft": "mini-sft", "rl": "mini-rl", "control-more-sft": "more SFT", "control-lr0": "RL, rate 0"}
"""Evaluation → the model for people, in the order of the tables."""

COMPARED = {
    "rl - sft": "mini-rl − mini-sft",
    "control-more-sft - sft": "more SFT − mini-sft",
    "rl - control-more-sft": "mini-rl − more SFT",
    "control-lr0 - sft": "RL with learning rate 0 − mini-sft",
}


def page(study: Study) -> Page:
    """The whole page."""
    curves = {
        f"{RUNS[name]}: {run['curve']['of']}": [
            (x, y) for x, y in zip(run["curve"]["steps"], run["curve"]["values"], strict=True) if y is not None
        ]
        for name, run in study["runs"].items()
    }
    parts = ["# The mini models", *results(study), "![Training curves](curves.svg)"]
    return {"README.md": md.join(parts), "curves.svg": panels(curves)}


def results(study: Study) -> list[str]:
    """The paragraphs that the page and the model card share."""
    world = study["world"]
    sizes = world["sizes"]
    words = (
        "Builds the world, trains both models and the controls, and asks every held-out question; resumable. World: "
        f"seed {world['seed']}, {sizes['train']:,} samples to train on, {sizes['test']:,} held out, digest "
        f"`{world['digest']}`."
    )
    short = [f"{get_task(t.task).title} ({t.metric})" for t in TARGETS if not reached(study, "rl", t)]
    return [
        "## Results",
        f"{study['evaluations']['rl']['n']:,} held-out questions. "
        + (f"mini-rl is below target in {', '.join(short)}." if short else "mini-rl reaches every target."),
        "### RL and its controls",
        _compared_table(study),
        "Paired differences on the same questions, mean over tasks. Everything was trained once: here and below, 95% "
        "bootstrap intervals over questions, which know nothing of how another run would differ.",
        *(part for measure, title in md.TITLES.items() for part in (f"### {title}", _scores_table(study, measure))),
        "### Targets",
        _targets_table(study),
        "Greedy answers, in percent; ✗ below the target.",
        *md.provenance(study, words),
        _runs_table(study),
    ]


def reached(study: Study, model: str, target: Target) -> bool:
    value: float = _metric(study, model, target)["value"]
    return value >= target.value


def _metric(study: Study, model: str, target: Target) -> dict[str, Any]:
    found: dict[str, Any] = study["evaluations"][model]["tasks"][target.task]["metrics"][target.metric]
    return found


def _compared_table(study: Study) -> str:
    """RL against what it must be told from. A model whose weights learning rate 0 did not move was not asked again."""
    same = "0, the same weights bit for bit"
    rows = []
    for key, label in COMPARED.items():
        if found := study["compared"].get(key):
            rows.append((label, *(md.over_questions(measure, found[measure], True) for measure in md.TITLES)))
        elif not study["lr0_moved"]:
            rows.append((label, same, same))
    return md.table(("Difference", *md.TITLES.values()), rows)


def _scores_table(study: Study, measure: str) -> str:
    """Task by task for every model that was measured."""
    found = {model: study["evaluations"][model] for model in MODELS if model in study["evaluations"]}
    first = next(iter(found.values()))
    rows = []
    for task, entry in first["tasks"].items():
        of_task = [e["tasks"][task] for e in found.values()]
        headline = measure == "headline"
        numbers = [e["metrics"][e["headline"]] if headline else e["sampled"]["reward"] for e in of_task]
        what = entry["headline"] if headline else "reward"
        rows.append((get_task(task).title, what, f"{entry['n']:,}", *(md.over_questions(measure, n) for n in numbers)))
    means = (e["mean"]["headline" if measure == "headline" else "sampled_reward"] for e in found.values())
    rows.append(("Mean over tasks", "", f"{first['n']:,}", *(md.over_questions(measure, mean) for mean in means)))
    if measure == "reward":
        right = (md.number("headline", e["mean"]["sampled_accuracy"]["value"]) for e in found.values())
        rows.append(("Mean accuracy, %", "", f"{first['n']:,}", *right))
    return md.table(("Task", "Metric", "n", *(MODELS[model] for model in found)), rows, words=2)


def _targets_table(study: Study) -> str:
    rows = []
    for target in TARGETS:
        cells = [
            md.over_questions("headline", _metric(study, model, target))
            + ("" if reached(study, model, target) else " ✗")
            for model in ("sft", "rl")
        ]
        rows.append((get_task(target.task).title, target.metric, md.number("headline", target.value), *cells))
    return md.table(("Task", "Metric", "Target", "mini-sft", "mini-rl"), rows, words=2)


def _runs_table(study: Study) -> str:
    """What each training did."""
    rows = []
    for name, run in study["runs"].items():
        o = run["optimizer"]
        asked = f"{run['batch']} × {run['group']} answers" if run["group"] else f"{run['batch']} samples"
        rate = f"{o['kind']}, {o['lr']:g}" + (f" / {o['matrix_lr']:g}" if o["kind"] == "muon" else "")
        known = [value for value in run["curve"]["values"] if value is not None]
        ends = f"{run['curve']['of']} {known[0]:.2f} to {known[-1]:.2f}" if known else md.NOTHING
        rows.append(
            (RUNS[name], f"{run['steps']:,}", asked, f"{rate}, {o['schedule']}", duration(run["seconds"]), ends)
        )
    columns = ("Training", "Steps", "A step", "Optimizer, peak rate, schedule", "Time", "From, to")
    return md.table(columns, rows)
