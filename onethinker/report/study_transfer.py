"""The page of `onethinker bench transfer`: what training on one task does for every other one, as maps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from onethinker.report.study_figures import apart, heat
from onethinker.report.study_page import FACTOR, MEASURES, Study, escape, figure, fold, interval, section, whole, write
from onethinker.report.tables import Cell, Number, Table, to_html

MEAN = "mean"
Map = Mapping[str, Mapping[str, Number]]

CAPTIONS = {
    "leave_one_out": "RL on all tasks minus RL on all but the row's, for the column's task: what the row gave. Blue: "
    "training on the row helped; orange: its share of the rollouts was worth more elsewhere.",
    "add_one_in": "RL on the row's task alone minus the start, for the column's task. Framed: the task itself.",
    "modality": "RL on the row's tasks alone minus the start, over the column's questions.",
}
TITLES = {
    "leave_one_out": "Leave one task out",
    "add_one_in": "Add one task in",
    "modality": "Pictures and clips",
}
NOTE = " Numbers are {unit}, bold where the 95% interval over seeds and questions leaves out 0; hover for the interval."


def page(study: Study) -> str:
    """The whole page."""
    tiles = [
        (str(len(study["tasks"])), "tasks, each trained alone and each left out"),
        (str(study["settings"]["seeds"]), "seed each" if study["settings"]["seeds"] == 1 else "seeds each"),
        (f"{study['settings']['rollouts']:,}", "rollouts a run, the same for all"),
        (f"{study['questions']:,}", "held-out questions"),
    ]
    parts = [_section(study, name) for name in TITLES]
    return whole(study, "What does a task teach the others?", _found(study), tiles, [*parts, _all(study)])


def _found(study: Study) -> str:
    """How many of the pairs of different tasks are sure, in plain numbers."""
    said = []
    for name in ("add_one_in", "leave_one_out"):
        maps = study["maps"]["reward"][name]
        pairs = [n for row, targets in maps.items() for column, n in targets.items() if column not in (row, MEAN)]
        up = sum(apart(n) and n["value"] > 0 for n in pairs)
        down = sum(apart(n) and n["value"] < 0 for n in pairs)
        chance = 0.025 * len(pairs)
        said.append(
            f"{TITLES[name]}: of {len(pairs)} pairs of different tasks the sampled reward gains in {up} and loses in "
            f"{down} with an interval that leaves out 0, where chance alone gives about {chance:.0f} of each."
        )
    return " ".join(said)


def _section(study: Study, name: str) -> str:
    parts = []
    for measured, title in MEASURES.items():
        if study["maps"][measured][name]:
            parts += [f"<h3>{escape(title)}</h3>", _map(study, measured, name)]
    fine = fold("Every number with its interval", *(_table(study, measured, name) for measured in MEASURES))
    return section(TITLES[name], "Source in rows, target in columns.", *parts, fine)


def _map(study: Study, measured: str, name: str) -> str:
    found: Map = study["maps"][measured][name]
    rows, columns = {row: _title(row) for row in found}, _columns(found)
    numbers = {(row, column): number for row, targets in found.items() for column, number in targets.items()}
    drawn = heat(rows, columns, numbers, FACTOR[measured], label=TITLES[name])
    unit = "percentage points" if measured == "headline" else "reward"
    return figure(drawn, CAPTIONS[name] + NOTE.format(unit=unit), "heat")


def _columns(found: Map) -> dict[str, str]:
    return {column: _title(column) for column in next(iter(found.values()), {})}


def _title(name: str) -> str:
    known = {"mean": "mean", "image": "pictures", "video": "clips"}
    return known.get(name, name.replace("_", " "))


def _table(study: Study, measured: str, name: str) -> str:
    found: Map = study["maps"][measured][name]
    columns = _columns(found)
    rows = tuple((Cell(_title(row)), *(_cell(targets[c], measured) for c in columns)) for row, targets in found.items())
    return to_html(Table("", (MEASURES[measured], *columns.values()), rows))


def _cell(number: Number, measured: str) -> Cell:
    return Cell(write(measured, number["value"], True), interval(number, measured, True), apart(number))


def _all(study: Study) -> str:
    """Where all runs begin, and what RL on all tasks does."""
    rows: list[tuple[Cell, ...]] = []
    for measured in MEASURES:
        maps: dict[str, Any] = study["maps"][measured]
        for task, start in maps["start"].items():
            numbers = (Cell(write(measured, start["value"])), _cell(maps["all"][task], measured))
            rows.append((Cell(_title(task)), Cell(MEASURES[measured]), *numbers))
    table = Table("", ("Task", "Measured by", "Start", "RL on all tasks"), tuple(rows), labels=2)
    return section("All tasks together", "The start, and what RL on all tasks adds to it.", to_html(table))
