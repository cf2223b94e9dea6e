"""The command line: thin verbs over the library. Heavy libraries load inside the verb that needs them."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from onethinker.cli.ask import ask
from onethinker.cli.bench import bench_app
from onethinker.cli.corpus import data_app
from onethinker.cli.ending import Verbs, run_verb
from onethinker.cli.evaluate import eval_
from onethinker.cli.export import export_app
from onethinker.cli.options import (
    Attention,
    Device,
    Dtype,
    Fresh,
    Limit,
    MediaRoot,
    ModelOption,
    Out,
    Ray,
    Set,
)
from onethinker.cli.recipe import recipe_app
from onethinker.cli.score import rollouts, score
from onethinker.cli.serve import serve
from onethinker.cli.watch import watch
from onethinker.util.interrupt import kept
from onethinker.util.plugins import load_plugins, plugin_first

if TYPE_CHECKING:
    from onethinker.recipes import Recipe
    from onethinker.sample.stream import TrainingSet

Workers = Annotated[int, typer.Option(help="With --ray: processes that train, each on a GPU where there are.", min=1)]

TrainingData = Annotated[
    str,
    typer.Option(
        help="A file or folder of samples (JSONL, Parquet, published JSON, TSV), or what is read as it is needed: a "
        "folder of Parquet or tar shards, s3://…, hf://datasets/…."
    ),
]

app = typer.Typer(
    help="Train, measure and use one model that thinks over images and videos.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    rich_markup_mode="rich",
    cls=Verbs,
)


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        print(f"onethinker {version('onethinker')}")
        raise typer.Exit


@app.callback()
def every_verb(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and end.")
    ] = False,
    threads: Annotated[
        int | None,
        typer.Option(envvar="ONETHINKER_THREADS", min=1, help="CPU threads of the model; by its size unless given."),
    ] = None,
    plugin: Annotated[
        list[Path] | None,
        typer.Option(help="A Python file with a task, algorithm or reward of your own; repeat it. After a verb too."),
    ] = None,
) -> None:
    """Train, measure and use one model that thinks over images and videos."""
    load_plugins(plugin or [])
    if threads:
        os.environ["ONETHINKER_THREADS"] = str(threads)


def main() -> None:
    """Entry point: a failure that a user can mend is one line, not a traceback, and so is Ctrl-C."""
    run_verb(lambda: app(plugin_first(sys.argv[1:])))


@app.command()
def demo(
    out: Annotated[Path, typer.Option(help="The run's folder.")] = Path("runs/demo"),
    controls: Annotated[bool, typer.Option("--controls", help="Also RL with lr 0, and more SFT.")] = False,
    quick: Annotated[bool, typer.Option("--quick", help="A few steps of everything, to see that it runs.")] = False,
) -> None:
    """The whole system in minutes: SFT on a corpus whose annotator is off, EMA-GRPO that mends it, what it changed.

    Ctrl-C at any time; the same command goes on where it stopped.
    """
    from onethinker.util.runs import check_writable

    check_writable(out)
    from onethinker.studies.demo import run_demo

    with kept(_going_on):
        run_demo(out, controls=controls, quick=quick)


@app.command()
def tasks() -> None:
    """The tasks, the form of their answers and their metrics."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from onethinker.tasks import TASKS

    table = Table(box=None, header_style="bold")
    for column in ("task", "takes", "answer", "metrics (headline first)"):
        table.add_column(column)
    for task in TASKS.values():
        metrics = ", ".join(task.metric_names())
        table.add_row(task.name, ", ".join(task.modalities), escape(task.example), metrics)
    Console().print(table)


