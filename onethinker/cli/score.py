"""`onethinker score` and `onethinker rollouts`: saved answers, scored again and looked at."""

from __future__ import annotations

import math
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from onethinker.cli.options import JudgeKind, JudgeModel, JudgeUrl, Ray
from onethinker.util.terminal import counted

if TYPE_CHECKING:
    from onethinker.scoring.totals import MetricTotals


def score(
    source: Annotated[
        Path,
        typer.Argument(
            metavar="IN.jsonl",
            help="Samples with `response`, a line each or a JSON list, or an evaluation to score again.",
        ),
    ],
    out: Annotated[Path, typer.Option(help="Where to write, one line for each; moved here in whole at the end.")],
    profile: Annotated[str, typer.Option(help="Of the rewards: released, paper or hardened.")] = "released",
    metrics: Annotated[bool, typer.Option("--metrics", help="Print what the scores add up to.")] = False,
    workers: Annotated[int, typer.Option(help="Processes; 0 takes what file and machine ask for.", min=0)] = 0,
    judge: JudgeUrl = "",
    judge_kind: JudgeKind = "chat",
    judge_model: JudgeModel = "",
    judge_group: Annotated[bool, typer.Option("--judge-group", help="Grades relative to those of one id.")] = False,
    ray: Ray = "",
) -> None:
    """Score saved responses without a model. Exit status 1 if a line could not be scored.

    A judge's grades are kept in OUT.judge.sqlite; its key is read from OPENAI_API_KEY.
    """
    from onethinker.scoring.judge import JudgeError, make_judge
    from onethinker.scoring.results import RESULTS
    from onethinker.scoring.saved import ScoreError, score_file
    from onethinker.tasks.base import REWARDS

    if profile not in REWARDS:
        raise typer.BadParameter(f"{profile!r}; expected one of {', '.join(REWARDS)}", param_hint="--profile")
    if source.is_dir() and not (source / RESULTS).is_file():
        raise ScoreError(f"{source}: no {RESULTS} in this folder; expected a file of lines, or an evaluation's folder")
    source = source / RESULTS if source.is_dir() else source
    asked = None
    if judge:
        cache = out.with_name(f"{out.name}.judge.sqlite")
        asked = make_judge(judge, cache, kind=judge_kind, model=judge_model)
    elif judge_group or judge_model:
        raise JudgeError("--judge-group and --judge-model say how to ask a judge; name one with --judge")
    totals = score_file(
        source,
        out,
        profile=profile,
        workers=workers,
        judge=asked,
        in_group=judge_group,
        report=_report(source),
        ray=ray,
    )
    if metrics:
        _print_metrics(totals, profile)
    if asked:
        print(
            f"judge: {counted(asked.asked, 'grade')} asked, {asked.hits} remembered, {asked.failed} failed",
            file=sys.stderr,
        )
    print(f"{counted(totals.total, 'line')}, {counted(totals.errors, 'error')} → {out}", file=sys.stderr)
    raise typer.Exit(1 if totals.errors else 0)


_SHOWN = 20
"""Errors named one by one; the rest stand in the output, each at its line."""


class _report:
    """Tell of lines in error, of the first ones."""

    def __init__(self, source: Path) -> None:
        self.source, self.told = source, 0

    def __call__(self, line: int, message: str) -> None:
        from onethinker.util.terminal import printable

        self.told += 1
        if self.told <= _SHOWN:
            print(f"{self.source}, line {line}: {printable(message)}", file=sys.stderr)
        elif self.told == _SHOWN + 1:
            print("more errors follow; each stands in the output at its line", file=sys.stderr)


def _print_metrics(totals: MetricTotals, profile: str) -> None:
    from rich.console import Console
    from rich.table import Table

    from onethinker.sample.answer import Status

    counts = Table("task", "n", *(s.value for s in Status), "accuracy", f"reward ({profile})", "lenient reading needed",
                   box=None, header_style="bold")  # fmt: skip
    table = Table("task", "metric", "official", "released", "official, read leniently", box=None, header_style="bold")
    for task, found in totals.summary().items():
        lenient = found["lenient"]
        status = (str(found["status"][s.value]) for s in Status)
        counts.add_row(
            task, str(found["n"]), *status, _show(found["accuracy"]), _show(found["reward"]), str(lenient["needed"])
        )
        for place, (name, values) in enumerate(found["metrics"].items()):
            read = _show(lenient["value"]) if place == 0 else ""
            table.add_row(task if place == 0 else "", name, _show(values["official"]), _show(values["released"]), read)
    console = Console(width=None if sys.stdout.isatty() else 160)
    console.print(counts)
    console.print()
    console.print(table)


def _show(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:.4f}"


def rollouts(
    run: Annotated[Path, typer.Argument(help="The folder of a run of `onethinker rl`.")],
    task: Annotated[str | None, typer.Option(help="Only this task.")] = None,
    status: Annotated[str | None, typer.Option(help="Only ok, no_answer, malformed, truncated or error.")] = None,
    min_reward: Annotated[float | None, typer.Option(help="Only rewards of at least this.")] = None,
    max_reward: Annotated[float | None, typer.Option(help="Only rewards of at most this.")] = None,
    step: Annotated[int | None, typer.Option(help="Only this step.", min=1)] = None,
    limit: Annotated[int | None, typer.Option(help="At most this many.", min=1)] = None,
) -> None:
    """Page through the answers of a training run, with their rewards and advantages."""
    from itertools import chain, islice

    from onethinker.report.rollouts import Wanted, describe, print_through_pager, read_rollouts
    from onethinker.sample.answer import Status
    from onethinker.tasks import get_task

    if task is not None:
        get_task(task)
    if status is not None and status not in tuple(Status):
        raise typer.BadParameter(f"{status!r}; expected one of {', '.join(Status)}", param_hint="--status")
    found = read_rollouts(run, Wanted(task, status, min_reward, max_reward, step))
    rows = islice(found, limit)
    first = next(rows, None)
    if first is None:
        given = {
            "--task": task,
            "--status": status,
            "--min-reward": min_reward,
            "--max-reward": max_reward,
            "--step": step,
        }
        asked = " ".join(f"{flag} {value}" for flag, value in given.items() if value is not None)
        print(f"{run}: no answer matches {asked}" if asked else f"{run}: no answers yet", file=sys.stderr)
        raise typer.Exit(1)
    print_through_pager(describe(row) for row in chain([first], rows))
