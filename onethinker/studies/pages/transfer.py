"""The page of `onethinker bench transfer`: what training on one task does for every other one, as maps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from onethinker.report.tables import NOTHING, Cell, Number, Table, to_html
from onethinker.studies.pages.figures import apart, heat
from onethinker.studies.pages.page import (
    FACTOR,
    MEASURES,
    SURE,
    Study,
    escape,
    figure,
    fold,
    interval,
    left_out_words,
    section,
    whole,
    write,
)
from onethinker.studies.pages.tests import visible

MEAN = "mean"
Map = Mapping[str, Mapping[str, Number]]

CAPTIONS = {
    "leave_one_out": "RL on all tasks minus RL on all but the row's, for the column's task: what the row gave. Blue: "
    "training on the row helped; orange: its share of the rollouts was worth more elsewhere.",
    "add_one_in": "RL on the row's task alone minus the start, for the column's task. Framed: the task itself.",
    "specific": "RL on the row's task alone minus the mean of RL on each third task alone, for the column's task: what "
    "just this task gives. The start is not in it, whose luck a whole column of the other maps shares. How far seeds "
    "differ is pooled over a column, as if every row had luck of the same size.",
    "modality": "RL on the row's tasks alone minus the start, over the column's questions.",
}
TITLES = {
    "leave_one_out": "Leave one task out",
    "add_one_in": "Add one task in",
    "specific": "Beyond what any task gives",
    "modality": "Pictures and clips",
}
NOTE = " Numbers are {unit}, bold where the 95% interval leaves out 0; hover for the interval."


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
    for measured, what in (("reward", "the sampled reward"), ("headline", "the greedy metric")):
        found = study["maps"][measured]["specific"]
        pairs = {(s, t): n for s, targets in found.items() for t, n in targets.items() if t != MEAN}
        if pairs:
            up = sum(apart(n) and n["value"] > 0 for n in pairs.values())
            down = sum(apart(n) and n["value"] < 0 for n in pairs.values())
            least = visible(pairs.values(), measured)
            sure = [f"{_title(s)} → {_title(t)}" for (s, t), n in pairs.items() if n["holm"] < SURE]
            said.append(
                f"Of {len(pairs)} pairs of different tasks {what} of one gains more from the other than from third "
                f"tasks in {up} and less in {down}, each with an interval that leaves out 0{_by_chance(study, pairs)}; "
                f"corrected for their number (Holm) "
                f"{len(sure) or 'none'} remain{'s' if len(sure) == 1 else ''}{': ' if sure else ''}{', '.join(sure)}"
                f"{f'; {least} would make one sure at once' if least else ''}."
            )
    told = " ".join(said) or "Two tasks: whether one gives the other more than a third would cannot be told."
    return told + left_out_words(max(study["maps"][measured]["left_out"] for measured in MEASURES))


def _by_chance(study: Study, pairs: Mapping[Any, Any]) -> str:
    """Intervals of one seed know nothing of another run's luck, so that chance gives more than they say."""
    times = f"{0.025 * len(pairs):.0f} times either way"
    return f", which chance gives {times if study['settings']['seeds'] > 1 else f'more than {times}'}"


def _section(study: Study, name: str) -> str:
    parts = []
    for measured, title in MEASURES.items():
        if study["maps"][measured][name]:
            parts += [f"<h3>{escape(title)}</h3>", _map(study, measured, name)]
    fine = fold("Every number with its interval", *(_table(study, measured, name) for measured in MEASURES))
    return section(TITLES[name], "Source in rows, target in columns.", *parts, fine)


def _map(study: Study, measured: str, name: str) -> str:
    found: Map = study["maps"][measured][name]
    rows, columns = {row: _title(row) for row in found}, _columns(study, found)
    numbers = {(row, column): number for row, targets in found.items() for column, number in targets.items()}
    drawn = heat(rows, columns, numbers, FACTOR[measured], label=TITLES[name])
    unit = "percentage points" if measured == "headline" else "reward"
    return figure(drawn, CAPTIONS[name] + NOTE.format(unit=unit), "heat")


def _columns(study: Study, found: Map) -> dict[str, str]:
    """The targets, the tasks in their order; a task may be missing in its own row."""
    targets = dict.fromkeys(target for row in found.values() for target in row)
    tasks = [task for task in study["tasks"] if task in targets]
    return {column: _title(column) for column in dict.fromkeys([*tasks, *targets])}


def _title(name: str) -> str:
    known = {"mean": "mean", "image": "pictures", "video": "clips"}
    return known.get(name, name.replace("_", " "))


def _table(study: Study, measured: str, name: str) -> str:
    found: Map = study["maps"][measured][name]
    columns = _columns(study, found)
    rows = tuple(
        (Cell(_title(row)), *(_cell(targets.get(c), measured) for c in columns)) for row, targets in found.items()
    )
    return to_html(Table("", (MEASURES[measured], *columns.values()), rows))


def _cell(number: Number | None, measured: str) -> Cell:
    if number is None:
        return Cell(NOTHING)
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
