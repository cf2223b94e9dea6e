"""The page of `onethinker bench algorithms`: the paper's Table 9 on a small model, made of `study.json` alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from onethinker.report.curves import smooth
from onethinker.report.figures import legend, panel
from onethinker.report.tables import NOTHING, Cell, Table, duration, to_html
from onethinker.studies.pages.arms import OURS, curve, known, name_of
from onethinker.studies.pages.figures import Arm, dots
from onethinker.studies.pages.influence import evenness, influence
from onethinker.studies.pages.page import (
    ARMS,
    FACTOR,
    MEASURES,
    SURE,
    Study,
    counted,
    escape,
    figure,
    fold,
    interval,
    left_out_words,
    panels,
    section,
    whole,
    write,
)
from onethinker.studies.pages.tests import (
    difference,
    divisor_tests,
    kinds_apart,
    paired_tests,
    pairs_of,
    short,
    visible,
)

START, MEAN = "sft", "Mean"
FEW = "Two or three seeds that happen to differ tell little: their intervals are wide, and their p stays large."
CURVE = 7
"""Points that a learning curve is averaged over."""

PAPER = {
    "SFT": (67.0, 31.8, 87.8, 27.1, 48.1, 62.8),
    "GRPO": (67.2, 46.9, 86.5, 34.5, 65.5, 62.3),
    "Dr.GRPO": (67.6, 46.3, 88.2, 34.0, 67.8, 61.2),
    "EMA-GRPO": (69.8, 49.7, 89.2, 38.1, 73.0, 64.2),
}
"""OneThinker, arXiv 2512.03043, Table 9: an 8B model, the averages of the paper's benchmarks in each group."""


def page(study: Study) -> str:
    """The whole page."""
    conditions = study["conditions"]
    first = next(iter(conditions.values()))
    arms = max(len(c["arms"]) for c in conditions.values())
    tiles = [
        (str(arms), "algorithms from one checkpoint"),
        (str(_seeds(first)), "seeds each, the same for all"),
        (f"{study['settings']['rollouts']:,}", "rollouts a run, the same for all"),
        (f"{first['questions']:,}", "held-out questions"),
    ]
    parts = [_compared(study), *(_condition(study, name) for name in conditions)]
    return whole(study, "Which advantage estimator?", verdict(first), tiles, parts)


def verdict(condition: Mapping[str, Any]) -> str:
    """What the numbers say of EMA-GRPO, or of the best arm where it was not run, without a kind word."""
    return " ".join(_said(condition, measured) for measured in MEASURES)


def _said(condition: Mapping[str, Any], measured: str) -> str:
    table = {arm: row[MEAN]["value"] for arm, row in condition["tables"][measured].items() if arm != START}
    order = sorted(table, key=lambda arm: -table[arm])
    what = "In greedy answers" if measured == "headline" else "In the mean reward of sampled answers"
    ours = OURS if OURS in table else order[0]
    tests = pairs_of(condition, measured, ours)
    better = [t["other"] for t in tests if t["holm"] < SURE and t["value"] > 0]
    worse = [t["other"] for t in tests if t["holm"] < SURE and t["value"] < 0]
    even = [t["other"] for t in tests if t["holm"] >= SURE]
    place = f"number {order.index(ours) + 1} of {len(order)}"
    found = [f"{what} {name_of(ours)} is {place}" + (f" behind {name_of(order[0])}" if order[0] != ours else "")]
    found += [f"better than {_list(better)}"] if better else []
    found += [f"worse than {_list(worse)}"] if worse else []
    if even:
        all_others = len(even) > 2 and len(even) == len(order) - 1
        found.append(f"not told apart from {'any other' if all_others else _list(even)}")
        if least := visible(tests, measured):
            found.append(f"where {least} would have to lie between two to be told apart at once")
    gain = condition["gains"][measured][ours]["difference"]
    moved = f"{write(measured, gain['value'], True)} {interval(gain, measured, True)}".strip()
    said = f"{', '.join(found)} (at Holm-corrected p < {SURE:g}); it moved by {moved} from the start."
    kinds = [kinds_apart(t, measured) for t in condition["divisors"][measured] if max(t["holm"], t["own"]) < SURE]
    return f"{said} What arms divide by does tell them apart: {'; '.join(kinds)}." if kinds else said


