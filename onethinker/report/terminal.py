"""Results on a terminal."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from onethinker.report import suite, tables
from onethinker.report.read import read_evaluation, read_run
from onethinker.report.suite import Suite
from onethinker.util.terminal import printable


def print_run(folder: Path) -> None:
    """Benchmarks, and every evaluation of a run side by side: greedy headline metrics, then mean sampled reward."""
    run, console = read_run(folder), Console()
    if run.suite:
        found = Suite.of(run.suite)
        print_table(console, suite.results_table(found))
        for table in suite.reading_tables(found):
            print_table(console, tables.without_zeros(table))
    if run.evaluations:
        print_table(console, tables.headline_table(run.evaluations))
        sampled = tables.sampled_table(run.evaluations)
        if sampled:
            print_table(console, sampled)


def print_evaluation(folder: Path) -> None:
    """One evaluation: every metric, and how its answers read."""
    evaluation = read_evaluation(folder)
    console = Console()
    print_table(console, tables.metrics_table([evaluation]))
    print_table(console, tables.without_zeros(tables.reading_by_task_table(evaluation)))
    for line in faults(folder):
        console.print(line, highlight=False, markup=False)
    console.print(f"results: {folder}", highlight=False)


def faults(folder: Path) -> list[str]:
    """How many answers of an evaluation are errors and how many rows of its data were left out, and what the first one
    says; nothing where there are none."""
    evaluation = read_evaluation(folder)
    errors = [row["error"] for row in evaluation.rows() if row["status"] == "error"]
    lines = [f"errors: {len(errors)}, the first: {errors[0]}"] if errors else []
    return [printable(line) for line in (*lines, *evaluation.left_out)]


def print_table(console: Console, table: tables.Table) -> None:
    """The table, without its intervals where the terminal is too narrow for them; below it, as wide as the terminal,
    its note."""
    whole = tables.to_rich(table)
    wide = console.measure(whole, options=console.options.update(width=10_000)).maximum
    fits = wide <= console.width
    console.print(whole if fits else tables.to_rich(table, details=False))
    hidden = not fits and tables.INTERVALS in table.note
    if note := table.note + (f" A terminal of {wide} columns shows the intervals." if hidden else ""):
        console.print(Text(printable(note), style="dim italic"), end="\n\n")


def print_comparison(comparison: dict[str, Any], flips: int = 20) -> None:
    """Paired differences of two evaluations, and the first questions that flipped."""
    console = Console()
    table = Table("task", title=f"B − A (metric profile: {comparison['metric_profile']})", box=None)
    for column in ("n", "A", "B", "B − A", "95 % interval"):
        table.add_column(column, justify="right")
    for entry in comparison["tasks"].values():
        headline = entry["metrics"][entry["headline"]]
        sides = [tables.percent(headline[side]["value"]) for side in "ab"]
        table.add_row(
            f"{entry['title']} ({entry['headline']})", str(entry["n"]), *sides, *_difference(headline["difference"])
        )
    table.add_row("mean", str(comparison["n"]), "", "", *_difference(comparison["mean"]))
    console.print(table)
    if sampled := comparison["sampled"]:
        a, b, gain = (sampled[name] for name in ("a", "b", "difference"))
        value, low, high = (tables.decimals(gain[name], 4, signed=True) for name in ("value", "low", "high"))
        console.print(
            f"mean reward of sampled answers ({sampled['reward_profile']}, mean over tasks): {a['value']:.3f} → "
            f"{b['value']:.3f}, B − A {value} [{low}, {high}]",
            highlight=False,
            markup=False,
        )
    for side in "ab":
        model, folder = comparison[side]["model"], comparison[side]["folder"]
        console.print(printable(f"{side.upper()}: {model} ({folder})"), highlight=False, markup=False)
    for note in comparison["notes"]:
        console.print(printable(note), markup=False)
    for name in ("gained", "lost"):
        ids = [f"{task}/{flip['id']}" for task, entry in comparison["tasks"].items() for flip in entry[name]]
        shown = printable(" ".join(ids[:flips]))
        console.print(f"{name}: {tables.counted(len(ids), 'question')} {shown}", highlight=False, markup=False)
    console.print(f"{tables.counted(comparison['errors'], 'question')} left out for errors")


def _difference(number: dict[str, Any]) -> tuple[str, str]:
    low, high = (tables.percent(number[end], True) for end in ("low", "high"))
    return tables.percent(number["value"], True), f"{low} … {high}"
