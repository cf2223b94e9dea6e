"""Whose gradient it is, on the page of an estimator study: imbalances, shares, and whether evenness pays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import correlation
from typing import Any

from onethinker.report.figures import legend, panel, span
from onethinker.report.tables import Cell, Table, percent, to_html
from onethinker.studies.pages.arms import curve, name_of
from onethinker.studies.pages.figures import Spot, against
from onethinker.studies.pages.page import FACTOR, figure, fold, panels

GAINS = {"headline": "Gain in greedy answers (%)", "reward": "Gain in sampled reward"}
IMBALANCES = {"between": "Imbalance between tasks", "within": "Imbalance within tasks"}


def influence(condition: Mapping[str, Any], classes: Mapping[str, str]) -> str:
    """The two imbalances over time, the shares by task over the run, and over time."""
    steps, arms = condition["steps"], condition["arms"]
    key = legend([curve(arm, classes, steps, []) for arm in arms])
    pair = []
    for field, title in IMBALANCES.items():
        curves = [curve(arm, classes, steps, arms[arm][field]) for arm in arms]
        pair.append(panel(title, curves, named=False, bounds=span(curves, from_zero=True)))
    words = (
        "0 is even. Between tasks: how unequal the mean |advantage| a token is over tasks (coefficient of variation). "
        "Within tasks: how unequally an estimator enlarges the differences inside a task's groups, std(A)/std(R); GRPO "
        "enlarges small differences most. Against the step, means over seeds."
    )
    tasks = list(dict.fromkeys(task for arm in arms.values() for task in arm["gradient"]))
    lines = []
    for task in tasks:
        curves = [
            curve(arm, classes, steps, arms[arm]["gradient"][task]) for arm in arms if task in arms[arm]["gradient"]
        ]
        lines.append(
            panel(task.replace("_", " "), curves, named=False, size=(240, 150), bounds=span(curves, from_zero=True))
        )
    over_time = figure(
        key + panels(lines, "small"), "The share of each task over the run; one panel has its own scale."
    )
    return (
        figure(key + panels(pair), words)
        + to_html(_share_table(condition, tasks))
        + fold("Each task's share over time", over_time)
    )


def evenness(condition: Mapping[str, Any], classes: Mapping[str, str]) -> str:
    """Every arm's gains against its two imbalances; an arm that has no such imbalance is left out."""
    known = {
        field: {
            arm: _average(run[field])
            for arm, run in condition["arms"].items()
            if any(v is not None for v in run[field])
        }
        for field in IMBALANCES
    }
    drawn, found = [], []
    for measured, gain in GAINS.items():
        gains = {arm: g["difference"] for arm, g in condition["gains"][measured].items()}
        values = {arm: number["value"] for arm, number in gains.items() if number["value"] is not None}
        said = []
        for field, cause in IMBALANCES.items():
            spots = [
                Spot(name_of(arm), classes[arm], known[field][arm], gains[arm]) for arm in values if arm in known[field]
            ]
            if spots:
                chart = against(spots, cause, gain, FACTOR[measured])
                drawn.append(f'<div class="panel"><h4>{gain}: {cause.lower()}</h4>{chart}</div>')
            if r := _correlation(known[field], values):
                said.append(f"r = {r} with the {cause.lower()}")
        found += [f"{gain}: {', '.join(said)}."] if said else []
    key = legend([curve(arm, classes, (), ()) for arm in condition["arms"]])
    words = (
        f"Gains over the start, with their intervals, against the run's mean imbalance; an arm a dot. {' '.join(found)}"
    )
    if both := _correlation(known["between"], known["within"]):
        words += (
            f" The two imbalances go together with r = {both} (Pearson, over arms, which share start, seeds and "
            "questions: a description, no proof)."
        )
    return figure(key + panels(drawn, "wide"), words)


def _correlation(a: Mapping[str, float], b: Mapping[str, float]) -> str:
    """Pearson's r over the arms of both; empty where there are too few different ones."""
    pairs = [(a[arm], b[arm]) for arm in a if arm in b]
    if min(len({x for x, _ in pairs}), len({y for _, y in pairs})) < 3:
        return ""
    return f"{correlation(*zip(*pairs, strict=True)):+.2f}"


def _share_table(condition: Mapping[str, Any], tasks: Sequence[str]) -> Table:
    arms = condition["arms"]
    rows = []
    for task in tasks:
        shares = [_average(arm["gradient"].get(task, [0.0])) for arm in arms.values()]
        tokens = [_average(arm["tokens"].get(task, [0.0])) for arm in arms.values()]
        cells = (Cell(percent(s), f"of {percent(t)}") for s, t in zip(shares, tokens, strict=True))
        rows.append((Cell(task.replace("_", " ")), *cells))
    note = (
        "Share of the gradient in percent: of the sum of tokens times |advantage| over all answers trained on, which "
        "is what the token-mean loss weighs them by; under it the task's share of those tokens. Means over steps and "
        "seeds."
    )
    return Table("", ("Task", *map(name_of, arms)), tuple(rows), note)


def _average(values: Sequence[float | None]) -> float:
    known = [v for v in values if v is not None]
    return sum(known) / len(known) if known else 0.0