@app.command()
def sft(
    recipe: Annotated[str, typer.Argument(help="A shipped recipe or a YAML file.")] = "mini",
    model: ModelOption = "",
    data: TrainingData = "",
    media_root: MediaRoot = "",
    out: Out = None,
    limit: Limit = None,
    device: Device = "",
    dtype: Dtype = "",
    attention: Attention = "",
    set_: Set = None,
    fresh: Fresh = False,
    ray: Ray = "",
    workers: Workers = 1,
) -> None:
    """Supervised fine-tuning on worked answers (`response`), the cold start. Resumes a run of the same config."""
    _check_workers(workers, ray)
    with kept(_not_begun):
        made, samples, folder = _training(
            "sft", recipe, model, data, media_root, limit, device, dtype, attention, set_, out
        )
        if ray:
            from onethinker.scale.ray import train_on_ray

            return print(train_on_ray("sft", made, folder, address=ray, workers=workers, fresh=fresh))
        from onethinker.train.sft import run_sft

        _say_once(run_sft(made, samples, folder, fresh=fresh))


@app.command()
def rl(
    recipe: Annotated[str, typer.Argument(help="A shipped recipe or a YAML file.")] = "mini",
    model: ModelOption = "",
    data: TrainingData = "",
    media_root: MediaRoot = "",
    out: Out = None,
    limit: Limit = None,
    device: Device = "",
    dtype: Dtype = "",
    attention: Attention = "",
    set_: Set = None,
    fresh: Fresh = False,
    ray: Ray = "",
    workers: Workers = 1,
) -> None:
    """Reinforcement learning on scored answers (EMA-GRPO unless the recipe says otherwise). Resumes."""
    _check_workers(workers, ray)
    with kept(_not_begun):
        made, samples, folder = _training(
            "rl", recipe, model, data, media_root, limit, device, dtype, attention, set_, out
        )
        if ray:
            from onethinker.scale.ray import train_on_ray

            return print(train_on_ray("rl", made, folder, address=ray, workers=workers, fresh=fresh))
        from onethinker.train.rl import run_rl

        _say_once(run_rl(made, samples, folder, fresh=fresh))


def _check_workers(workers: int, ray: str) -> None:
    """Raises RecipeError for a number that nothing would follow."""
    if workers > 1 and not ray:
        from onethinker.recipes import RecipeError

        raise RecipeError(
            f"--workers {workers} is of --ray ADDRESS, such as --ray local; without Ray: torchrun --nproc-per-node "
            f"{workers} -m onethinker …"
        )


def _say_once(made: Path) -> None:
    """Print what was made, in the leading one of the processes that torchrun may have started."""
    if os.environ.get("RANK", "0") == "0":
        print(made)


def _not_begun() -> str:
    return "interrupted before a step was made; nothing new is kept, the same command starts again"


def _training(
    kind: str,
    recipe: str,
    model: str,
    data: str,
    media_root: str,
    limit: int | None,
    device: str,
    dtype: str,
    attention: str,
    assignments: list[str] | None,
    out: Path | None,
) -> tuple[Recipe, TrainingSet, Path]:
    """The recipe with the flags applied, its samples and the run's folder, checked as far as can be without torch."""
    from onethinker.data.doubts import say_heavy, tell
    from onethinker.models.shipped import find_model, known_model
    from onethinker.recipes import RecipeError, load_recipe
    from onethinker.recipes.answering import FLAGS, flag_overrides
    from onethinker.sample.stream import HEAD
    from onethinker.tasks.prompts import load_prompts
    from onethinker.train.advantage import make
    from onethinker.util.runs import check_writable

    start = model and find_model(model)
    flags = {"model": start, "data": data, "media_root": media_root, "limit": limit, "device": device,
             "dtype": dtype, "attention": attention}  # fmt: skip
    given = flag_overrides(flags, FLAGS | {"model": "model.base", "data": "data.train"})
    made = load_recipe(recipe, [*given, *(assignments or [])])
    if not made.data.train:
        raise RecipeError("no training data: give --data DIR (make some with `onethinker data world --out DIR`)")
    folder = out or Path(f"runs/{made.name}-{kind}")
    check_writable(folder)
    known_model(made.model.base)
    load_prompts(made.prompts)
    if kind == "rl":
        make(made.rl.algorithm, **made.rl.algorithm_options)
    samples = _samples_of(made)
    if os.environ.get("RANK", "0") == "0":
        tell(samples.head(HEAD))
        say_heavy(samples)
    return made, samples, folder