def _list(arms: Sequence[str]) -> str:
    *most, last = [name_of(arm) for arm in arms]
    return f"{', '.join(most)} and {last}" if most else last


# ---- sections ---------------------------------------------------------------------------------------------------


def _compared(study: Study) -> str:
    """When does it win: our arm against the others in every condition; nothing where there is one condition only."""
    conditions = study["conditions"]
    if len(conditions) < 2:
        return ""
    others = ("grpo", "dr_grpo")
    rows = []
    for condition in conditions.values():
        for measured in MEASURES:
            tests = {t["other"]: t for t in pairs_of(condition, measured, OURS)}
            if tests:
                closest = min(tests.values(), key=lambda t: t["value"])
                cells = [difference(tests.get(o), measured) for o in others]
                best = difference(closest, measured, name_of(closest["other"]))
                title = Cell(condition["title"], counted(_seeds(condition), "seed"))
                rows.append((title, short(condition, measured), *cells, best))
    columns = ("Condition", "Measured by", *(f"− {name_of(o)}" for o in others), "− the best other")
    note = (
        "EMA-GRPO minus the other in the mean over tasks, with 95% intervals; bold where Holm-corrected p < 0.05. "
        "Rewards of two profiles do not compare. " + FEW
    )
    lead = "The same comparison under other settings: what has to change for the order to change."
    return section("When does EMA-GRPO win?", lead, to_html(Table("", columns, tuple(rows), note, labels=2)))


def _seeds(condition: Mapping[str, Any]) -> int:
    """Of every arm of the condition."""
    return len(next(iter(condition["arms"].values()))["seconds"])


def _condition(study: Study, name: str) -> str:
    condition = study["conditions"][name]
    classes = {arm: f"arm-{i % ARMS}" for i, arm in enumerate([OURS, *(a for a in condition["arms"] if a != OURS)])}
    parts: list[str] = []
    for measured in MEASURES:
        parts += [
            f"<h3>{escape(MEASURES[measured])}</h3>",
            _dots(condition, measured, classes),
            _table(study, condition, measured),
        ]
    parts.append(fold("Task by task", *(to_html(_task_table(condition, measured)) for measured in MEASURES)))
    if name == "base":
        parts.append(fold("The paper's own Table 9 (8B, its benchmarks)", to_html(_paper_table(study))))
    parts += [
        "<h3>Paired tests</h3>",
        paired_tests(condition),
        divisor_tests(condition),
        "<h3>Learning curves</h3>",
        _curves(condition, classes),
    ]
    parts += [
        "<h3>Whose gradient is it?</h3>",
        influence(condition, classes),
        "<h3>Does evenness pay?</h3>",
        evenness(condition, classes),
        "<h3>Cost</h3>",
        to_html(_cost(condition)),
    ]
    return section(f"Condition: {name}", _lead(condition), *parts)


def _lead(condition: Mapping[str, Any]) -> str:
    """The setting in words, and what is not shown of it."""
    seeds = _seeds(condition)
    title = f"{condition['title'][0].upper()}{condition['title'][1:]}"
    said = f"{title}: {condition['questions']:,} questions, {counted(seeds, 'seed')}"
    fewer = [f"{name_of(arm)} ({n} of {seeds})" for arm, n in condition["uneven"].items() if n < seeds]
    more = [f"{name_of(arm)} ({n})" for arm, n in condition["uneven"].items() if n > seeds]
    said += f". Not shown until they have as many seeds: {', '.join(fewer)}" if fewer else ""
    said += f". Of more seeds the first {seeds} are shown: {', '.join(more)}." if more else "."
    return said + left_out_words(condition["left_out"])


def _dots(condition: Mapping[str, Any], measured: str, classes: Mapping[str, str]) -> str:
    table = condition["tables"][measured]
    order = sorted(condition["arms"], key=lambda arm: -table[arm][MEAN]["value"])
    arms = [Arm(name_of(a), classes[a], table[a][MEAN], table[a][MEAN]["seeds"]) for a in order]
    words = (
        "The mean over tasks: a dot a seed, the stroke their mean, the bar its 95% interval over seeds and questions. "
        "Intervals of single arms overlap more than their paired differences do; the tests below are paired."
    )
    return figure(dots(arms, table[START][MEAN], FACTOR[measured], MEASURES[measured]), words)


