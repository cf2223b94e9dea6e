"""The tables of a report, built once and written as terminal text, Markdown and LaTeX; the page has a template."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from rich import box
from rich.table import Table as RichTable
from rich.text import Text

from onethinker.report.gains import Gain, stage_gains
from onethinker.report.read import Evaluation
from onethinker.util.terminal import counted, printable

STATUSES = {"ok": "OK", "no_answer": "No answer", "malformed": "Malformed", "truncated": "Cut off", "error": "Error"}
UNREAD = ("no_answer", "malformed", "truncated")
"""Statuses of an answer that is not one."""
NOTHING = "–"

INTERVALS = (
    "95% intervals over n questions: Wilson's where every answer is right or wrong or the value is at an end of its "
    "scale, the bootstrap's elsewhere."
)
GAINS = (
    "Gains are over the stage before, paired over the same questions; an arrow, and its colour, only where the "
    "interval of the difference leaves out 0."
)

Number = Mapping[str, float | None]
"""{value, low, high} as summaries hold it."""


class Tile(NamedTuple):
    """One of the few numbers to see first. before: empty where there is one number only. words: what it is."""

    before: str
    after: str
    words: str


@dataclass(frozen=True, slots=True)
class Cell:
    """detail: shown small beside the text, such as an interval. strong: the best of its row. tone: of a change, `up` or
    `down` where its interval leaves out 0, `even` where it does not."""

    text: str
    detail: str = ""
    strong: bool = False
    tone: str = ""


@dataclass(frozen=True)
class Table:
    """The first `labels` columns are words, the others numbers. The last `totals` rows stand below a rule."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    note: str = ""
    labels: int = 1
    totals: int = 0

    def bodies(self) -> list[tuple[tuple[Cell, ...], ...]]:
        """The rows above the rule and those below it, each where there are any."""
        split = len(self.rows) - self.totals
        return [rows for rows in (self.rows[:split], self.rows[split:]) if rows]


# ---- cells ------------------------------------------------------------------------------------------------------


def percent(value: float | None, signed: bool = False) -> str:
    """A share as a percentage with one decimal."""
    return NOTHING if value is None else decimals(100 * value, 1, signed)


def plain(value: float | None, signed: bool = False) -> str:
    return NOTHING if value is None else decimals(value, 3, signed)


def decimals(value: float, digits: int, signed: bool = False) -> str:
    """With a minus for a hyphen, and a plus where it is signed."""
    return f"{value:{'+' if signed else ''}.{digits}f}".replace("-", "−")


def _interval(number: Number, write: Callable[..., str], signed: bool = False) -> str:
    low, high = number.get("low"), number.get("high")
    return "" if low is None or high is None else f"[{write(low, signed)}, {write(high, signed)}]"


def number_cells(numbers: Sequence[Number | None], write: Callable[..., str]) -> list[Cell]:
    """One cell a number, the greatest strong where they differ."""
    values = [number["value"] if number else None for number in numbers]
    best = max((v for v in values if v is not None), default=None)
    several = len({value for value in values if value is not None}) > 1
    return [
        Cell(write(value), _interval(number, write) if number else "", several and value is not None and value == best)
        for value, number in zip(values, numbers)
    ]


def gain_cell(number: Number | None, write: Callable[..., str]) -> Cell:
    """A change: an arrow before it where its interval leaves out 0."""
    value, low, high = (number.get(key) if number else None for key in ("value", "low", "high"))
    if number is None or value is None:
        return Cell(NOTHING)
    tone = "even" if low is None or high is None or low <= 0 <= high else "up" if low > 0 else "down"
    return Cell(_ARROWS[tone] + write(value, signed=True), _interval(number, write, signed=True), tone=tone)


def _unpaired(before: Number | None, after: Number | None) -> Number | None:
    """The bare difference, of which no interval is known, where answers cannot be paired."""
    ends = [number["value"] if number else None for number in (before, after)]
    return None if ends[0] is None or ends[1] is None else {"value": ends[1] - ends[0]}


_ARROWS = {"up": "▲ ", "down": "▼ ", "even": ""}


def task_titles(evaluations: Sequence[Evaluation]) -> dict[str, str]:
    """The tasks of all evaluations, in the order in which they come, with their titles."""
    return {task: str(entry["title"]) for e in evaluations for task, entry in e.tasks.items()}


