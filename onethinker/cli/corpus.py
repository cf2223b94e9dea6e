"""`onethinker data build …`: the verbs that make a corpus of many data sets and work on it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from onethinker.cli.data import data_app
from onethinker.cli.options import As, Attention, Device, Dtype, EngineOption, Limit, MediaRoot, Prompts, Ray, Set

__all__ = ["data_app"]

Workers = Annotated[
    int,
    typer.Option(help="Processes; 0 for the machine's cores, 1 for none besides this one. --ray has its own.", min=0),
]

# ---- build


@data_app.command()
def build(
    recipe: Annotated[str, typer.Argument(help="onethinker_600k, or a YAML file (docs/corpus.md has its keys).")],
    out: Annotated[Path, typer.Option(help="Folder of the corpus.")],
    data_root: Annotated[
        Path, typer.Option(envvar="ONETHINKER_DATA", help="Folder that holds the data sets, each in its own folder.")
    ] = Path("data"),
    media: Annotated[
        str, typer.Option(help="link: a second name for each below the corpus; stay: paths relative to --data-root.")
    ] = "link",
    fresh: Annotated[bool, typer.Option("--fresh", help="Build in a folder beside an existing one.")] = False,
    workers: Workers = 0,
    ray: Ray = "",
    set_: Set = None,
) -> None:
    """Build a corpus of the data sets on disk: read, mix, write shards, card and page. Sources that are not there are
    named, the rest is built. A build that was killed goes on by the same command."""
    from onethinker.corpus.build import build as write
    from onethinker.corpus.recipe import load_corpus_recipe

    if media not in ("link", "stay"):
        raise typer.BadParameter(f"{media!r}; expected link or stay", param_hint="--media")
    chosen = load_corpus_recipe(recipe, set_)
    made = write(chosen, data_root, out, media=media, fresh=fresh, workers=workers, ray=ray)  # type: ignore[arg-type]
    for line in made.shortfalls:
        print(f"short: {line}")
    print(f"{made.samples:,} samples of {sum(s.taken > 0 for s in made.sources)} sources → {made.folder}")


# ---- clean, decontaminate

Corpus = Annotated[Path, typer.Argument(help="A corpus folder, or other data that `--data` takes.")]
Beside = Annotated[Path, typer.Option(help="Folder of the copy; the corpus itself is never changed.")]
Thresholds = Annotated[list[str] | None, typer.Option("--set", help="Change a threshold: --set near.bits=10")]


@data_app.command()
def clean(
    corpus: Corpus,
    out: Beside,
    media_root: MediaRoot = "",
    workers: Workers = 0,
    ray: Ray = "",
    set_: Thresholds = None,
) -> None:
    """Leave out duplicates, near duplicates, broken media and faulty truths: a copy, and a page of what went and why.

    Of samples that ask the same of the same picture, re-encoded, resized, cropped, letter-boxed or watermarked, one
    stays; another question about it is kept. docs/cleaning.md has the thresholds and what they find and miss. A run
    that was stopped goes on by the same command.
    """
    from onethinker.corpus.clean import CleanConfig
    from onethinker.corpus.clean import clean as write

    found = write(
        corpus, out, _thresholds(CleanConfig(), set_), media_root=media_root or None, workers=workers, ray=ray
    )
    for reason, count in found.reasons().items():
        print(f"{count:8,}  {reason}")
    print(f"{found.kept:,} of {found.samples:,} samples stay → {out}, page {out / 'report/clean.html'}")


@data_app.command()
def decontaminate(
    corpus: Corpus,
    out: Beside,
    against: Annotated[list[Path], typer.Option(help="A folder with benchmarks, as `eval --data-root`; repeatable.")],
    media_root: MediaRoot = "",
    workers: Workers = 0,
    ray: Ray = "",
    set_: Thresholds = None,
) -> None:
    """Leave out what is shared with the benchmarks on disk: pictures and clips by near duplicates, questions by runs of
    13 words. A copy, and a page that says which source shares what with which benchmark, before and after."""
    from onethinker.corpus.decontaminate import DecontaminateConfig
    from onethinker.corpus.decontaminate import decontaminate as write

    chosen = _thresholds(DecontaminateConfig(), set_)
    found = write(corpus, out, against, chosen, media_root=media_root or None, workers=workers, ray=ray)
    for row in found.table:
        print(f"{row.samples:8,}  samples and {row.media} media of {row.source} are shared with {row.benchmark}")
    print(f"not on this disk: {len(found.absent)} of {len(found.absent) + len(found.read)} benchmarks")
    print(f"{found.kept:,} of {found.samples:,} samples stay → {out}, page {out / 'report/contamination.html'}")


def _thresholds(config: Any, assignments: list[str] | None) -> Any:
    from onethinker.recipes.base import override

    return override(config, assignments or [])


# ---- difficulty, annotate

SettingsFile = Annotated[
    str,
    typer.Option("--settings", help="A YAML file of the keys that differ; `annotate --copy DIR` writes them all."),
]


@data_app.command()
def difficulty(
    corpus: Corpus,
    model: Annotated[str, typer.Option(help="Who answers: a shipped name, a folder, a hub id or http://…/v1.")],
    samples: Annotated[int, typer.Option(help="Sampled answers to each question.", min=1)] = 8,
    out: Annotated[Path | None, typer.Option(help="A folder beside; the corpus itself unless given.")] = None,
    settings: SettingsFile = "",
    media_root: MediaRoot = "",
    limit: Limit = None,
    engine: EngineOption = "",
    as_: As = "",
    prompts: Prompts = "",
    device: Device = "",
    dtype: Dtype = "",
    attention: Attention = "",
    ray: Ray = "",
    set_: Set = None,
) -> None:
    """How often a model answers each sample right, into `meta.difficulty`; asks only what is missing.

    An answer is right from its task's threshold on (`thresholds` of --settings). RL trains on a window of it by
    `--set data.difficulty=[0.1,0.9]`. The answers' temperature is the recipe's `evaluate.temperature`.
    """
    from onethinker.corpus.annotate.settings import load_settings
    from onethinker.corpus.difficulty import Asked, measure_difficulty, print_difficulty
    from onethinker.engines.base import Sampling
    from onethinker.models.shipped import find_model
    from onethinker.recipes.answering import answering_engine, asked_as, flag_overrides
    from onethinker.recipes.tools import recipe_prompts
    from onethinker.util.interrupt import kept

    thresholds = load_settings(settings).thresholds
    name = find_model(model, engine)
    target = asked_as(name, as_)
    flags = {"prompts": prompts, "device": device, "dtype": dtype, "attention": attention}
    recipe = target.overridden([*flag_overrides(flags), *(set_ or [])])
    target.tell(recipe)
    asks = recipe.evaluate
    drawn = Sampling(n=samples, temperature=asks.temperature, max_tokens=asks.max_tokens, seed=recipe.seed)
    answers = answering_engine(recipe, engine, ray)
    asked = Asked(answers, model, recipe_prompts(recipe), asks.budget, drawn, thresholds)
    folder, root = out or corpus, Path(media_root) if media_root else None
    with kept(lambda: f"what was answered is kept in {folder}; the same command asks the rest"):
        made = measure_difficulty(corpus, folder, asked, media_root=root, limit=limit)
    print_difficulty(made)
    for sample, problem in list(made.problems.items())[:20]:
        print(f"not measured: {sample}: {problem}", file=sys.stderr)
    print(f"{sum(map(len, made.rates.values()))} samples measured, {len(made.problems)} not → {folder}")
    raise typer.Exit(1 if made.problems else 0)


@data_app.command()
def annotate(
    corpus: Corpus,
    model: Annotated[str, typer.Option(help="Who is asked: http://host:port/v1, or with #NAME its model.")] = "",
    out: Annotated[Path | None, typer.Option(help="Folder to write; CORPUS-annotated unless given.")] = None,
    budget_usd: Annotated[float | None, typer.Option(help="Dollars that are never overrun.", min=0)] = None,
    budget_tokens: Annotated[int | None, typer.Option(help="Tokens, in and out, never overrun.", min=0)] = None,
    price_in: Annotated[float | None, typer.Option(help="Dollars for a million tokens of prompt.")] = None,
    price_out: Annotated[float | None, typer.Option(help="Dollars for a million tokens of answer.")] = None,
    prices: Annotated[str, typer.Option(help="YAML of prices: `MODEL: {in: 0.4, out: 1.6, batch: 0.5}`.")] = "",
    prompts: Annotated[str, typer.Option(help="A YAML file of templates, short or full; our own unless given.")] = "",
    settings: SettingsFile = "",
    candidates: Annotated[int | None, typer.Option(help="Answers a sample.", min=1)] = None,
    concurrency: Annotated[int | None, typer.Option(help="Requests at one time.", min=1)] = None,
    requests_per_minute: Annotated[float | None, typer.Option(help="A limit of the server's.")] = None,
    tokens_per_minute: Annotated[float | None, typer.Option(help="A limit of the server's.")] = None,
    batch: Annotated[bool, typer.Option("--batch", help="By the batch form of the API.")] = False,
    as_: As = "",
    media_root: MediaRoot = "",
    limit: Limit = None,
    copy: Annotated[Path | None, typer.Option(help="Only copy the shipped prompts and settings there.")] = None,
) -> None:
    """Chains of thought from any OpenAI-compatible endpoint: an SFT set of the answers that pass, and why others do
    not.

    Goes on where it was stopped, and pays for no answer twice: OUT/annotation holds what was paid for. The key is
    OPENAI_API_KEY. docs/annotation.md explains thresholds, checks and the budget.
    """
    from onethinker.corpus.annotate.run import Money, annotate, copy_files
    from onethinker.corpus.annotate.settings import load_settings, settings_like
    from onethinker.corpus.annotate.table import print_table

    if copy:
        for file in copy_files(copy):
            print(file)
        return
    if not model:
        raise typer.BadParameter("name who is asked, --model http://host:port/v1", param_hint="--model")
    like = settings_like(as_) if as_ else {}
    chosen = load_settings(
        settings, candidates=candidates, concurrency=concurrency, requests_per_minute=requests_per_minute,
        tokens_per_minute=tokens_per_minute, **{k: v for k, v in like.items() if k != "prompts"},
    )  # fmt: skip
    folder = out or corpus.with_name(f"{corpus.name}-annotated")
    money = Money(budget_usd, budget_tokens, price_in, price_out, prices)
    made = annotate(
        corpus, model, folder, money, settings=chosen, prompts=prompts or like.get("prompts", ""), limit=limit,
        media_root=Path(media_root) if media_root else None, batch=batch,
    )  # fmt: skip
    print_table(made["table"])
    print(folder / "report" / "annotation.html")


# ---- export, push


@data_app.command("export")
def export_(
    data: Annotated[Path, typer.Argument(help="A corpus, or any file or folder of samples.")],
    form: Annotated[
        str, typer.Option(help="parquet (a hub's), webdataset (tar files), published, sharegpt, verl or easyr1.")
    ],
    out: Annotated[Path, typer.Option(help="Folder to write.")],
    embed: Annotated[
        bool, typer.Option("--embed", help="Media within the files (parquet; pictures of verl and easyr1), not linked.")
    ] = False,
    prompts: Annotated[
        str, typer.Option(help="Prompt set of the forms that hold whole prompts, or a YAML file.")
    ] = "full",
    truths: Annotated[
        bool, typer.Option("--truths", help="sharegpt: teach the bare truth where there is no worked answer.")
    ] = False,
    shard_mb: Annotated[int, typer.Option(help="Megabytes of a file, about.", min=1)] = 512,
    media_root: Annotated[str, typer.Option(help="Folder that media paths are relative to.")] = "",
) -> None:
    """Hand a corpus on in a form that others' programs read. Goes on where it was ended."""
    from onethinker.corpus.export import export as write

    made = write(
        data, out, form, media_root=media_root or None, embed=embed, prompts=prompts, truths=truths,
        shard_bytes=shard_mb << 20,
    )  # fmt: skip
    for reason, count in made.left_out.items():
        print(f"left out: {count:,}, {reason}")
    print(f"{made.rows:,} samples → {made.folder}\nread by: {made.read_by}")


@data_app.command()
def push(
    data: Annotated[Path, typer.Argument(help="A corpus, or what `data export` wrote as parquet or webdataset.")],
    repo: Annotated[str, typer.Argument(help="OWNER/NAME of the data set on the hub.")],
    public: Annotated[bool, typer.Option("--public", help="For everybody to see; private unless given.")] = False,
    media_root: Annotated[str, typer.Option(help="Folder that media paths are relative to.")] = "",
) -> None:
    """Upload a corpus to a hub as Parquet with its media, card included. Goes on where it was ended."""
    from onethinker.corpus.push import push as upload

    print(upload(data, repo, media_root=media_root or None, private=not public))
