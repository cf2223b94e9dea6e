"""`onethinker eval`: a model on a file of samples or on benchmarks by name, and two evaluations compared."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from onethinker.cli.options import (
    As,
    Attention,
    DataOption,
    Device,
    Dtype,
    Embedding,
    EngineOption,
    JudgeKind,
    JudgeModel,
    JudgeUrl,
    Knowledge,
    Limit,
    MediaRoot,
    Out,
    Prompts,
    Ray,
    Set,
    Tools,
)

if TYPE_CHECKING:
    from onethinker.evaluate.named import EvalTarget
    from onethinker.recipes.base import DataConfig
    from onethinker.scoring.judge import Judge

_EXPECTED = "give one MODEL and either --data DATA or --suite NAMES (`eval --list` shows them)"
_WIDE = 1000
"""Columns of a table where there is no terminal: paths stay whole."""
_FULL = 150
"""Columns from which the list of benchmarks shows all it has."""


def eval_(
    model: Annotated[
        list[str] | None, typer.Argument(help="MODEL (shipped name, folder, hub id, http://…/v1) | compare A B")
    ] = None,
    data: DataOption = "",
    suite: Annotated[str, typer.Option(help="Benchmarks: names, families or `all`, parted by commas.")] = "",
    list_: Annotated[bool, typer.Option("--list", help="What of the benchmarks is on this disk, what is not.")] = False,
    data_root: Annotated[
        Path, typer.Option(envvar="ONETHINKER_DATA", help="Where the benchmarks lie, as --list expects them.")
    ] = Path("data"),
    media_root: MediaRoot = "",
    out: Out = None,
    limit: Limit = None,
    tools: Tools = "",
    knowledge: Knowledge = "",
    embedding: Embedding = "",
    engine: EngineOption = "",
    as_: As = "",
    prompts: Prompts = "",
    device: Device = "",
    dtype: Dtype = "",
    attention: Attention = "",
    segmenter: Annotated[str, typer.Option(help="Points to masks: grabcut, sam2[:checkpoint], none.")] = "grabcut",
    judge: JudgeUrl = "",
    judge_kind: JudgeKind = "chat",
    judge_model: JudgeModel = "",
    intersect: Annotated[bool, typer.Option("--intersect", help="compare: questions that both have.")] = False,
    ray: Ray = "",
    set_: Set = None,
) -> None:
    """Greedy answers to every question of --data or of the benchmarks of --suite, scored, with intervals.

    Asks only what is missing. `onethinker eval --list` shows the benchmarks, what of them is on this disk and the paths
    where the others are expected. With --suite each goes into OUT/<benchmark>; those that need a --judge refuse to run
    without one (its key is read from OPENAI_API_KEY). `onethinker eval compare A B` gives the paired differences B − A
    of two such folders and the questions that flipped. A benchmark whose data cannot be read is named, the others run,
    and the exit code is 1.
    """
    if list_:
        return _print_list(suite or "all", data_root)
    words = model or []
    if words[:1] == ["compare"]:
        return _compare(words[1:], intersect)
    if len(words) != 1:
        raise typer.BadParameter(_EXPECTED)
    from onethinker.evaluate.named import EvalTarget, plain
    from onethinker.models.shipped import find_model
    from onethinker.recipes.answering import flag_overrides, tool_overrides
    from onethinker.util.interrupt import kept
    from onethinker.util.runs import check_writable

    flags = {"data": data, "media_root": media_root, "limit": limit, "prompts": prompts, "device": device,
             "dtype": dtype, "attention": attention}  # fmt: skip
    called = tool_overrides(tools, knowledge, embedding)
    target = EvalTarget(
        words[0], segmenter, [*flag_overrides(flags), *called, *(set_ or [])], engine, like=as_, ray=ray
    )
    given = target.recipe().data
    _check_given(given, suite)
    folder = out or Path("runs/eval") / (plain(words[0]) if suite else f"{plain(words[0])}--{plain(given.evaluate)}")
    check_writable(folder)
    target.judge = _judge(judge, folder / "judge.sqlite", judge_kind, judge_model)
    target.model = find_model(words[0], engine)
    with kept(lambda: "interrupted before the next answer; the same command asks what is missing"):
        _run(target, folder, given.evaluate, suite, data_root)


def _check_given(data: DataConfig, suite: str) -> None:
    """Raises BadParameter unless there are either data or benchmarks, and a media root only for data."""
    if bool(data.evaluate) == bool(suite):
        raise typer.BadParameter(_EXPECTED)
    if suite and data.media_root:
        raise typer.BadParameter("--media-root goes with --data; a benchmark's media lie where --list expects them")


def _run(target: EvalTarget, folder: Path, data: str, suite: str, data_root: Path) -> None:
    """Ask, print what came of it; exit code 1 where nothing was answered or something could not be read."""
    from onethinker.evaluate.named import evaluate_data
    from onethinker.evaluate.suite import run_suite
    from onethinker.report.terminal import print_evaluation

    unreadable: dict[str, str] = {}
    if suite:
        done = run_suite(target, suite, folder, data_root)
        _print_suite(done, folder)
        silent = [entry["name"] for entry in done["benchmarks"] if not entry["n"]]
        unreadable = done["unreadable"]
    else:
        print_evaluation(evaluate_data(target, folder))
        silent = [] if json.loads((folder / "summary.json").read_text())["n"] else [data]
    if silent:
        print(f"not one question was answered: {', '.join(silent)}; the same command asks again", file=sys.stderr)
    for name, problem in unreadable.items():
        print(f"cannot be read: {name}: {problem}", file=sys.stderr)
    if silent or unreadable:
        raise typer.Exit(1)


def _compare(folders: list[str], intersect: bool) -> None:
    if len(folders) != 2:
        raise typer.BadParameter("eval compare takes two folders that `onethinker eval` wrote")
    from onethinker.report.terminal import print_comparison
    from onethinker.scoring.compare import compare

    print_comparison(compare(Path(folders[0]), Path(folders[1]), intersect=intersect))


def _judge(url: str, cache: Path, kind: str, model: str) -> Judge | None:
    from onethinker.scoring.judge import JudgeError, make_judge

    if url:
        return make_judge(url, cache, kind=kind, model=model)
    if model:
        raise JudgeError("--judge-model says how to ask a judge; name one with --judge")
    return None


def _print_list(names: str, root: Path) -> None:
    """✓ for a benchmark whose first questions open, ! with the reason for one that is there and does not open, – for
    one that is not there."""
    from rich.markup import escape
    from rich.table import Table

    from onethinker.evaluate.benchmarks import BENCHMARKS, FAMILIES, choose
    from onethinker.evaluate.suite import Opened

    wide = _console().width >= _FULL
    table = Table("", "benchmark", box=None)
    for column in ("split", "questions", "metric", "judge") if wide else ("judge",):
        table.add_column(column, justify="right" if column == "questions" else "left")
    table.add_column("where it is, or is expected", overflow="fold")
    family, opened = "", Opened(root)
    for name in choose(names):
        benchmark = BENCHMARKS[name]
        found, problem = opened.look(benchmark)
        if benchmark.family != family:
            family = benchmark.family
            between = [""] * (len(table.columns) - 3)
            table.add_row("", f"[bold]{family}[/bold]", *between, f"[bold]{FAMILIES[benchmark.family]}[/bold]")
        at = problem or str(found.path(root)) if found.place else found.expected("\nor ")
        mark = ("[yellow]![/yellow]" if problem else "[green]✓[/green]") if found.place else "[red]–[/red]"
        size, judged = f"{benchmark.size:,}" if benchmark.size else "–", "needed" if benchmark.judge else ""
        row = (name, benchmark.split, size, benchmark.metric, judged, at) if wide else (name, judged, at)
        table.add_row(mark, *map(escape, row))
    _console().print(table)


def _print_suite(suite: dict[str, Any], folder: Path) -> None:
    """A line for each benchmark: its number with interval, and the paper's."""
    from rich.markup import escape
    from rich.table import Table

    from onethinker.evaluate.benchmarks import BASE, OURS
    from onethinker.report.terminal import faults

    table = Table("benchmark", "metric", box=None)
    for column in ("n", "of", "errors", "value", "95 % interval", BASE, OURS):
        table.add_column(column, justify="right")
    for entry in suite["benchmarks"]:
        interval = f"{_percent(entry['low'])} … {_percent(entry['high'])}"
        counts = (str(entry["n"]), str(entry["size"] or "–"), str(entry["errors"]))
        paper = (_percent(entry["published"].get(model)) for model in (BASE, OURS))
        table.add_row(entry["name"], escape(entry["metric"]), *counts, _percent(entry["value"]), interval, *paper)
    _console().print(table)
    print(f"metric profile: {', '.join(sorted({entry['metric_profile'] for entry in suite['benchmarks']}))}")
    for entry in suite["benchmarks"]:
        for line in faults(folder / entry["name"]):
            print(f"{entry['name']}: {line}")
    for name, reason in suite["skipped"].items():
        print(f"not run: {name}: {reason}")
    print(f"results: {folder}")


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:.1f}"


def _console() -> Any:
    from rich.console import Console

    return Console(width=None if sys.stdout.isatty() else _WIDE)