# ---- tables -----------------------------------------------------------------------------------------------------


def headline_table(evaluations: Sequence[Evaluation], gains: Sequence[Gain] | None = None) -> Table:
    """Each task's headline metric, greedy, in every evaluation, and its gain over the stage before. gains: those, where
    they are known already."""
    profiles = ", ".join(sorted({str(e.summary["metric_profile"]) for e in evaluations}))
    return _task_table(
        "Greedy answers",
        evaluations,
        pick=lambda e, task: e.tasks[task]["metrics"].get(e.tasks[task]["headline"]) if task in e.tasks else None,
        mean="headline",
        write=percent,
        note=f"Headline metric of each task in percent (metric profile: {profiles}). {INTERVALS} Errors are left out "
        "and counted below.",
        change=Gain.headline,
        gains=gains,
        about=lambda e, task: (str(e.tasks[task]["headline"] or NOTHING), e.tasks[task]["n"]),
    )


def sampled_table(evaluations: Sequence[Evaluation], gains: Sequence[Gain] | None = None) -> Table | None:
    """Each task's mean reward of sampled answers, None where nothing was sampled. gains: as of `headline_table`."""
    some = [e for e in evaluations if any(entry["sampled"] for entry in e.tasks.values())]
    if not some:
        return None
    profiles = ", ".join(sorted({str(e.summary["reward_profile"]) for e in some}))
    temperatures = ", ".join(sorted({f"{e.summary['config']['temperature']:g}" for e in some}))
    answers = ", ".join(sorted({str(e.summary["config"]["sampled"]) for e in some}))
    return _task_table(
        "Sampled answers",
        some,
        pick=lambda e, task: (e.tasks.get(task, {}).get("sampled") or {}).get("reward"),
        mean="sampled_reward",
        write=plain,
        note=f"Mean reward (profile: {profiles}) of {counted(answers, 'answer')} a question at temperature "
        f"{temperatures}. {INTERVALS}",
        change=Gain.sampled,
        gains=gains,
        about=lambda e, task: ("reward", (e.tasks[task]["sampled"] or {}).get("questions", 0)),
    )


def _task_table(
    title: str,
    evaluations: Sequence[Evaluation],
    *,
    pick: Callable[[Evaluation, str], Number | None],
    mean: str,
    write: Callable[..., str],
    note: str,
    about: Callable[[Evaluation, str], tuple[str, int]],
    change: Callable[[Gain, str | None], Number | None],
    gains: Sequence[Gain] | None,
) -> Table:
    """A row a task and the mean over tasks; after each evaluation but the first its gain over the one before, the
    controls last."""
    ordered = sorted(evaluations, key=lambda e: e.is_control)
    known = {gain.after: gain for gain in (stage_gains(ordered) if gains is None else gains)}

    def cells(numbers: Sequence[Number | None], task: str | None = None) -> list[Cell]:
        written: list[Cell] = []
        before: Number | None = None
        for e, number, cell in zip(ordered, numbers, number_cells(numbers, write), strict=True):
            written.append(cell)
            if not e.is_control and e.label in known:
                written.append(gain_cell(change(known[e.label], task) or _unpaired(before, number), write))
            before = number
        return written

    rows = []
    for task, name in task_titles(ordered).items():
        told = [about(e, task) for e in ordered if task in e.tasks]
        numbers = cells([pick(e, task) for e in ordered], task)
        rows.append((Cell(name), Cell(told[0][0]), Cell(span([n for _, n in told])), *numbers))
    total = Cell(span([sum(about(e, task)[1] for task in e.tasks) for e in ordered]))
    rows.append((Cell("Mean over tasks"), Cell(""), total, *cells([e.summary["mean"].get(mean) for e in ordered])))
    columns = ["Task", "Metric", "n"]
    for e in ordered:
        columns += [e.label, *([known[e.label].label] if not e.is_control and e.label in known else [])]
    if known:
        note += " " + GAINS
    return Table(title, tuple(columns), tuple(rows), note, labels=2, totals=1)


def span(counts: Sequence[int]) -> str:
    """`12`, or `10–12` where they differ."""
    low, high = min(counts), max(counts)
    return f"{low:,}" if low == high else f"{low:,}–{high:,}"