def _samples_of(recipe: Recipe) -> TrainingSet:
    """What the recipe trains on."""
    from onethinker.sample.stream import open_training

    of = recipe.data
    return open_training(of.train, of.media_root, of.buffer, of.limit, of.difficulty)


def _going_on() -> str:
    return "interrupted; the same command goes on from here"


app.command("eval")(eval_)


@app.command()
def report(
    run: Annotated[Path, typer.Argument(help="A run's folder.")],
    watch: Annotated[bool, typer.Option("--watch", help="Keep the page up to date while the run goes on.")] = False,
    every: Annotated[float, typer.Option(help="With --watch: seconds between looks.", min=1.0)] = 10.0,
) -> None:
    """Write RUN/report.html: curves, tables with intervals, answers drawn on their media; report.md, .tex and .json.

    RUN may also be an evaluation's folder, that of a suite of benchmarks, or one of several models' suites.
    """
    from onethinker.report.live import follow_report
    from onethinker.report.page import write_report
    from onethinker.report.terminal import print_run

    if watch:
        print(f"watching {run}: open {run / 'report.html'}, Ctrl-C ends", file=sys.stderr, flush=True)
    page = follow_report(run, every=every) if watch else write_report(run)
    print_run(run)
    print(page)


@app.command()
def plan(
    recipe: Annotated[str, typer.Argument(help="A shipped recipe or a YAML file.")],
    gpus: Annotated[int, typer.Option(help="How many.", min=1)] = 1,
    gpu: Annotated[str, typer.Option(help="Which: h100, h800, h200 or a100, by its data sheet.")] = "h100",
    memory: Annotated[float | None, typer.Option(help="GB of each, where it differs.")] = None,
    tflops: Annotated[
        float | None, typer.Option(help="TFLOP/s of each at its best in bfloat16, where it differs.")
    ] = None,
    utilisation: Annotated[float, typer.Option(help="Assumed share of it that training reaches.")] = 0.35,
    price: Annotated[float | None, typer.Option(help="Dollars of one for an hour, where they differ.")] = None,
    answer_tokens: Annotated[int, typer.Option(help="Assumed tokens of a typical answer.", min=1)] = 512,
    clip_seconds: Annotated[float, typer.Option(help="Assumed length of a typical clip.", min=0.1)] = 30.0,
    samples: Annotated[
        int | None,
        typer.Option(help="Of SFT's data, whose sft.epochs are counted; data.train's unless given.", min=1),
    ] = None,
    rl_samples: Annotated[
        int | None, typer.Option(help="Of RL's data, gone through once in the table of clusters.", min=1)
    ] = None,
    set_: Set = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object: bytes, seconds, FLOPs.")] = False,
) -> None:
    """What a recipe needs: parameters, memory by part, time and money, here and on 8, 32 and 256 GPUs; what slows it.

    Counted from the model's shapes, built on the meta device. Exit status 1 if it does not fit.
    """
    from onethinker.plan.machine import Typical, make_rate
    from onethinker.recipes import RecipeError, load_recipe

    try:
        rate = make_rate(gpu, tflops, utilisation, memory, price)
        typical = Typical(clip_seconds, answer_tokens=answer_tokens)
    except ValueError as error:
        raise RecipeError(str(error)) from error
    made = load_recipe(recipe, set_)
    if samples is None and made.data.train and made.sft.steps is None:
        samples = len(_samples_of(made))
    if as_json:
        import json

        from onethinker.plan.cluster import record

        told = record(made, gpus, rate, typical, samples, rl_samples)
        print(json.dumps(told))
        raise typer.Exit(0 if told["fits"] else 1)
    from onethinker.plan.show import print_plan

    raise typer.Exit(0 if print_plan(made, gpus, rate, typical, samples, rl_samples) else 1)


app.add_typer(bench_app, name="bench")
app.add_typer(data_app, name="data")
app.add_typer(export_app, name="export")
app.add_typer(recipe_app, name="recipe")
app.command()(ask)
app.command()(watch)
app.command()(score)
app.command()(rollouts)
app.command()(serve)
