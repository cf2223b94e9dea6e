"""`onethinker bench …`: whole studies, of which the same command resumes and a second process takes a share."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

from onethinker.cli.options import with_ray

bench_app = typer.Typer(
    help="Studies at laptop scale: one report each, resumable, shared by all processes that see the folder.",
    no_args_is_help=True,
)

Model = Annotated[str, typer.Option(help="The SFT checkpoint to start from: a shipped name or a folder.")]
Quick = Annotated[bool, typer.Option("--quick", help="Few steps and questions, to see that it runs.")]
Seeds = Annotated[int | None, typer.Option(help="Runs of each kind; 5, transfer 2, fewer with --quick.", min=1)]
Out = Annotated[Path | None, typer.Option(help="The study's folder; runs/bench-NAME unless given.")]
Set = Annotated[list[str] | None, typer.Option("--set", help="Override a recipe's key: --set rl.steps=50")]
Known = Annotated[
    Path | None, typer.Option(help="A study.json of the same study from elsewhere, whose runs are taken over.")
]
Ray = Annotated[
    str,
    typer.Option(
        "--ray",
        metavar="ADDRESS",
        callback=with_ray,
        help="Hand the runs to Ray: `local` starts it on this machine, `auto` or ray://HOST:PORT joins a cluster, "
        "whose nodes must all see this working folder and --out.",
    ),
]

QUICK_SEEDS = 2


@bench_app.command()
def algorithms(
    model: Model = "mini-sft",
    quick: Quick = False,
    seeds: Seeds = None,
    out: Out = None,
    algorithm: Annotated[list[str] | None, typer.Option(help="Only this one; repeat it. Every one otherwise.")] = None,
    condition: Annotated[
        list[str] | None,
        typer.Option(help="base, easy, hard, sparse, three_tasks, one_task or unfiltered; repeat it."),
    ] = None,
    ray: Ray = "",
    set_: Set = None,
) -> None:
    """Every algorithm from one checkpoint, compared seed by seed with intervals and corrected p values.

    Run it again in the same --out with more seeds, algorithms or conditions, and the study grows.
    """
    from onethinker.studies.algorithms import bench_algorithms

    page = bench_algorithms(
        _folder(out, "algorithms", quick), model, seeds=seeds or (QUICK_SEEDS if quick else 5), quick=quick,
        algorithms=algorithm or (), conditions=condition or ("base",), assignments=set_ or (), command=_command(),
        ray=ray,
    )  # fmt: skip
    print(page)


@bench_app.command()
def biased(
    model: Model = "mini-sft",
    quick: Quick = False,
    seeds: Seeds = None,
    out: Out = None,
    algorithm: Annotated[
        list[str] | None,
        typer.Option(help="Only this one; repeat it. Seven otherwise; ema_grpo_within, _short and _even are more."),
    ] = None,
    known: Known = None,
    ray: Ray = "",
    set_: Set = None,
) -> None:
    """What an annotator that is systematically off teaches, and which algorithm mends it how fast."""
    from onethinker.studies.biased import bench_biased

    page = bench_biased(
        _folder(out, "biased", quick), model, seeds=seeds or (QUICK_SEEDS if quick else 5), quick=quick,
        algorithms=algorithm or (), assignments=set_ or (), command=_command(), known=known, ray=ray,
    )  # fmt: skip
    print(page)


@bench_app.command()
def tools(
    model: Model = "mini-sft",
    quick: Quick = False,
    seeds: Seeds = None,
    out: Out = None,
    needs: Annotated[
        str, typer.Option(help="Kinds of questions and tools, by commas: some of zoom, look, search.")
    ] = "zoom,look,search",
    known: Known = None,
    ray: Ray = "",
    set_: Set = None,
) -> None:
    """Questions that need a closer look, another look or a look-up: with tools and without, as much seen by both."""
    from onethinker.studies.tools import bench_tools

    page = bench_tools(
        _folder(out, "tools", quick), model, needs=needs.split(","), seeds=seeds or (QUICK_SEEDS if quick else 5),
        quick=quick, assignments=set_ or (), command=_command(), known=known, ray=ray,
    )  # fmt: skip
    print(page)


@bench_app.command()
def transfer(
    model: Model = "mini-sft",
    quick: Quick = False,
    seeds: Seeds = None,
    out: Out = None,
    task: Annotated[list[str] | None, typer.Option(help="Only this one; repeat it. All otherwise.")] = None,
    ray: Ray = "",
    set_: Set = None,
) -> None:
    """What each task gives to every other one, alone and left out: maps and contrasts."""
    from onethinker.studies.transfer import bench_transfer

    page = bench_transfer(
        _folder(out, "transfer", quick), model, seeds=seeds or (1 if quick else 2), quick=quick,
        tasks=task or (), assignments=set_ or (), command=_command(),
        ray=ray,
    )  # fmt: skip
    print(page)


@bench_app.command()
def zeroshot(
    model: Model = "mini-sft",
    quick: Quick = False,
    seeds: Seeds = None,
    out: Out = None,
    untrained: Annotated[str, typer.Option(help="What SFT began with.")] = "mini",
    ray: Ray = "",
    set_: Set = None,
) -> None:
    """Question types that no training data has: before SFT, after SFT, after RL."""
    from onethinker.studies.zeroshot import bench_zeroshot

    page = bench_zeroshot(
        _folder(out, "zeroshot", quick), model, seeds=seeds or (QUICK_SEEDS if quick else 5), quick=quick,
        untrained=untrained, assignments=set_ or (), command=_command(),
        ray=ray,
    )  # fmt: skip
    print(page)


def _folder(out: Path | None, name: str, quick: bool) -> Path:
    return out or Path("runs") / f"bench-{name}{'-quick' if quick else ''}"


def _command() -> str:
    """What was typed."""
    return shlex.join(["onethinker", *sys.argv[1:]])