def reading_table(evaluations: Sequence[Evaluation]) -> Table:
    """How the answers of every evaluation read, and what they cost."""
    rows = [reading_row(e.label, list(e.tasks.values())) for e in evaluations]
    return Table("How answers read", ("Evaluation", *READING), tuple(rows), READING_NOTE)


def reading_by_task_table(evaluation: Evaluation) -> Table:
    """The same for every task of one evaluation."""
    rows = [reading_row(str(entry["title"]), [entry]) for entry in evaluation.tasks.values()]
    total = reading_row("All tasks", list(evaluation.tasks.values()))
    return Table(f"How answers read: {evaluation.label}", ("Task", *READING), (*rows, total), READING_NOTE, totals=1)


READING = ("Questions", *STATUSES.values(), "Missing", "At limit", "Lenient", "Tokens", "Seconds")
READING_NOTE = (
    "Greedy answers. Errors and missing answers are left out of every average. Cut off: no answer before the length "
    "limit; at limit: all that ran into it. Lenient: answers that a forgiving reader would take otherwise, and the "
    "headline metric that would give, in percent. Tokens and seconds are means an answer."
)


def reading_row(name: str, entries: Sequence[Mapping[str, Any]]) -> tuple[Cell, ...]:
    """A row under `READING`, of a summary's entries of tasks together."""
    scored = [entry for entry in entries if entry["n"]]
    values = [entry["lenient"]["value"] for entry in scored if entry["lenient"]["value"] is not None]
    needed = sum(entry["lenient"]["needed"] for entry in scored)
    lenient = Cell(f"{needed:,}", f"→ {percent(sum(values) / len(values))}" if needed and values else "")
    counts = [sum(entry["status"].get(status, 0) for entry in entries) for status in STATUSES]
    numbers = [sum(entry["questions"] for entry in entries), *counts]
    numbers += [sum(entry[key] for entry in entries) for key in ("missing", "truncated")]
    costs = [_weighted(scored, "tokens", "{:,.0f}"), _weighted(scored, "seconds", "{:,.2f}")]
    return (Cell(name), *(Cell(f"{n:,}") for n in numbers), lenient, *costs)


def _weighted(entries: Sequence[Mapping[str, Any]], key: str, form: str) -> Cell:
    known = [entry for entry in entries if entry[key] is not None]
    total = sum(entry["n"] for entry in known)
    return Cell(form.format(sum(e[key] * e["n"] for e in known) / total) if total else NOTHING)


def metrics_table(evaluations: Sequence[Evaluation]) -> Table:
    """Every metric of every task, and the values by the published run's formulas where they are others."""
    rows = []
    others = [e for e in evaluations if any(map(_measured_otherwise, e.tasks.values()))]
    for task, title in task_titles(evaluations).items():
        entries = [e.tasks.get(task, {}).get("metrics", {}) for e in evaluations]
        for i, name in enumerate(dict.fromkeys(name for metrics in entries for name in metrics)):
            cells = number_cells([metrics.get(name) for metrics in entries], percent)
            cells += [Cell(percent(e.tasks.get(task, {}).get("released", {}).get(name))) for e in others]
            rows.append((Cell(title if not i else ""), Cell(name), *cells))
    profiles = ", ".join(sorted({str(e.summary["metric_profile"]) for e in evaluations}))
    note = f"All metrics of greedy answers in percent (metric profile: {profiles})."
    if others:
        note += " (released): by the published run's formulas, for a comparison with its numbers."
    labels = [*(e.label for e in evaluations), *(f"{e.label} (released)" for e in others)]
    return Table("All metrics", ("Task", "Metric", *labels), tuple(rows), note, labels=2)


def _measured_otherwise(entry: Mapping[str, Any]) -> bool:
    """Whether a metric of a task has another value by the published run's formulas."""
    metrics = entry.get("metrics", {})
    return any(metrics[name]["value"] != value for name, value in entry.get("released", {}).items() if name in metrics)


