"""The page and the model card of the weights that come with the package, made of `study.json` alone."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

from onethinker.report.curves import thin
from onethinker.report.figures import Curve, panel, span
from onethinker.report.tables import NOTHING, Cell, Table, duration, to_html
from onethinker.studies.pages.page import MEASURES, ONCE, Study, figure, interval, panels, section, whole, write
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

CLAIMS = (
    ("rl - sft", "mini-rl − mini-sft"),
    ("control-more-sft - sft", "more SFT − mini-sft"),
    ("rl - control-more-sft", "mini-rl − more SFT"),
    ("control-lr0 - sft", "RL with learning rate 0 − mini-sft"),
)


SPARKS = 12
"""Characters of a curve in a table."""


def page(study: Study) -> str:
    """The whole page."""
    done = [t for t in TARGETS if reached(study, "rl", t)]
    tiles = [
        (
            write("headline", study["evaluations"]["rl"]["mean"]["headline"]["value"]),
            "mini-rl, greedy, mean over tasks",
        ),
        (f"{len(done)} of {len(TARGETS)}", "targets that mini-rl reaches"),
        (f"{study['evaluations']['rl']['n']:,}", "held-out questions"),
        (duration(3600 * study["hours"]), "of machine time in all"),
    ]
    parts = [_made(study), _targets(study), *(_scores(study, measured) for measured in MEASURES), _lift(study)]
    again = "Builds the world, trains both models and the controls, and asks every held-out question; resumable."
    return whole(study, "The mini models", verdict(study), tiles, parts, again)


def verdict(study: Study) -> str:
    """What RL did beside its controls, and what fell short."""
    return " ".join([*_moved(study), _short(study), ONCE])


def _moved(study: Study) -> list[str]:
    said = []
    rl, more = (duration(study["runs"][run]["seconds"]) for run in ("rl", "control-more-sft"))
    for measured, what in (("headline", "greedy answers"), ("reward", "the reward of sampled answers")):
        lift, over = (study["compared"][key][measured] for key in ("rl - sft", "rl - control-more-sft"))
        said.append(
            f"In {what} RL moved the mean over tasks by {write(measured, lift['value'], True)} "
            f"{interval(lift, measured, True)} from SFT, {write(measured, over['value'], True)} "
            f"{interval(over, measured, True)} from more SFT{_sure(lift, over)}."
        )
    sft, after, longer = (
        write("headline", study["evaluations"][model]["mean"]["sampled_accuracy"]["value"])
        for model in ("sft", "rl", "control-more-sft")
    )
    greedy = write("headline", study["evaluations"]["sft"]["mean"]["accuracy"]["value"])
    said.append(
        f"The mean accuracy of sampled answers goes from {sft} to {after}, with more SFT to {longer}; that of greedy "
        f"answers was {greedy} before. RL took {rl}, more SFT {more}."
    )
    return said


def _sure(lift: Mapping[str, Any], over: Mapping[str, Any]) -> str:
    """Whether RL's lift is beyond its interval, and above the control's."""
    if lift["low"] <= 0:
        return ", so that no lift is shown"
    return "" if over["low"] > 0 else ", so that the lift is no more than time at SFT gives"


def _short(study: Study) -> str:
    short = [t for t in TARGETS if not reached(study, "rl", t)]
    names = ", ".join(f"{get_task(t.task).title.lower()} ({t.metric})" for t in short)
    return f"Below target: {names}." if short else "Every target is reached."


def reached(study: Study, model: str, target: Target) -> bool:
    return metric(study, model, target)["value"] >= target.value


def metric(study: Study, model: str, target: Target) -> dict[str, Any]:
    number: dict[str, Any] = study["evaluations"][model]["tasks"][target.task]["metrics"][target.metric]
    return number


# ---- sections ---------------------------------------------------------------------------------------------------


def _made(study: Study) -> str:
    drawn = []
    for name, run in study["runs"].items():
        curve = run["curve"]
        line = Curve(RUNS[name], "arm-1", curve["steps"], curve["values"])
        drawn.append(panel(f"{RUNS[name]}: {curve['of']}", [line], bounds=span([line]), named=False))
    lead = "The command below made all of it."
    return section("How they were made", lead, figure(panels(drawn), "By step."), to_html(runs_table(study)))


def runs_table(study: Study) -> Table:
    """What each training did."""
    rows = []
    for name, run in study["runs"].items():
        o = run["optimizer"]
        asked = f"{run['batch']} × {run['group']} answers" if run["group"] else f"{run['batch']} samples"
        rate = f"{o['kind']}, {o['lr']:g}" + (f" / {o['matrix_lr']:g}" if o["kind"] == "muon" else "")
        words = (RUNS[name], f"{run['steps']:,}", asked, f"{rate}, {o['schedule']}", duration(run["seconds"]))
        rows.append((*(Cell(w) for w in words), _sparkline(run["curve"])))
    columns = ("Run", "Steps", "A step", "Optimizer, peak rate, schedule", "Time", "Curve")
    note = f"Curve: the loss, or RL's mean reward, in {SPARKS} equal stretches, with its first and last."
    return Table("Trainings", columns, tuple(rows), note, 1)


def _sparkline(curve: Mapping[str, Any]) -> Cell:
    """A curve in block characters, from its least to its greatest value."""
    _, values = thin(curve["steps"], [math.nan if v is None else v for v in curve["values"]], most=SPARKS)
    known = [v for v in values if math.isfinite(v)]
    if not known:
        return Cell(NOTHING)
    low, reach = min(known), max(known) - min(known) or 1.0
    drawn = "".join("▁▂▃▄▅▆▇█"[round(7 * (v - low) / reach)] if math.isfinite(v) else " " for v in values)
    return Cell(drawn, f"{curve['of']} {known[0]:.2f} to {known[-1]:.2f}")


def _targets(study: Study) -> str:
    return section("Targets", "On the held-out world, greedily.", to_html(targets_table(study)))


def targets_table(study: Study) -> Table:
    """Every target beside what the two models reach."""
    rows = []
    for target in TARGETS:
        cells = []
        for model in ("sft", "rl"):
            number = metric(study, model, target)
            mark = "" if reached(study, model, target) else " ✗"
            cells.append(Cell(write("headline", number["value"]) + mark, interval(number, "headline")))
        title = get_task(target.task).title
        rows.append((Cell(title), Cell(target.metric), Cell(write("headline", target.value)), *cells))
    note = "In percent, with 95% bootstrap intervals; ✗ below the target."
    return Table("Targets", ("Task", "Metric", "Target", "mini-sft", "mini-rl"), tuple(rows), note, labels=2)


def _scores(study: Study, measured: str) -> str:
    return section(
        MEASURES[measured], "Every task counts the same in the mean.", to_html(scores_table(study, measured))
    )


def scores_table(study: Study, measured: str) -> Table:
    """Task by task for every model that was measured."""
    found = {m: study["evaluations"][m] for m in MODELS if m in study["evaluations"]}
    rows = []
    for task in next(iter(found.values()))["tasks"]:
        entries = [e["tasks"][task] for e in found.values()]
        numbers = [_number(entry, measured) for entry in entries]
        what = entries[0]["headline"] if measured == "headline" else "reward"
        title = get_task(task).title
        rows.append((Cell(title), Cell(what), Cell(f"{entries[0]['n']:,}"), *(_cell(n, measured) for n in numbers)))
    key = {"headline": "headline", "reward": "sampled_reward"}[measured]
    means = [_cell(e["mean"][key], measured) for e in found.values()]
    rows.append((Cell("Mean over tasks"), Cell(""), Cell(f"{next(iter(found.values()))['n']:,}"), *means))
    columns = ("Task", "Metric", "n", *(MODELS[m] for m in found))
    return Table(MEASURES[measured], columns, tuple(rows), "95% bootstrap intervals.", labels=3, totals=1)


def _number(entry: Mapping[str, Any], measured: str) -> dict[str, Any]:
    number: dict[str, Any] = (
        entry["metrics"][entry["headline"]] if measured == "headline" else entry["sampled"]["reward"]
    )
    return number


def _cell(number: Mapping[str, Any], measured: str) -> Cell:
    return Cell(write(measured, number["value"]), interval(number, measured))


def _lift(study: Study) -> str:
    lead = "Paired differences on the same questions, mean over tasks, 95% bootstrap intervals over questions."
    return section("RL and its controls", lead, to_html(lift_table(study)))


def lift_table(study: Study) -> Table:
    """RL against what it must be told from."""
    rows = []
    for key, label in CLAIMS:
        found = study["compared"].get(key)
        if found:
            cells = [
                Cell(write(m, found[m]["value"], True), interval(found[m], m, True)) for m in ("headline", "reward")
            ]
        else:
            cells = [Cell("0", "the same weights, bit for bit"), Cell("0", "the same weights, bit for bit")]
        if found or not study["lr0_moved"]:
            rows.append((Cell(label), *cells))
    return Table("RL and its controls", ("Difference", *MEASURES.values()), tuple(rows), "", labels=1)