def _table(study: Study, condition: Mapping[str, Any], measured: str) -> str:
    table = condition["tables"][measured]
    columns = [g for g in study["groups"] if g in table[START]] + [MEAN]
    order = [START, *sorted(condition["arms"], key=lambda arm: -table[arm][MEAN]["value"])]
    best = {c: max(table[a][c]["value"] for a in order) for c in columns}
    rows = []
    for arm in order:
        cells = [
            Cell(
                write(measured, table[arm][c]["value"]),
                interval(table[arm][c], measured),
                table[arm][c]["value"] == best[c],
            )
            for c in columns
        ]
        rows.append((Cell(name_of(arm)), *cells, *_gain_and_spread(condition, measured, arm)))
    note = (
        "95% intervals over seeds and questions together. A group is the plain mean of its tasks, Mean that "
        "of all tasks. Gain: over the start, paired. Spread: the best seed's mean minus the worst one's. What differs "
        "is the advantage alone: all arms share one loss, the token mean, Dr.GRPO too."
    )
    return to_html(Table(MEASURES[measured], ("Algorithm", *columns, "Gain", "Spread"), tuple(rows), note))


def _task_table(condition: Mapping[str, Any], measured: str) -> Table:
    table = condition["by_task"][measured]
    rows = []
    for task in table[START]:
        best = max(row[task] for row in table.values())
        cells = (Cell(write(measured, row[task]), strong=row[task] == best) for row in table.values())
        rows.append((Cell(task.replace("_", " ")), *cells))
    return Table(
        MEASURES[measured], ("Task", *map(name_of, table)), tuple(rows), f"{MEASURES[measured]}: means over seeds."
    )


def _gain_and_spread(condition: Mapping[str, Any], measured: str, arm: str) -> tuple[Cell, Cell]:
    if arm == START:
        return Cell(NOTHING), Cell(NOTHING)
    gain = condition["gains"][measured][arm]["difference"]
    spread = max(gain["seeds"]) - min(gain["seeds"])
    shown = write(measured, spread) if len(gain["seeds"]) > 1 else NOTHING
    return Cell(write(measured, gain["value"], True), interval(gain, measured, True)), Cell(shown)


def _paper_table(study: Study) -> Table:
    rows = tuple((Cell(arm), *(Cell(f"{v:.1f}") for v in values)) for arm, values in PAPER.items())
    note = "OneThinker, arXiv 2512.03043, Table 9. Other questions and another model: only the order compares."
    return Table("", ("", *study["groups"]), rows, note)


def _curves(condition: Mapping[str, Any], classes: Mapping[str, str]) -> str:
    steps, arms = condition["steps"], condition["arms"]
    groups = next(iter(arms.values()))["curves"]
    drawn = [
        panel(
            group,
            [
                curve(arm, classes, steps, smooth(known(arms[arm]["curves"][group]), CURVE))
                for arm in arms
                if group in arms[arm]["curves"]
            ],
            named=False,
        )
        for group in [MEAN, *(g for g in groups if g != MEAN)]
    ]
    key = legend([curve(arm, classes, steps, []) for arm in arms])
    words = (
        "Mean reward of all answers sampled in training, over seeds, each task counting the same, against the step; "
        f"each point is the mean of up to {CURVE} around it, since other prompts are asked at every step."
    )
    return figure(key + panels(drawn), words)


def _cost(condition: Mapping[str, Any]) -> Table:
    rows = []
    for arm, found in condition["arms"].items():
        asked, trained = sum(found["asked_groups"]), sum(found["trained_groups"])
        mean = sum(found["seconds"]) / len(found["seconds"])
        spread = f"{duration(min(found['seconds']))} – {duration(max(found['seconds']))}"
        updates = sum(found["updates"]) / len(found["updates"])
        rows.append(
            (Cell(name_of(arm)), Cell(duration(mean), spread), Cell(f"{updates:,.1f}"), Cell(f"{trained / asked:.1%}"))
        )
    note = (
        "Training only, wall time, mean over seeds with the least and the most; whatever else the machine did is in it."
    )
    return Table("", ("Algorithm", "Time a run", "Updates a run", "Groups that train"), tuple(rows), note)