def stage_table(stages: Sequence[Mapping[str, Any]]) -> Table:
    """Time and memory of a run's stages; one that was resumed adds up. stages: rows of {stage, seconds, peak_mb}."""
    seconds: dict[str, float] = {}
    peaks: dict[str, float] = {}
    for row in stages:
        seconds[row["stage"]] = seconds.get(row["stage"], 0.0) + row["seconds"]
        peaks[row["stage"]] = max(peaks.get(row["stage"], 0.0), row["peak_mb"])
    rows = [(Cell(name), Cell(duration(seconds[name])), Cell(f"{peaks[name]:,.0f}")) for name in seconds]
    total = (Cell("All"), Cell(duration(sum(seconds.values()))), Cell(f"{max(peaks.values(), default=0):,.0f}"))
    note = "Wall time of every stage, and the most memory that the process had held by its end."
    return Table("Time and memory", ("Stage", "Time", "Peak memory (MB)"), (*rows, total), note, totals=1)


def duration(seconds: float) -> str:
    """`45 s`, `12.5 min`, `3.2 h`."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.1f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


# ---- written forms ----------------------------------------------------------------------------------------------


def without_zeros(table: Table) -> Table:
    """The table without the number columns that are 0 throughout, for narrow places."""
    kept = [i for i in range(len(table.columns)) if i < table.labels or any(row[i].text != "0" for row in table.rows)]
    left_out = [column for i, column in enumerate(table.columns) if i not in kept]
    note = f"{table.note} All 0 and not shown: {', '.join(left_out)}." if left_out else table.note
    rows = tuple(tuple(row[i] for i in kept) for row in table.rows)
    return replace(table, columns=tuple(table.columns[i] for i in kept), rows=rows, note=note)


def to_rich(table: Table, details: bool = True) -> RichTable:
    """For a terminal, without the note. details: with what stands small beside the numbers, such as intervals."""
    title = Text(printable(table.title))
    written = RichTable(title=title, box=box.SIMPLE_HEAD, padding=0)
    for i, column in enumerate(table.columns):
        number = i >= table.labels
        words = re.sub(r" (?!−)", "\n", column, count=1 if details else 0) if number else column
        written.add_column(Text(printable(words)), justify="right" if number else "left", no_wrap=number or i == 0)
    for rows in table.bodies():
        for row in rows:
            written.add_row(*(_rich_cell(cell, details) for cell in row))
        written.add_section()
    return written


def _rich_cell(cell: Cell, details: bool) -> Text:
    """Names come from files: nothing in them reaches the terminal as a command."""
    after = _after(cell) if details else ""
    return Text.assemble((printable(cell.text), "bold" if cell.strong else ""), (printable(after), "dim"))


def _after(cell: Cell) -> str:
    return f" {cell.detail}" if cell.detail else ""


def to_markdown(table: Table) -> str:
    """A pipe table under its title."""

    def write(cell: Cell) -> str:
        text = cell.text.replace("|", "\\|")
        return (f"**{text}**" if cell.strong else text) + _after(cell).replace("|", "\\|")

    head = [f"**{table.title}**", "", "| " + " | ".join(table.columns) + " |"]
    head.append("|" + "|".join(":--" if i < table.labels else "--:" for i in range(len(table.columns))) + "|")
    body = ["| " + " | ".join(write(cell) for cell in row) + " |" for row in table.rows]
    return "\n".join([*head, *body, *(["", table.note] if table.note else [])]) + "\n"


_LATEX = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "–": "--",
    "−": "$-$",
    "→": r"$\to$",
}
_LATEX |= {char: "\\" + char for char in "&%$#_{}"}


def latex_escape(text: str) -> str:
    return "".join(_LATEX.get(char, char) for char in text)


def to_latex(table: Table) -> str:
    """A `booktabs` table."""

    def write(cell: Cell) -> str:
        text = latex_escape(cell.text)
        small = f" {{\\scriptsize {latex_escape(cell.detail)}}}" if cell.detail else ""
        return (f"\\textbf{{{text}}}" if cell.strong else text) + small

    form = "l" * table.labels + "r" * (len(table.columns) - table.labels)
    lines = [r"\begin{table}[t]", r"\centering", rf"\begin{{tabular}}{{{form}}}", r"\toprule"]
    lines.append(" & ".join(map(latex_escape, table.columns)) + r" \\")
    for rows in table.bodies():
        lines += [r"\midrule", *(" & ".join(write(cell) for cell in row) + r" \\" for row in rows)]
    caption = latex_escape(f"{table.title}. {table.note}".strip())
    lines += [r"\bottomrule", r"\end{tabular}", rf"\caption{{{caption}}}", r"\end{table}"]
    return "\n".join(lines) + "\n"
